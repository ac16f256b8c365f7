/** A part of the page as one self-contained SVG: boxes, drawings and text in place, in the colours on the screen. WebGL
 *  and portraits go in as images. The same SVG, painted, is the PNG. */

import { svg as svgElement } from "./dom.js";
import { plotImage } from "./plotly.js";

const SVG = "http://www.w3.org/2000/svg";
const SKIPPED =
  "script, style, input, textarea, select, summary, .button, .card-tools, .dash-dropdown-wrapper, .segments, .hint, .no-picture";
const PAINTED = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "fill-opacity",
  "opacity",
  "stroke-dasharray",
  "stroke-linejoin",
  "stroke-linecap",
  "vector-effect",
];
const MARGIN = 16;
const SCALE = 2;
const SIDES = /** @type {const} */ ([
  ["Top", 0, 0, 1, 0],
  ["Bottom", 0, 1, 1, 1],
  ["Left", 0, 0, 0, 1],
  ["Right", 1, 0, 1, 1],
]);

/** @type {CanvasRenderingContext2D | null} */
let brush = null;
/** @type {Map<string, Paint>} */
const paints = new Map();

/** A canvas of one pixel, on which colours and fonts are measured. */
function measuringBrush() {
  if (!brush) {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    brush = pen(canvas, { willReadFrequently: true });
  }
  return brush;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
function pen(canvas, settings) {
  const context = canvas.getContext("2d", settings);
  if (!context) throw new Error("this browser offers no canvas");
  return context;
}

/**
 * Any CSS colour as rgb() and opacity, which every reader of SVG knows.
 *
 * @param {string} css
 * @returns {Paint}
 */
function color(css) {
  const known = paints.get(css);
  if (known) return known;
  const context = measuringBrush();
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = css;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
  const paint = { css: `rgb(${r},${g},${b})`, alpha: a / 255 };
  paints.set(css, paint);
  return paint;
}

/** @param {number} x */
const round = (x) => Math.round(x * 100) / 100;

/** @param {number} alpha */
const opacity = (alpha) => (alpha < 1 ? round(alpha) : null);

/** @param {Rect} rect */
const rounded = ({ x, y, width, height }) => ({
  x: round(x),
  y: round(y),
  width: round(width),
  height: round(height),
});

/**
 * An element's ground, gradient and borders.
 *
 * @param {CSSStyleDeclaration} style
 * @param {Rect} rect
 * @param {SVGElement} out
 */
function drawBox(style, rect, out) {
  const { css, alpha } = color(style.backgroundColor);
  const place = { ...rounded(rect), rx: Number.parseFloat(style.borderTopLeftRadius) || null };
  if (alpha > 0)
    out.append(svgElement("rect", { ...place, fill: css, "fill-opacity": opacity(alpha) }));
  const image = style.backgroundImage;
  const stops = image.startsWith("linear-gradient(90deg")
    ? image.match(/(rgb|oklab|color)a?\([^()]*\)/g)
    : null;
  if (stops) out.append(ramp(stops, place));
  drawBorder(style, rect, out);
}

let ramps = 0;

/**
 * @param {string[]} stops colours
 * @param {Attributes} place
 */
function ramp(stops, place) {
  ramps += 1;
  const id = `ramp-${ramps}`;
  const marks = stops.map((css, at) =>
    svgElement("stop", { offset: round(at / (stops.length - 1)), "stop-color": color(css).css }),
  );
  return svgElement("g", {}, [
    svgElement("linearGradient", { id }, marks),
    svgElement("rect", { ...place, fill: `url(#${id})` }),
  ]);
}

/**
 * @param {CSSStyleDeclaration} style
 * @param {Rect} rect
 * @param {SVGElement} out
 */
function drawBorder(style, rect, out) {
  for (const [side, x1, y1, x2, y2] of SIDES) {
    const hidden = style[`border${side}Style`] === "none";
    const width = hidden ? 0 : Number.parseFloat(style[`border${side}Width`]);
    const { css, alpha } = color(style[`border${side}Color`]);
    if (!width || !alpha) continue;
    const line = {
      x1: round(rect.x + x1 * rect.width),
      x2: round(rect.x + x2 * rect.width),
      y1: round(rect.y + y1 * rect.height),
      y2: round(rect.y + y2 * rect.height),
    };
    const stroke = { stroke: css, "stroke-opacity": round(alpha), "stroke-width": width };
    out.append(svgElement("line", { ...line, ...stroke }));
  }
}

/**
 * A copy of an SVG drawing with its computed styles as attributes.
 *
 * @param {SVGElement} node
 * @param {Rect} rect
 */
function drawing(node, rect) {
  const copy = /** @type {SVGElement} */ (node.cloneNode(true));
  const copies = [copy, ...copy.querySelectorAll("*")];
  [node, ...node.querySelectorAll("*")].forEach((one, at) => {
    writeStyles(getComputedStyle(one), copies[at]);
  });
  for (const [name, value] of Object.entries(rounded(rect))) copy.setAttribute(name, String(value));
  return copy;
}

/**
 * @param {CSSStyleDeclaration} style
 * @param {Element} to
 */
function writeStyles(style, to) {
  for (const name of PAINTED) {
    const value = style.getPropertyValue(name);
    const paints =
      (name === "fill" || name === "stroke") && value !== "none" && !value.startsWith("url");
    to.setAttribute(name, paints ? color(value).css : value);
    if (paints && color(value).alpha < 1)
      to.setAttribute(`${name}-opacity`, String(round(color(value).alpha)));
  }
  to.removeAttribute("style");
  to.removeAttribute("class");
}

/**
 * Words of a text, joined into the lines in which the browser shows them.
 *
 * @param {Text} node
 */
function linesOf(node) {
  const range = document.createRange();
  /** @type {{ text: string, rect: DOMRect }[]} */
  const lines = [];
  for (const { 0: text, index } of node.data.matchAll(/\S+/g)) {
    range.setStart(node, index);
    range.setEnd(node, index + text.length);
    const rect = range.getClientRects()[0];
    if (!rect?.width) continue;
    const last = lines[lines.length - 1];
    if (last && Math.abs(last.rect.top - rect.top) < 2) last.text += ` ${text}`;
    else lines.push({ text, rect });
  }
  return lines;
}

/**
 * @param {Text} node
 * @param {CSSStyleDeclaration} style
 * @param {Point} origin
 * @param {SVGElement} out
 */
function drawText(node, style, origin, out) {
  const context = measuringBrush();
  context.font = style.font;
  const { fontBoundingBoxAscent: ascent, fontBoundingBoxDescent: descent } =
    context.measureText("x");
  const { css, alpha } = color(style.color);
  for (const { text, rect } of linesOf(node)) {
    const baseline = rect.top + (rect.height * ascent) / (ascent + descent);
    const attributes = {
      x: round(rect.left - origin.x),
      y: round(baseline - origin.y),
      fill: css,
      "fill-opacity": opacity(alpha),
      "font-family": style.fontFamily,
      "font-size": style.fontSize,
      "font-weight": style.fontWeight,
    };
    out.append(svgElement("text", attributes, text));
  }
}

/**
 * @param {Node} node
 * @param {Point} origin
 * @param {Map<Element, string>} images data URLs of what is drawn on canvases
 * @param {SVGElement} out
 */
function walk(node, origin, images, out) {
  if (node instanceof Text) {
    if (node.data.trim() && node.parentElement)
      drawText(node, getComputedStyle(node.parentElement), origin, out);
    return;
  }
  if (!(node instanceof Element) || node.matches(SKIPPED) || node.classList.contains("sr")) return;
  if (!isVisible(node)) return;
  const { x, y, width, height } = node.getBoundingClientRect();
  const rect = { x: x - origin.x, y: y - origin.y, width, height };
  if (node instanceof SVGElement) return out.append(drawing(node, rect));
  const image = images.get(node);
  if (image) return out.append(svgElement("image", { ...rounded(rect), href: image }));
  drawBox(getComputedStyle(node), rect, out);
  for (const child of node.childNodes) walk(child, origin, images, out);
}

/** @param {Element} node */
const isVisible = (node) =>
  node.checkVisibility({
    opacityProperty: true,
    visibilityProperty: true,
    contentVisibilityAuto: true,
  });

/**
 * A canvas with an image on it, SCALE times as sharp.
 *
 * @param {HTMLImageElement} image
 * @param {number} width
 * @param {number} height
 */
function canvasOf(image, width, height) {
  const size = { width: width * SCALE, height: height * SCALE };
  const canvas = Object.assign(document.createElement("canvas"), size);
  pen(canvas).drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/**
 * The data URL of a canvas, an image or a plot.
 *
 * @param {HTMLElement} node
 */
function dataUrl(node) {
  if (node instanceof HTMLCanvasElement) return node.toDataURL();
  if (node instanceof HTMLImageElement) return canvasOf(node, node.width, node.height).toDataURL();
  return plotImage(node, SCALE);
}

/**
 * What is drawn with WebGL or on a canvas, as it looks now, and images that have loaded.
 *
 * @param {HTMLElement} part
 * @returns {Promise<Map<Element, string>>}
 */
async function imagesIn(part) {
  const found = /** @type {NodeListOf<HTMLElement>} */ (
    part.querySelectorAll(".js-plotly-plot, canvas.sketch, img")
  );
  const drawn = [...found].filter(
    (one) =>
      one.checkVisibility({ visibilityProperty: true }) &&
      !(one instanceof HTMLImageElement && !one.naturalWidth),
  );
  const urls = await Promise.all(drawn.map(dataUrl));
  return new Map(drawn.map((one, at) => [one, urls[at]]));
}

/**
 * Draw a part of the page, with what its scroll bars hide.
 *
 * @param {HTMLElement} part
 * @returns {Promise<{ svg: () => Blob, png: () => Promise<Blob> }>}
 */
export async function drawPicture(part) {
  const images = await imagesIn(part);
  part.setAttribute("data-drawn-whole", "");
  try {
    const rect = part.getBoundingClientRect();
    const width = Math.ceil(Math.max(rect.width, part.scrollWidth)) + 2 * MARGIN;
    const height = Math.ceil(Math.max(rect.height, part.scrollHeight)) + 2 * MARGIN;
    const panel = getComputedStyle(document.documentElement).getPropertyValue("--panel");
    const ground = svgElement("rect", { width, height, fill: color(panel).css });
    const viewBox = `0 0 ${width} ${height}`;
    const picture = svgElement("svg", { xmlns: SVG, width, height, viewBox }, ground);
    walk(part, { x: rect.x - MARGIN, y: rect.y - MARGIN }, images, picture);
    return { svg: () => svgBlob(picture), png: () => pngBlob(picture, width, height) };
  } finally {
    part.removeAttribute("data-drawn-whole");
  }
}

/** @param {SVGElement} picture */
const svgBlob = (picture) =>
  new Blob([new XMLSerializer().serializeToString(picture)], { type: "image/svg+xml" });

/**
 * @param {SVGElement} picture
 * @param {number} width
 * @param {number} height
 * @returns {Promise<Blob>}
 */
async function pngBlob(picture, width, height) {
  const image = new Image();
  const address = URL.createObjectURL(svgBlob(picture));
  try {
    await new Promise((done, failed) => {
      image.onload = done;
      image.onerror = () => failed(new Error("the picture could not be painted"));
      image.src = address;
    });
  } finally {
    URL.revokeObjectURL(address);
  }
  const canvas = canvasOf(image, width, height);
  return new Promise((done, failed) =>
    canvas.toBlob(
      (blob) => (blob ? done(blob) : failed(new Error("the picture is too large"))),
      "image/png",
    ),
  );
}
