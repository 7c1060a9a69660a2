// SPDX-License-Identifier: Apache-2.0
// Making parts of a page. Texts are texts: nothing that the server says becomes markup.

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (value === true) {
      node.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

export const el = (name, attributes, ...children) =>
  fill(document.createElement(name), attributes, children);
export const svg = (name, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
export const byId = (id) => document.getElementById(id);

/** Sets a text where it differs, so that screen readers are told of changes only. */
export function say(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/** How much of something is used: a bar, which is full at most. */
export function gauge(value, all, name) {
  const part = all > 0 ? Math.min(100, value / all * 100) : 100;
  return svg("svg", { class: `gauge ${value > all ? "over" : ""}`, viewBox: "0 0 100 1", preserveAspectRatio: "none",
    role: "meter", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(part) },
  svg("rect", { class: "all", width: 100, height: 1 }), svg("rect", { class: "used", width: part, height: 1 }));
}

/** A word on how a figure is known. */
export const label = (text, kind) => el("span", { class: `label ${kind ?? ""}` }, text);
