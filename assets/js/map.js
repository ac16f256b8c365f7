/* Names on the map: placed anew at every zoom, the most manifold-like first; zooming in shows more of them. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const AT_FIRST = 24;
  let labels = [];
  let base = "";
  let widest = 0;
  let lit = null;
  const DIM = [0.12, 0.16], PLAIN = [0.4, 0.92];

  const plot = () => document.querySelector("#map .js-plotly-plot");

  function spots(x, y) {
    return (width, height) => [[-width / 2, -height - 8], [-width / 2, 8], [10, -height / 2], [-width - 10, -height / 2]]
      .map(([dx, dy]) => mx.labels.box(x + dx, y + dy, width, height));
  }

  /* How many names there are: as many again for every halving of what is seen. */
  function limit(full) {
    const [low, high] = full.xaxis.range, seen = Math.abs(high - low);
    widest = widest || seen;
    return AT_FIRST * (full.width / 700) * Math.max(1, (widest / seen) ** 2);
  }

  function place() {
    const gd = plot(), layer = document.getElementById("map-labels");
    const full = gd && gd._fullLayout;
    if (!layer || !full || !full.xaxis) return;
    const named = lit ? [...layer.children].filter((node) => lit.cluster.includes(Number(node.dataset.cluster))) : [...layer.children];
    if (lit) for (const node of layer.children) node.style.visibility = "hidden";
    const names = named.map((node) => ({ node, width: node.offsetWidth, height: node.offsetHeight,
      spots: spots(full.xaxis.l2p(Number(node.dataset.x)) + full._size.l, full.yaxis.l2p(Number(node.dataset.y)) + full._size.t) }));
    mx.labels.place(names, { width: layer.clientWidth, height: layer.clientHeight }, limit(full));
  }

  function render(data) {
    const layer = document.getElementById("map-labels");
    if (!layer || !data) return;
    labels = data.labels;
    base = data.base;
    widest = 0;
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

  /* Light up some features and dim the others; null shows the plain map. */
  function light(found) {
    lit = found;
    mx.whenThere(() => { const gd = plot(); return gd && gd._fullLayout && gd._fullLayout.xaxis && window.Plotly ? gd : null; }, (gd) => {
      if (lit !== found) return;
      const opacity = found ? DIM : PLAIN, shown = found || { x: [], y: [], turn: [] };
      window.Plotly.restyle(gd, { "marker.opacity": opacity }, [0, 1]);
      window.Plotly.restyle(gd, { x: [shown.x], y: [shown.y], "marker.color": [shown.turn] }, [2]).then(place);
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

  mx.map = { render, place, visit, light };
})();
