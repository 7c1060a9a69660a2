// SPDX-License-Identifier: Apache-2.0
// Figures as people read them. Three digits: nothing here is known better.

const MICRO = 1e6;
const scales = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"]];

/** "67.5 mJ" of 0.0675 and "J"; steps of 1,000. */
export function scaled(value, unit) {
  if (value === 0) {
    return `0 ${unit}`;
  }
  const size = Math.abs(value);
  const [scale, prefix] = scales.find(([s]) => size >= s * 0.9995) ?? scales[scales.length - 1];
  // Millionths are what the server counts in: they have no digits behind the point.
  return `${prefix === "µ" ? Math.round(value / scale) : digits(value / scale)} ${prefix}${unit}`;
}

/** Three significant digits, without an exponent. */
export function digits(value) {
  const size = Math.abs(value);
  const after = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return value.toFixed(after);
}

export const joules = (uj) => scaled(uj / MICRO, "J");
export const watts = (w) => scaled(w, "W");
export const grams = (ug) => scaled(ug / MICRO, "g");
export const intensity = (mg) => `${digits(mg / 1000)} g/kWh`;
export const count = (n) => n.toLocaleString("en");

/** "230 ms", "4.1 s", "3 min". */
export function duration(ns) {
  const s = ns / 1e9;
  return s < 120 ? scaled(s, "s") : `${Math.round(s / 60)} min`;
}

/** How long ago: "12 s", "5 min", "3 h", "2 days". */
export function age(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) {
    return `${s} s`;
  }
  if (s < 3600) {
    return `${Math.floor(s / 60)} min`;
  }
  return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`;
}

export const clock = (ms) =>
  new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const minutes = (ms) =>
  new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
export const hour = (ms) => new Date(ms).toLocaleTimeString([], { hour: "numeric" });
export const weekday = (ms) => new Date(ms).toLocaleDateString([], { weekday: "short" });
export const day = (ms) =>
  new Date(ms).toLocaleDateString([], { weekday: "short", day: "numeric", month: "short" });

/** "average/life-cycle/location", which may be broken after a slash. */
export const basis = (words) => words.replaceAll("/", "/\u200b");

/** How a figure is known: "modelled ±50 %", "measured". */
export function evidence(figure) {
  const error = figure.error_permille > 0 ? ` ±${figure.error_permille / 10} %` : "";
  return figure.evidence + error;
}
