/* The cloud's path and handle: they follow the bands' handle along the fitted curve, in the one WebGL context. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const CURVE = 1, CHORD = 2, PATH = 3, START = 4, HANDLE = 5, TEXTS = 6;
  let shape = null;
  let waiting = false;
  let texts = [];

  const plot = () => document.querySelector("#cloud .js-plotly-plot");
  const drawnPlot = () => { const gd = plot(); return gd && window.Plotly && gd._fullLayout && !gd.classList.contains("dash-graph--pending") ? gd : null; };

  function along(coordinate) {
    const knots = shape.curve.length;
    const at = shape.closed ? (((coordinate % 1) + 1) % 1) * knots : Math.min(1, Math.max(0, coordinate)) * (knots - 1);
    const low = Math.floor(at) % knots;
    const next = shape.closed ? (low + 1) % knots : Math.min(low + 1, knots - 1);
    const share = at - Math.floor(at);
    return [0, 1, 2].map((axis) => shape.curve[low][axis] * (1 - share) + shape.curve[next][axis] * share);
  }

  function columns(points) {
    return { x: points.map((p) => p[0]), y: points.map((p) => p[1]), z: points.map((p) => p[2]) };
  }

  /* Coordinates along the path without the jump at the seam: a closed curve's may leave [0, 1]. */
  function unrolled(view) {
    const whole = [view.coordinate[0]];
    for (let i = 1; i < view.coordinate.length; i += 1) {
      let step = view.coordinate[i] - view.coordinate[i - 1];
      if (shape.closed) step -= Math.round(step);
      whole.push(whole[i - 1] + step);
    }
    return whole;
  }

  function coordinateAt(view, position) {
    const whole = unrolled(view);
    const at = position * (whole.length - 1);
    const low = Math.floor(at), high = Math.min(low + 1, whole.length - 1);
    return whole[low] + (whole[high] - whole[low]) * (at - low);
  }

  function restyle(traces, points, extra) {
    const gd = plot();
    if (!gd || !gd.data || !window.Plotly) return;
    const all = points.map(columns);
    window.Plotly.restyle(gd, { x: all.map((p) => p.x), y: all.map((p) => p.y), z: all.map((p) => p.z), ...extra }, traces);
  }

  /* The curve without the stretch that the path covers: two lines at one depth would flicker. */
  function rest(view) {
    if (!view) return drawn([[0, 1]]);
    const begin = view.coordinate[0], end = coordinateAt(view, 1);
    const low = Math.min(begin, end), high = Math.max(begin, end);
    return drawn(shape.closed ? [[high, low + 1]] : [[0, low], [high, 1]]);
  }

  function drawn(stretches) {
    const gap = [null, null, null];
    return stretches.flatMap(([from, to]) => {
      const steps = Math.max(2, Math.ceil((to - from) * 160));
      return [...Array.from({ length: steps + 1 }, (_, i) => along(from + ((to - from) * i) / steps)), gap];
    });
  }

  /* Draw a new path: its stretch of the curve, and the straight line between its ends. */
  function path(view) {
    if (!shape || !shape.curve.length || !view || !view.coordinate.length) return;
    mx.whenThere(drawnPlot, () => { if (mx.bands.view() === view) drawPath(view); });
  }

  function drawPath(view) {
    const points = view.coordinate.map(along);
    mx.cloudLabels.prefer([view.start_name, view.end_name]);
    const handle = along(coordinateAt(view, mx.bands.position()));
    const accent = mx.theme.color("--path");
    restyle([CURVE, CHORD, PATH, START, HANDLE], [rest(view), [points[0], points[points.length - 1]], points, [points[0]], [handle]],
      { "line.color": [undefined, undefined, accent, undefined, undefined], "marker.color": [undefined, undefined, undefined, undefined, accent] });
  }

  function erase() {
    if (shape && shape.curve.length) restyle([CURVE, CHORD, PATH, START, HANDLE], [rest(null), [], [], [], []]);
  }

  function follow(position, view) {
    if (!shape || !shape.curve.length || !view || !view.coordinate.length) return;
    const coordinate = coordinateAt(view, position);
    mx.strips.place(((coordinate % 1) + 1) % 1 || (shape.closed ? 0 : Math.max(0, Math.min(1, coordinate))));
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      restyle([HANDLE], [[along(coordinateAt(view, mx.bands.position()))]]);
    });
  }

  function colors(data) {
    const gd = plot();
    if (!gd || !data || !window.Plotly) return;
    window.Plotly.restyle(gd, { "marker.color": [data.numbers], "marker.colorscale": [data.scale], "marker.cmin": data.low, "marker.cmax": data.high }, [0]);
  }

  function use(data) {
    shape = data;
    showTexts();
  }

  /* Tokens of a tried text on the curve: [{text, coordinate, color, far, chosen}]; those that lie far from it are hollow. */
  function place(tokens) {
    const any = texts.length || tokens.length;
    texts = tokens;
    if (shape && any) showTexts();
  }

  function showTexts() {
    const there = shape.curve.length ? texts.map((one) => ({ ...one, point: along(one.coordinate) })) : [];
    mx.cloudLabels.use([...there.map((one) => ({ ...one, kind: "tried" })), ...shape.labels], shape.middle);
    const mine = texts;
    mx.whenThere(drawnPlot, () => { if (texts === mine) drawTexts(there); });
  }

  function drawTexts(there) {
    const ink = mx.theme.color("--text"), accent = mx.theme.color("--path");
    restyle([TEXTS], [there.map((one) => one.point)], {
      "marker.color": [there.map((one) => (one.chosen ? accent : ink))], "marker.size": [there.map((one) => (one.chosen ? 15 : 11))],
      "marker.symbol": [there.map((one) => (one.far ? "circle-open" : "circle"))], "marker.line.color": mx.theme.color("--panel") });
  }

  mx.bands.listen(follow);
  window.addEventListener("mx-theme", () => { path(mx.bands.view()); if (texts.length && shape) showTexts(); });
  mx.cloud = { use, place, path, erase, colors, plot };
})();
