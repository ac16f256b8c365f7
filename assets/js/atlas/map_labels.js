/** Names of clusters on the map: the most manifold-like in sight; at twice the zoom, four times as many. */

import { find, html, query } from "../ui/dom.js";
import { boxAt, layOut, moveTo, textWidth } from "../ui/label_layout.js";
import { follow } from "../view/navigate.js";
import { toPixels } from "./map_view.js";

const AT_FIRST = 24;
const USUAL_WIDTH = 700;
const MOST_CANDIDATES = 800;
const WIDEST = 220;
const LINE = 18;

/**
 * Clusters that have points, the most manifold-like first.
 *
 * @param {ClusterColumns} columns
 * @param {MapPoints} points
 */
export const namedClusters = (columns, points) =>
  columns.label
    .map((_, cluster) => cluster)
    .filter((cluster) => points.middle[cluster])
    .sort((a, b) => columns.rank[a] - columns.rank[b]);

/**
 * @param {[number, number]} at
 * @returns {Label["spots"]}
 */
function spotsAround([x, y]) {
  return (width, height) => [
    boxAt(x - width / 2, y - height - 8, width, height),
    boxAt(x - width / 2, y + 8, width, height),
    boxAt(x + 10, y - height / 2, width, height),
    boxAt(x - width - 10, y - height / 2, width, height),
  ];
}

/**
 * Where the map's buttons are, in its own pixels.
 *
 * @param {HTMLElement} box
 */
function toolsBox(box) {
  const tools = query(box.parentElement ?? box, ".map-tools").getBoundingClientRect();
  const frame = box.getBoundingClientRect();
  return boxAt(tools.left - frame.left, tools.top - frame.top, tools.width, tools.height);
}

/**
 * @param {OpenMap} map
 * @param {Area} area
 * @param {Set<number> | null} outstanding only these clusters; null for all
 * @param {string} font
 */
function candidates({ view, points, named, columns }, area, outstanding, font) {
  const found = [];
  for (const cluster of named) {
    const middle = points.middle[cluster];
    if (!middle || (outstanding && !outstanding.has(cluster))) continue;
    const at = toPixels(view, area, middle);
    if (at[0] < 0 || at[1] < 0 || at[0] > area.width || at[1] > area.height) continue;
    const width = Math.min(WIDEST, textWidth(columns.label[cluster], font) + 1);
    found.push({ cluster, width, height: LINE, spots: spotsAround(at) });
    if (found.length === MOST_CANDIDATES) break;
  }
  return found;
}

/**
 * Place the names for the present view.
 *
 * @param {OpenMap} map
 * @param {Area} area
 * @param {Set<number> | null} outstanding
 */
export function placeMapLabels(map, area, outstanding) {
  const layer = find("map-labels");
  if (!layer) return;
  const font = `13px ${getComputedStyle(layer).fontFamily}`;
  const labels = candidates(map, area, outstanding, font);
  const limit = AT_FIRST * (area.width / USUAL_WIDTH) * Math.max(1, map.view.zoom ** 2);
  const shown = new Set();
  for (const [{ cluster }, spot] of layOut(labels, area, limit, [toolsBox(map.box)])) {
    if (!spot) continue;
    shown.add(cluster);
    moveTo(labelOf(map, cluster, layer), spot);
  }
  for (const [cluster, node] of map.labels) {
    if (shown.has(cluster)) continue;
    node.remove();
    map.labels.delete(cluster);
  }
}

/**
 * The element of a cluster's name, added to the page when it is first needed.
 *
 * @param {OpenMap} map
 * @param {number} cluster
 * @param {HTMLElement} layer
 */
function labelOf({ labels, page, columns }, cluster, layer) {
  const known = labels.get(cluster);
  if (known) return known;
  const attributes = {
    class: "map-label",
    href: `${page.base}${cluster}`,
    "data-cluster": cluster,
    tabindex: -1,
    dir: "auto",
    draggable: "false",
    onclick: follow,
  };
  const node = html("a", attributes, columns.label[cluster]);
  labels.set(cluster, node);
  layer.append(node);
  return node;
}
