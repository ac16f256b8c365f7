/* Keys: "/" jumps to the search, and typing there searches once the hand rests. */
(function () {
  "use strict";
  const REST_MS = 150;
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  let resting = null;

  window.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const search = document.getElementById("search");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  });

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
