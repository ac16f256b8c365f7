/** A page's cloud: the steered path and its handle on the fitted curve, picked samples, tokens of a tried text. */

import { cloudColors } from "../figures/colors.js";
import { coordinateAt, curvePoint } from "../figures/curve.js";
import { labelsOver } from "../figures/labels.js";
import { showSpace } from "../figures/space.js";
import { setProps } from "../ui/dash.js";
import { find } from "../ui/dom.js";
import { onThemeChange, themeColor } from "../ui/theme.js";
import { cameraText, setLink } from "../view/link.js";
import { currentPath, handlePosition, onPathChange } from "../view/path.js";
import { placedTokens } from "../view/tried_text.js";
import { drawPicks, pick, pickedSamples, recolorPicks } from "./pick.js";

/* Trace numbers, as explorer/app/figures/cloud.py orders them. */
const [POINTS, CURVE, CHORD, PATH, START, HANDLE, TEXTS, PICKED, POINTED] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8,
];
const PATH_TRACES = [CURVE, CHORD, PATH, START, HANDLE];
const OPACITY = 0.8;
const FADED = 0.16;
const CURVE_STEPS = 160;
/** @type {Vector} */
const ORIGIN = [0, 0, 0];
/** @type {(null)[]} */
const GAP = [null, null, null];

/** @type {Space | null} */
let space = null;
/** @type {CloudShape | null} */
let shape = null;
const labels = labelsOver(() => find("cloud-labels"));

/**
 * Draw a page's cloud, or none.
 *
 * @param {{ figure: Figure, shape: CloudShape } | null} cloud
 */
export function showCloud(cloud) {
  const box = find("cloud");
  shape = cloud?.shape ?? null;
  space = cloud && box ? showSpace(box, cloud.figure, { scene: listen, rested }) : null;
  if (!space) return;
  showTexts();
  showPicked(pickedSamples());
}

/** @param {Camera} camera */
const rested = (camera) => setLink({ cam: cameraText(camera) });

/** The shape with its curve, null where the cloud has none. */
const curved = () => (shape?.curve.length ? shape : null);

/** The fitted curve and its labels; empty without a cloud. */
export const cloudCurve = () => shape ?? { curve: [], closed: false, labels: [], middle: ORIGIN };

/**
 * @param {CloudShape} on
 * @param {number} coordinate
 */
const pointOf = (on, coordinate) => curvePoint(on.curve, on.closed, coordinate);

/**
 * Move traces.
 *
 * @param {number[]} traces
 * @param {ArrayLike<number | null>[][]} points of each trace
 * @param {Record<string, unknown>} [style]
 */
function moveTraces(traces, points, style = {}) {
  /** @param {number} axis */
  const column = (axis) => points.map((all) => all.map((point) => point[axis]));
  space?.restyle({ x: column(0), y: column(1), z: column(2), ...style }, traces);
}

/**
 * Points along stretches of the curve, with a gap after each.
 *
 * @param {CloudShape} on
 * @param {[number, number][]} stretches from and to, coordinates
 */
const drawStretches = (on, stretches) =>
  stretches.flatMap(([from, to]) => {
    const steps = Math.max(2, Math.ceil((to - from) * CURVE_STEPS));
    const points = Array.from({ length: steps + 1 }, (_, step) =>
      pointOf(on, from + ((to - from) * step) / steps),
    );
    return [...points, GAP];
  });

/**
 * The curve without the stretch that the path covers: two lines at one depth would flicker.
 *
 * @param {CloudShape} on
 * @param {BandsView} path
 */
function restOfCurve(on, path) {
  const [begin, end] = [path.coordinate[0], coordinateAt(path.coordinate, on.closed, 1)];
  const [low, high] = [Math.min(begin, end), Math.max(begin, end)];
  return drawStretches(
    on,
    on.closed
      ? [[high, low + 1]]
      : [
          [0, low],
          [high, 1],
        ],
  );
}

