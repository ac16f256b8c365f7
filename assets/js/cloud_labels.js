/* Names of the values around the cloud, in front of its drawing: outside the curve, away from the points. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const AWAY = [10, 22, 36];
  const TURNS = [0, 0.5, -0.5, 1, -1];
  const COVER = 1.5;

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

  /* The names of one drawing, in their layer. */
  function around(layer) {
    let space = null;
    let names = [];
    let middle = [0, 0, 0];
    let first = [];

    function place() {
      const box = layer();
      if (!box || !space) return;
      const area = { width: box.clientWidth, height: box.clientHeight };
      const project = space.project();
      const { x, y, z } = space.figure.data[0];
      const points = Array.from(x, (_, i) => project(x[i], y[i], z[i])).filter(Boolean);
      const from = project(...middle);
      const there = names.map((name) => ({ ...name, at: project(...name.point) }));
      for (const name of there) if (!name.at || !from) name.node.style.visibility = "hidden";
      const wanted = there.filter((name) => name.at && from).sort((a, b) => rank(b) - rank(a));
      mx.labels.place(wanted.map((name) => ({ ...name, spots: spots(name.at, from, points) })), area);
    }

    /* A tried text's tokens come first, then the ends of a path. */
    const rank = (name) => (name.kind ? 2 : first.includes(name.text) ? 1 : 0);

    /* Name places of a drawing; every frame that it draws places the names anew. */
    function use(drawing, labels, centre) {
      const box = layer();
      if (!box || !drawing) return;
      [space, middle, first] = [drawing, centre, []];
      const nodes = labels.map((one) => mx.html("span", { class: `cloud-label ${one.kind || ""}`, style: { "--value": one.color } }, one.text));
      box.replaceChildren(...nodes);
      names = labels.map((one, i) => ({ node: nodes[i], text: one.text, kind: one.kind, point: one.point, width: nodes[i].offsetWidth, height: nodes[i].offsetHeight }));
      space.drawn.add(place);
      place();
    }

    /* These names get their place before the others: the ends of a path. */
    function prefer(texts) {
      first = texts;
      place();
    }

    return { use, prefer };
  }

  mx.cloudLabels = { ...around(() => document.getElementById("cloud-labels")), around, spots };
})();
