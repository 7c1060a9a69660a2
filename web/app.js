// SPDX-License-Identifier: Apache-2.0
// The page: asks the server how it goes while somebody looks, and shows it. A figure that the
// server does not know is left out and said to be missing; none is guessed here. The one
// figure that is formed here is power: the difference of two readings over their time.
import { drawForecast, drawGain, drawPower, drawSaved } from "./charts.js";
import * as f from "./format.js";
import { byId, el, gauge, label, say } from "./parts.js";
import { bytesAt, isOpen, jsonAt, Refused, useToken } from "./server.js";
import { openLog, verifyReceipt, Wrong } from "./verify.js";

const BUSY_MS = 1000; // between two questions while answers are made ...
const CALM_MS = 2000; // ... and while none is
const SLOW_MS = 300000; // forecasts and logs
const POWER_MS = 300000; // of power that is shown
const SHOWN = 64; // requests: as many as the server remembers

let state = null; // the server's last one
let steps = []; // of power
let outlook = null;
let requests = []; // newest first
let last = 0; // number of the newest request
let paused = false;
let timer = 0;
const verified = new Map(); // receipt: what came of verifying it
const opened = new Set(); // receipts whose checks are shown

// --- what this browser remembers -------------------------------------------------------------

const remembered = ["key", "log_key", "log_size", "log_root"];

function memory() {
  return Object.fromEntries(remembered.map((name) => [name, localStorage.getItem(`tern.${name}`) ?? undefined]));
}

function remember(facts) {
  for (const [name, value] of Object.entries(facts)) {
    localStorage.setItem(`tern.${name}`, value);
  }
}

function forget() {
  remembered.forEach((name) => localStorage.removeItem(`tern.${name}`));
  verified.clear();
  drawRequests();
  checkLog();
}

// --- tiles -----------------------------------------------------------------------------------

const tile = (name, value, note, ...labels) => el("div", { class: "tile" },
  el("h3", {}, name), el("p", { class: "figure" }, value), el("p", { class: "note" }, labels, note));

function powerTile(energy) {
  const now = steps[steps.length - 1];
  if (!energy) {
    return tile("Power", "not known", "no meter, and nothing to model it with");
  }
  return tile("Power", now ? f.watts(now.w) : "…",
    energy.idle_known ? `${f.watts(energy.idle_uw / 1e6)} of it idle (${energy.idle_by})` : "idle is not known",
    label(f.evidence(energy), energy.evidence));
}

function gridTile() {
  const slot = outlook?.feed && outlook.feed.how !== "yearly" ? outlook.feed.slots[0] : null;
  if (slot) {
    return tile("Grid now", f.intensity(slot.intensity_mg_kwh),
      `${outlook.feed.zone}, ${outlook.feed.source}, ${f.basis(outlook.feed.basis)}`, label(slot.kind, "declared"));
  }
  const grid = state.grid;
  return grid
    ? tile("Grid", f.intensity(grid.intensity_mg_kwh),
      `mean of ${grid.year}, ${grid.zone}, ${grid.source}, ${f.basis(grid.basis)}`, label("declared", "declared"))
    : tile("Grid", "not known", "no zone: --zone or TERN_ZONE says which");
}

const atEnd = {
  queue: "then requests that have a deadline wait, others are refused",
  refuse: "then requests are refused",
  smaller: "then whoever takes the fewest grams answers",
};

function budgetTile() {
  const budget = state.routing?.budget;
  if (!budget) {
    return tile("Budget today", "none", state.routing ? "the policy of --routes sets none"
      : "no grams a day are set: tern serve --routes FILE");
  }
  const now = state.now_unix_ms, renews = budget.renews_unix_s * 1000;
  const node = tile("Budget today", [f.grams(budget.used_ug), el("span", { class: "of" }, ` of ${f.grams(budget.day_ug)}`)],
    `a new day begins at ${f.minutes(renews)}, in ${f.age(renews - now)}; ${atEnd[budget.at_end]}` +
    (budget.reserve_ug > 0 ? `, from ${f.grams(budget.reserve_ug)} more` : "") + `. ${f.basis(budget.basis)}`);
  node.querySelector(".figure").after(gauge(budget.used_ug, budget.day_ug, "Of today's budget"));
  return node;
}

