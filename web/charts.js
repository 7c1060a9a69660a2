// SPDX-License-Identifier: Apache-2.0
// Two charts in SVG: power as steps, a forecast with its error and the chosen window.
import { digits, hour, intensity, minutes, watts, weekday } from "./format.js";
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

/** A gain against the counterfactual: two bars, and the error of their difference on the
 * second. */
export function drawGain(box, now, then, error) {
  const width = Math.max(240, box.clientWidth), left = 92, room = width - left - 95;
  const top = Math.max(now, then + (error ?? 0));
  const row = (i, name, mg, kind) => {
    const y = 6 + i * 26, w = mg / top * room;
    return [
      svg("text", { class: "axis", x: left - 8, y: y + 14, "text-anchor": "end" }, name),
      svg("rect", { class: kind, x: left, y, width: w, height: 18, rx: 2 }),
      svg("text", { class: "value", x: left + Math.max(w, i ? (then + (error ?? 0)) / top * room : 0) + 8, y: y + 14 }, intensity(mg)),
    ];
  };
  const marks = [];
  if (error !== null) {
    const [x0, x1, y] = [left + Math.max(0, then - error) / top * room, left + (then + error) / top * room, 41];
    marks.push(svg("path", { class: "error", d: `M${x0} ${y - 5}V${y + 5}M${x1} ${y - 5}V${y + 5}M${x0} ${y}H${x1}` }));
  }
  box.replaceChildren(svg("svg", {
    viewBox: `0 0 ${width} 60`, width, height: 60, role: "img",
    "aria-label": `At once ${intensity(now)}, in the window ${intensity(then)}`,
  }, row(0, "at once", now, "bar-now"), row(1, "in the window", then, "bar-then"), marks));
}
