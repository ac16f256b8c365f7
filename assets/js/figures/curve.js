/** A fitted curve and the paths on it. The server computes points and nearest values by the same rules
 *  (tests/data/both/curve.json holds the two together). */

/**
 * Point of a curve at an intrinsic coordinate, linear between its knots.
 *
 * @param {Vector[]} knots at evenly spaced coordinates; a closed curve does not repeat the first
 * @param {boolean} closed
 * @param {number} coordinate taken modulo 1 on a closed curve, clamped to [0, 1] on an open one
 * @returns {Vector}
 */
export function curvePoint(knots, closed, coordinate) {
  const at = closed
    ? wrap(coordinate) * knots.length
    : Math.min(1, Math.max(0, coordinate)) * (knots.length - 1);
  const low = Math.floor(at) % knots.length;
  const next = closed ? (low + 1) % knots.length : Math.min(low + 1, knots.length - 1);
  const share = at - Math.floor(at);
  /** @param {0 | 1 | 2} axis */
  const between = (axis) => knots[low][axis] * (1 - share) + knots[next][axis] * share;
  return [between(0), between(1), between(2)];
}

/**
 * A cyclic coordinate in [0, 1).
 *
 * @param {number} coordinate
 */
export const wrap = (coordinate) => ((coordinate % 1) + 1) % 1;

/**
 * Coordinates along a path without the jump at a closed curve's seam: they may leave [0, 1].
 *
 * @param {number[]} coordinates one a waypoint
 * @param {boolean} closed
 */
export function unroll(coordinates, closed) {
  const unrolled = coordinates.slice(0, 1);
  for (let at = 1; at < coordinates.length; at += 1) {
    const step = coordinates[at] - coordinates[at - 1];
    unrolled.push(unrolled[at - 1] + (closed ? step - Math.round(step) : step));
  }
  return unrolled;
}

/**
 * The unrolled coordinate at a position along a path.
 *
 * @param {number[]} coordinates one a waypoint, at least one
 * @param {boolean} closed
 * @param {number} position share of the path
 */
export function coordinateAt(coordinates, closed, position) {
  const unrolled = unroll(coordinates, closed);
  const at = position * (unrolled.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, unrolled.length - 1);
  return unrolled[low] + (unrolled[high] - unrolled[low]) * (at - low);
}

/**
 * The same coordinate on the curve itself, in [0, 1].
 *
 * @param {number} coordinate unrolled
 * @param {boolean} closed
 */
export const rolled = (coordinate, closed) =>
  closed ? wrap(coordinate) : Math.min(1, Math.max(0, coordinate));

/**
 * Distance between two coordinates, the shorter way round on a closed curve.
 *
 * @param {number} a
 * @param {number} b
 * @param {boolean} closed
 */
export function coordinateGap(a, b, closed) {
  const gap = Math.abs(a - b);
  return closed ? Math.min(gap, 1 - gap) : gap;
}

/**
 * The item nearest to a coordinate, the first of equally near ones; undefined without items.
 *
 * @template Item
 * @param {Item[]} items
 * @param {(item: Item) => number} coordinateOf
 * @param {number} coordinate
 * @param {boolean} closed
 * @returns {Item | undefined}
 */
export function nearest(items, coordinateOf, coordinate, closed) {
  let best;
  let least = Infinity;
  for (const item of items) {
    const gap = coordinateGap(coordinateOf(item), coordinate, closed);
    if (gap < least) [best, least] = [item, gap];
  }
  return best;
}