function savedTile() {
  const saved = state.routing?.savings;
  const name = "Saved by routing";
  if (!state.routing) {
    return tile(name, "none", "this machine answers everything: tern serve --routes FILE. What waiting would save is below");
  }
  if (!saved) {
    return tile(name, "not known", "nobody in --routes is good for every task, so there is nothing to compare with");
  }
  const none = saved.moved === 0;
  if (none && state.routing.failed_ug === 0) {
    return tile(name, "none yet", saved.compared > 0 ? `${saved.alone} gave every answer, as it would have alone`
      : saved.not_compared > 0 ? "grams of the answers so far cannot be compared" : "no answers yet");
  }
  return tile(saved.co2_ug < 0 ? "Routing took more" : name, f.grams(Math.abs(saved.co2_ug)),
    `${f.grams(saved.co2_low_ug)} to ${f.grams(saved.co2_high_ug)} against ${saved.alone} alone`,
    none ? null : label(saved.evidence, saved.evidence));
}

function drawTiles() {
  const { answers, energy, engine, grid } = state;
  const since = `since ${f.clock(state.started_unix_ms)}`;
  const here = state.routing ? " here" : "";
  const others = (state.routing?.by ?? []).filter((o) => !o.local).reduce((sum, o) => sum + o.answers, 0);
  const all = energy && energy.requests_uj + energy.idle_uj + energy.waiting_uj;
  byId("tiles").replaceChildren(
    powerTile(energy),
    gridTile(),
    tile("Answers", f.count(answers.n + others),
      `${since}; ${state.routing ? `${f.count(others)} by others; ` : ""}${engine.active} now, ${engine.queued} waiting, ${f.count(engine.output_tokens)} tokens`),
    energy
      ? tile(`Energy of answers${here}`, f.joules(answers.energy_uj),
        `above idle; ${f.joules(answers.idle_uj)} of idle beside it; ${f.joules(all)} in all ${since}`,
        label(f.evidence(energy), energy.evidence))
      : tile("Energy of answers", "not known", "no meter"),
    grid && energy
      ? tile(`Emissions of answers${here}`, f.grams(answers.co2_ug),
        `CO₂e, with idle, by ${grid.zone}'s mean of ${grid.year}`, label(energy.evidence, energy.evidence),
        label("declared grid", "declared"))
      : tile("Emissions of answers", "not known", grid ? "no meter" : "no zone"),
    budgetTile(),
    savedTile(),
  );
}

// --- who answered ----------------------------------------------------------------------------

const range = (g) => `${f.grams(g.co2_low_ug)} to ${f.grams(g.co2_high_ug)}`;

function stateOf(one) {
  return !one.ready ? label(one.local ? "another model is served" : "no key", "no")
    : one.paused ? label("paused: it fails", "no") : null;
}

function routeRow(one) {
  const cell = (name, ...content) => el("td", { "data-name": name }, content);
  const known = one.answers > one.unknown;
  return el("tr", { "data-by": one.name },
    cell("Who", el("strong", {}, one.name), stateOf(one),
      el("span", { class: "note below" }, one.local ? `${one.model}, this machine` : one.model,
        one.zone ? `, ${one.zone}` : "")),
    cell("Answers", f.count(one.answers),
      el("span", { class: "note below" }, one.failures > 0 ? `${f.count(one.failures)} failed` : "")),
    cell("Energy", one.energy_uj > 0 ? f.joules(one.energy_uj) : one.answers > 0 ? el("span", { class: "note" }, "not known") : "–"),
    cell("CO₂e", known ? [f.grams(one.co2_ug), el("span", { class: "note below" }, range(one))]
      : one.answers > 0 ? el("span", { class: "note" }, "not known") : "–"));
}

