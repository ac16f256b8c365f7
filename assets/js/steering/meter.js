/** The strength slider and its meter: how far from the curve the state would lie, known before any text is generated. */

import { setProps } from "../ui/dash.js";
import { find, html, query, queryAll } from "../ui/dom.js";
import { clamp, short } from "../ui/format.js";
import { currentPath, handlePosition, onPathChange } from "../view/path.js";

const STEP = 0.05;

/**
 * The cell of a grid around a value: lower index, upper index, share between them.
 *
 * @param {number[]} grid ascending, at least two numbers
 * @param {number} value
 * @returns {[number, number, number]}
 */
export function gridCell(grid, value) {
  const above = grid.findIndex((at) => at >= value);
  const upper = above < 0 ? grid.length - 1 : Math.max(above, 1);
  const span = grid[upper] - grid[upper - 1];
  return [upper - 1, upper, span ? clamp((value - grid[upper - 1]) / span) : 0];
}

/**
 * @param {number[]} values
 * @param {[number, number, number]} cell
 */
const interpolate = (values, [low, high, share]) =>
  values[low] * (1 - share) + values[high] * share;

/**
 * Distance from the curve at each strength, at a position along the path.
 *
 * @param {Meter} meter
 * @param {number} position
 */
export function distancesAt({ positions, off_manifold }, position) {
  if (positions.length < 2) return off_manifold[0];
  const cell = gridCell(positions, position);
  return off_manifold[0].map((_, at) =>
    interpolate(
      off_manifold.map((row) => row[at]),
      cell,
    ),
  );
}

const strengthField = () => find("steer-strength");

/**
 * The slider of a result. A stored result has no field to set: its slider only shows.
 *
 * @param {BandsView} path
 */
export function meterRow(path) {
  const { meter } = path;
  if (!meter) return null;
  const [low, high] = [meter.strengths[0], meter.strengths[meter.strengths.length - 1]];
  const slider = html("input", {
    id: "strength-slider",
    type: "range",
    min: low,
    max: high,
    step: STEP,
    value: clamp(path.strength, low, high),
    disabled: !strengthField(),
    "aria-label": "Strength of the move",
    oninput: () => showMeter(handlePosition(), currentPath()),
    onchange: ({ target }) => {
      if (strengthField()) setProps("steer-strength", { value: Number(target.value) });
    },
  });
  const cells = meter.strengths.map(() => html("i"));
  return html("label", { class: "meter" }, [
    html("span", { class: "muted small" }, "strength"),
    html("span", { class: "meter-track" }, [
      html("span", { class: "meter-cells", "aria-hidden": "true" }, cells),
      slider,
    ]),
    html("span", { class: "meter-words small muted" }),
  ]);
}

/** @type {PathListener} */
function showMeter(position, path) {
  const slider = find("strength-slider");
  if (!(slider instanceof HTMLInputElement) || !path?.meter) return;
  const { meter } = path;
  const strength = Number(slider.value);
  const distances = distancesAt(meter, position);
  const distance = interpolate(distances, gridCell(meter.strengths, strength));
  const beyond = distance > meter.safe;
  queryAll(document, ".meter-cells i").forEach((cell, at) => {
    cell.classList.toggle("beyond", distances[at] > meter.safe);
  });
  const text = `at ${short(strength)}: ${distance.toFixed(1)} × usual${beyond ? ", beyond safe" : ""}`;
  const output = query(document, ".meter-words");
  output.textContent = text;
  output.classList.toggle("beyond", beyond);
  output.title = `Before any text: at strength ${strength} the curve's arm would bring the state ${distance.toFixed(1)} times the usual distance from the curve. Up to ${meter.safe.toFixed(1)} counts as safe.`;
  slider.setAttribute("aria-valuetext", `${text} the distance from the curve`);
}

onPathChange(showMeter);
