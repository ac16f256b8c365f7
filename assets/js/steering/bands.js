/** Probability bands as SVG, one column an arm, and the handle that runs through all of them without the server. */

import { setProps } from "../ui/dash.js";
import { byId, closest, find, html, query, queryAll, svg } from "../ui/dom.js";
import { percent, short } from "../ui/format.js";
import { boxAt, placeAll } from "../ui/label_layout.js";
import { axis } from "../ui/ticks.js";
import { setLink } from "../view/link.js";
import { clearPath, currentPath, handlePosition, moveHandle, setPath } from "../view/path.js";
import { meterRow } from "./meter.js";

/* Shifts of a name within its band, as shares of its width, where another name is in the way. */
const SHIFTS = [0, 0.4, -0.4, 0.8, -0.8];
const EDGE = 4;
const SLIDER_STEPS = 1000;
const ENERGY =
  "Values that become the likeliest word on the way. E, the Bhattacharyya energy, says how unnatural the answers are on the way: lower is better.";

/**
 * @param {number} middle
 * @param {number} size
 * @param {number} room
 */
const insideRoom = (middle, size, room) =>
  Math.max(EDGE, Math.min(middle - size / 2, room - size - EDGE));

/** @param {HTMLElement} box */
function placeNames(box) {
  const area = { width: box.clientWidth, height: box.clientHeight };
  const names = queryAll(box, ".band-label").map((node) => {
    const [x, y] = [Number(node.dataset.x) * area.width, Number(node.dataset.y) * area.height];
    /** @type {Label["spots"]} */
    const spots = (width, height) =>
      SHIFTS.map((shift) => {
        const left = insideRoom(x + shift * width, width, area.width);
        return boxAt(left, insideRoom(y, height, area.height), width, height);
      });
    return { node, width: node.offsetWidth, height: node.offsetHeight, spots };
  });
  placeAll(names, area);
}

const resized = new ResizeObserver((changes) => {
  for (const { target } of changes) placeNames(/** @type {HTMLElement} */ (target));
});

/** @param {Band} band */
function bandLabel({ name, color, label_x, label_y }) {
  if (label_x === null) return null;
  const place = { "data-x": label_x, "data-y": label_y, "aria-hidden": "true" };
  const kind = color ? "band-label" : "band-label other";
  return html("span", { class: kind, ...place }, color ? name : "other words");
}

/** @param {Band} band */
const bandArea = ({ path, color }) =>
  svg("path", {
    d: path,
    class: color ? "band" : "band other",
    style: color ? { fill: color } : {},
  });

/**
 * One arm's bands with their names and the handle.
 *
 * @param {Pick<ArmBands, "arm" | "title" | "bands">} arm
 */
