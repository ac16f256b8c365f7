/** Receptive strips: each feature's tuning curve over the same coordinate. A click colours the cloud by a feature, pointing
 *  shows the place on the curve, picked tokens are ticks under the strips. */

import { coordinateAt, nearest, rolled } from "../figures/curve.js";
import { setProps } from "../ui/dash.js";
import { find, html, query, queryAll, svg } from "../ui/dom.js";
import { axis } from "../ui/ticks.js";
import { onPathChange } from "../view/path.js";
import { cloudPoints } from "./cloud.js";
import { drawPicks, pointAt } from "./pick.js";

const STEP = 1 / 48;
/** @type {Tick[]} */
let ticks = [];
let closed = false;

/**
 * @param {Strip} strip
 * @param {string} name of the feature
 */
function stripRow(strip, name) {
  const peak = strip.varies ? `fires most at ${strip.peak}` : "does not vary beyond chance";
  const strongest = strip.strongest.toPrecision(3);
  const attributes = {
    type: "button",
    class: "strip",
    "data-feature": strip.feature,
    "aria-pressed": "false",
    title: `Feature ${name} (${strip.role}) ${peak}; mean activation there ${strongest}. Click to colour the cloud by it.`,
    onclick: () => colorBy(strip.feature),
  };
  return html("button", attributes, [
    html("span", { class: "strip-name" }, `${strip.role} ${strip.feature}`),
    stripArea(strip),
    html("span", { class: "strip-fires" }),
    html("span", { class: "sr" }, peak),
  ]);
}

/** @param {Strip} strip */
const stripArea = ({ path, varies, color }) =>
  svg(
    "svg",
    { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { d: path, style: { fill: varies ? color : "var(--hub)" } }),
  );

/** @param {number} feature */
function colorBy(feature) {
  const button = document.querySelector(`.strip[data-feature="${feature}"]`);
  const pressed = button?.getAttribute("aria-pressed") === "true";
  setProps("color-by", { value: pressed ? "coordinate" : `feature-${feature}` });
}

/** @param {StripsData | null | undefined} data */
export function renderStrips(data) {
  const box = find("strips");
  if (!box || !data) return;
  [ticks, closed] = [data.ticks, data.closed];
  const background = `linear-gradient(90deg, ${data.ramp.join(",")})`;
  const ramp = html("div", { class: "strip-ramp", style: { background } });
  const frame = { viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true" };
  const at = html("output", { class: "strip-at", hidden: true });
  const lines = ["strips-line", "strips-here"].map((name) =>
    html("div", { class: name, "aria-hidden": "true", hidden: true }),
  );
  // The axis is inside the box that scrolls: a scroll bar takes the same width from it as from the strips.
  const rows = html("div", { class: "strip-rows" }, [
    ...data.strips.map((strip) =>
      stripRow(strip, data.names?.[strip.feature] ?? `${strip.feature}`),
    ),
    axis(data.ticks, { class: "strip-axis" }, [
      svg("svg", { class: "strip-rug", ...frame }),
      ramp,
      at,
    ]),
    ...lines,
  ]);
  box.replaceChildren(rows);
  listen(rows, ramp);
  markStrip(null);
}

/**
 * The pointer and the arrow keys point at places on the curve.
 *
 * @param {HTMLElement} rows
 * @param {HTMLElement} ramp
 */
function listen(rows, ramp) {
  rows.addEventListener("pointermove", (event) => {
    const { left, width } = ramp.getBoundingClientRect();
    const at = (event.clientX - left) / width;
    pointAt(at < 0 || at > 1 ? null : { coordinate: at });
  });
  rows.addEventListener("pointerleave", () => pointAt(null));
  rows.addEventListener("focusout", () => pointAt(null));
  rows.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowLeft" ? -STEP : event.key === "ArrowRight" ? STEP : 0;
    if (!step) return;
    event.preventDefault();
    const line = query(rows, ".strips-here");
    const at = line.hidden ? 0.5 : Number(line.style.getPropertyValue("--at")) + step;
    pointAt({ coordinate: closed ? (at + 1) % 1 : Math.min(1, Math.max(0, at)) });
  });
}

/** @param {PointedPlace | null} place */
function pointed(place) {
  /** @type {HTMLElement | null} */
  const line = document.querySelector(".strips-here");
  /** @type {HTMLOutputElement | null} */
  const output = document.querySelector(".strip-at");
  if (!line || !output) return;
  line.hidden = output.hidden = place === null;
  if (!place) return;
  for (const node of [line, output]) node.style.setProperty("--at", String(place.coordinate));
  const [name] = nearest(ticks, ([, at]) => at, place.coordinate, closed) ?? [""];
  output.textContent = `${place.coordinate.toFixed(2)} ${name}`;
}

/**
 * A tick for each picked sample; features that fire on none of them fade.
 *
 * @param {number[]} samples
 * @param {Record<string, number>} counts
 */
function picked(samples, counts) {
  const rug = document.querySelector(".strip-rug");
  if (!rug) return;
  const points = cloudPoints();
  const ends = { y1: 0, y2: 10, "vector-effect": "non-scaling-stroke" };
  rug.replaceChildren(
    ...samples.map((sample) => {
      const x = Number(points?.coordinate[sample]) * 1000;
      return svg("line", { x1: x, x2: x, ...ends });
    }),
  );
  for (const strip of queryAll(document, ".strip")) {
    const count = counts[strip.dataset.feature ?? ""];
    const shown = samples.length > 0 && count !== undefined;
    strip.classList.toggle("quiet", samples.length > 0 && count === 0);
    query(strip, ".strip-fires").textContent = shown ? `${count} of ${samples.length}` : "";
  }
}

/**
 * Press the strip of the feature that colours the cloud.
 *
 * @param {string | null} color as the link writes it
 */
export function markStrip(color) {
  for (const strip of queryAll(document, ".strip"))
    strip.setAttribute("aria-pressed", String(color === `feature-${strip.dataset.feature}`));
}

/* A line through the strips where the handle of the steered path stands. */
onPathChange((position, path) => {
  /** @type {HTMLElement | null} */
  const line = document.querySelector(".strips-line");
  if (!line) return;
  line.hidden = !path?.coordinate.length;
  if (!path?.coordinate.length) return;
  const coordinate = rolled(coordinateAt(path.coordinate, closed, position), closed);
  line.style.setProperty("--at", String(coordinate));
});

drawPicks({ picked, pointed });