function drawRouting() {
  const r = state.routing;
  byId("routing").hidden = !r;
  if (!r) {
    return;
  }
  const names = ["Who", "Answers", "Energy", "CO₂e"];
  byId("routes").replaceChildren(el("table", { "aria-labelledby": "routing-title" },
    el("thead", {}, el("tr", {}, names.map((n) => el("th", { scope: "col" }, n)))),
    el("tbody", {}, r.by.map(routeRow))));
  const saved = r.savings, moved = saved?.moved > 0;
  say(byId("routing-note"), `Since ${f.clock(state.started_unix_ms)}; ` +
    (r.first === "local" ? "this machine first where it will do" : "the fewest expected grams first") +
    (r.basis ? `; grams with idle and cooling, on the basis ${f.basis(r.basis)}.` : "."));
  say(byId("saved-note"), !saved ? "" : (moved
    ? `${f.count(saved.moved)} answers were by others than ${saved.alone}, the first that is good for every task. ` +
      "Beside what they took: what it is expected to take for the same tokens. The lines are the ranges."
    : "") + (saved.not_compared > 0 ? ` ${f.count(saved.not_compared)} more cannot be compared.` : "") +
    (r.failed_ug > 0 ? ` Attempts that came to nothing took ${f.grams(r.failed_ug)}.` : ""));
  if (moved) {
    drawSaved(byId("saved"), saved);
  } else {
    byId("saved").replaceChildren();
  }
}

// --- power -----------------------------------------------------------------------------------

function takePower(before, now) {
  if (!before?.energy || !now.energy) {
    return;
  }
  const seconds = (now.energy.steady_ns - before.energy.steady_ns) / 1e9;
  if (seconds < 0.2) {
    return;
  }
  const end = now.now_unix_ms;
  const previous = steps[steps.length - 1];
  const start = Math.max(end - seconds * 1000, previous?.end ?? 0);
  steps.push({ start: previous && start - previous.end < 50 ? previous.end : start, end,
    w: (now.energy.metered_uj - before.energy.metered_uj) / 1e6 / seconds });
  steps = steps.filter((s) => s.end > end - POWER_MS);
}

function drawPowerPanel() {
  const energy = state.energy;
  say(byId("power-note"), energy
    ? `Watts, by ${energy.meter} (${f.evidence(energy)}); each step is the mean between two readings.` +
      (energy.meters_denied > 0 ? ` ${energy.meters_denied} meters are there, but not for this user.` : "")
    : "Nobody knows what this machine draws.");
  if (energy && steps.length > 0) {
    drawPower(byId("power"), steps, POWER_MS);
  } else {
    byId("power").replaceChildren();
  }
}

// --- the grid --------------------------------------------------------------------------------

const span = (s) => ({ start: Date.parse(s.start), end: Date.parse(s.start) + s.length_s * 1000 });

function drawChoice() {
  const d = outlook.decision;
  const box = byId("choice");
  const why = el("ul", { class: "why" }, d.reasons.map((r) => el("li", {}, r.text)));
  if (!d.wait || !d.now) {
    box.replaceChildren(el("p", {}, el("strong", {}, "Do not wait. "),
      "For an hour of work that can wait until this time tomorrow, nothing better is to be had:"), why);
    return;
  }
  const gain = d.now.mean_mg_kwh - d.cost.mean_mg_kwh;
  const error = d.error_mg_kwh ?? null;
  const chart = el("div", { class: "gain" });
  box.replaceChildren(
    el("p", {}, el("strong", {}, `Best hour: ${f.day(Date.parse(d.start))}, ${f.minutes(Date.parse(d.start))}. `),
      `An hour of work that can wait until this time tomorrow would save ${f.intensity(gain)}`,
      error === null ? ", with an error that is not known. " : ` ± ${f.digits(error / 1000)} against starting at once. `,
      label("forecast", "modelled")), chart, why);
  drawGain(chart, d.now.mean_mg_kwh, d.cost.mean_mg_kwh, error);
}

