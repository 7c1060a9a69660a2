// SPDX-License-Identifier: Apache-2.0
// Charts in SVG: power as steps, a forecast with its error and the chosen window, bars.
import { digits, grams, hour, intensity, minutes, watts, weekday } from "./format.js";
import { svg } from "./parts.js";

const MARGIN = { left: 46, right: 12, top: 10, bottom: 22 };
const HEIGHT = 190; // of a chart, unless it says another

/** A round step of an axis: 1, 2 or 5 times a power of ten. */
function stepOf(range, most) {
  const rough = range / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? 10 * power;
}

/** What charts have in common: scales, axes, and a place for what is under the pointer. */
class Frame {
  constructor(box, name, height = HEIGHT) {
    this.height = height;
    this.width = Math.max(240, box.clientWidth);
    this.root = svg("svg", {
      viewBox: `0 0 ${this.width} ${height}`, width: this.width, height, role: "img", "aria-label": name,
    });
    box.replaceChildren(this.root);
  }

  scale(from, to, top) {
    const step = stepOf(top, 4);
    this.from = from;
    this.to = to;
    this.top = Math.ceil(top / step) * step;
    for (let v = 0; v <= this.top + step / 1000; v += step) {
      const y = this.y(v);
      this.root.append(
        svg("line", { class: "grid", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y, y2: y }),
        svg("text", { class: "axis", x: MARGIN.left - 6, y: y + 4, "text-anchor": "end" },
          String(Number(v.toPrecision(2)))),
      );
    }
  }

  x(time) {
    const span = this.width - MARGIN.left - MARGIN.right;
    return MARGIN.left + (time - this.from) / (this.to - this.from) * span;
  }

  y(value) {
    const span = this.height - MARGIN.top - MARGIN.bottom;
    return this.height - MARGIN.bottom - value / this.top * span;
  }

  time(at, text, anchor = "middle") {
    this.root.append(svg("text", { class: "axis", x: this.x(at), y: this.height - 6, "text-anchor": anchor }, text));
  }

  /** Shows `describe(time)` beside the pointer. */
  hover(describe) {
    const line = svg("line", { class: "cursor", y1: MARGIN.top, y2: this.height - MARGIN.bottom, visibility: "hidden" });
    const words = svg("text", { class: "reading", y: MARGIN.top + 10, visibility: "hidden" });
    const show = (event) => {
      const box = this.root.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * this.width;
      const span = this.width - MARGIN.left - MARGIN.right;
      const said = describe(this.from + (x - MARGIN.left) / span * (this.to - this.from));
      const visibility = said && x >= MARGIN.left ? "visible" : "hidden";
      const right = x > this.width / 2;
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      words.setAttribute("x", right ? x - 6 : x + 6);
      words.setAttribute("text-anchor", right ? "end" : "start");
      words.textContent = said ?? "";
      line.setAttribute("visibility", visibility);
      words.setAttribute("visibility", visibility);
    };
    const hide = () => [line, words].forEach((n) => n.setAttribute("visibility", "hidden"));
    this.root.append(line, words);
    this.root.addEventListener("pointermove", show);
    this.root.addEventListener("pointerleave", hide);
  }
}

/** Steps: each has its value from `start` to `end`; where the next one begins later, a gap. */
function stepPath(frame, steps, value) {
  let path = "", last = null;
  for (const s of steps) {
    const y = frame.y(value(s)).toFixed(1);
    path += `${last === s.start ? "L" : "M"}${frame.x(s.start).toFixed(1)} ${y}H${frame.x(s.end).toFixed(1)}`;
    last = s.end;
  }
  return path;
}

/**
 * Power: the mean between two readings of the meter.
 *   steps  [{start, end (ms), w, idle_w}], ascending
 */
export function drawPower(box, steps, spanMs) {
  const last = steps[steps.length - 1];
  const frame = new Frame(box, `Power, now ${watts(last.w)}`, box.clientWidth > 400 ? 300 : HEIGHT);
  frame.scale(last.end - spanMs, last.end, Math.max(...steps.map((s) => s.w), 1) * 1.1);
  const area = steps.map((s) => {
    const [x, right, y] = [frame.x(s.start), frame.x(s.end), frame.y(s.w)];
    return `M${x.toFixed(1)} ${frame.y(0)}V${y.toFixed(1)}H${right.toFixed(1)}V${frame.y(0)}Z`;
  }).join("");
  frame.root.append(
    svg("path", { class: "area", d: area }),
    svg("path", { class: "line", d: stepPath(frame, steps, (s) => s.w) }),
  );
  for (let min = 1; min * 60000 < spanMs; min++) {
    frame.time(last.end - min * 60000, `−${min} min`);
  }
  frame.time(last.end, "now", "end");
  frame.hover((at) => {
    const s = steps.find((t) => at >= t.start && at < t.end);
    return s && `${watts(s.w)} · ${age(last.end - s.end)}`;
  });
}

