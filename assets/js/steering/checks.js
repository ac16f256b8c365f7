/** Checks of a steering result, drawn when they are requested: controls, a sweep over strengths, watched phrases. */

import { setProps } from "../ui/dash.js";
import { find, html, svg } from "../ui/dom.js";
import { percent, short } from "../ui/format.js";
import { bandsPicture } from "./bands.js";
import { chart, chartLine, levelLine, numbersTable } from "./realised.js";

/** @type {CheckName[]} */
const NAMES = ["check", "sweep", "phrases"];
/** @type {(keyof PathRequest)[]} */
const PATH_KEYS = ["run", "cluster", "prompt", "chat", "where", "start", "end", "seed"];

/**
 * @param {string[]} head
 * @param {string[][]} rows
 * @param {string} caption for screen readers
 */
function table(head, rows, caption) {
  /**
   * @param {string[]} cells
   * @param {"td" | "th"} name
   * @param {Attributes} [attributes]
   */
  const line = (cells, name, attributes = {}) =>
    html(
      "tr",
      {},
      cells.map((text) => html(name, attributes, text)),
    );
  const content = html("table", {}, [
    html("caption", { class: "sr" }, caption),
    html("thead", {}, line(head, "th", { scope: "col" })),
    html(
      "tbody",
      {},
      rows.map((row) => line(row, "td")),
    ),
  ]);
  return html("div", { class: "scroll small" }, content);
}

/** @param {Node} content */
const folded = (content) =>
  html("details", { class: "as-table" }, [
    html("summary", { class: "small" }, "as a table"),
    content,
  ]);

/** @param {SpreadView} spread */
const spreadNode = ({ title, words, rows }) =>
  html("section", {}, [
    html("h3", {}, title),
    html("p", { class: "muted small" }, words),
    table(["arm", "E", "p(target)", "visited"], rows, title),
  ]);

/** @param {ControlsView} view */
function controls({ stands_out, words, arms, numbers, tables }) {
  const none = "The run's own text has no contexts from which this move could be repeated.";
  const columns = arms.map((arm) =>
    html("section", {}, [html("h3", { class: "small" }, arm.title), bandsPicture(arm)]),
  );
  return [
    html("p", { class: stands_out === false ? "verdict bad" : "verdict" }, words),
    html("div", { class: "control-arms" }, columns),
    numbersTable(numbers, arms),
    tables.length
      ? html("div", { class: "spreads" }, tables.map(spreadNode))
      : html("p", { class: "muted small" }, none),
  ];
}

/** @param {number} position */
const positionText = (position) => `${Math.round(position * 100)} %`;

/**
 * @param {SweepView} view
 * @param {SweepGrid} grid
 */
function sweepGrid(view, { title, words, rows }) {
  const cells = rows.flatMap((row, at) => [
    html("span", { class: "dose" }, short(view.strengths[at])),
    ...row.map((cell, column) => sweepCell(view, cell, view.strengths[at], view.positions[column])),
  ]);
  const texts = rows.map((row, at) => [
    short(view.strengths[at]),
    ...row.map(({ p, off }) => `${percent(p)} · ${off.toFixed(1)}`),
  ]);
  const style = { "--columns": view.positions.length, "--value": view.color };
  const ends = [html("span", {}, "start"), html("span", {}, "end")];
  const caption = `${title}: probability, and distance from the curve in usual ones`;
  return html("section", {}, [
    html("h3", { class: "small" }, [title, html("span", { class: "muted sweep-most" }, words)]),
    html("div", { class: "sweep-grid", "aria-hidden": "true", style }, [
      ...cells,
      html("span", {}),
      html("span", { class: "sweep-axis" }, ends),
    ]),
    folded(table(["strength", ...view.positions.map(positionText)], texts, caption)),
  ]);
}

/**
 * @param {SweepView} view
 * @param {SweepCell} cell
 * @param {number} strength
 * @param {number} position
 */
function sweepCell(view, { p, word, off, beyond }, strength, position) {
  const place = `strength ${strength} at ${positionText(position)}`;
  return html("i", {
    class: beyond ? "beyond" : "",
    style: { "--share": `${Math.min(100, (p / view.most) * 100)}%` },
    title: `${place}: ${percent(p)}, says ${word}, ${off.toFixed(1)} × usual`,
  });
}

