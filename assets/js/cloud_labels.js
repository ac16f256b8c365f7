/* Names of the values around the cloud, in front of its WebGL context: outside the curve, away from the points. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const AWAY = [10, 22, 36];
  const TURNS = [0, 0.5, -0.5, 1, -1];
  const COVER = 1.5;
  const scene = (gd) => gd && gd._fullLayout && gd._fullLayout.scene && gd._fullLayout.scene._scene;

  /* From data to pixels of the drawing, as plotly's own camera sees it. */
  function projector(drawing, area) {
    const { model, view, projection } = drawing.glplot.cameraParams;
    const scale = drawing.dataScale;
    const times = (m, v) => [0, 1, 2, 3].map((row) => m[row] * v[0] + m[4 + row] * v[1] + m[8 + row] * v[2] + m[12 + row] * v[3]);
    return (x, y, z) => {
      const at = times(projection, times(view, times(model, [x * scale[0], y * scale[1], z * scale[2], 1])));
      return at[3] > 0 ? [0.5 * (1 + at[0] / at[3]) * area.width, 0.5 * (1 - at[1] / at[3]) * area.height] : null;
    };
  }

  function inside(points, box) {
    let count = 0;
    for (const [x, y] of points) if (x > box.left && x < box.right && y > box.top && y < box.bottom) count += 1;
    return count;
  }

  /* Spots around a point, outward first; those that cover few points come first. */
  function spots(at, from, points) {
    const outward = Math.atan2(at[1] - from[1], at[0] - from[0]);
    return (width, height) => AWAY.flatMap((away, ring) => TURNS.map((turn, side) => {
      const angle = outward + turn;
      const x = at[0] + Math.cos(angle) * (away + width / 2), y = at[1] + Math.sin(angle) * (away + height / 2);
      const spot = mx.labels.box(x - width / 2, y - height / 2, width, height);
      return { spot, cost: inside(points, spot) * COVER + ring * 2 + side * 0.4 };
    })).sort((a, b) => a.cost - b.cost).map((one) => one.spot);
  }

  /* The names of one drawing: their layer, and plotly's own element. */
  function around(layer, plot) {
    let names = [];
    let middle = [0, 0, 0];
    let first = [];

    function place(gd) {
      const box = layer(), drawing = scene(gd);
      if (!box || !drawing || !drawing.glplot || !gd._fullData[0]) return;
      const area = { width: box.clientWidth, height: box.clientHeight };
      const project = projector(drawing, area);
      const { x, y, z } = gd._fullData[0];
      const points = Array.from(x, (_, i) => project(x[i], y[i], z[i])).filter(Boolean);
      const from = project(...middle);
      const there = names.map((name) => ({ ...name, at: project(...name.point) }));
      for (const name of there) if (!name.at || !from) name.node.style.visibility = "hidden";
      const wanted = there.filter((name) => name.at && from).sort((a, b) => rank(b) - rank(a));
      mx.labels.place(wanted.map((name) => ({ ...name, spots: spots(name.at, from, points) })), area);
    }

    /* A tried text's tokens come first, then the ends of a path. */
    const rank = (name) => (name.kind ? 2 : first.includes(name.text) ? 1 : 0);

    /* Every frame that plotly draws places the names anew. */
    function follow(gd) {
      const drawing = scene(gd);
      if (!drawing || !drawing.glplot || drawing.glplot.mxLabels) return;
      const draw = drawing.glplot.onrender;
      drawing.glplot.onrender = () => { if (draw) draw(); place(gd); };
      drawing.glplot.mxLabels = true;
    }

    function use(labels, centre) {
      const box = layer();
      if (!box) return;
      [names, middle, first] = [[], centre, []];
      const nodes = labels.map((one) => mx.html("span", { class: `cloud-label ${one.kind || ""}`, style: { "--value": one.color } }, one.text));
      box.replaceChildren(...nodes);
      names = labels.map((one, i) => ({ node: nodes[i], text: one.text, kind: one.kind, point: one.point, width: nodes[i].offsetWidth, height: nodes[i].offsetHeight }));
      const ready = () => { const gd = plot(); return gd && gd.on && scene(gd) && scene(gd).glplot ? gd : null; };
      mx.whenThere(ready, (gd) => {
        const again = () => { follow(gd); place(gd); };
        if (!gd.mxLabels) gd.on("plotly_afterplot", again);
        gd.mxLabels = true;
        again();
      });
    }

    /* These names get their place before the others: the ends of a path. */
    function prefer(texts) {
      first = texts;
      const gd = plot();
      if (scene(gd)) place(gd);
    }

    return { use, prefer };
  }

  mx.cloudLabels = { ...around(() => document.getElementById("cloud-labels"), () => mx.cloud.plot()), around, spots };
})();