const age = (ms) => (ms < 1000 ? "now" : `${Math.round(ms / 1000)} s ago`);

/**
 * A forecast: intensities with their error, and windows.
 *   slots    [{start, end (ms), mg, error (mg or null), kind}]
 *   windows  [{start, end}]: what was chosen
 */
export function drawForecast(box, slots, windows) {
  const known = slots.filter((s) => s.error !== null);
  const frame = new Frame(box, `Grid intensity expected, from ${intensity(slots[0].mg)} now`);
  const top = Math.max(...slots.map((s) => s.mg + (s.error ?? 0))) / 1000;
  frame.scale(slots[0].start, slots[slots.length - 1].end, top * 1.05);
  for (const w of windows) {
    const [x, right] = [frame.x(Math.max(w.start, frame.from)), frame.x(w.end)];
    frame.root.append(svg("rect", {
      class: "window", x, width: Math.max(2, right - x), y: MARGIN.top, height: HEIGHT - MARGIN.top - MARGIN.bottom,
    }));
  }
  const band = known.map((s) => {
    const [x, right] = [frame.x(s.start).toFixed(1), frame.x(s.end).toFixed(1)];
    const low = frame.y(Math.max(0, s.mg - s.error) / 1000).toFixed(1);
    return `M${x} ${low}V${frame.y((s.mg + s.error) / 1000).toFixed(1)}H${right}V${low}Z`;
  }).join("");
  frame.root.append(
    svg("path", { class: "band", d: band }),
    svg("path", { class: "line", d: stepPath(frame, slots, (s) => s.mg / 1000) }),
  );
  const hours = frame.width < 480 ? 12 : 6;
  for (const t = new Date(frame.from); t.getTime() < frame.to; t.setHours(t.getHours() + 1, 0, 0, 0)) {
    if (t.getTime() >= frame.from && t.getHours() % hours === 0 && t.getMinutes() === 0 &&
      frame.x(t.getTime()) < frame.width - 40) {
      frame.time(t.getTime(), t.getHours() === 0 ? weekday(t.getTime()) : hour(t.getTime()));
    }
  }
  frame.hover((at) => {
    const s = slots.find((t) => at >= t.start && at < t.end);
    return s && `${minutes(s.start)} · ${intensity(s.mg)}${s.error === null ? "" : ` ± ${digits(s.error / 1000)}`}`;
  });
}

/** Bars below each other, each with the error of its value where it has one.
 *   rows   [{name, value, low, high (or null), kind, text}]
 *   words  room for the texts */
function drawBars(box, name, rows, words) {
  const width = Math.max(240, box.clientWidth), step = 26;
  const left = 12 + 6.5 * Math.max(...rows.map((r) => r.name.length)), room = width - left - words;
  const top = Math.max(...rows.map((r) => r.high ?? r.value));
  const x = (v) => left + (top > 0 ? Math.max(0, v) / top * room : 0);
  const parts = rows.map((r, i) => {
    const y = 6 + i * step, [a, b, m] = [x(r.low ?? 0), x(r.high ?? 0), y + 9];
    return [
      svg("text", { class: "axis", x: left - 8, y: y + 14, "text-anchor": "end" }, r.name),
      svg("rect", { class: r.kind, x: left, y, width: x(r.value) - left, height: 18, rx: 2 }),
      r.high === null ? [] : svg("path", { class: "error", d: `M${a} ${m - 5}V${m + 5}M${b} ${m - 5}V${m + 5}M${a} ${m}H${b}` }),
      svg("text", { class: "value", x: x(Math.max(r.value, r.high ?? 0)) + 8, y: y + 14 }, r.text),
    ];
  });
  const height = 8 + rows.length * step;
  box.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": name }, ...parts.flat(2)));
}

/** A gain against the counterfactual, and the error of their difference on the second bar. */
export function drawGain(box, now, then, error) {
  drawBars(box, `At once ${intensity(now)}, in the window ${intensity(then)}`, [
    { name: "at once", value: now, low: null, high: null, kind: "bar-now", text: intensity(now) },
    { name: "in the window", value: then, low: error === null ? null : then - error,
      high: error === null ? null : then + error, kind: "bar-then", text: intensity(then) },
  ], 95);
}

/** What answers took, beside what one upstream alone would have taken. */
export function drawSaved(box, saved) {
  const row = (name, g, kind) => ({ name, value: g.co2_ug, low: g.co2_low_ug, high: g.co2_high_ug, kind,
    text: `${grams(g.co2_ug)} (${grams(g.co2_low_ug)} to ${grams(g.co2_high_ug)})` });
  const rows = [row(`${saved.alone} alone`, saved.alone_took, "bar-now"), row("as routed", saved.took, "bar-then")];
  drawBars(box, rows.map((r) => `${r.name} ${r.text}`).join("; "), rows, 205);
}
