/* A cloud's figure on a 2-D canvas, as plotly's scene looks from where its camera stands. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  /* As plotly draws them: a mark of size 1 is a glyph 1.7 pixels wide, a line of width 1 half a pixel. */
  const RADIUS = 0.85, WIDTH = 0.5, DASH = [3, 4];

  const one = (value, i) => (Array.isArray(value) ? value[i] : value);

  /* The marks of a trace, each with its place [across, down, depth]. */
  function marks(trace, project) {
    const { marker } = trace;
    return Array.from(trace.x, (x, i) => ({ at: project(x, trace.y[i], trace.z[i]), color: one(marker.color, i), opacity: marker.opacity,
      radius: RADIUS * one(marker.size, i), open: one(marker.symbol, i) === "circle-open", line: marker.line })).filter((mark) => mark.at);
  }

  /* The stretches of a line between two places; a gap has no numbers. */
  function stretches(trace, project) {
    const at = Array.from(trace.x, (x, i) => (x === null ? null : project(x, trace.y[i], trace.z[i])));
    const { color, width, dash } = trace.line;
    return at.slice(1).map((to, i) => ({ from: at[i], to, at: at[i], color, width, dash })).filter((part) => part.from && part.to);
  }

  function paint(pen, mark) {
    const [x, y] = mark.at;
    pen.beginPath();
    pen.arc(x, y, mark.radius, 0, 2 * Math.PI);
    pen.globalAlpha = mark.opacity;
    if (mark.open) {
      [pen.strokeStyle, pen.lineWidth] = [mark.color, 2];
      return pen.stroke();
    }
    pen.fillStyle = mark.color;
    pen.fill();
    if (!mark.line.width) return;
    [pen.strokeStyle, pen.lineWidth] = [mark.line.color, 1];
    pen.stroke();
  }

  function line(pen, part) {
    pen.globalAlpha = 1;
    [pen.strokeStyle, pen.lineWidth, pen.lineCap] = [part.color, part.width * WIDTH, "round"];
    pen.setLineDash(part.dash === "dash" ? DASH : []);
    pen.beginPath();
    pen.moveTo(part.from[0], part.from[1]);
    pen.lineTo(part.to[0], part.to[1]);
    pen.stroke();
    pen.setLineDash([]);
  }

  /* Whether something solid lies before a mark. */
  const hidden = (mark, solids) => solids.some((solid) => solid.at[2] < mark.at[2] &&
    Math.hypot(solid.at[0] - mark.at[0], solid.at[1] - mark.at[1]) < (solid.radius ?? (solid.width * WIDTH) / 2) + mark.radius);

  /* Draw a figure's traces: what is solid from far to near, what one sees through as it comes, as plotly does. */
  mx.sketch = function (canvas, traces, project, { width, height }) {
    const sharp = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [Math.round(width * sharp), Math.round(height * sharp)];
    const pen = canvas.getContext("2d");
    pen.scale(sharp, sharp);
    const shapes = traces.flatMap((trace) => (trace.mode === "lines" ? stretches : marks)(trace, project));
    const solids = shapes.filter((shape) => !(shape.opacity < 1)).sort((a, b) => b.at[2] - a.at[2]);
    const clear = shapes.filter((shape) => shape.opacity < 1);
    const behind = new Set(clear.filter((mark) => hidden(mark, solids)));
    for (const mark of behind) paint(pen, mark);
    for (const solid of solids) (solid.from ? line : paint)(pen, solid);
    for (const mark of clear) if (!behind.has(mark)) paint(pen, mark);
  };
})();
