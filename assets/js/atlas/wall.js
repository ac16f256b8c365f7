/** The wall of clusters, as tiles or as rows of a table. Only cells in sight are in the page, however many there are. */

import { byId, closest, html, query, queryAll } from "../ui/dom.js";
import { counted, thousands } from "../ui/format.js";
import { follow } from "../view/navigate.js";
import { pointAtCluster } from "./map.js";
import { runData } from "./run_data.js";

const GAP = 12;
const NARROWEST = 168;
const TEXT_HEIGHT = 96;
const HEAD_HEIGHT = 36;
const ROW_HEIGHT = 52;
const ROWS_AROUND = 2;
const REST_MS = 90;
const COLUMNS = ["Cluster", "Regime", "Features", "Tokens", "Stability"];

/** @type {Wall | null} */
let wall = null;

/**
 * Show clusters in their order.
 *
 * @param {MapPage} page
 * @param {Tiles} tiles
 * @param {"tiles" | "table"} look
 */
export async function showWall(page, tiles, look) {
  const box = byId("tiles");
  const columns = await runData(page).clusters;
  if (!box.isConnected) return;
  wall?.watcher.disconnect();
  const watcher = new ResizeObserver(drawSoon);
  wall = {
    box,
    page,
    columns,
    ...tiles,
    look,
    active: 0,
    cells: new Map(),
    watcher,
    resting: undefined,
  };
  prepare(wall);
  watcher.observe(box);
  draw();
}

/** @param {Wall} wall */
function prepare({ box, look, order }) {
  box.className = `wall ${look}`;
  box.setAttribute("role", look === "table" ? "table" : "list");
  if (look === "table") box.setAttribute("aria-rowcount", String(order.length + 1));
  else box.removeAttribute("aria-rowcount");
  if (!order.length) box.replaceChildren(emptyNode());
  else box.replaceChildren(...(look === "table" ? [headNode()] : []));
  box.onkeydown = walk;
  box.onpointerover = ({ target }) => pointAtCluster(clusterAt(target));
  box.onpointerleave = () => pointAtCluster(null);
}

/** @param {EventTarget | null} target */
function clusterAt(target) {
  const cell = closest(target, "[data-at]");
  return cell && wall ? wall.order[Number(cell.dataset.at)] : null;
}

const emptyNode = () =>
  html("div", { class: "empty", role: "listitem" }, [
    html("h2", {}, "No cluster matches"),
    html("p", {}, "Try fewer words, another shape or any regime, or clear the selection."),
  ]);

const headNode = () =>
  html(
    "div",
    { class: "row row-head", role: "row" },
    COLUMNS.map((name) => html("span", { role: "columnheader" }, name)),
  );

/**
 * How the cells lie: so many in a row, each so large, below what is on top.
 *
 * @param {Pick<Wall, "box" | "look">} wall
 * @returns {WallGrid}
 */
function gridOf({ box, look }) {
  const width = box.clientWidth;
  if (look === "table")
    return { across: 1, width, height: ROW_HEIGHT, step: ROW_HEIGHT, top: HEAD_HEIGHT };
  const across = Math.max(2, Math.floor((width + GAP) / (NARROWEST + GAP)));
  const own = (width - GAP * (across - 1)) / across;
  const height = Math.round(own * 0.75) + TEXT_HEIGHT;
  return { across, width: own, height, step: height + GAP, top: 0 };
}

/**
 * Numbers of the cells in sight, and a few more; the one with the focus stays wherever it is.
 *
 * @param {Wall} wall
 * @param {WallGrid} grid
 */
function inSight({ box, order, active }, { across, step, top }) {
  const above = box.getBoundingClientRect().top + top;
  const first = (Math.floor(-above / step) - ROWS_AROUND) * across;
  const last = (Math.ceil((window.innerHeight - above) / step) + ROWS_AROUND) * across;
  /** @type {Set<number>} */
  const cells = new Set();
  for (let at = Math.max(0, first); at < Math.min(order.length, last); at += 1) cells.add(at);
  if (order.length) cells.add(active);
  return [...cells].sort((a, b) => a - b);
}

function draw() {
  if (!wall?.box.isConnected) return;
  const { box, order, cells } = wall;
  const grid = gridOf(wall);
  const wanted = inSight(wall, grid);
  const rows = Math.ceil(order.length / grid.across);
  box.style.height = order.length ? `${grid.top + rows * grid.step}px` : "";
  const shown = new Set(wanted);
  for (const [at, cell] of cells) {
    if (shown.has(at)) continue;
    cell.remove();
    cells.delete(at);
  }
  insert(wall, grid, wanted);
  clearTimeout(wall.resting);
  wall.resting = window.setTimeout(loadPortraits, REST_MS);
}

/**
 * Put cells into the page in their order, and place them.
 *
 * @param {Wall} wall
 * @param {WallGrid} grid
 * @param {number[]} wanted
 */
function insert(wall, grid, wanted) {
  let next = wall.box.querySelector(":scope > [data-at]");
  for (const at of wanted) {
    const cell = wall.cells.get(at) ?? newCell(wall, at);
    if (cell === next) next = next.nextElementSibling;
    else wall.box.insertBefore(cell, next);
    const x = (at % grid.across) * (grid.width + GAP);
    const y = grid.top + Math.floor(at / grid.across) * grid.step;
    cell.style.transform = `translate(${x}px, ${y}px)`;
    cell.style.width = `${grid.width}px`;
    cell.style.height = `${grid.height}px`;
    query(cell, "a").tabIndex = at === wall.active ? 0 : -1;
  }
}

/** Fetch portraits once scrolling rests: those that fly by are not fetched. */
function loadPortraits() {
  if (!wall) return;
  for (const node of queryAll(wall.box, "img:not([src])"))
    node.setAttribute("src", node.dataset.src ?? "");
}

