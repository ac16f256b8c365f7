/** The table of features: histograms, headings that sort, and rows that choose what colours the cloud. */

import { setProps } from "../ui/dash.js";
import { closest, query, queryAll, svg } from "../ui/dom.js";

const HEIGHT = 20;
const BAR = 6;

/** @param {HTMLElement} cell with its counts in data-bins */
function drawHistogram(cell) {
  const counts = (cell.dataset.bins ?? "").split(",").map(Number);
  const top = Math.max(...counts, 1);
  const bars = counts.map((count, at) => {
    const height = count ? Math.max(1, (count / top) * HEIGHT) : 0;
    return svg("rect", { x: at * BAR, y: HEIGHT - height, width: BAR - 1, height });
  });
  const width = counts.length * BAR;
  const frame = { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, "aria-hidden": "true" };
  cell.replaceChildren(svg("svg", frame, bars));
}

export function renderFeatures() {
  for (const cell of queryAll(document, "#features td.bins")) drawHistogram(cell);
}

/**
 * Sort any table of class "sortable": by data-sort where cells have it, else by text. A second press reverses.
 *
 * @param {HTMLElement} button in a heading
 */
function sortBy(button) {
  const head = closest(button, "th");
  const table = closest(button, "table");
  if (!(head instanceof HTMLTableCellElement) || !(table instanceof HTMLTableElement)) return;
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of queryAll(document, "th"))
    if (other.parentElement === head.parentElement) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  /** @param {HTMLTableRowElement} row */
  const key = (row) =>
    row.cells[head.cellIndex].dataset.sort ?? row.cells[head.cellIndex].textContent ?? "";
  const [body] = table.tBodies;
  const rows = [...body.rows].sort((a, b) => compare(key(a), key(b)) * (down ? -1 : 1));
  body.append(...rows);
}

/**
 * @param {string} a
 * @param {string} b
 */
function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
}

/** @param {string} feature */
function colorBy(feature) {
  const name = document.querySelector(
    `#features .feature-name[data-feature="${CSS.escape(feature)}"]`,
  );
  const pressed = name?.getAttribute("aria-pressed") === "true";
  setProps("color-by", { value: pressed ? "coordinate" : `feature-${feature}` });
}

/**
 * Press the row of the feature that colours the cloud. The row whose details are shown stays marked.
 *
 * @param {string | null} color as the link writes it
 */
export function markFeature(color) {
  for (const row of queryAll(document, "#features tbody tr")) {
    const on = color === `feature-${row.dataset.feature}`;
    query(row, ".feature-name").setAttribute("aria-pressed", String(on));
    if (color?.startsWith("feature-")) row.classList.toggle("shown", on);
  }
}

document.addEventListener("click", ({ target }) => {
  const heading = closest(target, "table.sortable th button.sort");
  if (heading) return sortBy(heading);
  const row = closest(target, "#features tbody tr");
  if (row && !closest(target, "a")) colorBy(row.dataset.feature ?? "");
});
