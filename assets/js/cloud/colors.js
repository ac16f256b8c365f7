/** Colours of a cloud's points, the same in space, on planes and in the sketch. */

import { mix, rgb } from "../ui/color.js";

const GREY = "#5b636e";

/**
 * @param {ColorScale} scale
 * @param {number} at place on the scale
 */
function colorAt(scale, at) {
  if (Number.isNaN(at)) return GREY;
  const next = Math.max(
    1,
    scale.findIndex(([place], index) => index > 0 && place >= at),
  );
  const [low, from] = scale[next - 1];
  const [high, to] = scale[next];
  const share = Math.min(1, Math.max(0, (at - low) / (high - low || 1)));
  return `rgb(${mix(rgb(from), rgb(to), share).join(",")})`;
}

/**
 * @param {ArrayLike<number | null>} numbers one a point; NaN or null gives grey
 * @param {ColorScale} scale
 * @param {number} low number at the scale's beginning
 * @param {number} high number at its end
 */
export const cloudColors = (numbers, scale, low, high) =>
  Array.from(numbers, (number) =>
    colorAt(scale, ((number ?? Number.NaN) - low) / (high - low || 1)),
  );
