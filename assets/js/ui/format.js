/** Numbers as text, by the same rules as the server's (tests/data/both/format.json holds the two together). */

/**
 * A share as a percentage: "37 %". Shares that round to 0 or 100 without being it say so.
 *
 * @param {number} share between 0 and 1
 */
export function percent(share) {
  if (share > 0 && share < 0.005) return "<1 %";
  if (share >= 0.995 && share < 1) return ">99 %";
  return `${roundHalfEven(share * 100)} %`;
}

/** @param {number} value */
function roundHalfEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}

/**
 * At most four decimals, as links hold them.
 *
 * @param {number} value
 */
export const short = (value) => String(Math.round(value * 1e4) / 1e4);

/**
 * Thousands separated: "1,204".
 *
 * @param {number} number
 */
export const thousands = (number) => number.toLocaleString("en-US");

/**
 * A number and its noun: "1 feature", "1,204 features".
 *
 * @param {number} number
 * @param {string} noun singular
 */
export const counted = (number, noun) => `${thousands(number)} ${noun}${number === 1 ? "" : "s"}`;

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const clamp = (value, low = 0, high = 1) => Math.min(high, Math.max(low, value));
