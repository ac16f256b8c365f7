/** Slides of a tour that are plain elements: text, numbers, portraits, firing features, a page in a frame. */

import { html } from "../ui/dom.js";
import { percent } from "../ui/format.js";

/**
 * @param {Tour} tour
 * @param {number} index
 */
export function slideText({ title, slides }, index) {
  const slide = slides[index];
  return [
    html("p", { class: "slide-number muted" }, `${title} · ${index + 1} of ${slides.length}`),
    html("h1", { tabindex: "-1" }, slide.title),
    ...slide.text.map((line) => html("p", {}, line)),
    ...(slide.button ? [linkButton(...slide.button)] : []),
  ];
}

/**
 * @param {string} text
 * @param {string} href
 */
const linkButton = (text, href) =>
  html("p", {}, html("a", { class: "button primary", href }, text));

/** @param {FiringFigure} figure */
function firingNode({ features, rows }) {
  const label = `Which of ${features.length} features fire on ${rows.length} sentences`;
  /**
   * @param {number} level
   * @param {string} color
   * @param {number} column
   */
  const cell = (level, color, column) =>
    html("span", {
      class: "firing-cell",
      title: `feature ${features[column]}: ${percent(level)} of its strongest`,
      style: { "--value": color, "--level": level },
    });
  const lines = rows.flatMap(({ text, value, color, levels }) => [
    html("span", { class: "firing-text" }, text),
    html("b", { class: "firing-value", style: { "--value": color } }, value),
    html(
      "span",
      { class: "firing-row" },
      levels.map((level, column) => cell(level, color, column)),
    ),
  ]);
  const style = { "--columns": features.length };
  return html("div", { class: "firing", role: "img", "aria-label": label, style }, lines);
}

/** @param {NumbersFigure} figure */
function numbersNode({ numbers }) {
  const items = numbers.map(({ name, value, meaning }) =>
    html("div", { class: "panel" }, [
      html("dt", {}, name),
      html("dd", { class: "slide-value" }, value),
      html("dd", { class: "muted" }, meaning),
    ]),
  );
  return html("dl", { class: "slide-numbers" }, items);
}

/** @param {TilesFigure} figure */
function tilesNode({ tiles }) {
  const items = tiles.map(({ src, words, name }) =>
    html("figure", { class: "panel" }, [
      html("img", { src, alt: words, width: 320, height: 240 }),
      html("figcaption", {}, name),
    ]),
  );
  return html("div", { class: "slide-tiles" }, items);
}

/**
 * The element of a plain slide; none where clouds, strips, bands or texts are drawn.
 *
 * @param {Slide} slide
 * @returns {HTMLElement[]}
 */
export function plainSlide(slide) {
  switch (slide.show) {
    case "page":
      return [html("iframe", { class: "slide-page", ...slide.figure })];
    case "firing":
      return [firingNode(slide.figure)];
    case "numbers":
      return [numbersNode(slide.figure)];
    case "tiles":
      return [tilesNode(slide.figure)];
    case "problem": {
      const text = `This step cannot be shown. ${slide.figure.problem}`;
      return [html("p", { class: "notice bad" }, text)];
    }
    default:
      return [];
  }
}
