/** The cloud on pairs of its axes, as SVG: the same points and colours as in space. A lasso picks points. */

import { drawLabels, labelSpots } from "../figures/labels.js";
import { closest, find, html, queryAll, svg } from "../ui/dom.js";
import { placeAll } from "../ui/label_layout.js";
import { isInside } from "../ui/polygon.js";
import { setLink } from "../view/link.js";
import { cloudCurve, cloudPoints, hoverSample, placeInCloud } from "./cloud.js";
import { drawPicks, pick, pickedSamples, pointAt } from "./pick.js";

const PAIRS = ["12", "13", "23"];
const EDGE = 30;
const NEAR = 9;
const CLICK_SLOP = 4;
const OUTSIDE = -99;

/** @type {string[]} */
let axisNames = [];
/** "3d", a pair such as "12", or "all". */
let axes = "3d";
/** @type {Plane[]} */
let planes = [];
/** @type {PointedPlace | null} */
let pointedPlace = null;

const watcher = new ResizeObserver(draw);

/** @param {{ axes?: string[] }} shape */
export function showPlanes(shape) {
  axisNames = shape.axes ?? [];
  planes = [];
  const box = find("planes");
  if (!box) return;
  watcher.observe(box);
  const pressed = document.querySelector("#axes [aria-pressed=true]");
  if (pressed instanceof HTMLElement) chooseAxes(pressed.dataset.axes ?? "3d");
}

document.addEventListener("click", ({ target }) => {
  const button = closest(target, "#axes [data-axes]");
  if (button) chooseAxes(button.dataset.axes ?? "3d");
});

/** @param {string} wanted */
function chooseAxes(wanted) {
  axes = wanted;
  const views = closest(find("planes"), ".cloud-views");
  if (views) views.dataset.axes = wanted;
  for (const button of queryAll(document, "#axes button"))
    button.setAttribute("aria-pressed", String(button.dataset.axes === wanted));
  setLink({ axes: wanted === "3d" ? null : wanted });
  draw();
}

function draw() {
  const box = find("planes");
  if (!box) return;
  const pairs = axes === "3d" ? [] : axes === "all" ? PAIRS : [axes];
  if (!pairs.length) {
    planes = [];
    box.replaceChildren();
    return;
  }
  const points = cloudPoints();
  if (!points) return;
  planes = pairs.map(emptyPlane);
  box.replaceChildren(...planes.map(({ node }) => node));
  for (const plane of planes) fill(plane, points);
  showPicked(pickedSamples());
  showPointed(pointedPlace);
}

/**
 * @param {string} pair two axis numbers, from 1
 * @returns {Plane}
 */
function emptyPlane(pair) {
  const [a, b] = [Number(pair[0]) - 1, Number(pair[1]) - 1];
  const label = `Axes ${pair[0]} and ${pair[1]} of the cloud`;
  const drawing = svg("svg", { role: "img", "aria-label": label });
  const labels = html("div", { class: "plane-labels", "aria-hidden": "true" });
  const node = html("div", { class: "plane", "data-pair": pair }, [
    drawing,
    labels,
    html("span", { class: "plane-across" }, `${axisNames[a]} →`),
    html("span", { class: "plane-up" }, `↑ ${axisNames[b]}`),
  ]);
  const pointed = svg("circle", { class: "plane-here", r: 8, cx: OUTSIDE, cy: OUTSIDE });
  const lasso = svg("path", { class: "lasso" });
  return {
    a,
    b,
    node,
    svg: drawing,
    labels,
    pointed,
    lasso,
    project: () => [0, 0],
    at: [],
    dots: [],
  };
}

/**
 * Smallest and largest number.
 *
 * @param {Iterable<number>} values
 * @returns {[number, number]}
 */
function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/**
 * From the cloud's units to pixels of one plane: equal units on both axes, the whole cloud and its curve inside.
 *
 * @param {[number, number]} across extent
 * @param {[number, number]} up extent
 * @param {Area} area
 * @returns {(x: number, y: number) => [number, number]}
 */
function fitted([left, right], [bottom, top], { width, height }) {
  const scale = Math.min(
    (width - 2 * EDGE) / (right - left || 1),
    (height - 2 * EDGE) / (top - bottom || 1),
  );
  const [cx, cy] = [(left + right) / 2, (bottom + top) / 2];
  return (x, y) => [width / 2 + (x - cx) * scale, height / 2 - (y - cy) * scale];
}

/**
 * @param {Plane} plane
 * @param {CloudPoints} points
 */
