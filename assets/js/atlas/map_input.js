/** Input on the map: drag, wheel, pinch, keys, hover and click; box and lasso select clusters. */

import { closest, query, queryAll, svg } from "../ui/dom.js";

const SLOP = 4;
const STEP = 60;
const WHEEL = 0.0016;
const LARGEST_WHEEL = 300;
const ZOOM = 1.5;
const NEAR_ENOUGH = 4;
let tool = "pan";

/**
 * @param {ScreenPoint} a
 * @param {ScreenPoint} b
 */
const apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

/**
 * Listen on a box around the map.
 *
 * @param {HTMLElement} box
 * @param {MapHandle} map
 */
export function listenToMap(box, map) {
  listenToPointer(box, map);
  listenToWheelAndKeys(box, map);
  box.addEventListener("click", ({ target }) => {
    const button = closest(target, "[data-tool]");
    if (button && map.isOpen()) useButton(box, map, button.dataset.tool ?? "pan");
  });
  takeTool(box, tool);
}

/**
 * @param {HTMLElement} box
 * @param {MapHandle} map
 */
function listenToPointer(box, map) {
  /** @type {Map<number, ScreenPoint>} */
  const held = new Map();
  /** @type {ScreenPoint} */
  let begun = [0, 0];
  /** @type {ScreenPoint[] | null} */
  let line = null;
  let dragged = false;

  /**
   * @param {MouseEvent} event
   * @returns {ScreenPoint}
   */
  const here = (event) => pointIn(box, event);

  box.addEventListener("pointerdown", (event) => {
    if (event.button || !map.isOpen() || closest(event.target, "button")) return;
    begun = here(event);
    held.set(event.pointerId, begun);
    dragged = false;
    line = tool !== "pan" && held.size === 1 ? [begun, begun] : null;
  });

  box.addEventListener("pointermove", (event) => {
    if (!map.isOpen()) return;
    const at = here(event);
    const before = held.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse" && closest(event.target, "canvas")) hover(box, map, at);
      return;
    }
    if (!dragged && apart(at, begun) < SLOP) return;
    if (!dragged) {
      box.setPointerCapture(event.pointerId);
      map.tip(null);
    }
    dragged = true;
    if (held.size === 2) pinch(map, held, before, at);
    else if (line) {
      line = stretched(line, at);
      showOutline(box, line);
    } else map.pan(at[0] - before[0], at[1] - before[1]);
    held.set(event.pointerId, at);
  });

  /** @param {PointerEvent} event */
  function release(event) {
    if (!held.delete(event.pointerId) || !map.isOpen()) return;
    const lifted = event.type === "pointerup";
    if (lifted && !dragged && closest(event.target, "canvas")) tap(map, event, here(event));
    if (lifted && dragged && line) map.select(outlineOf(line));
    line = null;
    showOutline(box, null);
  }
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"]))
    box.addEventListener(name, release);
  box.addEventListener("pointerleave", () => {
    if (!held.size && map.isOpen()) map.tip(null);
  });
  box.addEventListener("click", swallowAfterDrag, true);

  /**
   * A drag that ends over a name is no click on it.
   *
   * @param {MouseEvent} event
   */
  function swallowAfterDrag(event) {
    if (!dragged) return;
    event.preventDefault();
    event.stopPropagation();
    dragged = false;
  }
}

/**
 * @param {HTMLElement} box
 * @param {MouseEvent} event
 * @returns {ScreenPoint}
 */
function pointIn(box, event) {
  const { left, top } = box.getBoundingClientRect();
  return [event.clientX - left - box.clientLeft, event.clientY - top - box.clientTop];
}

/**
 * @param {HTMLElement} box
 * @param {MapHandle} map
 * @param {ScreenPoint} at
 */
function hover(box, map, at) {
  const feature = map.featureAt(...at);
  box.classList.toggle("pointing", feature !== null);
  map.tip(feature);
}

/**
 * A click opens a feature's cluster; a finger sees its tooltip first.
 *
 * @param {MapHandle} map
 * @param {PointerEvent} event
 * @param {ScreenPoint} at
 */
