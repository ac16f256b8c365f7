/* Keys: "/" jumps to the search, "?" lists the keys, and typing in the search searches once the hand rests. */
(function () {
  "use strict";
  const REST_MS = 150;
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  let resting = null;

  function toSearch() {
    const search = document.getElementById("search");
    if (!search) return false;
    search.focus();
    search.select();
    return true;
  }

  function openSheet() {
    const sheet = document.getElementById("keys-sheet");
    if (!sheet.open) sheet.showModal();
    return true;
  }

  const KEYS = { "/": toSearch, "?": openSheet };
  window.addEventListener("keydown", (event) => {
    const does = KEYS[event.key];
    if (does && !event.ctrlKey && !event.metaKey && !event.altKey && !typing(event.target) && does()) event.preventDefault();
  });
  window.addEventListener("click", (event) => {
    if (event.target.closest("#keys-open")) openSheet();
    else if (event.target.id === "keys-sheet") event.target.close();
  });

  /* Dash's drop-downs hold a hidden field that takes the focus and hands it on: one more stop that no reader announces. */
  new MutationObserver((changes) => {
    for (const change of changes) for (const added of change.addedNodes) {
      if (added.querySelectorAll) for (const field of added.querySelectorAll(".dash-dropdown-focus-target")) field.tabIndex = -1;
    }
  }).observe(document.documentElement, { childList: true, subtree: true });

  /* Dash's inputs put the caret back to where it was a moment ago; on a slow machine the next key has come by then and
     the letters change places. The browser keeps the caret by itself, so their call does nothing. */
  window.addEventListener("focusin", (event) => {
    if (event.target.matches("input.dash-input-element")) event.target.setSelectionRange = () => {};
  });

  /* The box is read and never written back to while one types: Dash's numeric debounce puts an older value back. */
  window.addEventListener("input", (event) => {
    const box = event.target;
    if (box.id !== "search") return;
    clearTimeout(resting);
    resting = setTimeout(() => { if (box.isConnected) window.dash_clientside.set_props("search-store", { data: box.value }); }, REST_MS);
  });
})();
