/** Labels that never overlap: each takes its first free spot, earlier ones first. */

const GAP = 3;
const MARGIN = 4;
const CACHED_WIDTHS = 20000;

/**
 * @param {Box} a
 * @param {Box} b
 */
const overlap = (a, b) =>
  a.left < b.right + GAP &&
  b.left < a.right + GAP &&
  a.top < b.bottom + GAP &&
  b.top < a.bottom + GAP;

/**
 * @param {Box} box
 * @param {Area} area
 */
const fits = (box, area) =>
  box.left >= MARGIN &&
  box.top >= MARGIN &&
  box.right <= area.width - MARGIN &&
  box.bottom <= area.height - MARGIN;

/**
 * Pair each label with its first free spot, or null.
 *
 * @template {Label} Kind
 * @param {Iterable<Kind>} labels in order of precedence
 * @param {Area} area in pixels
 * @param {number} limit most labels that get a spot
 * @param {Box[]} taken boxes that stay free of labels; grows by the spots that are given
 * @returns {Generator<[Kind, Box | null]>}
 */
export function* layOut(labels, area, limit = Infinity, taken = []) {
  const most = limit + taken.length;
  for (const label of labels) {
    const spots = taken.length < most ? label.spots(label.width, label.height) : [];
    const free = spots.find(
      (box) => fits(box, area) && !taken.some((other) => overlap(box, other)),
    );
    if (free) taken.push(free);
    yield [label, free ?? null];
  }
}

/**
 * Move a label's element to a spot, or hide it where there is none.
 *
 * @param {HTMLElement} node
 * @param {Box | null} box
 */
export function moveTo(node, box) {
  node.style.visibility = box ? "visible" : "hidden";
  node.style.transform = box
    ? `translate(${Math.round(box.left)}px, ${Math.round(box.top)}px)`
    : "none";
}

/**
 * Lay out labels and move each one's element.
 *
 * @param {(Label & { node: HTMLElement })[]} labels
 * @param {Area} area
 */
export function placeAll(labels, area) {
  for (const [{ node }, box] of layOut(labels, area)) moveTo(node, box);
}

/** @type {CanvasRenderingContext2D | null} */
let context = null;
/** @type {Map<string, number>} */
const widths = new Map();

/**
 * Width of one line of text in whole pixels, without putting it on the page.
 *
 * @param {string} text
 * @param {string} font as CSS writes it
 */
export function textWidth(text, font) {
  context ??= document.createElement("canvas").getContext("2d");
  const key = font + text;
  const known = widths.get(key);
  if (known !== undefined || !context) return known ?? 0;
  if (widths.size > CACHED_WIDTHS) widths.clear();
  context.font = font;
  const width = Math.ceil(context.measureText(text).width);
  widths.set(key, width);
  return width;
}

/**
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} height
 * @returns {Box}
 */
export const boxAt = (left, top, width, height) => ({
  left,
  top,
  right: left + width,
  bottom: top + height,
});
