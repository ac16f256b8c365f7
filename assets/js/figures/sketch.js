/** A cloud's figure on a 2-D canvas, as plotly's scene looks from its camera. */

/* Plotly draws a mark of size 1 as a glyph 1.7 pixels wide, and a line of width 1 as half a pixel. */
const RADIUS = 0.85;
const WIDTH = 0.5;
const DASH = [3, 4];

/**
 * @template Value
 * @param {Value | Value[]} value one for all, or one an item
 * @param {number} index
 * @returns {Value}
 */
const itemOf = (value, index) => (Array.isArray(value) ? value[index] : value);

/**
 * The marks of a trace that lie before the camera.
 *
 * @param {Trace} trace
 * @param {Project} project
 * @returns {Mark[]}
 */
function marksOf({ x, y, z, marker }, project) {
  return Array.from(x).flatMap((value, index) => {
    const at = project(Number(value), Number(y[index]), Number(z[index]));
    if (!at) return [];
    const color = itemOf(/** @type {string | string[]} */ (marker.color), index);
    const radius = RADIUS * itemOf(marker.size, index);
    const open = itemOf(marker.symbol, index) === "circle-open";
    return [{ at, color, opacity: marker.opacity, radius, open, line: marker.line }];
  });
}

/**
 * The segments of a line; a gap is a knot of nulls.
 *
 * @param {Trace} trace
 * @param {Project} project
 * @returns {Segment[]}
 */
function segmentsOf({ x, y, z, line }, project) {
  const at = Array.from(x, (value, index) =>
    value === null ? null : project(Number(value), Number(y[index]), Number(z[index])),
  );
  const { color, width, dash } = line;
  return at.slice(1).flatMap((to, index) => {
    const from = at[index];
    return from && to ? [{ from, to, at: from, color, width, dash, opacity: 1 }] : [];
  });
}

/**
 * @param {Mark | Segment} shape
 * @returns {shape is Segment}
 */
const isSegment = (shape) => "from" in shape;

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Mark} mark
 */
function paintMark(pen, mark) {
  pen.beginPath();
  pen.arc(mark.at[0], mark.at[1], mark.radius, 0, 2 * Math.PI);
  pen.globalAlpha = mark.opacity;
  if (mark.open) {
    pen.strokeStyle = mark.color;
    pen.lineWidth = 2;
    return pen.stroke();
  }
  pen.fillStyle = mark.color;
  pen.fill();
  if (!mark.line.width) return;
  pen.strokeStyle = mark.line.color ?? "";
  pen.lineWidth = 1;
  pen.stroke();
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {Segment} segment
 */
function paintSegment(pen, segment) {
  pen.globalAlpha = 1;
  pen.strokeStyle = segment.color;
  pen.lineWidth = segment.width * WIDTH;
  pen.lineCap = "round";
  pen.setLineDash(segment.dash === "dash" ? DASH : []);
  pen.beginPath();
  pen.moveTo(segment.from[0], segment.from[1]);
  pen.lineTo(segment.to[0], segment.to[1]);
  pen.stroke();
  pen.setLineDash([]);
}

/**
 * Whether something opaque lies in front of a mark.
 *
 * @param {Mark} mark
 * @param {(Mark | Segment)[]} solids
 */
const isHidden = (mark, solids) =>
  solids.some((solid) => {
    const reach = isSegment(solid) ? (solid.width * WIDTH) / 2 : solid.radius;
    const away = Math.hypot(solid.at[0] - mark.at[0], solid.at[1] - mark.at[1]);
    return solid.at[2] < mark.at[2] && away < reach + mark.radius;
  });

/**
 * A canvas of an area, as sharp as the screen, with its pen in units of the page.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Area} area
 */
function preparedPen(canvas, { width, height }) {
  const ratio = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const pen = canvas.getContext("2d");
  pen?.scale(ratio, ratio);
  return pen;
}

/**
 * @param {Trace} trace
 * @param {Project} project
 * @returns {(Mark | Segment)[]}
 */
const shapesOf = (trace, project) =>
  trace.mode === "lines" ? segmentsOf(trace, project) : marksOf(trace, project);

/**
 * Draw a figure's traces: opaque shapes from far to near, transparent ones in their order, as plotly does.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Trace[]} traces
 * @param {Project} project
 * @param {Area} area
 */
export function drawSketch(canvas, traces, project, area) {
  const pen = preparedPen(canvas, area);
  if (!pen) return;
  const shapes = traces.flatMap((trace) => shapesOf(trace, project));
  const solids = shapes.filter(({ opacity }) => !(opacity < 1)).sort((a, b) => b.at[2] - a.at[2]);
  const clear = shapes.filter((shape) => !isSegment(shape) && shape.opacity < 1);
  const marks = /** @type {Mark[]} */ (clear);
  const behind = new Set(marks.filter((mark) => isHidden(mark, solids)));
  for (const mark of behind) paintMark(pen, mark);
  for (const solid of solids) {
    if (isSegment(solid)) paintSegment(pen, solid);
    else paintMark(pen, solid);
  }
  for (const mark of marks) if (!behind.has(mark)) paintMark(pen, mark);
}
