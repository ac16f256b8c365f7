/* Names on the map: placed anew at every zoom, the most manifold-like first, never over one another. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const GAP = 4;
  let labels = [];
  let base = "";

  const plot = () => document.querySelector("#map .js-plotly-plot");

  function overlaps(a, b) {
    return a.left < b.right + GAP && b.left < a.right + GAP && a.top < b.bottom + GAP && b.top < a.bottom + GAP;
  }

  function spots(x, y, width, height) {
    const around = [[-width / 2, -height - 8], [-width / 2, 8], [10, -height / 2], [-width - 10, -height / 2]];
    return around.map(([dx, dy]) => ({ left: x + dx, top: y + dy, right: x + dx + width, bottom: y + dy + height }));
  }

  function place() {
    const gd = plot(), layer = document.getElementById("map-labels");
    const full = gd && gd._fullLayout;
    if (!layer || !full || !full.xaxis) return;
    const taken = [];
    const inside = { right: layer.clientWidth - 4, bottom: layer.clientHeight - 4 };
    for (const node of layer.children) {
      const x = full.xaxis.l2p(Number(node.dataset.x)) + full._size.l, y = full.yaxis.l2p(Number(node.dataset.y)) + full._size.t;
      const free = spots(x, y, node.offsetWidth, node.offsetHeight).find((box) =>
        box.left >= 4 && box.top >= 4 && box.right <= inside.right && box.bottom <= inside.bottom && !taken.some((other) => overlaps(box, other)));
      node.style.visibility = free ? "visible" : "hidden";
      if (free) {
        taken.push(free);
        node.style.transform = `translate(${Math.round(free.left)}px, ${Math.round(free.top)}px)`;
      }
    }
  }

  function render(data) {
    const layer = document.getElementById("map-labels");
    if (!layer || !data) return;
    labels = data.labels;
    base = data.base;
    layer.replaceChildren(...labels.slice(0, 400).map((one) =>
      mx.html("a", { class: "map-label", href: `${base}${one.cluster}`, "data-cluster": one.cluster, "data-x": one.x, "data-y": one.y, tabindex: -1, onclick: go }, one.text)));
    mx.whenThere(() => { const gd = plot(); return gd && gd._fullLayout && gd._fullLayout.xaxis ? gd : null; }, (gd) => {
      if (!gd.mxLabels) {
        gd.mxLabels = true;
        gd.on("plotly_afterplot", place);
        gd.on("plotly_relayouting", place);
      }
      place();
    });
  }

  /* Follow a link inside the app without loading the page anew. */
  function visit(href) {
    window.history.pushState({}, "", href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  }

  function go(event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    visit(event.currentTarget.getAttribute("href"));
  }

  mx.map = { render, place, visit };
})();
