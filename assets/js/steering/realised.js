/** The requested and the realised state: along the path for each arm, and token by token in generated texts. */

import { nearest } from "../figures/curve.js";
import { byId, find, html, svg } from "../ui/dom.js";
import { percent } from "../ui/format.js";
import { currentPath } from "../view/path.js";

/** Distances from the curve, in usual ones, from which on a place on it says little. */
const FAR = 2;

/**
 * A stretched drawing of 1000 by 100 units.
 *
 * @param {Children} children
 * @param {string} label
 */
export const chart = (children, label) =>
  svg(
    "svg",
    {
      viewBox: "0 0 1000 100",
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": label,
    },
    children,
  );

/**
 * @param {string} d
 * @param {string} kind
 */
export const chartLine = (d, kind) => svg("path", { d, class: `line ${kind}` });

/** @param {number} height share of the chart's height, from the top */
export const levelLine = (height) =>
  chartLine(`M0 ${height * 100}L1000 ${height * 100}`, "requested");

/**
 * A table of numbers, one row an arm.
 *
 * @param {[string, string][]} names with their meanings
 * @param {Pick<ArmBands, "title" | "numbers">[]} arms
 */
export function numbersTable(names, arms) {
  const head = names.map(([name, title]) => html("th", { scope: "col", title }, name));
  const rows = arms.map(({ title, numbers }) =>
    html("tr", {}, [
      html("th", { scope: "row" }, title),
      ...numbers.map((text) => html("td", {}, text)),
    ]),
  );
  const table = html("table", { class: "numbers-table" }, [
    html("thead", {}, html("tr", {}, [html("th", { scope: "col" }, "arm"), ...head])),
    html("tbody", {}, rows),
  ]);
  return html("div", { class: "scroll small" }, table);
}

/**
 * @param {BandsView} path
 * @param {RealisedView} realised
 * @param {number} at index of the arm
 */
function armColumn(path, realised, at) {
  const { title } = path.arms[at];
  const { state, answer, words } = realised.arms[at];
  const lines = [
    chartLine(realised.requested, "requested"),
    chartLine(state, "state"),
    chartLine(answer, "answer"),
  ];
  /**
   * @param {number} height
   * @param {string} name
   */
  const end = (height, name) =>
    html("span", { class: "realised-end", style: { top: `${height * 100}%` } }, name);
  return html("section", { class: "realised-arm" }, [
    html("h3", {}, title),
    html("div", { class: "realised-box" }, [
      chart(lines, `${title}: asked and realised place along the path`),
      end(realised.start, path.start_name),
      end(realised.end, path.end_name),
    ]),
    html("p", { class: "muted small" }, words),
  ]);
}

/** @param {BandsView} path */
export function renderRealised(path) {
  const box = find("realised");
  if (!box) return;
  byId("checks").hidden = false;
  const { realised } = path;
  const columns = realised ? path.arms.map((_, at) => armColumn(path, realised, at)) : [];
  box.replaceChildren(
    ...(realised ? [html("div", { class: "arms" }, columns)] : []),
    numbersTable(path.numbers, path.arms),
  );
}

/**
 * The value nearest to a coordinate; without values the coordinate itself.
 *
 * @param {number} coordinate
 * @returns {{ name: string, color: string }}
 */
function nearestValue(coordinate) {
  const path = currentPath();
  const found = path && nearest(path.values, ([, , at]) => at, coordinate, path.closed);
  if (!found) return { name: coordinate.toFixed(2), color: "var(--hub)" };
  return { name: found[0], color: found[1] };
}

/** @param {PlacedToken} token */
const place = ({ coordinate, off_manifold }) =>
  `near ${nearestValue(coordinate).name}, ${off_manifold.toFixed(1)} × usual`;

/** @param {PlacedToken} token */
const farClass = ({ off_manifold }) => (off_manifold >= FAR ? "far" : "");

/**
 * A text's own path: its tokens to the right, the curve upwards; hollow where the place says little.
 *
 * @param {PlacedToken[]} tokens
 * @param {number} count tokens of the whole text
 * @param {number | null} requested coordinate
 */
function textPath(tokens, count, requested) {
  const points = tokens.map((token) => ({
    token,
    x: (token.index / Math.max(count - 1, 1)) * 100,
    y: (1 - token.coordinate) * 100,
  }));
  const dots = points.map(({ token, x, y }) =>
    html("i", {
      class: farClass(token),
      title: `${token.text.trim()}: ${place(token)}`,
      style: { left: `${x}%`, top: `${y}%`, "--value": nearestValue(token.coordinate).color },
    }),
  );
  const joined = points.map(({ x, y }, at) => `${at ? "L" : "M"}${x * 10} ${y}`).join("");
  const lines = [requested === null ? null : levelLine(1 - requested), chartLine(joined, "state")];
  return html("div", { class: "text-path", "aria-hidden": "true" }, [chart(lines, ""), ...dots]);
}

/** @param {number} perplexity */
const perplexityText = (perplexity) =>
  perplexity < 1000 ? perplexity.toPrecision(3) : perplexity.toExponential(1);

/**
 * Tokens on which the cluster fires, with their place in the text.
 *
 * @param {protocol.Written} written
 */
const placedTokens = ({ tokens }) =>
  tokens.map((token, index) => ({ ...token, index })).filter(({ fires }) => fires);

/**
 * What the unsteered model makes of a text: how likely and how repetitive it is, and where on the curve its tokens lie.
 *
 * @param {protocol.Written} written
 * @param {number | null} requested coordinate, or null for the unsteered text
 */
export function readBackNode(written, requested) {
  const { perplexity, repeated } = written;
  const facts = [
    perplexity === null ? "" : `perplexity ${perplexityText(perplexity)}`,
    repeated === null ? "" : `${percent(repeated)} repeated`,
  ];
  const title =
    "Perplexity of the text under the unsteered model; share of its three-token sequences that occurred before.";
  const line = html("p", { class: "small muted", title }, facts.filter(Boolean).join(" · "));
  return html("div", {}, [line, firingNode(written, requested)]);
}

/**
 * @param {protocol.Written} written
 * @param {number | null} requested
 */
function firingNode(written, requested) {
  const tokens = placedTokens(written);
  const count = written.tokens.length;
  if (!tokens.length)
    return html("p", { class: "small muted" }, "the cluster fires on none of its words");
  const target = requested === null ? "" : `Asked for: ${nearestValue(requested).name} (dashed). `;
  const items = tokens.map((token) =>
    html("li", { class: farClass(token) }, [html("b", {}, token.text.trim()), ` ${place(token)}`]),
  );
  return html("details", { class: "small" }, [
    html("summary", {}, `fires on ${tokens.length} of ${count} words`),
    html("p", { class: "muted" }, `${target}Read back by the unsteered model:`),
    textPath(tokens, count, requested),
    html("ul", { class: "text-places" }, items),
  ]);
}
