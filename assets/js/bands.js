/* Probability bands as SVG, one column an arm, and the one handle that runs through all of them without the server. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const listeners = [];
  let view = null;
  let position = 0.5;

  const clamp = (x) => Math.min(1, Math.max(0, x));

  function bandLabel(band) {
    if (band.label_x === null) return null;
    const at = { "data-x": band.label_x, "data-y": band.label_y };
    return mx.html("span", { class: band.color ? "band-label" : "band-label other", ...at, "aria-hidden": "true" }, band.color ? band.name : "other words");
  }

  /* Names stand in their bands, a little aside where another one is in the way, and inside the box. */
  const ASIDE = [0, 0.4, -0.4, 0.8, -0.8];
  const EDGE = 4;
  const within = (at, size, room) => Math.max(EDGE, Math.min(at - size / 2, room - size - EDGE));
  function placeNames(box) {
    const area = { width: box.clientWidth, height: box.clientHeight };
    const names = [...box.querySelectorAll(".band-label")].map((node) => {
      const x = node.dataset.x * area.width, y = node.dataset.y * area.height;
      const spots = (width, height) => ASIDE.map((away) => mx.labels.box(within(x + away * width, width, area.width), within(y, height, area.height), width, height));
      return { node, width: node.offsetWidth, height: node.offsetHeight, spots };
    });
    mx.labels.place(names, area);
  }
  const resized = new ResizeObserver((changes) => { for (const change of changes) placeNames(change.target); });

  function picture(arm) {
    const areas = arm.bands.map((band) =>
      mx.svg("path", { d: band.path, class: band.color ? "band" : "band other", style: band.color ? { fill: band.color } : {} }));
    const svg = mx.svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img",
      "aria-label": `${arm.title}: probability of each value along the path` }, areas);
    const box = mx.html("div", { class: "bands-box", "data-arm": arm.arm }, [
      svg, ...arm.bands.map(bandLabel), mx.html("div", { class: "bands-handle", "aria-hidden": "true" }),
    ]);
    resized.observe(box);
    return box;
  }

  function table(arm) {
    const cells = (row) => row.map((text) => mx.html("td", {}, text));
    const rows = arm.answers.map((answer, index) =>
      mx.html("tr", {}, cells([mx.percent(index / (arm.answers.length - 1 || 1)), answer.text, mx.percent(answer.probability),
        arm.off_manifold[index].toFixed(2)])));
    const head = mx.html("tr", {}, ["along the path", "next word", "probability", "distance from the curve"].map((t) => mx.html("th", { scope: "col" }, t)));
    return mx.html("details", { class: "as-table" }, [
      mx.html("summary", { class: "small" }, "as a table"),
      mx.html("div", { class: "scroll small" }, mx.html("table", {}, [mx.html("thead", {}, head), mx.html("tbody", {}, rows)])),
    ]);
  }

  const NOTE = "Values that become the likeliest word on the way. E, the Bhattacharyya energy, says how unnatural the answers are on the way: lower is better.";
  const note = (arm) => mx.html("span", { class: "muted small arm-note", ...(arm.note.includes("E ") ? { title: NOTE } : {}) }, arm.note);

  function column(arm) {
    return mx.html("section", { class: "arm", "data-arm": arm.arm, "aria-label": arm.title }, [
      mx.html("div", { class: "arm-head" }, [mx.html("h3", {}, arm.title), note(arm)]),
      picture(arm),
      mx.ticks.axis(view.ticks, { class: "ticks" }),
      mx.html("p", { class: "answer" }, [
        mx.html("span", { class: "answer-prompt" }, view.prompt + " "),
        mx.html("b", { class: "answer-word" }),
        mx.html("span", { class: "muted small answer-share" }),
      ]),
      mx.html("p", { class: "off muted small" }),
      table(arm),
    ]);
  }

  function show() {
    if (!view) return;
    for (const section of document.querySelectorAll("#bands .arm")) {
      const arm = view.arms.find((one) => one.arm === section.dataset.arm);
      const index = Math.round(position * (arm.answers.length - 1));
      const answer = arm.answers[index];
      section.querySelector(".bands-handle").style.left = `${position * 100}%`;
      const word = section.querySelector(".answer-word");
      word.textContent = answer.text;
      word.style.setProperty("--value", answer.color || "var(--text)");
      section.querySelector(".answer-share").textContent = " " + mx.percent(answer.probability);
      const off = arm.off_manifold[index];
      section.querySelector(".off").textContent = `${off.toFixed(1)} × the usual distance from the curve`;
    }
    const slider = document.getElementById("position");
    if (slider) {
      slider.value = String(Math.round(position * 1000));
      slider.setAttribute("aria-valuetext", describe());
    }
  }

  function describe() {
    return view.arms.map((arm) => `${arm.title}: ${arm.answers[Math.round(position * (arm.answers.length - 1))].text}`).join("; ");
  }

  /* Move the handle; everything that follows it listens. */
  function move(to, settled) {
    position = clamp(to);
    show();
    for (const listen of listeners) listen(position, view);
    if (settled) {
      window.dash_clientside.set_props("position-store", { data: position });
      mx.link.set({ at: position === 0.5 ? null : mx.link.number(position) });
    }
  }

  function drag(event) {
    const box = event.target.closest(".bands-box");
    if (!box || event.button > 0) return;
    event.preventDefault();
    const at = (moved) => { const area = box.getBoundingClientRect(); return (moved.clientX - area.left) / area.width; };
    const follow = (moved) => move(at(moved), false);
    const release = (moved) => {
      window.removeEventListener("pointermove", follow);
      window.removeEventListener("pointercancel", release);
      move(moved.type === "pointerup" ? at(moved) : position, true);
    };
    window.addEventListener("pointermove", follow);
    window.addEventListener("pointerup", release, { once: true });
    window.addEventListener("pointercancel", release, { once: true });
    move(at(event), false);
  }

  function slider() {
    return mx.html("label", { class: "position" }, [
      mx.html("span", { class: "muted small" }, view.start_name),
      mx.html("input", { id: "position", type: "range", min: 0, max: 1000, step: 5, value: position * 1000,
        "aria-label": `Position along the path from ${view.start_name} to ${view.end_name}`,
        oninput: (event) => move(event.target.value / 1000, false), onchange: (event) => move(event.target.value / 1000, true) }),
      mx.html("span", { class: "muted small" }, view.end_name),
    ]);
  }

  function render(data, at) {
    const box = document.getElementById("bands");
    if (!box) return;
    view = data;
    if (!data) return;
    box.replaceChildren(mx.html("div", { class: "sliders" }, [slider(), mx.meter.row(data)]),
      mx.html("div", { class: "arms", onpointerdown: drag }, data.arms.map(column)));
    move(typeof at === "number" ? at : position, false);
  }

  /* Nothing stale stays: without a result the panel says so. */
  function clear() {
    const box = document.getElementById("bands");
    view = null;
    if (!box) return;
    box.replaceChildren(mx.html("div", { class: "bands-empty" }, mx.html("p", {}, "There is no result yet for what stands above; Steer asks again.")));
    mx.strips.place(null);
    mx.cloud.erase();
  }

  /* Whoever presses Steer looks for the answer: its place comes into sight. */
  document.addEventListener("click", ({ target }) => {
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (target.closest("#steer-run")) document.getElementById("bands").scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
  });

  mx.bands = { render, clear, move, picture, listen: (callback) => listeners.push(callback), position: () => position, view: () => view };
})();
