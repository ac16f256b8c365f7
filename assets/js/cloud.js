/* The cloud of a page: its path and handle, which follow the bands' handle along the fitted curve, its picks, its texts. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const POINTS = 0, CURVE = 1, CHORD = 2, PATH = 3, START = 4, HANDLE = 5, TEXTS = 6, PICKED = 7, HERE = 8;
  const OPACITY = 0.8, FADED = 0.16;
  let space = null;
  let shape = null;
  let waiting = false;
  let texts = [];

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
    if (!space) return;
    const all = points.map(columns);
    space.restyle({ x: all.map((p) => p.x), y: all.map((p) => p.y), z: all.map((p) => p.z), ...extra }, traces);
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
    const points = view.coordinate.map(along);
    mx.cloudLabels.prefer([view.start_name, view.end_name]);
    const handle = along(coordinateAt(view, mx.bands.position()));
    const accent = mx.theme.color("--path");
    restyle([CURVE, CHORD, PATH, START, HANDLE], [rest(view), [points[0], points[points.length - 1]], points, [points[0]], [handle]],
      { "line.color": [undefined, undefined, accent, undefined, undefined], "marker.color": [undefined, undefined, undefined, undefined, accent] });
  }

  function erase() {
    if (!space || !space.figure.data[PATH].x.length) return;
    mx.cloudLabels.prefer([]);
    restyle([CURVE, CHORD, PATH, START, HANDLE], [rest(null), [], [], [], []]);
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
    if (!space || !data) return;
    space.restyle({ "marker.color": [mx.cloudColors(data.numbers, data.scale, data.low, data.high)] }, [POINTS]);
    picked(mx.pick.picked());
    mx.pick.recolor();
  }

  /* The points with the colour that each is drawn in; null where no cloud is drawn. */
  function points() {
    if (!space) return null;
    const trace = space.figure.data[POINTS];
    return { xyz: [trace.x, trace.y, trace.z], coordinate: trace.customdata, color: (i) => trace.marker.color[i] };
  }

  /* Picked points stand out: drawn again over a faded cloud. */
  function picked(samples) {
    if (!space || (!samples.length && !space.figure.data[PICKED].x.length)) return;
    const all = points(), there = samples.filter((i) => i < all.coordinate.length);
    restyle([PICKED], [there.map((i) => all.xyz.map((axis) => axis[i]))], { "marker.color": [there.map(all.color)] });
    space.restyle({ "marker.opacity": samples.length ? FADED : OPACITY }, [POINTS]);
  }

  /* Where a place lies: its token's own point, else the point of the curve. */
  function placed(place) {
    const all = points();
    if (place.sample !== undefined && all) return all.xyz.map((axis) => axis[place.sample]);
    return shape && shape.curve.length ? along(place.coordinate) : null;
  }

  let pointing = false, pointed = null;
  function here(place) {
    pointed = place;
    if (pointing || !space || !visible()) return;
    pointing = true;
    requestAnimationFrame(() => {
      pointing = false;
      const point = pointed && placed(pointed);
      restyle([HERE], [point ? [point] : []], { "marker.color": mx.theme.color("--text") });
    });
  }

  const visible = () => { const box = document.querySelector(".cloud-views"); return !box || ["3d", "all", undefined].includes(box.dataset.axes); };

  /* What happens in the scene: a point is hovered or clicked. */
  function listen(plot) {
    if (!document.getElementById("contexts")) return;
    plot.on("plotly_hover", ({ points: [{ curveNumber, pointNumber, bbox }] }) => hover({ points: [{ curveNumber, pointNumber, bbox }] }));
    plot.on("plotly_unhover", () => hover(null));
    plot.on("plotly_click", ({ points: [point] }) => {
      const sample = sampleOf(point);
      if (sample !== null && sample !== undefined) mx.pick.choose([sample]);
    });
  }

  const hover = (data) => window.dash_clientside.set_props("cloud-hover", { data });

  /* The number of the token that a hovered or clicked point of the plot stands for; null for anything else. */
  function sampleOf(point) {
    if (point.curveNumber === POINTS) return point.pointNumber;
    return point.curveNumber === PICKED ? mx.pick.picked()[point.pointNumber] : null;
  }

  /* Null until the drawing is there. */
  function placeOf(sample) {
    const all = points();
    return all ? { sample, coordinate: all.coordinate[sample] } : null;
  }

  /* The tooltip of a token that is hovered beside the plot: at pixels of the box that holds all drawings. */
  function tip(sample, at) {
    hover(sample < 0 ? null : { points: [{ curveNumber: POINTS, pointNumber: sample, bbox: { x0: at[0], x1: at[0], y0: at[1] - 6, y1: at[1] + 6 }, planes: true }] });
  }

  const rested = (camera) => mx.link.set({ cam: mx.link.camera(camera) });

  /* Draw a page's cloud: {figure, shape}, or none. */
  function use(cloud) {
    const box = document.getElementById("cloud");
    shape = cloud && cloud.shape;
    space = cloud && box ? mx.space.show(box, cloud.figure, { scene: listen, rested }) : null;
    if (!space) return;
    showTexts();
    picked(mx.pick.picked());
  }

  /* Tokens of a tried text on the curve: [{text, coordinate, color, far, chosen}]; those that lie far from it are hollow. */
  function place(tokens) {
    const any = texts.length || tokens.length;
    texts = tokens;
    if (shape && any) showTexts();
  }

  function showTexts() {
    const there = shape.curve.length ? texts.map((one) => ({ ...one, point: along(one.coordinate) })) : [];
    mx.cloudLabels.use(space, [...there.map((one) => ({ ...one, kind: "tried" })), ...shape.labels], shape.middle);
    if (!space || (!there.length && !space.figure.data[TEXTS].x.length)) return;
    const ink = mx.theme.color("--text"), accent = mx.theme.color("--path");
    restyle([TEXTS], [there.map((one) => one.point)], {
      "marker.color": [there.map((one) => (one.chosen ? accent : ink))], "marker.size": [there.map((one) => (one.chosen ? 15 : 11))],
      "marker.symbol": [there.map((one) => (one.far ? "circle-open" : "circle"))], "marker.line.color": mx.theme.color("--panel") });
  }

  mx.bands.listen(follow);
  window.addEventListener("mx-theme", () => { path(mx.bands.view()); if (texts.length && shape) showTexts(); });
  const own = { picked, here };
  mx.pick.draw(own);
  mx.cloud = { use, place, path, erase, colors, points, placed, placeOf, tip, sampleOf, own,
    curve: () => ({ points: shape ? shape.curve : [], closed: shape && shape.closed, labels: shape ? shape.labels : [], middle: shape ? shape.middle : [0, 0, 0] }) };
})();
