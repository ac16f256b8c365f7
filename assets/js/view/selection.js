/** Sets of numbers in a link, in the forms that explorer/app/view/selection.py reads: ranges such as "3,7-12",
 *  or "~" and one bit a number where those would be long. */

const LONGEST_RANGES = 120;

/**
 * Numbers and ranges of numbers.
 *
 * @param {Iterable<number>} numbers
 */
export function writeRanges(numbers) {
  /** @type {[number, number][]} */
  const ranges = [];
  for (const number of [...new Set(numbers)].sort((a, b) => a - b)) {
    const last = ranges[ranges.length - 1];
    if (last && number === last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges
    .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
    .join(",");
}

/**
 * @param {string | null | undefined} text
 * @returns {number[]}
 */
export function readRanges(text) {
  return (text ?? "")
    .split(",")
    .filter(Boolean)
    .flatMap((part) => {
      const [first, last = first] = part.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, at) => first + at);
    });
}

/** @param {number[]} numbers */
function writeBits(numbers) {
  const bytes = new Uint8Array((Math.max(...numbers) >> 3) + 1);
  for (const number of numbers) bytes[number >> 3] |= 1 << (number & 7);
  const text = btoa(String.fromCharCode(...bytes));
  return `~${text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

/** @param {string} text */
function readBits(text) {
  const bytes = atob(text.slice(1).replaceAll("-", "+").replaceAll("_", "/"));
  const numbers = [];
  for (let bit = 0; bit < 8 * bytes.length; bit += 1)
    if ((bytes.charCodeAt(bit >> 3) >> (bit & 7)) & 1) numbers.push(bit);
  return numbers;
}

/**
 * A set of clusters: ranges unless they are long, then the shorter form.
 *
 * @param {Iterable<number>} clusters
 */
export function writeSelection(clusters) {
  const ranges = writeRanges(clusters);
  if (ranges.length <= LONGEST_RANGES) return ranges;
  const bits = writeBits([...clusters]);
  return bits.length < ranges.length ? bits : ranges;
}

/**
 * A set of clusters from text that the server accepts.
 *
 * @param {string | null | undefined} text
 * @returns {Set<number>}
 */
export const readSelection = (text) =>
  new Set(text?.startsWith("~") ? readBits(text) : readRanges(text));
