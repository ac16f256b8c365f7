/* The table of features: histograms as small drawings, headings that sort, a row that chooses what colours the cloud. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const HEIGHT = 20, BAR = 6;

  function histogram(cell) {
    const bars = cell.dataset.bins.split(",").map(Number);
    const top = Math.max(...bars, 1);
    const shapes = bars.map((count, i) => {
      const height = count ? Math.max(1, (count / top) * HEIGHT) : 0;
      return mx.svg("rect", { x: i * BAR, y: HEIGHT - height, width: BAR - 1, height });
    });
    cell.replaceChildren(mx.svg("svg", { viewBox: `0 0 ${bars.length * BAR} ${HEIGHT}`, width: bars.length * BAR, height: HEIGHT, "aria-hidden": "true" }, shapes));
  }

  function render() {
    for (const cell of document.querySelectorAll("#features td.bins")) histogram(cell);
  }

  /* Any table of class "sortable": by number where cells say data-sort, else by text; a second press turns the order. */
  function sort(button) {
    const head = button.closest("th"), table = button.closest("table");
    const column = [...head.parentElement.children].indexOf(head);
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.children) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => { const cell = row.cells[column]; return cell.dataset.sort ?? cell.textContent; };
    const compare = (a, b) => (isNaN(key(a)) || isNaN(key(b)) ? key(a).localeCompare(key(b)) : key(a) - key(b)) * (down ? -1 : 1);
    const body = table.tBodies[0];
    for (const row of [...body.rows].sort(compare)) body.append(row);
  }

  function choose(feature) {
    const name = document.querySelector(`#features .feature-name[data-feature="${CSS.escape(feature)}"]`);
    const on = name && name.getAttribute("aria-pressed") === "true";
    window.dash_clientside.set_props("color-by", { value: on ? "coordinate" : `feature-${feature}` });
  }

  /* The row of what colours the cloud is pressed; the row that is told beside the table stays marked. */
  function mark(color) {
    for (const row of document.querySelectorAll("#features tbody tr")) {
      const on = color === `feature-${row.dataset.feature}`;
      row.querySelector(".feature-name").setAttribute("aria-pressed", String(on));
      if (String(color).startsWith("feature-")) row.classList.toggle("shown", on);
    }
  }

  document.addEventListener("click", (event) => {
    const heading = event.target.closest("table.sortable th button.sort");
    if (heading) return sort(heading);
    const row = event.target.closest("#features tbody tr");
    if (row && !event.target.closest("a")) choose(row.dataset.feature);
  });

  mx.features = { render, mark };
})();
