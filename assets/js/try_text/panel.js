/** A tried text: its tokens as chips, and what fires on each; map and curve show the same. */

import { showHost } from "../site/host.js";
import { setProps } from "../ui/dash.js";
import { byId, find, html, queryAll } from "../ui/dom.js";
import { linkValue, setLink } from "../view/link.js";
import { follow } from "../view/navigate.js";
import { litClusters, placedTokens } from "../view/tried_text.js";

/** The last answer: it stays while one walks through its run. @type {TextView | null} */
let lastAnswer = null;
/** What the page shows of it. @type {TextView | null} */
let view = null;
/** @type {TextPage | null} */
let page = null;
/** Index of the chosen token. @type {number | null} */
let chosen = null;
/** @type {HTMLElement | null} */
let box = null;

/**
 * Show an answer, or on a new page the last one. A link that names another text is not answered with it.
 *
 * @param {TextView | null} answer
 * @param {TextPage} opened
 */
export function showText(answer, opened) {
  const isNewPage = find("try-tokens") !== box;
  if (!isNewPage) lastAnswer = answer;
  box = byId("try-tokens");
  page = opened;
  chosen = null;
  view = isAnswerTo(lastAnswer, opened.run, linkValue("text")) ? lastAnswer : null;
  if (view) {
    setLink({ text: view.text });
    if (isNewPage) setProps("try-text", { value: view.text });
  }
  if (opened.cluster === null) {
    if (isNewPage) showHost(opened.api, opened.run, opened.fingerprint);
    setProps("try-counts", { data: view ? view.counts : null });
  }
  draw();
}

/**
 * @param {TextView | null} answer
 * @param {string} run
 * @param {string | null} text that the link names
 */
const isAnswerTo = (answer, run, text) =>
  Boolean(answer && answer.run === run && (!text || text === answer.text));

export function clearText() {
  setLink({ text: null });
  setProps("try-text", { value: "" });
  setProps("try-status", { children: "" });
  lastAnswer = null;
  if (page) showText(null, page);
  byId("try-text").focus();
}

/**
 * What this page's cluster does on a token; undefined where it does not fire.
 *
 * @param {TextToken} token
 */
const ownFiring = (token) => token.firing.find(({ cluster }) => cluster === page?.cluster);

function draw() {
  byId("try-clear").hidden = !view;
  box?.replaceChildren(...(view ? view.tokens.map(chipNode) : []));
  showChosen();
}

/** Show the chosen token in the panel, on the map, on the curve. */
function showChosen() {
  byId("try-detail").replaceChildren(...(view ? [detailNode(view)] : []));
  if (page?.cluster === null) litClusters.set(clustersToLight());
  else placedTokens.set(view ? marks(view) : []);
}

/**
 * @param {TextToken} token
 * @param {number} index
 */
function chipNode(token, index) {
  if (token.special) {
    const title = "Added by the tokenizer; clusters do not see it";
    return html("span", { class: "chip special", title, dir: "auto" }, token.text);
  }
  const own = ownFiring(token);
  const fires = token.firing.length;
  const attributes = {
    type: "button",
    class: `chip ${fires ? "fires" : ""} ${own ? "here" : ""}`,
    "data-token": index,
    tabindex: index === firstChip() ? 0 : -1,
    "aria-pressed": "false",
    style: tokenStyle(own),
    dir: "auto",
    onclick: () => choose(index),
    onkeydown: (/** @type {KeyboardEvent} */ event) => walk(event, index),
  };
  const count = html("span", { class: "chip-count", "aria-hidden": "true" }, fires);
  const spoken = fires === 1 ? ", 1 cluster fires" : `, ${fires || "no"} clusters fire`;
  return html("button", attributes, [
    token.text,
    fires ? count : null,
    html("span", { class: "sr" }, spoken),
  ]);
}

/**
 * @param {TextFiring | undefined} own
 * @returns {Record<string, string>}
 */
const tokenStyle = (own) =>
  own === undefined || own.coordinate === null ? {} : { "--value": own.color };

const firstChip = () => view?.tokens.findIndex((token) => !token.special);

const chips = () => (box ? queryAll(box, "button") : []);

/**
 * Arrow keys walk along the chips; one of them is in the tab order.
 *
 * @param {KeyboardEvent} event
 * @param {number} index
 */
function walk(event, index) {
  const all = chips();
  const at = all.findIndex((chip) => Number(chip.dataset.token) === index);
  /** @type {Record<string, number>} */
  const targets = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 };
  const target = all[targets[event.key]];
  if (!target) return;
  event.preventDefault();
  for (const chip of all) chip.tabIndex = -1;
  target.tabIndex = 0;
  target.focus();
}

/** @param {number} index */
function choose(index) {
  chosen = chosen === index ? null : index;
  for (const chip of chips())
    chip.setAttribute("aria-pressed", String(Number(chip.dataset.token) === chosen));
  showChosen();
}

/**
 * What fires on the chosen token, or what to do where none is chosen.
 *
 * @param {TextView} text
 */
function detailNode(text) {
  if (chosen === null)
    return html("p", { class: "muted small" }, `${text.summary} ${nextStep(text)}`);
  const items = text.tokens[chosen].firing.map(firingNode);
  if (items.length) return html("ul", {}, items);
  return html("p", { class: "muted small" }, "No cluster fires on this token.");
}

/** @param {TextView} text */
function nextStep({ tokens, counts }) {
  if (page?.cluster === null)
    return Object.keys(counts).length ? "Choose a token to see which of them fire there." : "";
  const own = tokens.flatMap((token) => ownFiring(token) ?? []);
  if (!own.length) return "This one does not.";
  if (own.every(({ coordinate }) => coordinate === null))
    return "This one fires on the marked tokens; its shape has no curve to place them on.";
  return "The marked tokens lie on this one's curve; a hollow mark lies far from it.";
}

/** @param {TextFiring} firing */
function firingNode({ cluster, label, color, hue, place, features }) {
  const href = `${page?.base}${cluster}?${viewQuery()}`;
  const name =
    cluster === page?.cluster
      ? html("b", { class: "try-name" }, label)
      : html("a", { class: "try-name", href, dir: "auto", onclick: follow }, label);
  const style = { "--value": page?.cluster === null ? hue : color };
  return html("li", {}, [
    html("span", { class: "try-dot", "aria-hidden": "true", style }),
    name,
    html("span", { class: "muted" }, [place, features].filter(Boolean).join(" · ")),
  ]);
}

/** The parts of the view that another manifold's page takes over. */
function viewQuery() {
  const next = new URLSearchParams({ v: "1" });
  for (const key of ["theme", "text"]) {
    const value = linkValue(key);
    if (value !== null) next.set(key, value);
  }
  return next;
}

/** Clusters of the chosen token, or of the whole text; null without any. */
function clustersToLight() {
  if (!view) return null;
  return chosen === null
    ? Object.keys(view.counts).map(Number)
    : view.tokens[chosen].firing.map(({ cluster }) => cluster);
}

/**
 * Tokens with a place on this page's curve.
 *
 * @param {TextView} text
 * @returns {TextMark[]}
 */
const marks = ({ tokens }) =>
  tokens.flatMap((token, index) => {
    const own = ownFiring(token);
    if (!own || own.coordinate === null) return [];
    const { coordinate, color, far } = own;
    return [{ text: token.text, coordinate, color, far, chosen: index === chosen }];
  });