function tap(map, event, at) {
  const feature = map.featureAt(...at);
  if (feature === null || event.pointerType === "mouse" || map.hasTip(feature)) map.visit(feature);
  else map.tip(feature);
}

/**
 * @param {MapHandle} map
 * @param {Map<number, ScreenPoint>} held
 * @param {ScreenPoint} before
 * @param {ScreenPoint} now
 */
function pinch(map, held, before, now) {
  const [other] = [...held.values()].filter((one) => one !== before);
  const factor = Math.max(1, apart(now, other)) / Math.max(1, apart(before, other));
  map.zoom(factor, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
}

/**
 * A box's two corners or a lasso's points, with the pointer's new place.
 *
 * @param {ScreenPoint[]} line
 * @param {ScreenPoint} at
 */
function stretched(line, at) {
  if (tool === "box") return [line[0], at];
  return apart(at, line[line.length - 1]) >= NEAR_ENOUGH ? [...line, at] : line;
}

/**
 * @param {ScreenPoint[]} line
 * @returns {ScreenPoint[]}
 */
function outlineOf(line) {
  if (tool !== "box") return line;
  const [[x1, y1], [x2, y2]] = line;
  return [
    [x1, y1],
    [x2, y1],
    [x2, y2],
    [x1, y2],
  ];
}

/**
 * @param {HTMLElement} box
 * @param {ScreenPoint[] | null} line
 */
function showOutline(box, line) {
  const points = (line ? outlineOf(line) : []).map((point) => point.join(",")).join(" ");
  query(box, ".map-lasso").replaceChildren(...(line ? [svg("polygon", { points })] : []));
}

/**
 * @param {HTMLElement} box
 * @param {MapHandle} map
 */
function listenToWheelAndKeys(box, map) {
  box.addEventListener("dblclick", ({ target }) => {
    if (map.isOpen() && closest(target, "canvas")) map.showAll();
  });
  box.addEventListener(
    "wheel",
    (event) => {
      if (!map.isOpen()) return;
      event.preventDefault();
      const turn = Math.max(-LARGEST_WHEEL, Math.min(LARGEST_WHEEL, event.deltaY));
      map.zoom(Math.exp(-turn * WHEEL), ...pointIn(box, event));
    },
    { passive: false },
  );
  box.addEventListener("keydown", (event) => {
    if (!map.isOpen() || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = closest(event.target, "#map") === event.target ? KEYS[event.key] : undefined;
    if (!act) return;
    event.preventDefault();
    act(map);
  });
}

/**
 * @param {MapHandle} map
 * @param {number} factor
 */
function zoomMiddle(map, factor) {
  const { width, height } = map.size();
  map.zoom(factor, width / 2, height / 2);
}

/** @type {Record<string, (map: MapHandle) => void>} */
const KEYS = {
  ArrowLeft: (map) => map.pan(STEP, 0),
  ArrowRight: (map) => map.pan(-STEP, 0),
  ArrowUp: (map) => map.pan(0, STEP),
  ArrowDown: (map) => map.pan(0, -STEP),
  "+": (map) => zoomMiddle(map, ZOOM),
  "=": (map) => zoomMiddle(map, ZOOM),
  "-": (map) => zoomMiddle(map, 1 / ZOOM),
  0: (map) => map.showAll(),
  Escape: (map) => map.clearSelection(),
};

/**
 * @param {HTMLElement} box
 * @param {MapHandle} map
 * @param {string} name
 */
function useButton(box, map, name) {
  if (name === "in") zoomMiddle(map, ZOOM);
  else if (name === "out") zoomMiddle(map, 1 / ZOOM);
  else if (name === "all") map.showAll();
  else takeTool(box, name);
}

/**
 * Choose what a drag does: "pan", "lasso" or "box".
 *
 * @param {HTMLElement} box
 * @param {string} name
 */
function takeTool(box, name) {
  tool = name;
  box.dataset.tool = name;
  for (const button of queryAll(box, "[data-tool][aria-pressed]"))
    button.setAttribute("aria-pressed", String(button.dataset.tool === name));
}
