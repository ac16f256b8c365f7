/** The samples that are picked in a cloud, and the one place that is pointed at. What draws them registers here. */

import { setProps } from "../ui/dash.js";
import { closest } from "../ui/dom.js";
import { notify } from "../ui/toast.js";
import { setLink } from "../view/link.js";
import { readRanges, writeRanges } from "../view/selection.js";

const LONGEST_LINK = 2000;
/** @type {PickDrawer[]} */
const drawers = [];
/** @type {number[]} */
let picked = [];
/** @type {Record<string, number>} */
let counts = {};

/** Sample numbers, as the server keeps them. */
export const pickedSamples = () => picked;

/** @param {PickDrawer} drawer */
export const drawPicks = (drawer) => drawers.push(drawer);

/**
 * Pick samples. Picking the only picked sample again clears the pick.
 *
 * @param {number[]} samples
 * @param {boolean} [add] keep what is picked already
 */
export function pick(samples, add = false) {
  const same = samples.length === 1 && picked.length === 1 && samples[0] === picked[0];
  const text = same ? "" : writeRanges(add ? [...picked, ...samples] : samples);
  const tooLong = text.length > LONGEST_LINK;
  setProps("pick-store", { data: text });
  setLink({ pick: tooLong ? null : text });
  if (tooLong) notify("These are too many points for a link: it will open without them.");
}

/**
 * Draw the picked samples.
 *
 * @param {string} text their numbers as ranges
 * @param {Record<string, number> | null} [firing] on how many of them each feature fires
 */
export function showPicks(text, firing) {
  picked = readRanges(text);
  counts = firing ?? {};
  for (const drawer of drawers) drawer.picked?.(picked, counts);
}

/**
 * Point at a place, or nowhere.
 *
 * @param {PointedPlace | null} place
 * @param {PickDrawer} [except] a drawer that shows the place already
 */
export function pointAt(place, except) {
  for (const drawer of drawers) if (drawer !== except) drawer.pointed?.(place);
}

/** The cloud's points have new colours. */
export function recolorPicks() {
  for (const drawer of drawers) drawer.recolored?.();
}

/* Rows of the table of contexts point at their token. */
document.addEventListener("pointerover", ({ target, relatedTarget }) => {
  const row = closest(target, "tr[data-sample]");
  if (row) pointAt({ coordinate: Number(row.dataset.at), sample: Number(row.dataset.sample) });
  else if (closest(relatedTarget, "tr[data-sample]")) pointAt(null);
});

document.addEventListener("click", ({ target, shiftKey }) => {
  const kind = closest(target, "[data-pick]");
  if (kind) pick(readRanges(kind.dataset.pick), shiftKey);
});
