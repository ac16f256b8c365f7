/** The presenter: steps through slides that the page brought along, without asking the server. */

import { erasePath, showCloud, showPath } from "../manifold/cloud.js";
import { renderStrips } from "../manifold/strips.js";
import { moveBandsHandle, renderBands } from "../steering/bands.js";
import { replayTexts } from "../steering/stream.js";
import { contentOfLink, home } from "../ui/collection.js";
import { closest, find, html, whenPresent } from "../ui/dom.js";
import { linkValue, setLink } from "../view/link.js";
import { plainSlide, slideText } from "./slides.js";

const GLIDE_MS = 9000;
const SWIPE_PX = 60;
/** @type {Record<string, number>} */
const KEYS = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 };

/** @type {Tour | null} */
let tour = null;
let step = 0;
/** Key of the cloud on the screen. */
let shownCloud = "";
/** Number of the glide that may go on; a new step or a touch ends it. */
let glide = 0;

const box = () => find("tour");

/**
 * @param {string} name
 * @returns {HTMLElement | null | undefined}
 */
const part = (name) => box()?.querySelector(`.${name}`);

/** Index of the slide on the screen. */
export const currentStep = () => step;

/**
 * Start a tour at the link's step. A tour without slides plays the collection in the page's link.
 *
 * @param {Tour} data
 */
export async function renderTour(data) {
  [tour, shownCloud] = [data.slides.length ? data : await collectionTour(data), ""];
  const first = Number(linkValue("step")) || 1;
  box()?.classList.add("presenter");
  box()?.addEventListener("pointerdown", stopGlide);
  whenPresent(
    () => part("slide-foot"),
    () => show(first - 1),
  );
}

/**
 * A collection's views as slides, each in a frame next to its caption.
 *
 * @param {Tour} data
 * @returns {Promise<Tour>}
 */
async function collectionTour(data) {
  const collection = (await contentOfLink())?.collection;
  if (!collection?.steps.length) {
    const text = ["It may be cut short, or made by a newer version."];
    const title = "This link brings no collection";
    return { ...data, slides: [{ title, text, show: "words", figure: {} }] };
  }
  /** @type {Slide[]} */
  const slides = collection.steps.map(({ title, text, link }) => ({
    title,
    text: text ? [text] : [],
    show: "page",
    figure: { src: home() + link, title },
  }));
  return { ...data, title: collection.title, slides };
}

/** @param {number} to index of a slide, clamped */
function goTo(to) {
  if (!tour) return;
  const next = Math.min(tour.slides.length - 1, Math.max(0, to));
  if (next !== step) show(next);
}

/** @param {number} to index of a slide, clamped */
function show(to) {
  const there = box();
  if (!tour || !there) return;
  step = Math.min(tour.slides.length - 1, Math.max(0, to));
  stopGlide();
  const slide = tour.slides[step];
  there.dataset.show = slide.show;
  part("slide-text")?.replaceChildren(...slideText(tour, step));
  part("slide-foot")?.replaceChildren(...footNodes(tour, step));
  part("slide-plain")?.replaceChildren(...plainSlide(slide));
  showSlideCloud(tour, slide);
  if (slide.show === "strips") renderStrips(slide.figure);
  if (slide.show === "texts") replayTexts(slide.figure.view.prompt, slide.figure.texts);
  if (slide.show === "bands") {
    renderBands(slide.figure.view, slide.position);
    showPath(slide.figure.view);
    startGlide();
  }
  setLink({ step: step ? step + 1 : null, at: null });
  window.dispatchEvent(new Event("resize"));
}

/**
 * @param {Tour} tour
 * @param {Slide} slide
 */
function showSlideCloud({ clouds }, slide) {
  const data = clouds[slide.cloud ?? ""];
  if (!data || !slide.cloud) return;
  part("slide-cloud")?.setAttribute("aria-label", data.words);
  if (shownCloud !== slide.cloud) showCloud(data);
  else erasePath();
  shownCloud = slide.cloud;
}

/** The handle walks along the path once by itself, which shows that it can be dragged. */
function startGlide() {
  if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  stopGlide();
  const mine = glide;
  /** @type {number | null} */
  let begin = null;
  /** @param {number} now */
  const frame = (now) => {
    if (glide !== mine || !box()) return;
    begin ??= now;
    const at = Math.min(1, (now - begin) / GLIDE_MS);
    moveBandsHandle(at, false);
    if (at < 1) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

function stopGlide() {
  glide += 1;
}

/**
 * @param {Tour} tour
 * @param {number} index
 */
function footNodes({ slides, home: leave }, index) {
  /**
   * @param {string} text
   * @param {() => void} onclick
   * @param {Attributes} attributes
   */
  const button = (text, onclick, attributes) =>
    html("button", { type: "button", class: "button", onclick, ...attributes }, text);
  const dots = slides.map(({ title }, at) =>
    html("button", {
      type: "button",
      class: "dot-step",
      onclick: () => goTo(at),
      "aria-label": `Step ${at + 1}: ${title}`,
      "aria-current": at === index ? "step" : null,
      title,
    }),
  );
  const full = { class: "button slide-full", title: "Key: f" };
  const last = index === slides.length - 1;
  return [
    ...(leave ? [html("a", { class: "button", href: leave }, "Leave")] : []),
    html("div", { class: "dots" }, dots),
    ...(document.fullscreenEnabled ? [button("Full screen", toggleFullscreen, full)] : []),
    button("Back", () => goTo(step - 1), { disabled: index === 0, title: "Key: ←" }),
    button("Next", () => goTo(step + 1), {
      class: "button primary",
      disabled: last,
      title: "Keys: →, space",
    }),
  ];
}

function toggleFullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => {});
}

/**
 * The keys step, except where a slider or a pressed button needs them. A closed sheet's button keeps the focus until the
 * next frame but no longer takes keys; an open sheet takes them all.
 *
 * @param {KeyboardEvent} event
 */
function onKey(event) {
  if (!box() || !tour || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  const { key, target } = event;
  const slider = closest(target, "input[type=range]") === target;
  const onButton = closest(target, "button, a, summary")?.checkVisibility();
  if (key === "f") toggleFullscreen();
  else if (key === "Home" && !slider) goTo(0);
  else if (key === "End" && !slider) goTo(tour.slides.length - 1);
  else if (key in KEYS && !(slider && key.startsWith("Arrow")) && !(onButton && key === " "))
    goTo(step + KEYS[key]);
  else return;
  event.preventDefault();
}

/** Where a swipe began. @type {[number, number] | null} */
let touch = null;

/**
 * A swipe steps, unless it begins on a figure that can be turned or dragged.
 *
 * @param {TouchEvent} event
 */
function onTouchStart({ target, touches }) {
  const dragged = closest(target, ".bands-box, .cloud-graph, input");
  touch = dragged || touches.length > 1 ? null : [touches[0].clientX, touches[0].clientY];
}

/** @param {TouchEvent} event */
function onTouchEnd({ changedTouches }) {
  if (!touch || !box() || !tour) return;
  const x = changedTouches[0].clientX - touch[0];
  const y = changedTouches[0].clientY - touch[1];
  if (Math.abs(x) > SWIPE_PX && Math.abs(x) > 2 * Math.abs(y)) goTo(step + (x < 0 ? 1 : -1));
  touch = null;
}

window.addEventListener("keydown", onKey);
window.addEventListener("touchstart", onTouchStart, { passive: true });
window.addEventListener("touchend", onTouchEnd, { passive: true });
