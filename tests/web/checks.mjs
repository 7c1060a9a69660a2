// SPDX-License-Identifier: Apache-2.0
// web/verify.js in node, against a real server: what holds is "ok", and whatever is changed,
// in a receipt, a key, a checkpoint or a tile, is "no".  Also what the endpoints of the page
// say.  It leaves three receipts in the log and one outside.
import { execFileSync } from "node:child_process";
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";

const [url, work] = process.argv.slice(2);
const source = process.env.TERN_SOURCE;
// A module of the browser, which has no package.json that would call it one.
const { Tree, verifyReceipt, openLog, fromBase64 } = await import(
  `data:text/javascript;base64,${readFileSync(`${source}/web/verify.js`).toString("base64")}`);

let failed = 0;
async function test(name, run) {
  try {
    await run();
  } catch (error) {
    console.log(`FAILED: ${name}: ${error.stack}`);
    failed = 1;
  }
}

async function get(path) {
  const answer = await fetch(url + path);
  if (answer.status === 404) {
    return null;
  }
  assert.equal(answer.status, 200, path);
  return new Uint8Array(await answer.arrayBuffer());
}
const json = async (path) => JSON.parse(Buffer.from(await get(path)).toString());

async function ask(body) {
  const answer = await fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify({ max_tokens: 8, ...body }) });
  assert.equal(answer.status, 200);
  return answer.json();
}
async function recent(number) {
  for (let i = 0; i < 1000; i++) {
    const state = await json("/tern/state");
    if (state.last >= number) {
      return state;
    }
    await new Promise((r) => setTimeout(r, 50));
  }
  throw new Error(`no answer ${number}`);
}
const toLog = (...ids) => execFileSync("tern", ["log", "append", `${work}/receipts.log`,
  ...ids.map((id) => `${work}/.local/share/tern/receipts/${id}.json`)]);

/** The same server, but for one path. */
const but = (path, change) => async (asked) => {
  const bytes = await get(asked);
  return asked.startsWith(path) && bytes ? change(Uint8Array.from(bytes)) : bytes;
};
const states = (result) => Object.fromEntries(result.checks.map((c) => [c.name, c.state]));
const checked = async (id, shown, how, memory = {}) => {
  const result = await verifyReceipt(id, shown, how, memory, true);
  return { ...result, states: states(result) };
};

await test("the page and its files", async () => {
  const page = await fetch(`${url}/`, { headers: { Accept: "text/html,*/*" } });
  const text = await page.text();
  assert.equal(page.headers.get("Content-Type"), "text/html; charset=utf-8");
  assert.match(page.headers.get("Content-Security-Policy"), /^default-src 'none'; script-src 'self'/);
  assert.equal(text, readFileSync(`${source}/web/index.html`, "utf8"));
  for (const name of ["style.css", "icon.svg", "app.js", "charts.js", "format.js", "parts.js", "server.js", "verify.js"]) {
    const file = await fetch(`${url}/ui/${name}`);
    assert.equal(await file.text(), readFileSync(`${source}/web/${name}`, "utf8"));
    const again = await fetch(`${url}/ui/${name}`, { headers: { "If-None-Match": file.headers.get("ETag") } });
    assert.equal(again.status, 304, name);
    assert.equal(await again.text(), "");
  }
  assert.equal((await fetch(`${url}/ui/../app.js`)).status, 404);
  assert.equal((await fetch(`${url}/ui/nothing.js`)).status, 404);
  assert.match(await (await fetch(`${url}/`, { headers: { Accept: "*/*" } })).text(), /^tern \S+ is running\n$/);
});

const answers = [];
await test("what the server says of answers", async () => {
  const before = await json("/tern/state");
  assert.equal(before.last, 0);
  assert.deepEqual(before.recent, []);
  assert.equal(before.energy.evidence.length > 0, true);
  for (const prompt of ["One", "Two", "Three", "Four"]) {
    answers.push(await ask({ prompt, seed: 1 }));
  }
  await ask({ prompt: "Five", seed: 1, n: 2 });
  const state = await recent(5);
  const [first, fifth] = [state.recent[0], state.recent[4]];
  assert.equal(first.receipt, answers[0].receipt ?? answers[0].choices[0].receipt);
  assert.equal(first.output_tokens, answers[0].usage.completion_tokens);
  assert.deepEqual(first.energy, answers[0].energy);
  assert.deepEqual(first.carbon, answers[0].carbon);
  assert.equal(fifth.receipts, 2);
  assert.equal(state.answers.n, 5);
  assert.equal(state.answers.energy_uj, state.recent.reduce((sum, r) => sum + r.energy.energy_uj, 0));
  const { metered_uj, requests_uj, idle_uj, waiting_uj } = state.energy;
  assert.equal(metered_uj, requests_uj + idle_uj + waiting_uj);
  assert.ok(metered_uj > before.energy.metered_uj);
  assert.equal(JSON.stringify(state).includes("Four"), false); // no texts
  assert.deepEqual((await json("/tern/state?since=4")).recent.map((r) => r.number), [5]);
  assert.deepEqual((await json("/tern/state?since=5")).recent, []);
  assert.equal((await json("/tern/state?since=99")).recent.length, 5);
});

await test("what is expected of the grid", async () => {
  const outlook = await json("/tern/outlook");
  assert.equal(outlook.schema, "tern.outlook/1");
  assert.equal(outlook.feed.zone, "DE");
  assert.equal(outlook.feed.how, "derived");
  assert.ok(outlook.feed.slots.length >= 24);
  assert.ok(outlook.decision.start);
});