/** @param {SweepView} view */
const sweep = (view) => [
  html("p", { class: "muted small" }, view.words),
  html(
    "div",
    { class: "sweeps" },
    view.grids.map((grid) => sweepGrid(view, grid)),
  ),
];

/** @param {PhraseView} phrase */
function phraseNode({ text, read, baseline, lines, words }) {
  const note = read ? html("span", { class: "muted small" }, ` read as “${read}”`) : null;
  const drawn = [levelLine(baseline), ...lines.map(({ path, arm }) => chartLine(path, arm))];
  return html("section", { class: "phrase" }, [
    html("p", {}, [html("b", {}, text), note]),
    html("div", { class: "phrase-box" }, chart(drawn, `${text}: log-probability along the path`)),
    html("p", { class: "muted small" }, words),
  ]);
}

/**
 * @param {string} kind
 * @param {string} name
 */
function keyItem(kind, name) {
  const frame = { viewBox: "0 0 24 8", "aria-hidden": "true" };
  return html("span", {}, [svg("svg", frame, chartLine("M0 4L24 4", kind)), name]);
}

/** @param {PhraseView[]} view */
function phrases(view) {
  const arms = view[0]?.lines ?? [];
  const items = [
    keyItem("requested", "unsteered"),
    ...arms.map(({ arm, title }) => keyItem(arm, title)),
  ];
  const steps = arms[0]?.logprob ?? [];
  const head = steps.map((_, at) => positionText(at / Math.max(steps.length - 1, 1)));
  const rows = view.flatMap(({ text, lines }) =>
    lines.map(({ title, logprob }) => [text, title, ...logprob.map((value) => value.toFixed(1))]),
  );
  return [
    html("p", { class: "key small muted" }, items),
    html("div", { class: "phrase-rows" }, view.map(phraseNode)),
    folded(table(["phrase", "arm", ...head], rows, "Log-probabilities in nats")),
  ];
}

/**
 * @param {CheckViews} views
 * @param {CheckName} name
 */
function contentOf(views, name) {
  if (name === "check") return views.check ? controls(views.check) : [];
  if (name === "sweep") return views.sweep ? sweep(views.sweep) : [];
  return views.phrases ? phrases(views.phrases) : [];
}

/**
 * @param {CheckName} name
 * @param {CheckViews} views
 */
const draw = (name, views) => find(`${name}-result`)?.replaceChildren(...contentOf(views, name));

/**
 * Whether a check belongs to the result that is shown: a late answer is not drawn under another result.
 *
 * @param {CheckAnswer | null} answer
 * @param {SteerAnswer | null} steer
 */
function belongs(answer, steer) {
  if (!answer || !steer) return false;
  const { request } = answer;
  /** @type {(keyof PathRequest)[]} */
  const keys = request.strength === undefined ? PATH_KEYS : [...PATH_KEYS, "strength"];
  return keys.every((key) => JSON.stringify(request[key]) === JSON.stringify(steer.request[key]));
}

/**
 * Draw the answer to one check, if it belongs to the result that is shown.
 *
 * @param {CheckName} name
 * @param {CheckAnswer | null} answer
 * @param {SteerAnswer | null} steer
 */
export function showCheck(name, answer, steer) {
  const current = belongs(answer, steer);
  draw(name, current && answer ? { [name]: answer.view } : {});
  if (answer && !current)
    setProps(`${name}-status`, { children: "Press Steer first: the fields have changed." });
}

export function clearChecks() {
  for (const name of NAMES) {
    draw(name, {});
    if (find(`${name}-status`)) setProps(`${name}-status`, { children: "" });
  }
}

/**
 * Replies that a shared result includes, null for checks that were not requested.
 *
 * @param {(CheckAnswer | null)[]} answers in the order of their names: check, sweep, phrases
 * @param {SteerAnswer} steer
 * @returns {Record<string, unknown>}
 */
export const sharedChecks = (answers, steer) =>
  Object.fromEntries(
    NAMES.map((name, at) => [name, belongs(answers[at], steer) ? answers[at]?.reply : null]),
  );

/** @param {CheckViews} views */
export function replayChecks(views) {
  for (const name of NAMES) if (views[name]) draw(name, views);
}
