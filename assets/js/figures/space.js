/** A cloud in space: first a sketch, then, once the page around it is painted, plotly's scene in its place. Both draw the
 *  same figure, which this module holds: a change before the scene exists changes the sketch. */

import { html } from "../ui/dom.js";
import { loadPlotly, prefetchPlotly, whenIdle } from "../ui/plotly.js";
import { notify } from "../ui/toast.js";
import { cloudColors } from "./colors.js";
import { cameraOf, onFrame } from "./plotly_scene.js";
import { projection } from "./projection.js";
import { drawSketch } from "./sketch.js";

const CONFIG = { displayModeBar: false, scrollZoom: true };
const LATEST_MS = 500;
const REST_MS = 250;
/** @type {Map<HTMLElement, Space>} */
const spaces = new Map();

/**
 * Draw a figure in a box.
 *
 * @param {HTMLElement} box
 * @param {Figure} figure as the server sends it
 * @param {SpaceListeners} listeners `scene` is called once, when the box first has a scene; `turned` with every frame
 *   that the reader turns or zooms; `rested` when that ends
 * @returns {Space}
 */
export function showSpace(box, figure, listeners) {
  releaseScenes();
  prefetchPlotly();
  const space = spaces.get(box) ?? openSpace(box, figure, listeners);
  space.figure = readFigure(figure);
  space.camera = null;
  [space.live, space.painted] = [false, false];
  space.frameListeners.clear();
  sketch(space);
  const mine = space.figure;
  afterPaint(() => {
    if (space.figure !== mine) return;
    space.painted = true;
    build(space);
  });
  return space;
}

/**
 * @param {HTMLElement} box
 * @param {Figure} figure
 * @param {SpaceListeners} listeners
 * @returns {Space}
 */
function openSpace(box, figure, listeners) {
  const plot = /** @type {PlotElement} */ (/** @type {unknown} */ (html("div", { class: "plot" })));
  /** @type {Space} */
  const space = {
    box,
    figure,
    listeners,
    plot,
    canvas: html("canvas", { class: "sketch", "aria-hidden": "true" }),
    frameListeners: new Set(),
    size: "",
    live: false,
    painted: false,
    camera: null,
    resting: undefined,
    watcher: new ResizeObserver(() => fit(space)),
    restyle: (update, traces) => restyle(space, update, traces),
    project: () => project(space),
  };
  box.replaceChildren(plot);
  space.watcher.observe(box);
  spaces.set(box, space);
  return space;
}

/** Release the scenes of pages that are closed: a browser holds only a few. */
export function releaseScenes() {
  for (const [box, space] of spaces) {
    if (box.isConnected) continue;
    space.watcher.disconnect();
    window.Plotly?.purge(space.plot);
    spaces.delete(box);
  }
}

/**
 * A figure with its numbers as arrays, which the server sends as base64, and each point's own colour: plotly has a grey
 * of its own for points without a number.
 *
 * @param {Figure} figure
 * @returns {Figure}
 */
function readFigure(figure) {
  const read = /** @type {Figure} */ (readNumbers(figure));
  for (const { marker } of read.data) {
    if (!marker?.colorscale) continue;
    const numbers = /** @type {ArrayLike<number>} */ (/** @type {unknown} */ (marker.color));
    marker.color = cloudColors(numbers, marker.colorscale, marker.cmin ?? 0, marker.cmax ?? 1);
    delete marker.colorscale;
    delete marker.cmin;
    delete marker.cmax;
  }
  return read;
}

/**
 * @param {unknown} value
 * @returns {unknown}
 */
function readNumbers(value) {
  if (Array.isArray(value)) return value.map(readNumbers);
  if (!value || typeof value !== "object") return value;
  if ("bdata" in value && typeof value.bdata === "string") return floats(value.bdata);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, readNumbers(one)]));
}

/** @param {string} text little-endian 32-bit floats in base64 */
const floats = (text) =>
  new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);

/** @param {() => void} task */
function afterPaint(task) {
  requestAnimationFrame(() => setTimeout(() => whenIdle(task, LATEST_MS)));
}

/** @param {Space} space */
const areaOf = ({ box }) => ({ width: box.clientWidth, height: box.clientHeight });

/** @param {Space} space */
const sizeOf = (space) => Object.values(areaOf(space)).join();

/** @param {Space} space */
const hasRoom = ({ box }) => box.clientWidth > 0 && box.clientHeight > 0;

