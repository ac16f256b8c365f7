/** Cards: each can be enlarged, copied as data and saved as a picture, by buttons with a data-do attribute. */

import { closest, query, queryAll } from "./dom.js";
import { copyText, saveFile } from "./export.js";
import { drawPicture } from "./picture.js";
import { writeTables } from "./tables.js";
import { notify } from "./toast.js";
import { plainCell } from "./tsv.js";

/** @type {{ card: HTMLElement, behind: HTMLElement[], button: Element | null } | null} */
let enlarged = null;

/**
 * Everything around a card; it is out of reach while the card fills the page.
 *
 * @param {HTMLElement} card
 */
function surroundings(card) {
  /** @type {HTMLElement[]} */
  const found = [];
  for (let node = card; node !== document.body && node.parentElement; node = node.parentElement) {
    for (const other of node.parentElement.children)
      if (other !== node && other.id !== "toast") found.push(/** @type {HTMLElement} */ (other));
  }
  return found;
}

/** @param {HTMLElement} card */
function enlarge(card) {
  const behind = surroundings(card).filter((node) => !node.inert);
  enlarged = { card, behind, button: document.activeElement };
  for (const node of behind) node.inert = true;
  mark(card, true);
}

function shrink() {
  if (!enlarged) return;
  const { card, behind, button } = enlarged;
  enlarged = null;
  for (const node of behind) node.inert = false;
  mark(card, false);
  if (button instanceof HTMLElement && button.isConnected) button.focus();
}

/**
 * @param {HTMLElement} card
 * @param {boolean} large
 */
function mark(card, large) {
  card.toggleAttribute("data-enlarged", large);
  query(card, ".tool.enlarge").setAttribute("aria-pressed", String(large));
  document.documentElement.toggleAttribute("data-enlarged", large);
  if (!large) card.scrollIntoView({ block: "nearest" });
}

/**
 * Tab-separated text of what a card shows: its tables, except explanations (.no-data); without tables, its lists of
 * names and values.
 *
 * @param {HTMLElement} card
 */
export function shownData(card) {
  writeTables(card);
  const tables = [...card.querySelectorAll("table")]
    .filter((table) => !table.closest(".no-data"))
    .map((table) => [...table.rows].map((row) => line([...row.cells])).join("\n"));
  const lists = [...card.querySelectorAll("dl")].map((list) => {
    const values = queryAll(list, "dd");
    return queryAll(list, "dt")
      .map((name, at) => line([name, values[at]]))
      .join("\n");
  });
  return (tables.length ? tables : lists).join("\n\n");
}

/** @param {HTMLElement[]} cells */
const line = (cells) =>
  cells.map((cell) => plainCell(cell.dataset.value ?? cell.textContent ?? "")).join("\t");

/** @param {HTMLElement} card */
async function data(card) {
  /** @type {HTMLElement | null} */
  const source = card.dataset.tsv ? card : card.querySelector("[data-tsv]");
  if (!source?.dataset.tsv) return shownData(card);
  const reply = await fetch(source.dataset.tsv);
  if (!reply.ok) throw new Error((await reply.json()).message);
  return reply.text();
}

/** @param {HTMLElement} card */
async function copy(card) {
  const text = await data(card);
  const rows = text.trim().split("\n").length;
  if (!text.trim()) notify("There is nothing to copy yet.");
  else if (await copyText(text))
    notify(`Copied ${rows} ${rows === 1 ? "line" : "lines"} of tab-separated data.`);
  else {
    const file = `${fileName(card)}.tsv`;
    saveFile(new Blob([text], { type: "text/tab-separated-values" }), file);
    notify(`The browser does not allow copying here, so it was saved as ${file}.`);
  }
}

/** @param {HTMLElement} card */
function fileName(card) {
  const title = document.title.split(" · ")[0].replace(/[^\p{L}\p{N}]+/gu, "-");
  return `${title.replace(/^-+|-+$/g, "") || "manifold"}-${card.dataset.card}`;
}

/**
 * @param {HTMLElement} card
 * @param {"svg" | "png"} kind
 */
async function savePicture(card, kind) {
  const picture = await drawPicture(card.querySelector(".card-picture") ?? card);
  const file = `${fileName(card)}.${kind}`;
  saveFile(kind === "svg" ? picture.svg() : await picture.png(), file);
  notify(`Saved ${file}.`);
}

/** @type {Record<string, (card: HTMLElement) => void | Promise<void>>} */
const ACTIONS = {
  enlarge: (card) => (enlarged ? shrink() : enlarge(card)),
  copy,
  "save-svg": (card) => savePicture(card, "svg"),
  "save-png": (card) => savePicture(card, "png"),
};

/** @returns {NodeListOf<HTMLDetailsElement>} */
const openMenus = () => document.querySelectorAll("details.save-menu[open]");

document.addEventListener("click", async ({ target }) => {
  for (const menu of openMenus()) {
    if (!menu.contains(/** @type {Node} */ (target)) || closest(target, ".menu-item"))
      menu.open = false;
  }
  const button = closest(target, "[data-do]");
  const card = closest(button, "[data-card]");
  const act = ACTIONS[button?.dataset.do ?? ""];
  if (!card || !act) return;
  try {
    await act(card);
  } catch (error) {
    notify(`That did not work: ${error instanceof Error ? error.message : error}`);
  }
});

window.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]")) return;
  const [menu] = openMenus();
  if (menu) {
    menu.open = false;
    query(menu, "summary").focus();
  } else if (enlarged?.card.isConnected) shrink();
});

/* A page that is left while a card is enlarged, by the browser's buttons or by a link. */
for (const leaving of ["popstate", "_dashprivate_pushstate"])
  window.addEventListener(leaving, shrink);
