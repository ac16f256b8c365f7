/** Names of values around a cloud, in front of its drawing: outside the curve, away from the points. */

import { html } from "../ui/dom.js";
import { boxAt, placeAll } from "../ui/label_layout.js";

const AWAY = [10, 22, 36];
const TURNS = [0, 0.5, -0.5, 1, -1];
const COVER_COST = 1.5;
const RING_COST = 2;
const TURN_COST = 0.4;

/**
 * @param {Iterable<ArrayLike<number>>} points
 * @param {Box} box
 */
function countInside(points, box) {
  let count = 0;
  for (const { 0: x, 1: y } of points)
    if (x > box.left && x < box.right && y > box.top && y < box.bottom) count += 1;
  return count;
}

/**
 * Spots around a point, the best first: outward, and covering few points.
 *
 * @param {ArrayLike<number>} at the point, in pixels
 * @param {ArrayLike<number>} from the curve's middle, in pixels
 * @param {ArrayLike<number>[]} points all of the cloud, in pixels
 * @returns {Label["spots"]}
 */
export function labelSpots(at, from, points) {
  const outward = Math.atan2(at[1] - from[1], at[0] - from[0]);
  return (width, height) =>
    AWAY.flatMap((away, ring) =>
      TURNS.map((turn, side) => {
        const x = at[0] + Math.cos(outward + turn) * (away + width / 2);
        const y = at[1] + Math.sin(outward + turn) * (away + height / 2);
        const spot = boxAt(x - width / 2, y - height / 2, width, height);
        const covered = countInside(points, spot);
        return { spot, cost: covered * COVER_COST + ring * RING_COST + side * TURN_COST };
      }),
    )
      .sort((a, b) => a.cost - b.cost)
      .map(({ spot }) => spot);
}

/**
 * @param {CloudLabel} label
 * @returns {HTMLElement}
 */
const labelNode = (label) =>
  html(
    "span",
    { class: `cloud-label ${label.kind ?? ""}`, style: { "--value": label.color } },
    label.text,
  );

/**
 * Elements of labels in their layer, with their sizes.
 *
 * @param {Element} layer
 * @param {CloudLabel[]} labels
 * @returns {DrawnLabel[]}
 */
export function drawLabels(layer, labels) {
  const nodes = labels.map(labelNode);
  layer.replaceChildren(...nodes);
  return labels.map((label, at) => {
    const node = nodes[at];
    return { ...label, node, width: node.offsetWidth, height: node.offsetHeight };
  });
}

/**
 * Labels of one drawing in space.
 *
 * @param {() => HTMLElement | null} layer the element above the drawing
 */
export function labelsOver(layer) {
  /** @type {Space | null} */
  let space = null;
  /** @type {DrawnLabel[]} */
  let labels = [];
  /** @type {Vector} */
  let middle = [0, 0, 0];
  /** @type {string[]} */
  let preferred = [];

  /* A tried text's tokens come first, then the ends of a path. */
  /** @param {CloudLabel} label */
  const rank = (label) => (label.kind ? 2 : preferred.includes(label.text) ? 1 : 0);

  function place() {
    const box = layer();
    if (!box || !space) return;
    const project = space.project();
    const points = projectedPoints(space, project);
    const from = project(...middle);
    const spotted = labels.flatMap((label) => {
      const at = project(...label.point);
      if (!at || !from) label.node.style.visibility = "hidden";
      return at && from ? [{ ...label, spots: labelSpots(at, from, points) }] : [];
    });
    spotted.sort((a, b) => rank(b) - rank(a));
    placeAll(spotted, { width: box.clientWidth, height: box.clientHeight });
  }

  return {
    /**
     * Label points of a drawing, and again with every frame that it draws.
     *
     * @param {Space | null} drawing
     * @param {CloudLabel[]} wanted
     * @param {Vector} center the curve's middle
     */
    show(drawing, wanted, center) {
      const box = layer();
      if (!box || !drawing) return;
      [space, middle, preferred] = [drawing, center, []];
      labels = drawLabels(box, wanted);
      space.frameListeners.add(place);
      place();
    },

    /**
     * These names are placed before the others: the ends of a path.
     *
     * @param {string[]} names
     */
    prefer(names) {
      preferred = names;
      place();
    },
  };
}

/**
 * @param {Space} space
 * @param {Project} project
 */
function projectedPoints(space, project) {
  const { x, y, z } = space.figure.data[0];
  return Array.from(x, (value, at) => project(Number(value), Number(y[at]), Number(z[at]))).filter(
    (point) => point !== null,
  );
}
