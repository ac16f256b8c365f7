/** The map of a run's features: its view, its colours, its selection. map_input.js moves it. */

import { setProps } from "../ui/dash.js";
import { byId, closest, html, svg } from "../ui/dom.js";
import { short } from "../ui/format.js";
import { warmPlotly } from "../ui/plotly.js";
import { notify } from "../ui/toast.js";
import { linkValue, setLink } from "../view/link.js";
import { visit } from "../view/navigate.js";
import { readSelection, writeSelection } from "../view/selection.js";
import { litClusters } from "../view/tried_text.js";
import { listenToMap } from "./map_input.js";
import { namedClusters, placeMapLabels } from "./map_labels.js";
import { hasTip, hideTip, showTip } from "./map_tip.js";
import {
  fitView,
  keepInside,
  panned,
  pointSize,
  toPixels,
  toPlace,
  viewOf,
  zoomed,
} from "./map_view.js";
import { legend, mapLook } from "./palette.js";
import { clusterOf, featuresInside, featureX, featureY, nearestFeature } from "./points.js";
import { runData } from "./run_data.js";
import { createScatter } from "./scatter.js";

const REST_MS = 250;
const SOUGHT_ZOOM = 6;
const NEAR = 10;
const NO_WEBGL = "The map needs WebGL 2, which this browser does not offer.";

/** @type {OpenMap | null} */
let map = null;

/**
 * Open the map of a page.
 *
 * @param {MapPage} page
 */
export async function openMap(page) {
  closeMap();
  const box = byId("map");
  const data = runData(page);
  const [columns, points] = await Promise.all([data.clusters, data.points]);
  if (!box.isConnected || box.querySelector("canvas")) return;
  const canvas = html("canvas", { "aria-hidden": "true" });
  box.replaceChildren(canvas, svg("svg", { class: "map-lasso", "aria-hidden": "true" }));
  const drawing = createScatter(canvas, points);
  if (!drawing) {
    const text = `${NO_WEBGL} The tiles list the same clusters.`;
    box.replaceChildren(html("p", { class: "empty" }, text));
    return;
  }
  map = newMap(page, box, drawing, columns, points);
  map.watcher.observe(box);
  canvas.addEventListener("mx-restored", repaint);
  listenToMap(box.parentElement ?? box, handle);
  repaint();
  warmPlotly();
}

/**
 * @param {MapPage} page
 * @param {HTMLElement} box
 * @param {Scatter} drawing
 * @param {ClusterColumns} columns
 * @param {MapPoints} points
 * @returns {OpenMap}
 */
const newMap = (page, box, drawing, columns, points) => ({
  page,
  box,
  drawing,
  columns,
  points,
  by: page.paint,
  noise: page.noise,
  chosen: selected(linkValue("sel")),
  pointed: null,
  view: viewOf(points.bounds, areaOf(box), page.place),
  named: namedClusters(columns, points),
  labels: new Map(),
  watcher: new ResizeObserver(resized),
  resting: undefined,
  frame: 0,
});

function closeMap() {
  map?.watcher.disconnect();
  map?.drawing.release();
  map = null;
}

/** @param {HTMLElement} box */
const areaOf = (box) => ({ width: box.clientWidth, height: box.clientHeight });

/**
 * @param {string | null} text
 * @returns {Set<number> | null} null where nothing is selected
 */
function selected(text) {
  const clusters = readSelection(text);
  return clusters.size ? clusters : null;
}

function resized() {
  if (!map) return;
  map.view = fitView(map.view, map.points.bounds, areaOf(map.box));
  draw();
}

/** @param {MapView} view */
function moveTo(view) {
  if (!map) return;
  const { bounds } = map.points;
  map.view = fitView(keepInside(view, bounds), bounds, areaOf(map.box));
  draw();
  clearTimeout(map.resting);
  map.resting = window.setTimeout(linkView, REST_MS);
}

/** Write the view into the link, once the map is at rest. */
function linkView() {
  if (!map) return;
  const { u, v, zoom, whole } = map.view;
  setLink({ map: whole ? null : [u, v, zoom].map(short).join(",") });
}

/** Draw in the next frame. */
function draw() {
  if (!map || map.frame) return;
  map.frame = requestAnimationFrame(() => {
    if (!map) return;
    map.frame = 0;
    const size = pointSize(map.points.groups.items.length, map.view.zoom);
    map.drawing.draw({ ...map.view, size });
    placeMapLabels(map, areaOf(map.box), outstanding(map));
    map.box.dataset.drawn = String(Number(map.box.dataset.drawn || 0) + 1);
  });
}

/**
 * Clusters that are not dimmed: the one that is pointed at in the tiles, those of a tried text, or those selected; null
 * where none is dimmed.
 *
 * @param {OpenMap} open
 */