let shown, model;
await test("receipts", async () => {
  const state = await recent(5);
  model = state.model.sha256;
  shown = { ...state.recent[0], sha256: model };
  toLog(...state.recent.slice(0, 3).map((r) => r.receipt));
  const good = await checked(shown.receipt, shown, get);
  assert.deepEqual([good.verdict, good.states],
    ["ok", { key: "ok", signature: "ok", statement: "ok", figures: "ok", log: "ok" }], JSON.stringify(good.checks));
  const outside = await checked(state.recent[3].receipt, null, get);
  assert.deepEqual([outside.verdict, outside.states.log], ["ok", "open"]);
  assert.equal((await checked(shown.receipt, shown, get, good.remember)).verdict, "ok");
  assert.equal((await checked("0".repeat(26), null, get)).verdict, "open");
  // Another answer's receipt, in its place.
  const other = await checked(shown.receipt, shown, async (path) =>
    path === `/v1/receipts/${shown.receipt}` ? get(`/v1/receipts/${state.recent[1].receipt}`) : get(path));
  assert.deepEqual([other.verdict, other.states.signature, other.states.statement], ["no", "ok", "no"]);
});

await test("a receipt that was changed, at every 7th byte", async () => {
  const path = `/v1/receipts/${shown.receipt}`;
  const length = (await get(path)).length;
  let refused = 0, n = 0;
  for (let at = 0; at < length - 1; at += 7, n++) {
    const result = await checked(shown.receipt, shown, but(path, (b) => {
      b[at] ^= 1;
      return b;
    }));
    // What is not signed (names of other members, the hint keyid) may say anything; then the
    // log says that this is not its entry.
    refused += result.verdict === "no";
  }
  assert.equal(refused, n);
  const cut = await checked(shown.receipt, shown, but(path, (b) => b.slice(0, length / 2)));
  assert.equal(cut.verdict, "no");
});

await test("figures that are not those of the receipt", async () => {
  for (const change of [{ output_tokens: 9 }, { energy: { ...shown.energy, energy_uj: 1 } },
    { energy: { ...shown.energy, evidence: "measured" } }, { carbon: null }, { sha256: "0".repeat(64) }]) {
    const result = await checked(shown.receipt, { ...shown, ...change }, get);
    assert.equal(result.states.figures, "no", JSON.stringify(change));
    assert.equal(result.verdict, "no");
  }
});

await test("keys", async () => {
  const line = Buffer.from(await get("/v1/receipts/key")).toString().trim();
  const wrong = await checked(shown.receipt, shown, get, { key: line.replace("+", "x+") });
  assert.deepEqual([wrong.verdict, wrong.states.key], ["no", "no"]);
  const forged = await checked(shown.receipt, shown, but("/v1/receipts/key", (b) => {
    b[b.length - 8] ^= 1;
    return b;
  }));
  assert.equal(forged.verdict, "no");
  const logKey = await checked(shown.receipt, shown, get, { log_key: line });
  assert.equal(logKey.states.log, "no");
});

await test("a log that was changed", async () => {
  for (const path of ["/tern/log/checkpoint", "/tern/log/tile/0/", "/tern/log/vkey"]) {
    const result = await checked(shown.receipt, shown, but(path, (b) => {
      b[b.length - 9] ^= 1;
      return b;
    }));
    assert.equal(result.states.log, "no", path);
  }
  const elsewhere = await checked(shown.receipt, shown, but("/tern/log/find/", () => Buffer.from("1\n")));
  assert.equal(elsewhere.states.log, "no");
});

await test("a log that grows, and one that does not", async () => {
  const before = await openLog(get, {});
  assert.equal(before.checkpoint.size, 3);
  // Over the edge of a tile: 300 entries more.
  const files = Array.from({ length: 300 }, (_, j) => `${work}/entry-${j}`);
  files.forEach((file, j) => writeFileSync(file, `entry ${j}\n`));
  execFileSync("tern", ["log", "append", `${work}/receipts.log`, ...files]);
  const after = await openLog(get, before.remember);
  assert.equal(after.checkpoint.size, 303);
  assert.equal((await checked(shown.receipt, shown, get, before.remember)).states.log, "ok");
  for (const index of [0, 255, 256, 302]) {
    const bytes = index < 3 ? await get(`/v1/receipts/${shown.receipt}`) : Buffer.from(`entry ${index - 3}\n`);
    await after.tree.includes(index, bytes);
    await assert.rejects(after.tree.includes(index, Buffer.from("x")), /something else/);
  }
  await assert.rejects(after.tree.includes(303, Buffer.from("x")), /no such entry/);
  for (let size = 1; size <= 303; size += 37) { // every earlier tree, by roots that this one has
    const root = Uint8Array.from(await after.tree.rootAt(size, (l, i) => after.tree.hashes(l, i)));
    await after.tree.continues(size, root);
    root[0] ^= 1;
    await assert.rejects(after.tree.continues(size, root), /continuation/);
  }
  await assert.rejects(openLog(get, { ...before.remember, log_size: "400" }), /had 400 entries/);
  await assert.rejects(openLog(get, { ...before.remember, log_root: before.remember.log_root.replace(/^./, (c) => (c === "A" ? "B" : "A")) }), /continuation/);
  // A whole tile whose root is not in the tile above it.
  const tile = await get("/tern/log/tile/0/000");
  tile[0] ^= 1;
  const bad = new Tree(303, after.checkpoint.root, (name) => (name === "tile/0/000" ? tile : get(`/tern/log/${name}`)));
  await bad.check(); // not at the edge
  await assert.rejects(bad.includes(5, Buffer.from("entry 2\n")), /not in the tree/);
});

await test("base64", () => {
  for (const word of ["A", "A===", "AA A", "AA\n=", "AA-_", "=AAA"]) {
    assert.throws(() => fromBase64(word), /base64/, word);
  }
});
process.exit(failed);
