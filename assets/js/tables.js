/* Long tables that stand folded away: written when they are first opened. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});

  function write(box) {
    const [head, ...rows] = JSON.parse(box.dataset.table);
    const line = (cells, name, more) => mx.html("tr", {}, cells.map((text) => mx.html(name, more, text)));
    box.replaceChildren(mx.html("table", { class: "small" }, [mx.html("thead", {}, line(head, "th", { scope: "col" })),
      mx.html("tbody", {}, rows.map((cells) => line(cells, "td")))]));
  }

  document.addEventListener("toggle", ({ target }) => {
    if (target.open) for (const box of target.querySelectorAll("[data-table]:empty")) write(box);
  }, true);
})();
