/* Long tables that stand folded away: written when they are first opened, or copied. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});

  function write(part) {
    for (const box of part.querySelectorAll("[data-table]:empty")) fill(box);
  }

  function fill(box) {
    const [head, ...rows] = JSON.parse(box.dataset.table);
    const line = (cells, name, more) => mx.html("tr", {}, cells.map((text) => mx.html(name, more, text)));
    box.replaceChildren(mx.html("table", { class: "small" }, [mx.html("thead", {}, line(head, "th", { scope: "col" })),
      mx.html("tbody", {}, rows.map((cells) => line(cells, "td")))]));
  }

  document.addEventListener("toggle", ({ target }) => {
    if (target.open) write(target);
  }, true);

  /* The next manifold's page keeps the box and changes what it holds. */
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      target.replaceChildren();
      if (target.closest("details[open]")) fill(target);
    }
  }).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-table"] });

  mx.tables = { write };
})();
