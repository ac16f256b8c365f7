/** Colours between the steps of a scale. */

/**
 * @param {string} hex such as "#5b636e"
 * @returns {Rgb}
 */
export const rgb = (hex) => [channel(hex, 1), channel(hex, 3), channel(hex, 5)];

/**
 * @param {string} hex
 * @param {number} at
 */
const channel = (hex, at) => Number.parseInt(hex.slice(at, at + 2), 16);

/**
 * @param {Rgb} from
 * @param {Rgb} to
 * @param {number} share 0 gives `from`, 1 gives `to`
 * @returns {Rgb}
 */
export const mix = (from, to, share) => [
  Math.round(from[0] + (to[0] - from[0]) * share),
  Math.round(from[1] + (to[1] - from[1]) * share),
  Math.round(from[2] + (to[2] - from[2]) * share),
];

/**
 * A colour between the evenly spaced steps of a ramp.
 *
 * @param {Rgb[]} ramp
 * @param {number} share along the ramp, clamped to [0, 1]
 */
export function alongRamp(ramp, share) {
  const at = Math.min(1, Math.max(0, share)) * (ramp.length - 1);
  const low = Math.floor(at);
  return mix(ramp[low], ramp[Math.min(low + 1, ramp.length - 1)], at - low);
}