function drawGrid() {
  const note = byId("grid-note"), box = byId("grid");
  if (!outlook?.feed || outlook.feed.slots.length === 0) {
    say(note, outlook ? `Nothing is known of the hours to come: ${outlook.why ?? outlook.feed?.why}` : "");
    box.replaceChildren();
    byId("choice").replaceChildren();
    return;
  }
  const feed = outlook.feed;
  const origin = `${feed.zone}, ${feed.source}, ${f.basis(feed.basis)}, ${feed.how}` + (feed.why ? `: ${feed.why}` : "");
  if (feed.how === "yearly") {
    say(note, `No forecast: ${origin}. A mean of a year says nothing of hours.`);
    box.replaceChildren();
  } else {
    say(note, `g/kWh: ${origin}. The band is the error: the truth is in it in two cases of three.`);
    const slots = feed.slots.map((s) => ({ start: Date.parse(s.start), end: Date.parse(s.end),
      mg: s.intensity_mg_kwh, error: s.error_mg_kwh ?? null, kind: s.kind }));
    drawForecast(box, slots, outlook.decision.wait ? outlook.decision.slices.map(span) : []);
  }
  drawChoice();
}

// --- requests --------------------------------------------------------------------------------

const words = { ok: "verified", no: "refused", open: "not checked", busy: "checking" };
const signs = { ok: "✓", no: "✗", open: "○", busy: "…" };

function checksOf(r) {
  const result = verified.get(r.receipt);
  const notes = [`Receipt ${r.receipt}.`, r.receipts > 1 ? ` It is the first of ${r.receipts}, one for each choice.` : "",
    " The output's text is not kept here: tern verify --output compares it."];
  return el("div", { class: "checks" },
    el("ul", {}, (result.checks ?? []).map((c) => el("li", { class: c.state },
      el("span", { class: "sign", "aria-hidden": "true" }, signs[c.state]),
      el("strong", {}, c.name), ` ${c.state === "ok" ? "" : `${words[c.state]}: `}${c.text}`))),
    el("p", { class: "note" }, notes, " ", isOpen() &&
      el("a", { href: `/v1/receipts/${r.receipt}`, target: "_blank", rel: "noopener" }, "The receipt itself")));
}

function verifyButton(r) {
  if (!r.receipt) {
    return el("span", { class: "note" }, "no receipt");
  }
  const result = verified.get(r.receipt);
  const verdict = result?.verdict;
  return el("button", {
    type: "button", class: `verify ${verdict ?? ""}`, "data-receipt": r.receipt,
    "aria-expanded": String(opened.has(r.receipt)), onclick: () => press(r),
    "aria-label": `${verdict ? words[verdict] : "verify"}: the receipt of ${f.clock(r.ended_unix_ms)}`,
  }, verdict ? `${signs[verdict]} ${words[verdict]}` : "verify");
}

function energyCell(r) {
  if (!r.energy) {
    return el("span", { class: "note" }, "not known");
  }
  if (r.upstream) {
    return [el("span", { class: "number" }, f.joules(r.energy.energy_uj)),
      el("span", { class: "note below" },
        `${r.energy.evidence}, ${f.joules(r.energy.energy_low_uj)} to ${f.joules(r.energy.energy_high_uj)}`)];
  }
  return [el("span", { class: "number" }, f.joules(r.energy.energy_uj)),
    el("span", { class: "note" }, ` + ${f.joules(r.energy.idle_uj)} idle`),
    el("span", { class: "note below" }, f.evidence(r.energy) + (r.energy.flags.length ? `, ${r.energy.flags.join(", ")}` : ""))];
}

function rowOf(r) {
  const seconds = (r.total_ns - r.first_ns) / 1e9;
  const speed = r.first_ns > 0 && r.output_tokens > 1 && seconds > 0
    ? `${f.digits((r.output_tokens - 1) / seconds)} tok/s` : "";
  const cell = (name, ...content) => el("td", { "data-name": name }, content);
  const bad = r.status !== 200;
  return [
    el("tr", { class: bad ? "bad" : "", "data-number": r.number },
      cell("Time", f.clock(r.ended_unix_ms)),
      cell("What", r.operation, r.upstream ? el("span", { class: "note below" }, `by ${r.upstream}`) : null, bad ? el("span", { class: "label no" }, r.status === 499 ? "client gone" : String(r.status)) : null),
      cell("Tokens", `${f.count(r.prompt_tokens)} → ${f.count(r.output_tokens)}`),
      cell("Took", f.duration(r.total_ns), el("span", { class: "note below" }, speed)),
      cell("Energy", energyCell(r)),
      cell("CO₂e", r.carbon ? [el("span", { class: "number" }, f.grams(r.carbon.co2_ug)),
        el("span", { class: "note below" }, r.upstream
          ? `${r.carbon.zone}, ${f.grams(r.carbon.co2_low_ug)} to ${f.grams(r.carbon.co2_high_ug)}`
          : `${r.carbon.zone} ${r.carbon.year}, declared`)]
        : el("span", { class: "note" }, "not known")),
      cell("Receipt", verifyButton(r))),
    opened.has(r.receipt) && verified.has(r.receipt)
      ? el("tr", { class: "detail" }, el("td", { colspan: 7 }, checksOf(r))) : null,
  ];
}

