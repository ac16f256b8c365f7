/* The presenter: draws one step after another out of what the page brought along; nothing is asked of anybody. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const GLIDE_MS = 9000, SWIPE_PX = 60;
  let tour = null;
  let step = 0;
  let shown = "";
  let gliding = 0;

  const box = () => document.getElementById("tour");
  const part = (name) => box()?.querySelector(`.${name}`);

  function text(slide, number) {
    return [
      mx.html("p", { class: "slide-number muted" }, `${tour.title} · ${number + 1} of ${tour.slides.length}`),
      mx.html("h1", { tabindex: "-1" }, slide.title),
      ...slide.text.map((line) => mx.html("p", {}, line)),
      slide.button && mx.html("p", {}, mx.html("a", { class: "button primary", href: slide.button[1] }, slide.button[0])),
    ];
  }

  function firing({ features, rows }) {
    const cell = (level, row, column) => mx.html("span", { class: "firing-cell", title: `feature ${features[column]}: ${mx.percent(level)} of its strongest`,
      style: { "--value": row.color, "--level": level } });
    return mx.html("div", { class: "firing", role: "img", "aria-label": `Which of ${features.length} features fire on ${rows.length} sentences`, style: { "--columns": features.length } },
      rows.flatMap((row) => [
        mx.html("span", { class: "firing-text" }, row.text),
        mx.html("b", { class: "firing-value", style: { "--value": row.color } }, row.value),
        mx.html("span", { class: "firing-row" }, row.levels.map((level, column) => cell(level, row, column))),
      ]));
  }

  const numbers = (list) => mx.html("dl", { class: "slide-numbers" }, list.map((one) => mx.html("div", { class: "panel" },
    [mx.html("dt", {}, one.name), mx.html("dd", { class: "slide-value" }, one.value), mx.html("dd", { class: "muted" }, one.meaning)])));

  const tiles = (list) => mx.html("div", { class: "slide-tiles" }, list.map((one) => mx.html("figure", { class: "panel" },
    [mx.html("img", { src: one.src, alt: one.words, width: 320, height: 240 }), mx.html("figcaption", {}, one.name)])));

  const problem = (words) => mx.html("p", { class: "notice bad" }, `This step cannot be shown. ${words}`);

  const page = ({ src, title }) => mx.html("iframe", { class: "slide-page", src, title });

  const plain = { page, firing, numbers: (figure) => numbers(figure.numbers), tiles: (figure) => tiles(figure.tiles), problem: (figure) => problem(figure.problem) };

  function cloud(slide) {
    const data = tour.clouds[slide.cloud];
    if (!data) return;
    part("slide-cloud").setAttribute("aria-label", data.words);
    if (shown !== slide.cloud) mx.cloud.use(data);
    else mx.cloud.erase();
    shown = slide.cloud;
  }

  function bands(slide) {
    mx.bands.render(slide.figure.view, slide.position);
    mx.cloud.path(slide.figure.view);
    glide();
  }

  /* The handle walks along the path once by itself, so that nobody has to know that it can be dragged. */
  function glide() {
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const mine = (gliding += 1);
    let begin = null;
    const frame = (now) => {
      if (gliding !== mine || !box()) return;
      begin = begin ?? now;
      const at = Math.min(1, (now - begin) / GLIDE_MS);
      mx.bands.move(at, false);
      if (at < 1) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  function foot(number) {
    const button = (words, go, extra) => mx.html("button", { type: "button", class: "button", onclick: go, ...extra }, words);
    const dots = tour.slides.map((slide, index) => mx.html("button", { type: "button", class: "dot-step", onclick: () => go(index),
      "aria-label": `Step ${index + 1}: ${slide.title}`, "aria-current": index === number ? "step" : null, title: slide.title }));
    return [
      tour.home ? mx.html("a", { class: "button", href: tour.home }, "Leave") : null,
      mx.html("div", { class: "dots" }, dots),
      document.fullscreenEnabled ? button("Full screen", fullscreen, { class: "button slide-full", title: "Key: f" }) : null,
      button("Back", () => go(step - 1), { disabled: number === 0, title: "Key: ←" }),
      button("Next", () => go(step + 1), { class: "button primary", disabled: number === tour.slides.length - 1, title: "Keys: →, space" }),
    ];
  }

  function go(wanted, first) {
    const number = Math.min(tour.slides.length - 1, Math.max(0, wanted));
    if (!box() || (number === step && !first)) return;
    step = number;
    gliding += 1;
    const slide = tour.slides[number];
    box().dataset.show = slide.show;
    part("slide-text").replaceChildren(...text(slide, number).filter(Boolean));
    part("slide-foot").replaceChildren(...foot(number).filter(Boolean));
    part("slide-plain").replaceChildren(...(plain[slide.show] ? [plain[slide.show](slide.figure)] : []));
    cloud(slide);
    if (slide.show === "strips") mx.strips.render(slide.figure);
    if (slide.show === "bands") bands(slide);
    if (slide.show === "texts") mx.stream.replay(slide.figure.view.prompt, slide.figure.texts);
    mx.link.set({ step: number ? number + 1 : null, at: null });
    window.dispatchEvent(new Event("resize"));
  }

  function fullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen().catch(() => {});
  }

  const KEYS = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 };

  /* A closed sheet's button keeps the focus until the next frame, and no longer takes keys; an open sheet takes them all. */
  function key(event) {
    if (!box() || !tour || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const slider = event.target.matches?.("input[type=range]"), pressed = event.target.closest?.("button, a, summary")?.checkVisibility();
    if (event.key === "f") fullscreen();
    else if (event.key === "Home" && !slider) go(0);
    else if (event.key === "End" && !slider) go(tour.slides.length - 1);
    else if (event.key in KEYS && !(slider && event.key.startsWith("Arrow")) && !(pressed && event.key === " ")) go(step + KEYS[event.key]);
    else return;
    event.preventDefault();
  }

  /* A swipe steps; one that begins on a figure that is turned or dragged does not. */
  let touch = null;
  function begin(event) {
    const own = event.target.closest?.(".bands-box, .cloud-graph, input");
    touch = own || event.touches.length > 1 ? null : [event.touches[0].clientX, event.touches[0].clientY];
  }

  function end(event) {
    if (!touch || !box() || !tour) return;
    const x = event.changedTouches[0].clientX - touch[0], y = event.changedTouches[0].clientY - touch[1];
    if (Math.abs(x) > SWIPE_PX && Math.abs(x) > 2 * Math.abs(y)) go(step + (x < 0 ? 1 : -1));
    touch = null;
  }

  /* A collection brings its steps in the link: views of this app, each in a frame beside its caption. */
  async function collected(data) {
    const told = (await mx.notes.brought())?.collection;
    if (!told || !told.steps.length) return { ...data, slides: [{ title: "This link brings no collection", text: ["It may be cut short, or made by a newer version."], show: "words", figure: {} }] };
    const slides = told.steps.map((one) => ({ title: one.title, text: one.text ? [one.text] : [], show: "page", figure: { src: mx.notes.home() + one.link, title: one.title } }));
    return { ...data, title: told.title, slides };
  }

  async function render(data) {
    [tour, shown] = [data.slides.length ? data : await collected(data), ""];
    const asked = Number(new URLSearchParams(window.location.search).get("step")) || 1;
    box().classList.add("presenter");
    box().addEventListener("pointerdown", () => { gliding += 1; });
    mx.whenThere(() => box()?.querySelector(".slide-foot"), () => go(asked - 1, true));
  }

  window.addEventListener("keydown", key);
  window.addEventListener("touchstart", begin, { passive: true });
  window.addEventListener("touchend", end, { passive: true });
  mx.tour = { render, go, step: () => step };
})();
