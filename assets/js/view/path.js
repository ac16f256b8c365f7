/** The steered path on the page and the position of its handle: the bands set them; meter, strips and cloud follow. */

import { clamp } from "../ui/format.js";

/** @type {BandsView | null} */
let path = null;
let position = 0.5;
/** @type {PathListener[]} */
const listeners = [];

/** The steering result on the page, or null. */
export const currentPath = () => path;

/** Share of the path at which the handle stands. */
export const handlePosition = () => position;

/** @param {PathListener} listener called with the handle's position and the path, null once it is cleared */
export const onPathChange = (listener) => listeners.push(listener);

/** @param {BandsView} next */
export function setPath(next) {
  path = next;
}

/** @param {number} to share of the path, clamped to [0, 1] */
export function moveHandle(to) {
  position = clamp(to);
  notifyListeners();
}

export function clearPath() {
  path = null;
  notifyListeners();
}

function notifyListeners() {
  for (const listener of listeners) listener(position, path);
}
