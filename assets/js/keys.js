/* Keys: "/" jumps to the search. */
(function () {
  "use strict";
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  window.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const search = document.getElementById("search");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  });
})();