/**
 * @param {Wall} wall
 * @param {number} at
 */
function newCell(wall, at) {
  const cluster = wall.order[at];
  const cell = wall.look === "table" ? rowNode(wall, at, cluster) : tileNode(wall, at, cluster);
  wall.cells.set(at, cell);
  return cell;
}

/**
 * @param {Wall} wall
 * @param {number} cluster
 * @param {Attributes} attributes
 * @param {Children} children
 */
const linkNode = ({ page }, cluster, attributes, children) =>
  html(
    "a",
    { href: page.base + cluster, onclick: follow, draggable: "false", ...attributes },
    children,
  );

/**
 * A cluster's shape, and how many values it holds.
 *
 * @param {Wall} wall
 * @param {number} cluster
 */
function shapeText({ columns, page }, cluster) {
  const values = columns.values[cluster];
  const shape = page.palette.shapes[columns.shape[cluster]];
  return shape + (values ? ` · ${counted(values, "value")}` : "");
}

/**
 * @param {Wall} wall
 * @param {number} cluster
 */
const portraitNode = ({ page }, cluster) =>
  html("img", {
    alt: "",
    width: 160,
    height: 120,
    loading: "lazy",
    decoding: "async",
    "data-src": `${page.data}/thumbnail/${cluster}.svg`,
  });

/**
 * @param {Wall} wall
 * @param {number} at
 * @param {number} cluster
 */
function tileNode(wall, at, cluster) {
  const { columns, fires, page, order } = wall;
  const tokens = fires[cluster] || 0;
  const label = columns.label[cluster];
  const regime = page.palette.regimes[columns.regime[cluster]];
  const text = [
    html("span", { class: "tile-name", title: label, dir: "auto" }, label),
    html("span", { class: "tile-words" }, shapeText(wall, cluster)),
    html(
      "span",
      { class: "tile-regime" },
      `${counted(columns.features[cluster], "feature")} · ${regime}`,
    ),
  ];
  const children = [
    portraitNode(wall, cluster),
    html("div", { class: "tile-text" }, text),
    tokens ? html("span", { class: "tile-fires" }, `fires on ${counted(tokens, "token")}`) : null,
  ];
  const attributes = {
    class: "cell",
    role: "listitem",
    "data-at": at,
    "aria-setsize": order.length,
    "aria-posinset": at + 1,
  };
  const look = { class: `tile panel ${tokens ? "lit" : ""}` };
  return html("div", attributes, linkNode(wall, cluster, look, children));
}

/**
 * @param {Wall} wall
 * @param {number} at
 * @param {number} cluster
 */
function rowNode(wall, at, cluster) {
  const { columns, fires, page } = wall;
  const label = columns.label[cluster];
  const stability = columns.stability[cluster];
  const texts = [
    page.palette.regimes[columns.regime[cluster]],
    thousands(columns.features[cluster]),
    thousands(columns.tokens[cluster]),
    stability === null ? "–" : stability.toFixed(2),
  ];
  const names = html("span", {}, [
    html("bdi", {}, label),
    html("span", { class: "row-words" }, shapeText(wall, cluster)),
  ]);
  const look = { class: "row-name", title: label };
  const link = linkNode(wall, cluster, look, [portraitNode(wall, cluster), names]);
  const attributes = {
    class: `cell row ${fires[cluster] ? "lit" : ""}`,
    role: "row",
    "data-at": at,
    "aria-rowindex": at + 2,
  };
  return html("div", attributes, [
    html("span", { role: "cell" }, link),
    ...texts.map((text) => html("span", { role: "cell" }, text)),
  ]);
}

/**
 * Arrow keys walk over the wall, also to cells that are not in the page yet.
 *
 * @param {KeyboardEvent} event
 */
function walk(event) {
  if (!wall || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!closest(event.target, "a")) return;
  const { across, step } = gridOf(wall);
  const sheet = across * Math.max(1, Math.floor(window.innerHeight / step) - 1);
  /** @type {Record<string, number | undefined>} */
  const steps = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: across,
    ArrowUp: -across,
    PageDown: sheet,
    PageUp: -sheet,
    Home: -Infinity,
    End: Infinity,
  };
  const by = steps[event.key];
  if (by === undefined) return;
  event.preventDefault();
  const to = Math.min(wall.order.length - 1, Math.max(0, wall.active + by));
  if (Math.abs(by) === across && to - wall.active !== by) return;
  focusCell(wall, to);
}

/**
 * @param {Wall} wall
 * @param {number} at
 */
function focusCell(wall, at) {
  const { across, height, step, top } = gridOf(wall);
  const y = wall.box.getBoundingClientRect().top + top + Math.floor(at / across) * step;
  const header = byId("header").getBoundingClientRect().bottom + GAP;
  wall.active = at;
  if (y < header) window.scrollBy(0, y - header);
  else if (y + height > window.innerHeight - GAP)
    window.scrollBy(0, y + height - window.innerHeight + GAP);
  draw();
  const cell = wall.cells.get(at);
  if (cell) query(cell, "a").focus({ preventScroll: true });
}

let frame = 0;
function drawSoon() {
  if (frame) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    draw();
  });
}

window.addEventListener("scroll", drawSoon, { passive: true });
window.addEventListener("resize", drawSoon);

/* A click on a cell, or the tab key, makes it the one that the arrow keys start from. */
window.addEventListener("focusin", ({ target }) => {
  const cell = closest(target, "#tiles [data-at]");
  if (!wall || !cell || Number(cell.dataset.at) === wall.active) return;
  wall.active = Number(cell.dataset.at);
  for (const [at, other] of wall.cells) query(other, "a").tabIndex = at === wall.active ? 0 : -1;
});