function fill(plane, points) {
  const { clientWidth: width, clientHeight: height } = plane.svg;
  if (!width || !height) return;
  const { curve, closed } = cloudCurve();
  const [xs, ys] = [points.xyz[plane.a], points.xyz[plane.b]];
  plane.project = fitted(
    extent([...Array.from(xs), ...curve.map((knot) => knot[plane.a])]),
    extent([...Array.from(ys), ...curve.map((knot) => knot[plane.b])]),
    { width, height },
  );
  plane.at = Array.from(xs, (x, sample) => plane.project(x, ys[sample]));
  plane.dots = plane.at.map(([x, y], sample) => dot(x, y, points.color(sample)));
  const line = curve.map((knot) => pair(plane.project(knot[plane.a], knot[plane.b]))).join("L");
  const path = svg("path", { class: "plane-curve", d: `M${line}${closed ? "Z" : ""}` });
  plane.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  plane.svg.replaceChildren(
    svg("g", { class: "dots" }, plane.dots),
    line ? path : "",
    plane.pointed,
    plane.lasso,
  );
  placeLabels(plane, { width, height });
  listen(plane);
}

/** @param {[number, number]} point */
const pair = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;

/**
 * @param {number} x
 * @param {number} y
 * @param {string} fill
 */
const dot = (x, y, fill) =>
  svg("circle", { class: "plane-dot", cx: x.toFixed(1), cy: y.toFixed(1), r: 3, style: { fill } });

/**
 * @param {Plane} plane
 * @param {Area} area
 */
function placeLabels(plane, area) {
  const { labels, middle } = cloudCurve();
  const from = plane.project(middle[plane.a], middle[plane.b]);
  const drawn = drawLabels(plane.labels, labels).map((label) => {
    const at = plane.project(label.point[plane.a], label.point[plane.b]);
    return { ...label, spots: labelSpots(at, from, plane.at) };
  });
  placeAll(drawn, area);
}

/**
 * The sample nearest to a pixel, within some pixels; -1 where there is none.
 *
 * @param {Plane} plane
 * @param {[number, number]} at
 */
function nearestSample(plane, [x, y]) {
  let best = -1;
  let least = NEAR * NEAR;
  plane.at.forEach(([px, py], sample) => {
    const away = (px - x) ** 2 + (py - y) ** 2;
    if (away < least) [best, least] = [sample, away];
  });
  return best;
}

/**
 * Samples that a drag picks: those inside its outline, or for a click the nearest one.
 *
 * @param {Plane} plane
 * @param {[number, number][]} outline
 */
function outlined(plane, outline) {
  const [first] = outline;
  const dragged = outline.some(([x, y]) => Math.hypot(x - first[0], y - first[1]) > CLICK_SLOP);
  if (dragged) return plane.at.flatMap((point, at) => (isInside(point, outline) ? [at] : []));
  const sample = nearestSample(plane, first);
  return sample >= 0 ? [sample] : [];
}

/** @param {Plane} plane */
function listen(plane) {
  /** @type {[number, number][] | null} */
  let outline = null;
  /**
   * @param {PointerEvent} event
   * @returns {[number, number]}
   */
  const at = (event) => {
    const { left, top } = plane.svg.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const drop = () => {
    outline = null;
    plane.lasso.setAttribute("d", "");
  };
  plane.svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    outline = [at(event)];
    try {
      plane.svg.setPointerCapture(event.pointerId);
    } catch {
      // The pointer is gone already.
    }
  });
  plane.svg.addEventListener("pointermove", (event) => {
    if (!outline) return hover(plane, at(event));
    outline.push(at(event));
    plane.lasso.setAttribute("d", `M${outline.map(pair).join("L")}Z`);
  });
  plane.svg.addEventListener("pointerup", (event) => {
    if (!outline) return;
    const drawn = outline;
    drop();
    pick(outlined(plane, drawn), event.shiftKey);
  });
  plane.svg.addEventListener("pointercancel", drop);
  plane.svg.addEventListener("pointerleave", () => {
    if (!outline) hover(plane, null);
  });
}

/**
 * @param {Plane} plane
 * @param {[number, number] | null} at
 */
function hover(plane, at) {
  const points = cloudPoints();
  if (!points) return;
  const sample = at ? nearestSample(plane, at) : -1;
  pointAt(sample < 0 ? null : { coordinate: points.coordinate[sample], sample });
  hoverSample(sample, at && [plane.node.offsetLeft + at[0], plane.node.offsetTop + at[1]]);
}

/** @param {number[]} samples */
function showPicked(samples) {
  const chosen = new Set(samples);
  for (const { svg: drawing, dots } of planes) {
    drawing.classList.toggle("some-picked", chosen.size > 0);
    dots.forEach((node, sample) => {
      node.classList.toggle("picked", chosen.has(sample));
    });
  }
}

/** @param {PointedPlace | null} place */
function showPointed(place) {
  pointedPlace = place;
  const xyz = place && cloudPoints() ? placeInCloud(place) : null;
  for (const { a, b, pointed, project } of planes) {
    const [x, y] = xyz ? project(xyz[a], xyz[b]) : [OUTSIDE, OUTSIDE];
    pointed.setAttribute("cx", x.toFixed(1));
    pointed.setAttribute("cy", y.toFixed(1));
  }
}

function recolor() {
  const points = cloudPoints();
  if (!points) return;
  for (const { dots } of planes)
    dots.forEach((node, sample) => {
      node.style.setProperty("fill", points.color(sample));
    });
}

drawPicks({ picked: showPicked, pointed: showPointed, recolored: recolor });
