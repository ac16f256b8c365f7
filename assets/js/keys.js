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

  /* The box is read and never written back to while one types: Dash's own numeric debounce puts the caret and an older
     value back a moment later, and loses keys. */
  window.addEventListener("input", (event) => {
    const box = event.target;
    if (box.id !== "search") return;
    clearTimeout(resting);
    resting = setTimeout(() => { if (box.isConnected) window.dash_clientside.set_props("search-store", { data: box.value }); }, REST_MS);
  });
})();
