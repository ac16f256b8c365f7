/** The features of the map as explorer/app/atlas/map.py sends them, with an index of which lies where. */

import { isInside } from "../ui/polygon.js";

const UNDRAWN = 0xffffff;
const GROUP_MASK = 0xffffff;
const STEPS = 65535;
const CELLS = 256;

/**
 * Items by group, as one array: those of group g are items[first[g]] up to items[first[g + 1]].
 *
 * @param {number} count
 * @param {number} groups
 * @param {(item: number) => number} groupOf below 0 for none
 * @returns {Grouped}
 */
function groupItems(count, groups, groupOf) {
  const first = new Uint32Array(groups + 1);
  for (let item = 0; item < count; item += 1) if (groupOf(item) >= 0) first[groupOf(item) + 1] += 1;
  for (let group = 0; group < groups; group += 1) first[group + 1] += first[group];
  const items = new Uint32Array(first[groups]);
  const next = first.slice();
  for (let item = 0; item < count; item += 1) {
    const group = groupOf(item);
    if (group >= 0) items[next[group]++] = item;
  }
  return { first, items };
}

/**
 * Read the points of a run. Group 0 is noise, group c + 1 is cluster c.
 *
 * @param {ArrayBuffer} buffer two 32-bit floats (fewest and most tokens on which a drawn feature fires), then x and y of
 *   each feature as 16-bit fractions, then its group and its rate as 24 + 8 bits
 * @param {number} clusters
 * @returns {MapPoints}
 */
export function readPoints(buffer, clusters) {
  const count = (buffer.byteLength - 8) / 8;
  const ends = new Float32Array(buffer, 0, 2);
  const place = new Uint16Array(buffer, 8, 2 * count);
  const state = new Uint32Array(buffer, 8 + 4 * count, count);
  /** @param {number} feature */
  const group = (feature) => {
    const own = state[feature] & GROUP_MASK;
    return own === UNDRAWN ? -1 : own;
  };
  /** @param {number} feature */
  const cell = (feature) =>
    group(feature) < 0 ? -1 : (place[2 * feature] >> 8) * CELLS + (place[2 * feature + 1] >> 8);
  const groups = groupItems(count, clusters + 1, group);
  const cells = groupItems(count, CELLS * CELLS, cell);
  const stored = { count, ends, place, state, groups, cells };
  const middle = Array.from({ length: clusters }, (_, cluster) => middleOf(stored, cluster));
  return { ...stored, bounds: boundsOf(stored), middle };
}

/**
 * Horizontal place of a feature, in [0, 1].
 *
 * @param {StoredPoints} points
 * @param {number} feature
 */
export const featureX = (points, feature) => points.place[2 * feature] / STEPS;

/**
 * Vertical place of a feature, in [0, 1], upwards.
 *
 * @param {StoredPoints} points
 * @param {number} feature
 */
export const featureY = (points, feature) => points.place[2 * feature + 1] / STEPS;

/**
 * Cluster of a feature, -1 for noise.
 *
 * @param {StoredPoints} points
 * @param {number} feature
 */
export const clusterOf = (points, feature) => (points.state[feature] & GROUP_MASK) - 1;

/**
 * @param {StoredPoints} points
 * @param {number} cluster
 */
const membersOf = ({ groups: { first, items } }, cluster) =>
  items.subarray(first[cluster + 1], first[cluster + 2]);

/**
 * @param {StoredPoints} points
 * @returns {Bounds}
 */
function boundsOf(points) {
  let [left, bottom, right, top] = [1, 1, 0, 0];
  for (const feature of points.groups.items) {
    const [x, y] = [featureX(points, feature), featureY(points, feature)];
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < bottom) bottom = y;
    if (y > top) top = y;
  }
  return { left, bottom, right, top };
}

/**
 * Where a cluster's name belongs: the median of its features; null for a cluster without any.
 *
 * @param {StoredPoints} points
 * @param {number} cluster
 * @returns {[number, number] | null}
 */
function middleOf(points, cluster) {
  const members = membersOf(points, cluster);
  if (!members.length) return null;
  /** @param {typeof featureX} of */
  const median = (of) =>
    Float64Array.from(members, (feature) => of(points, feature)).sort()[members.length >> 1];
  return [median(featureX), median(featureY)];
}

/**
 * Features in the cells that a rectangle touches.
 *
 * @param {StoredPoints} points
 * @param {Bounds} bounds
 */
function* candidates({ cells: { first, items } }, { left, bottom, right, top }) {
  /** @param {number} value */
  const cell = (value) => Math.min(CELLS - 1, Math.max(0, (value * STEPS) >> 8));
  for (let column = cell(left); column <= cell(right); column += 1) {
    for (let row = cell(bottom); row <= cell(top); row += 1) {
      const at = column * CELLS + row;
      for (let item = first[at]; item < first[at + 1]; item += 1) yield items[item];
    }
  }
}

/**
 * The feature nearest to a place, within a radius; null where there is none.
 *
 * @param {StoredPoints} points
 * @param {number} u
 * @param {number} v
 * @param {number} radius
 * @param {(feature: number) => boolean} isShown
 */
export function nearestFeature(points, u, v, radius, isShown) {
  const bounds = { left: u - radius, bottom: v - radius, right: u + radius, top: v + radius };
  /** @type {number | null} */
  let best = null;
  let least = radius * radius;
  for (const feature of candidates(points, bounds)) {
    const away = (featureX(points, feature) - u) ** 2 + (featureY(points, feature) - v) ** 2;
    if (away <= least && isShown(feature)) [best, least] = [feature, away];
  }
  return best;
}

/**
 * Features inside a closed outline.
 *
 * @param {StoredPoints} points
 * @param {[number, number][]} outline
 */
export function featuresInside(points, outline) {
  const us = outline.map(([u]) => u);
  const vs = outline.map(([, v]) => v);
  const bounds = {
    left: Math.min(...us),
    bottom: Math.min(...vs),
    right: Math.max(...us),
    top: Math.max(...vs),
  };
  return [...candidates(points, bounds)].filter((feature) =>
    isInside([featureX(points, feature), featureY(points, feature)], outline),
  );
}