/** @param {Space} space */
function project(space) {
  const layout = space.figure.layout.scene;
  const camera = (space.live && cameraOf(space.plot)) || layout.camera;
  return projection(layout, camera, areaOf(space));
}

/** @param {Space} space */
function notifyFrame(space) {
  for (const listener of space.frameListeners) listener();
}

/** @param {Space} space */
function sketch(space) {
  if (!hasRoom(space)) return;
  space.size = sizeOf(space);
  space.box.append(space.canvas);
  drawSketch(space.canvas, space.figure.data, project(space), areaOf(space));
  space.box.dataset.drawn = "sketch";
  notifyFrame(space);
}

/** @param {Space} space */
async function build(space) {
  if (space.live || !hasRoom(space)) return;
  const mine = space.figure;
  const plotly = await loadPlotly().catch(() => null);
  if (!plotly) return keepSketch("plotly.js did not load");
  if (space.figure !== mine || space.live || !space.box.isConnected) return;
  const first = !space.plot.on;
  [space.live, space.size] = [true, sizeOf(space)];
  await plotly.react(space.plot, { data: mine.data, layout: mine.layout, config: CONFIG });
  if (first) {
    space.plot.on?.("plotly_afterplot", () => watchFrames(space));
    space.listeners.scene?.(space.plot);
  }
  watchFrames(space);
  requestAnimationFrame(() => {
    if (space.figure === mine) reveal(space);
  });
}

/** @param {string} reason */
const keepSketch = (reason) => notify(`The cloud cannot be turned: ${reason}.`);

/** @param {Space} space */
function reveal(space) {
  const camera = cameraOf(space.plot);
  if (!camera) {
    [space.live, space.painted] = [false, false];
    return keepSketch("this browser offers no WebGL");
  }
  space.camera = cameraKey(camera);
  space.box.dataset.drawn = "scene";
  space.canvas.remove();
  notifyFrame(space);
}

/** @param {Space} space */
function watchFrames(space) {
  onFrame(space.plot, () => {
    notifyFrame(space);
    checkCamera(space);
  });
}

/** @param {Camera} camera */
const cameraKey = ({ eye, center, up }) =>
  [eye, center, up].flatMap(({ x, y, z }) => [x, y, z].map((one) => one.toFixed(4))).join();

/**
 * Notice that the camera has moved. Plotly's own events come before the wheel has moved the camera, and its next drawing
 * would take the camera back: each frame is compared instead, and plotly is given the camera in which it comes to rest.
 *
 * @param {Space} space
 */
function checkCamera(space) {
  const camera = space.live && space.camera !== null ? cameraOf(space.plot) : null;
  if (!camera || cameraKey(camera) === space.camera) return;
  space.camera = cameraKey(camera);
  space.listeners.turned?.(camera);
  clearTimeout(space.resting);
  space.resting = window.setTimeout(() => {
    if (!space.box.isConnected || !space.live) return;
    setCamera(space, camera);
    space.listeners.rested?.(camera);
  }, REST_MS);
}

/**
 * Turn a scene.
 *
 * @param {Space} space
 * @param {Camera} camera
 */
export function setCamera(space, camera) {
  window.Plotly?.relayout(space.plot, { "scene.camera": camera });
}

/** @param {Space} space */
function fit(space) {
  if (!hasRoom(space) || sizeOf(space) === space.size) return;
  space.size = sizeOf(space);
  if (space.box.dataset.drawn !== "scene") sketch(space);
  if (space.live) window.Plotly?.Plots.resize(space.plot).catch(() => {});
  else if (space.painted) build(space);
}

/**
 * As Plotly.restyle, on the scene or the sketch.
 *
 * @param {Space} space
 * @param {Record<string, unknown>} update values by path; an array holds one for each trace, and undefined keeps the old
 * @param {number[]} traces
 */
function restyle(space, update, traces) {
  if (space.live) return void window.Plotly?.restyle(space.plot, update, traces);
  for (const [path, given] of Object.entries(update)) {
    traces.forEach((trace, index) => {
      const value = Array.isArray(given) ? given[index % given.length] : given;
      if (value !== undefined) assign(space.figure.data[trace], path.split("."), value);
    });
  }
  sketch(space);
}

/**
 * @param {object} target
 * @param {string[]} path
 * @param {unknown} value
 */
function assign(target, path, value) {
  const owner = path.slice(0, -1).reduce((part, name) => Reflect.get(part, name), target);
  Reflect.set(owner, path[path.length - 1], value);
}