/**
 * @param {CloudShape} on
 * @param {BandsView} path
 */
const handlePoint = (on, path) =>
  pointOf(on, coordinateAt(path.coordinate, on.closed, handlePosition()));

/**
 * Draw a steered path: its stretch of the curve, and the straight line between its ends.
 *
 * @param {BandsView | null} path
 */
export function showPath(path) {
  const on = curved();
  if (!on || !path?.coordinate.length) return;
  const points = path.coordinate.map((coordinate) => pointOf(on, coordinate));
  const [first, last] = [points[0], points[points.length - 1]];
  labels.prefer([path.start_name, path.end_name]);
  const accent = themeColor("--path");
  const keep = undefined;
  moveTraces(
    PATH_TRACES,
    [restOfCurve(on, path), [first, last], points, [first], [handlePoint(on, path)]],
    {
      "line.color": [keep, keep, accent, keep, keep],
      "marker.color": [keep, keep, keep, keep, accent],
    },
  );
}

/** Remove the steered path. */
export function erasePath() {
  if (!shape || !space?.figure.data[PATH].x.length) return;
  labels.prefer([]);
  moveTraces(PATH_TRACES, [drawStretches(shape, [[0, 1]]), [], [], [], []]);
}

let handleWaits = false;

/** Move the handle, at most once a frame. */
function followHandle() {
  if (handleWaits) return;
  handleWaits = true;
  requestAnimationFrame(() => {
    handleWaits = false;
    const [on, path] = [curved(), currentPath()];
    if (on && path?.coordinate.length) moveTraces([HANDLE], [[handlePoint(on, path)]]);
  });
}

onPathChange((_position, path) => {
  if (!path) erasePath();
  else if (curved() && path.coordinate.length) followHandle();
});

/**
 * Colour the points.
 *
 * @param {CloudColors | null} data
 */
export function colorCloud(data) {
  if (!space || !data) return;
  const colors = cloudColors(data.numbers, data.scale, data.low, data.high);
  space.restyle({ "marker.color": [colors] }, [POINTS]);
  showPicked(pickedSamples());
  recolorPicks();
}

/**
 * The points in the colours in which they are drawn; null without a cloud.
 *
 * @returns {CloudPoints | null}
 */
export function cloudPoints() {
  if (!space) return null;
  const { x, y, z, customdata, marker } = space.figure.data[POINTS];
  return {
    xyz: /** @type {CloudPoints["xyz"]} */ ([x, y, z]),
    coordinate: customdata ?? [],
    color: (sample) => marker.color[sample],
  };
}

/**
 * @param {CloudPoints} points
 * @param {number} sample
 * @returns {Vector}
 */
const sampleAt = ({ xyz: [x, y, z] }, sample) => [x[sample], y[sample], z[sample]];

/**
 * Picked points stand out: drawn again over a faded cloud.
 *
 * @param {number[]} samples
 */
function showPicked(samples) {
  const points = cloudPoints();
  if (!space || !points) return;
  if (!samples.length && !space.figure.data[PICKED].x.length) return;
  const known = samples.filter((sample) => sample < points.coordinate.length);
  const marks = known.map((sample) => sampleAt(points, sample));
  moveTraces([PICKED], [marks], { "marker.color": [known.map(points.color)] });
  space.restyle({ "marker.opacity": samples.length ? FADED : OPACITY }, [POINTS]);
}

/**
 * Where a place lies: at its own sample, else on the curve; null where there is neither.
 *
 * @param {PointedPlace} place
 */
export function placeInCloud(place) {
  const points = cloudPoints();
  if (place.sample !== undefined && points) return sampleAt(points, place.sample);
  const on = curved();
  return on ? pointOf(on, place.coordinate) : null;
}

let pointWaits = false;
/** @type {PointedPlace | null} */
let pointedPlace = null;

