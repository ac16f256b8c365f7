/** Colours of a cloud's points, the same in space, on planes and in the sketch. */

import { mix, rgb } from "../ui/color.js";
import { clamp } from "../ui/format.js";

const GREY = "#5b636e";

/**
 * @param {ColorScale} scale
 * @param {number} number place on the scale, clamped to [0, 1]
 */
function colorAt(scale, number) {
  if (Number.isNaN(number)) return GREY;
  const at = clamp(number);
  const next = Math.max(
    1,
    scale.findIndex(([place], index) => index > 0 && place >= at),
  );
  const [low, from] = scale[next - 1];
  const [high, to] = scale[next];
  const share = clamp((at - low) / (high - low || 1));
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
