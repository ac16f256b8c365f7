/** Long tables inside folded details: their rows are written when they are first opened, or copied. */

import { html, queryAll } from "./dom.js";

/**
 * Write the tables inside an element that are still empty.
 *
 * @param {Element} part
 */
export function writeTables(part) {
  for (const box of queryAll(part, "[data-table]:empty")) write(box);
}

/** @param {HTMLElement} box */
function write(box) {
  const [head, ...rows] = JSON.parse(box.dataset.table ?? "[[]]");
  box.replaceChildren(
    html("table", { class: "small" }, [
      html("thead", {}, row(head, "th", { scope: "col" })),
      html(
        "tbody",
        {},
        rows.map((/** @type {string[]} */ cells) => row(cells, "td")),
      ),
    ]),
  );
}

/**
 * @param {string[]} cells
 * @param {"td" | "th"} name
 * @param {Attributes} [attributes]
 */
const row = (cells, name, attributes = {}) =>
  html(
    "tr",
    {},
    cells.map((text) => html(name, attributes, text)),
  );

document.addEventListener(
  "toggle",
  ({ target }) => {
    if (target instanceof HTMLDetailsElement && target.open) writeTables(target);
  },
  true,
);

/* The next manifold's page reuses the box and changes its data. */
new MutationObserver((changes) => {
  for (const { target } of changes) {
    const box = /** @type {HTMLElement} */ (target);
    box.replaceChildren();
    if (box.closest("details[open]")) write(box);
  }
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-table"] });
