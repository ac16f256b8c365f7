/* The cloud on pairs of its axes: the same points and colours as in space, as SVG; drawing around points picks them. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const PAIRS = ["12", "13", "23"];
  const EDGE = 30, NEAR = 9, STILL = 4;
  let names = [];
  let axes = "3d";
  let planes = [];
  let here = null;

  const box = () => document.getElementById("planes");
  const watcher = new ResizeObserver(() => draw());

  function use(data) {
    names = data.axes || [];
    planes = [];
    if (!box()) return;
    watcher.observe(box());
    const pressed = document.querySelector("#axes [aria-pressed=true]");
    if (pressed) choose(pressed.dataset.axes);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("#axes [data-axes]");
    if (button) choose(button.dataset.axes);
  });

  function choose(which) {
    axes = which;
    const views = box() && box().closest(".cloud-views");
    if (views) views.dataset.axes = which;
    for (const button of document.querySelectorAll("#axes button")) button.setAttribute("aria-pressed", String(button.dataset.axes === which));
    mx.link.set({ axes: which === "3d" ? null : which });
    draw();
  }

  /* From data to pixels of one plane: equal units on both axes, all of the cloud and its curve inside. */
  function fitted(xs, ys, curve, a, b, width, height) {
    const span = (values, along) => {
      let [low, high] = [Infinity, -Infinity];
      for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
      for (const knot of curve) { low = Math.min(low, knot[along]); high = Math.max(high, knot[along]); }
      return [low, high];
    };
    const [left, right] = span(xs, a), [bottom, top] = span(ys, b);
    const scale = Math.min((width - 2 * EDGE) / (right - left || 1), (height - 2 * EDGE) / (top - bottom || 1));
    const [cx, cy] = [(left + right) / 2, (bottom + top) / 2];
    return (x, y) => [width / 2 + (x - cx) * scale, height / 2 - (y - cy) * scale];
  }

  function draw() {
    const there = box();
    if (!there) return;
    const shown = axes === "3d" ? [] : axes === "all" ? PAIRS : [axes];
    if (!shown.length) { planes = []; there.replaceChildren(); return; }
    const cloud = mx.cloud.points();
    if (!cloud) return;
    planes = shown.map((pair) => plane(pair));
    there.replaceChildren(...planes.map((one) => one.node));
    for (const one of planes) fill(one, cloud);
    picked(mx.pick.picked());
    pointed(here);
  }

  function plane(pair) {
    const label = `Axes ${pair[0]} and ${pair[1]}`;
    const svg = mx.svg("svg", { role: "img", "aria-label": `${label} of the cloud` });
    const labels = mx.html("div", { class: "plane-labels", "aria-hidden": "true" });
    const [across, up] = [...pair].map((axis) => names[axis - 1]);
    const node = mx.html("div", { class: "plane", "data-pair": pair }, [svg, labels,
      mx.html("span", { class: "plane-across" }, `${across} →`), mx.html("span", { class: "plane-up" }, `↑ ${up}`)]);
    return { pair, node, svg, labels, at: [], dots: [] };
  }

  function fill(one, cloud) {
    const [a, b] = [...one.pair].map((axis) => axis - 1);
    const { clientWidth: width, clientHeight: height } = one.svg;
    if (!width || !height) return;
    const xs = cloud.xyz[a], ys = cloud.xyz[b];
    const curve = mx.cloud.curve();
    one.project = fitted(xs, ys, curve.points, a, b, width, height);
    one.at = Array.from(xs, (x, i) => one.project(x, ys[i]));
    one.dots = one.at.map(([x, y], i) => mx.svg("circle", { class: "plane-dot", cx: x.toFixed(1), cy: y.toFixed(1), r: 3, style: { fill: cloud.color(i) } }));
    const line = curve.points.map((knot) => one.project(knot[a], knot[b]).map((v) => v.toFixed(1)).join(" ")).join("L");
    one.mark = mx.svg("circle", { class: "plane-here", r: 8, cx: -99, cy: -99 });
    one.lasso = mx.svg("path", { class: "lasso" });
    one.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    one.svg.replaceChildren(mx.svg("g", { class: "dots" }, one.dots),
      line ? mx.svg("path", { class: "plane-curve", d: `M${line}${curve.closed ? "Z" : ""}` }) : "", one.mark, one.lasso);
    name(one, a, b, { width, height });
    listen(one);
  }

  function name(one, a, b, area) {
    const middle = mx.cloud.curve().middle;
    const from = one.project(middle[a], middle[b]);
    const labels = mx.cloud.curve().labels;
    const nodes = labels.map((label) => mx.html("span", { class: "cloud-label", style: { "--value": label.color } }, label.text));
    one.labels.replaceChildren(...nodes);
    mx.labels.place(labels.map((label, i) => ({ node: nodes[i], width: nodes[i].offsetWidth, height: nodes[i].offsetHeight,
      spots: mx.cloudLabels.spots(one.project(label.point[a], label.point[b]), from, one.at) })), area);
  }

  function nearest(one, [x, y], within) {
    let best = -1, least = within * within;
    one.at.forEach((at, i) => {
      const far = (at[0] - x) ** 2 + (at[1] - y) ** 2;
      if (far < least) [best, least] = [i, far];
    });
    return best;
  }

  /* Even-odd rule. */
  function inside([x, y], outline) {
    let odd = false;
    outline.forEach(([x1, y1], i) => {
      const [x2, y2] = outline[(i + outline.length - 1) % outline.length];
      if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
    });
    return odd;
  }

  function listen(one) {
    if (one.listens) return;
    one.listens = true;
    let outline = null;
    const at = (event) => { const rect = one.svg.getBoundingClientRect(); return [event.clientX - rect.left, event.clientY - rect.top]; };
    one.svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      outline = [at(event)];
      try { one.svg.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone by now */ }
    });
    one.svg.addEventListener("pointermove", (event) => {
      if (!outline) return hover(one, at(event));
      outline.push(at(event));
      one.lasso.setAttribute("d", `M${outline.map((point) => point.map((v) => v.toFixed(1)).join(" ")).join("L")}Z`);
    });
    one.svg.addEventListener("pointerup", (event) => {
      if (!outline) return;
      const drawn = outline;
      drop();
      const far = drawn.some(([x, y]) => Math.hypot(x - drawn[0][0], y - drawn[0][1]) > STILL);
      const one_point = nearest(one, drawn[0], NEAR);
      const chosen = far ? one.at.flatMap((point, i) => (inside(point, drawn) ? [i] : [])) : one_point >= 0 ? [one_point] : [];
      mx.pick.choose(chosen, event.shiftKey);
    });
    const drop = () => { outline = null; one.lasso.setAttribute("d", ""); };
    one.svg.addEventListener("pointercancel", drop);
    one.svg.addEventListener("pointerleave", () => { if (!outline) hover(one, null); });
  }

  function hover(one, at) {
    const sample = at ? nearest(one, at, NEAR) : -1;
    const cloud = mx.cloud.points();
    if (!cloud) return;
    mx.pick.point(sample < 0 ? null : { coordinate: cloud.coordinate[sample], sample });
    mx.cloud.tip(sample, at && [one.node.offsetLeft + at[0], one.node.offsetTop + at[1]]);
  }

  function picked(samples) {
    const chosen = new Set(samples);
    for (const one of planes) {
      one.svg.classList.toggle("some-picked", chosen.size > 0);
      one.dots.forEach((dot, i) => dot.classList.toggle("picked", chosen.has(i)));
    }
  }

  function pointed(place) {
    here = place;
    const cloud = mx.cloud.points();
    const xyz = place && cloud && mx.cloud.placed(place);
    for (const one of planes) {
      if (!one.mark) continue;
      const [x, y] = xyz ? one.project(xyz[one.pair[0] - 1], xyz[one.pair[1] - 1]) : [-99, -99];
      one.mark.setAttribute("cx", x.toFixed(1));
      one.mark.setAttribute("cy", y.toFixed(1));
    }
  }

  function recolor() {
    const cloud = mx.cloud.points();
    if (cloud) for (const one of planes) one.dots.forEach((dot, i) => dot.style.setProperty("fill", cloud.color(i)));
  }

  mx.pick.draw({ picked, here: pointed, recolor });
  mx.planes = { use, choose };
})();
