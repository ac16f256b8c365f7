/** Tick labels along an axis, as many as have room: both ends first, then the others from the left; none cut, none touching. */

import { html, queryAll } from "./dom.js";
import { clamp } from "./format.js";

const GAP = 6;

/** @param {HTMLElement} box */
function fit(box) {
  const width = box.clientWidth;
  if (!width) return;
  const ticks = queryAll(box, ".tick").map((node) => {
    const centered = Number(node.dataset.at) * width - node.offsetWidth / 2;
    const left = Math.min(Math.max(centered, 0), width - node.offsetWidth);
    return { node, left, right: left + node.offsetWidth };
  });
  const last = ticks[ticks.length - 1];
  let free = -Infinity;
  for (const tick of ticks) {
    const shown = tick.left >= free && (tick === last || tick.right + GAP <= last.left);
    tick.node.style.visibility = shown ? "visible" : "hidden";
    tick.node.style.left = `${tick.left}px`;
    if (shown) free = tick.right + GAP;
  }
}

const watcher = new ResizeObserver((entries) => {
  for (const entry of entries) fit(/** @type {HTMLElement} */ (entry.target));
});

/**
 * An axis with tick labels, chosen again whenever its width changes.
 *
 * @param {Tick[]} ticks name and share of the width, ascending
 * @param {Attributes} attributes
 * @param {Child[]} [before] children in front of the labels
 */
export function axis(ticks, attributes, before = []) {
  const labels = ticks.map(([name, at]) =>
    html("span", { class: "tick", "data-at": clamp(at) }, name),
  );
  const box = html("div", { "aria-hidden": "true", ...attributes }, [...before, ...labels]);
  watcher.observe(box);
  return box;
}