function outstanding(open) {
  if (open.pointed !== null) return new Set([open.pointed]);
  const clusters = litClusters.get();
  return clusters?.length ? new Set(clusters) : open.chosen;
}

function repaint() {
  if (!map) return;
  const { page, columns, by, noise, points, drawing } = map;
  const shown = outstanding(map);
  const stands = shown ? (/** @type {number} */ cluster) => shown.has(cluster) : null;
  drawing.paint(mapLook(page.palette, columns, by, noise, stands));
  byId("map-legend").replaceChildren(...legend(page.palette, columns, by, points.ends));
  draw();
}

/** What map_input.js may do. @type {MapHandle} */
const handle = {
  isOpen: () => map !== null,
  size: () => (map ? areaOf(map.box) : { width: 0, height: 0 }),
  pan(dx, dy) {
    if (map) moveTo(panned(map.view, dx, dy));
  },
  zoom(factor, x, y) {
    if (map) moveTo(zoomed(map.view, factor, toPlace(map.view, areaOf(map.box), [x, y])));
  },
  showAll() {
    if (map) moveTo(viewOf(map.points.bounds, areaOf(map.box), null));
  },
  featureAt(x, y) {
    if (!map) return null;
    const { view, points, noise, box } = map;
    const [u, v] = toPlace(view, areaOf(box), [x, y]);
    return nearestFeature(
      points,
      u,
      v,
      NEAR / view.scale,
      (feature) => noise !== "hidden" || clusterOf(points, feature) >= 0,
    );
  },
  visit(feature) {
    const cluster = map && feature !== null ? clusterOf(map.points, feature) : -1;
    if (map && cluster >= 0) visit(map.page.base + cluster);
  },
  tip: showFeature,
  hasTip,
  select,
  clearSelection: () => setProps("selection", { data: "" }),
};

/**
 * Select the clusters that have a feature inside an outline.
 *
 * @param {ScreenPoint[]} outline
 */
function select(outline) {
  if (!map) return;
  const { points, view, box } = map;
  const area = areaOf(box);
  const found = featuresInside(
    points,
    outline.map((pixel) => toPlace(view, area, pixel)),
  );
  const clusters = new Set(found.map((feature) => clusterOf(points, feature)));
  clusters.delete(-1);
  setProps("selection", { data: writeSelection(clusters) });
  if (!clusters.size) notify("No cluster has a feature in there.");
}

/** @param {number | null} feature null hides the tooltip */
async function showFeature(feature) {
  if (feature === null || !map) return hideTip();
  await showTip(
    feature,
    `${map.page.data}/feature/${feature}`,
    () => map && { at: pixelOfFeature(feature), width: map.box.clientWidth },
  );
}

/**
 * Where a feature is drawn, in pixels of the map.
 *
 * @param {number} feature
 * @returns {[number, number]}
 */
export function pixelOfFeature(feature) {
  if (!map) return [0, 0];
  const place = /** @type {[number, number]} */ ([
    featureX(map.points, feature),
    featureY(map.points, feature),
  ]);
  return toPixels(map.view, areaOf(map.box), place);
}

/**
 * Bring a feature into sight and show what it is; hidden noise is shown again.
 *
 * @param {number} feature
 */
async function seek(feature) {
  if (!map) return notify(NO_WEBGL);
  if (map.noise === "hidden") setProps("map-noise", { value: "shown" });
  const [u, v] = [featureX(map.points, feature), featureY(map.points, feature)];
  moveTo({ ...map.view, u, v, zoom: Math.max(map.view.zoom, SOUGHT_ZOOM), whole: false });
  map.box.scrollIntoView({ block: "nearest" });
  await showFeature(feature);
}

/** @param {Partial<Pick<OpenMap, "by" | "noise" | "chosen" | "pointed">>} change */
function change(change) {
  if (!map) return;
  Object.assign(map, change);
  repaint();
}

/** @param {string} text the selection as the link writes it */
export const selectClusters = (text) => change({ chosen: selected(text) });

/** @param {MapColoring} by */
export const colorMap = (by) => change({ by });

/** @param {NoiseLook} noise */
export const showNoise = (noise) => change({ noise });

/** @param {number | null} cluster that the reader points at in the tiles */
export function pointAtCluster(cluster) {
  if (map && map.pointed !== cluster) change({ pointed: cluster });
}

/** Clusters that are not dimmed, ascending; null where none is dimmed. */
export function outstandingClusters() {
  const clusters = map && outstanding(map);
  return clusters ? [...clusters].sort((a, b) => a - b) : null;
}

/** The part of the map that is seen; null without a map. */
export const mapView = () => map && { ...map.view };

litClusters.follow(repaint);

document.addEventListener("click", ({ target }) => {
  const button = closest(target, "[data-seek]");
  if (button) seek(Number(button.dataset.seek));
});
