/** Keyboard and text fields: "/" jumps to the search, "?" lists the keys, and the search follows the typing. */

import { setProps } from "./dash.js";
import { closest, find, queryAll } from "./dom.js";

const REST_MS = 150;
const HIDDEN_STOP = ".dash-dropdown-focus-target";
const FIELDS = "input, textarea, select, [contenteditable]";

function focusSearch() {
  const search = find("search");
  if (!(search instanceof HTMLInputElement)) return false;
  search.focus();
  search.select();
  return true;
}

function openSheet() {
  const sheet = find("keys-sheet");
  if (sheet instanceof HTMLDialogElement && !sheet.open) sheet.showModal();
  return true;
}

/** @type {Record<string, () => boolean>} */
const ACTIONS = { "/": focusSearch, "?": openSheet };

window.addEventListener("keydown", (event) => {
  const act = ACTIONS[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!closest(event.target, FIELDS) && act()) event.preventDefault();
});

window.addEventListener("click", ({ target }) => {
  if (closest(target, "#keys-open")) openSheet();
  else if (target instanceof HTMLDialogElement && target.id === "keys-sheet") target.close();
});

/* Dash's drop-downs hold a hidden field that takes the focus and passes it on: a tab stop that nothing announces. */
new MutationObserver((changes) => {
  for (const { addedNodes } of changes) {
    for (const added of addedNodes) {
      const fields = added instanceof Element ? queryAll(added, HIDDEN_STOP) : [];
      for (const field of fields) field.tabIndex = -1;
    }
  }
}).observe(document.documentElement, { childList: true, subtree: true });

/* Dash's inputs restore an earlier position of the caret; on a slow machine the next key has been typed by then and the
   letters change places. The browser keeps the caret by itself, so their call does nothing. */
window.addEventListener("focusin", ({ target }) => {
  if (target instanceof HTMLInputElement && target.matches("input.dash-input-element"))
    target.setSelectionRange = () => {};
});

/** @type {number | undefined} */
let resting;

/* The search is read and never written while one types: Dash's own debounce writes an older value back. */
window.addEventListener("input", ({ target }) => {
  if (!(target instanceof HTMLInputElement) || target.id !== "search") return;
  clearTimeout(resting);
  resting = window.setTimeout(() => {
    if (target.isConnected) setProps("search-store", { data: target.value });
  }, REST_MS);
});
