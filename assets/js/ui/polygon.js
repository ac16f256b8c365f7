/** Outlines that a reader draws around points. */

/**
 * Whether a point lies inside a closed outline, by the even-odd rule.
 *
 * @param {[number, number]} point
 * @param {[number, number][]} outline
 */
export function isInside([x, y], outline) {
  let odd = false;
  outline.forEach(([x1, y1], at) => {
    const [x2, y2] = outline[(at + outline.length - 1) % outline.length];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
  });
  return odd;
}