function drawRequests() {
  const focused = document.activeElement?.dataset?.receipt;
  say(byId("requests-note"), requests.length === 0 ? "None yet. Each answer will be here with what it cost."
    : "Energy is what the answer added, and its part of what the machine draws anyway" +
      `${state.routing ? "; others' is an estimate with its range" : ""}. No texts are kept.`);
  byId("verify-all").disabled = !requests.some((r) => r.receipt);
  const names = ["Time", "What", "Tokens", "Took", "Energy", "CO₂e", "Receipt"];
  byId("list").replaceChildren(requests.length === 0 ? "" : el("table", { "aria-labelledby": "requests-title" },
    el("thead", {}, el("tr", {}, names.map((n) => el("th", { scope: "col" }, n)))),
    el("tbody", {}, requests.map(rowOf))));
  if (focused) {
    document.querySelector(`[data-receipt="${focused}"]`)?.focus();
  }
}

async function verify(r) {
  verified.set(r.receipt, { verdict: "busy" });
  drawRequests();
  const shown = r.receipts === 1 ? { ...r, sha256: state.model.sha256 } : null;
  const result = await verifyReceipt(r.receipt, shown, bytesAt, memory(), state.log !== null);
  const news = result.remember.key !== memory().key;
  remember(result.remember);
  verified.set(r.receipt, result);
  if (news) {
    checkLog();
  }
  if (result.verdict === "no") {
    opened.add(r.receipt);
  }
  drawRequests();
}

/** Verifies, then opens; opens and closes what was verified. */
async function press(r) {
  if (opened.delete(r.receipt)) {
    drawRequests();
    return;
  }
  opened.add(r.receipt);
  if (verified.has(r.receipt)) {
    drawRequests();
  } else {
    await verify(r);
  }
}

async function verifyAll() {
  for (const r of requests.filter((q) => q.receipt)) {
    await verify(r);
  }
  checkLog();
}

// --- keys and log ----------------------------------------------------------------------------

async function checkLog() {
  const { key } = memory();
  const short = (line) => line.split("+").slice(0, 2).join("+");
  const rows = [el("dt", {}, "Key of receipts"), el("dd", {}, key
    ? `${short(key)}, as this browser saw it first`
    : state?.receipts ? "not seen yet: verify a receipt" : "there are no receipts (--no-receipt)")];
  if (state?.log) {
    let text, kind = "ok";
    try {
      const before = memory();
      const log = await openLog(bytesAt, before);
      remember(log.remember);
      text = `${log.checkpoint.size} entries, root ${log.remember.log_root.slice(0, 12)}…; signed by ` +
        `${log.key.short}, tiles checked` + (before.log_root ? ", a continuation of what this browser saw before" : ", seen for the first time");
    } catch (error) {
      kind = error instanceof Wrong ? "no" : "open";
      text = error.message;
    }
    rows.push(el("dt", {}, `Log ${state.log}`), el("dd", { class: kind, id: "log-state" },
      el("span", { class: "sign", "aria-hidden": "true" }, signs[kind]), `${words[kind]}: ${text}`));
  } else {
    rows.push(el("dt", {}, "Log"), el("dd", {}, "none is shown: tern serve --log-dir DIR"));
  }
  byId("log").replaceChildren(el("dl", {}, rows),
    el("p", { class: "note" }, "A signature shows that receipts are by whoever has that key, which only you can know to be this server. ",
      el("button", { type: "button", class: "small", onclick: forget, disabled: !key && !memory().log_key }, "Forget keys")));
}

// --- asking ----------------------------------------------------------------------------------