export function bandsPicture({ arm, title, bands }) {
  const drawing = svg(
    "svg",
    {
      viewBox: "0 0 1000 100",
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${title}: probability of each value along the path`,
    },
    bands.map(bandArea),
  );
  const box = html("div", { class: "bands-box", "data-arm": arm }, [
    drawing,
    ...bands.map(bandLabel),
    html("div", { class: "bands-handle", "aria-hidden": "true" }),
  ]);
  resized.observe(box);
  return box;
}

/** @param {ArmBands} arm */
function answersTable({ answers, off_manifold }) {
  const names = ["along the path", "next word", "probability", "distance from the curve"];
  const head = names.map((name) => html("th", { scope: "col" }, name));
  const rows = answers.map(({ text, probability }, at) => {
    const position = percent(at / (answers.length - 1 || 1));
    const cells = [position, text, percent(probability), off_manifold[at].toFixed(2)];
    return html(
      "tr",
      {},
      cells.map((cell) => html("td", {}, cell)),
    );
  });
  const table = html("table", {}, [
    html("thead", {}, html("tr", {}, head)),
    html("tbody", {}, rows),
  ]);
  return html("details", { class: "as-table" }, [
    html("summary", { class: "small" }, "as a table"),
    html("div", { class: "scroll small" }, table),
  ]);
}

/**
 * @param {BandsView} path
 * @param {ArmBands} arm
 */
function armColumn(path, arm) {
  const title = arm.note.includes("E ") ? ENERGY : null;
  const note = html("span", { class: "muted small arm-note", title }, arm.note);
  return html("section", { class: "arm", "data-arm": arm.arm, "aria-label": arm.title }, [
    html("div", { class: "arm-head" }, [html("h3", {}, arm.title), note]),
    bandsPicture(arm),
    axis(path.ticks, { class: "ticks" }),
    html("p", { class: "answer" }, [
      html("span", { class: "answer-prompt" }, `${path.prompt} `),
      html("b", { class: "answer-word" }),
      html("span", { class: "muted small answer-share" }),
    ]),
    html("p", { class: "off muted small" }),
    answersTable(arm),
  ]);
}

/**
 * Index of the waypoint at the handle.
 *
 * @param {ArmBands} arm
 */
const waypoint = ({ answers }) => Math.round(handlePosition() * (answers.length - 1));

/** @param {BandsView} path */
function showHandle(path) {
  for (const section of queryAll(document, "#bands .arm")) {
    const arm = path.arms.find((one) => one.arm === section.dataset.arm);
    if (arm) showAnswer(section, arm);
  }
  const slider = find("position");
  if (!(slider instanceof HTMLInputElement)) return;
  slider.value = String(Math.round(handlePosition() * SLIDER_STEPS));
  const answers = path.arms.map((arm) => `${arm.title}: ${arm.answers[waypoint(arm)].text}`);
  slider.setAttribute("aria-valuetext", answers.join("; "));
}

/**
 * @param {HTMLElement} section
 * @param {ArmBands} arm
 */
function showAnswer(section, arm) {
  const at = waypoint(arm);
  const { text, color, probability } = arm.answers[at];
  query(section, ".bands-handle").style.left = `${handlePosition() * 100}%`;
  const word = query(section, ".answer-word");
  word.textContent = text;
  word.style.setProperty("--value", color || "var(--text)");
  query(section, ".answer-share").textContent = ` ${percent(probability)}`;
  const distance = arm.off_manifold[at].toFixed(1);
  query(section, ".off").textContent = `${distance} × the usual distance from the curve`;
}

/**
 * Move the handle; once it is released, the link and the server learn its position.
 *
 * @param {number} to share of the path
 * @param {boolean} released
 */
export function moveBandsHandle(to, released) {
  moveHandle(to);
  const path = currentPath();
  if (path) showHandle(path);
  if (!released) return;
  const position = handlePosition();
  setProps("position-store", { data: position });
  setLink({ at: position === 0.5 ? null : short(position) });
}

/** @param {PointerEvent} event */
function drag(event) {
  const box = closest(event.target, ".bands-box");
  if (!box || event.button > 0) return;
  event.preventDefault();
  /** @param {PointerEvent} moved */
  const at = (moved) => {
    const { left, width } = box.getBoundingClientRect();
    return (moved.clientX - left) / width;
  };
  /** @param {PointerEvent} moved */
  const follow = (moved) => moveBandsHandle(at(moved), false);
  /** @param {PointerEvent} moved */
  const release = (moved) => {
    window.removeEventListener("pointermove", follow);
    window.removeEventListener("pointerup", release);
    window.removeEventListener("pointercancel", release);
    moveBandsHandle(moved.type === "pointerup" ? at(moved) : handlePosition(), true);
  };
  window.addEventListener("pointermove", follow);
  window.addEventListener("pointerup", release);
  window.addEventListener("pointercancel", release);
  moveBandsHandle(at(event), false);
}

/** @param {BandsView} path */
function positionSlider({ start_name, end_name }) {
  const slider = html("input", {
    id: "position",
    type: "range",
    min: 0,
    max: SLIDER_STEPS,
    step: 5,
    value: handlePosition() * SLIDER_STEPS,
    "aria-label": `Position along the path from ${start_name} to ${end_name}`,
    oninput: ({ target }) => moveBandsHandle(Number(target.value) / SLIDER_STEPS, false),
    onchange: ({ target }) => moveBandsHandle(Number(target.value) / SLIDER_STEPS, true),
  });
  return html("label", { class: "position" }, [
    html("span", { class: "muted small" }, start_name),
    slider,
    html("span", { class: "muted small" }, end_name),
  ]);
}

/**
 * Draw a result.
 *
 * @param {BandsView} path
 * @param {number | null} [position] of the handle; by default it stays
 */
export function renderBands(path, position = null) {
  const box = find("bands");
  if (!box) return;
  setPath(path);
  box.replaceChildren(
    html("div", { class: "sliders" }, [positionSlider(path), meterRow(path)]),
    html(
      "div",
      { class: "arms", onpointerdown: drag },
      path.arms.map((arm) => armColumn(path, arm)),
    ),
  );
  moveBandsHandle(position ?? handlePosition(), false);
}

/** Remove a result that no longer belongs to the fields. */
export function clearBands() {
  clearPath();
  const text = "No result for these fields yet; press Steer.";
  find("bands")?.replaceChildren(html("div", { class: "bands-empty" }, html("p", {}, text)));
}

/* The answer to Steer scrolls into sight. */
document.addEventListener("click", ({ target }) => {
  if (!closest(target, "#steer-run")) return;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  byId("bands").scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
});