/** @param {PointedPlace | null} place */
function showPointed(place) {
  pointedPlace = place;
  if (pointWaits || !space || !spaceIsShown()) return;
  pointWaits = true;
  requestAnimationFrame(() => {
    pointWaits = false;
    const point = pointedPlace && placeInCloud(pointedPlace);
    moveTraces([POINTED], [point ? [point] : []], { "marker.color": themeColor("--text") });
  });
}

function spaceIsShown() {
  /** @type {HTMLElement | null} */
  const views = document.querySelector(".cloud-views");
  return !views || ["3d", "all", undefined].includes(views.dataset.axes);
}

/**
 * React to points that are hovered or clicked, where the page lists their contexts.
 *
 * @param {PlotElement} plot
 */
function listen(plot) {
  if (!find("contexts")) return;
  plot.on?.("plotly_hover", ({ points: [{ curveNumber, pointNumber, bbox }] }) =>
    hover({ points: [{ curveNumber, pointNumber, bbox }] }),
  );
  plot.on?.("plotly_unhover", () => hover(null));
  plot.on?.("plotly_click", ({ points: [point] }) => {
    const sample = sampleOf(point);
    if (sample !== null) pick([sample]);
  });
}

/** @param {Hover | null} data */
const hover = (data) => setProps("cloud-hover", { data });

/**
 * The sample of a hovered or clicked point; null for anything else in the plot.
 *
 * @param {HoverPoint} point
 * @returns {number | null}
 */
export function sampleOf(point) {
  if (point.curveNumber === POINTS) return point.pointNumber;
  return point.curveNumber === PICKED ? (pickedSamples()[point.pointNumber] ?? null) : null;
}

/**
 * A sample as a place to point at; null without a cloud.
 *
 * @param {number} sample
 * @returns {PointedPlace | null}
 */
export function placeOfSample(sample) {
  const points = cloudPoints();
  return points ? { sample, coordinate: points.coordinate[sample] } : null;
}

/**
 * Show the tooltip of a sample that is hovered on a plane.
 *
 * @param {number} sample below 0 hides it
 * @param {[number, number] | null} at pixels in the box around all drawings
 */
export function hoverSample(sample, at) {
  if (sample < 0 || !at) return hover(null);
  const bbox = { x0: at[0], x1: at[0], y0: at[1] - 6, y1: at[1] + 6 };
  hover({ points: [{ curveNumber: POINTS, pointNumber: sample, bbox, planes: true }] });
}

/** Label the values, and mark the tokens of a tried text on the curve; those far from it are hollow. */
function showTexts() {
  if (!shape) return;
  const on = curved();
  const marks = on
    ? placedTokens.get().map((token) => ({ ...token, point: pointOf(on, token.coordinate) }))
    : [];
  const tried = marks.map((mark) => ({ ...mark, kind: "tried" }));
  labels.show(space, [...tried, ...shape.labels], shape.middle);
  if (!space || (!marks.length && !space.figure.data[TEXTS].x.length)) return;
  const [ink, accent] = [themeColor("--text"), themeColor("--path")];
  moveTraces([TEXTS], [marks.map(({ point }) => point)], {
    "marker.color": [marks.map(({ chosen }) => (chosen ? accent : ink))],
    "marker.size": [marks.map(({ chosen }) => (chosen ? 15 : 11))],
    "marker.symbol": [marks.map(({ far }) => (far ? "circle-open" : "circle"))],
    "marker.line.color": themeColor("--panel"),
  });
}

let textsShown = 0;
placedTokens.follow((tokens) => {
  const any = textsShown || tokens.length;
  textsShown = tokens.length;
  if (any) showTexts();
});

onThemeChange(() => {
  showPath(currentPath());
  if (placedTokens.get().length) showTexts();
});

/** What the cloud draws of the picks. */
export const cloudPicks = { picked: showPicked, pointed: showPointed };
drawPicks(cloudPicks);