function status(kind, text) {
  byId("status").dataset.kind = kind;
  document.body.dataset.kind = kind;
  say(byId("status-text"), text);
}

function wantToken(wanted) {
  byId("token").hidden = !wanted;
  if (wanted) {
    status("no", "token wanted");
    byId("token-text").focus();
  }
}

function take(now) {
  takePower(state, now);
  const fresh = now.recent.filter((r) => r.number > last).reverse();
  const first = state === null;
  state = now;
  last = Math.max(last, now.last);
  requests = [...fresh, ...requests].slice(0, SHOWN);
  drawTiles();
  drawRouting();
  drawPowerPanel();
  if (fresh.length > 0 || first) {
    drawRequests();
  }
  say(byId("model"), `${now.model.name || now.model.id} · ${now.model.loading ? "loading" : now.model.loaded ? "loaded" : "asleep"}`);
  say(byId("foot"), `tern ${now.version} · ${now.model.id} · up ${f.age(now.now_unix_ms - now.started_unix_ms)}`);
  if (first) {
    checkLog();
  }
}

async function ask() {
  clearTimeout(timer);
  if (paused || document.hidden) {
    return;
  }
  let wait = CALM_MS;
  try {
    const now = await jsonAt(`/tern/state?since=${last}`);
    if (state && now.started_unix_ms !== state.started_unix_ms) { // another server: all anew
      [state, steps, requests, last, wait] = [null, [], [], 0, 0];
    } else {
      take(now);
      status("ok", now.engine.active > 0 ? "answering" : "live");
      wait = now.engine.active > 0 || steps.length === 0 ? BUSY_MS : CALM_MS;
    }
  } catch (error) {
    if (error instanceof Refused && error.status === 401) {
      wantToken(true);
      return;
    }
    status("no", state ? `no answer since ${f.clock(state.now_unix_ms)}` : "no answer");
  }
  clearTimeout(timer);
  timer = setTimeout(ask, wait);
}

async function askSlowly() {
  if (!paused && !document.hidden && byId("token").hidden) {
    try {
      outlook = await jsonAt("/tern/outlook");
      drawGrid();
      if (state) {
        drawTiles();
        checkLog();
      }
    } catch (error) {
      if (!(error instanceof Refused)) {
        say(byId("grid-note"), "no answer");
      }
    }
  }
}

// --- what people do --------------------------------------------------------------------------

function setTheme(name) {
  localStorage.setItem("tern.theme", name);
  if (name === "auto") {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = name;
  }
  say(byId("theme"), `Theme: ${name}`);
}

function nextTheme() {
  const themes = ["auto", "light", "dark"];
  const now = themes.indexOf(localStorage.getItem("tern.theme") ?? "auto");
  setTheme(themes[(now + 1) % themes.length]);
}

function togglePause() {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  say(byId("pause"), paused ? "Go on" : "Pause");
  if (paused) {
    clearTimeout(timer);
    status("open", "paused");
  } else {
    ask();
  }
}

function move(by) {
  const all = [...document.querySelectorAll("button.verify")];
  const at = all.indexOf(document.activeElement);
  all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))]?.focus();
}

const keys = {
  j: () => move(1), k: () => move(-1), v: verifyAll, p: togglePause, t: nextTheme,
  "?": () => byId("keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement || byId("keys").open;
  if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && Object.hasOwn(keys, event.key)) {
    event.preventDefault();
    keys[event.key]();
  }
});
byId("pause").addEventListener("click", togglePause);
byId("theme").addEventListener("click", nextTheme);
byId("help").addEventListener("click", () => byId("keys").showModal());
byId("keys-close").addEventListener("click", () => byId("keys").close());
byId("verify-all").addEventListener("click", verifyAll);
byId("token").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(byId("token-text").value);
  byId("token-text").value = "";
  wantToken(false);
  ask();
  askSlowly();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    ask();
  }
});
new ResizeObserver(() => {
  if (state) {
    drawPowerPanel();
    drawRouting();
    drawGrid();
  }
}).observe(byId("power"));

setTheme(localStorage.getItem("tern.theme") ?? "auto");
ask().then(askSlowly);
setInterval(askSlowly, SLOW_MS);
