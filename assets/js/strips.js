/* Receptive strips: each feature's tuning curve under the same coordinate. A click colours the cloud by a feature, pointing
   shows the place on the curve, picked tokens stand under the strips. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const STEP = 1 / 48;

  function row(strip, named) {
    const name = `${strip.role} ${strip.feature}`;
    const what = strip.varies ? `fires most at ${strip.peak}` : "has no place that is told from chance";
    const area = mx.svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" },
      mx.svg("path", { d: strip.path, style: { fill: strip.varies ? strip.color : "var(--hub)" } }));
    return mx.html("button", { type: "button", class: "strip", "data-feature": strip.feature, "aria-pressed": "false",
      title: `Feature ${named} (${strip.role}) ${what}; mean activation there ${strip.strongest.toPrecision(3)}. Click to colour the cloud by it.`,
      onclick: () => choose(strip.feature) }, [mx.html("span", { class: "strip-name" }, name), area,
        mx.html("span", { class: "strip-fires" }), mx.html("span", { class: "sr" }, what)]);
  }

  function choose(feature) {
    const pressed = document.querySelector(`.strip[data-feature="${feature}"]`)?.getAttribute("aria-pressed") === "true";
    window.dash_clientside.set_props("color-by", { value: pressed ? "coordinate" : `feature-${feature}` });
  }

  let ticks = [];
  let closed = false;

  function render(data) {
    const box = document.getElementById("strips");
    if (!box || !data) return;
    [ticks, closed] = [data.ticks, data.closed];
    const lines = ["strips-line", "strips-here"].map((name) => mx.html("div", { class: name, "aria-hidden": "true", hidden: true }));
    const ramp = mx.html("div", { class: "strip-ramp", style: { background: `linear-gradient(90deg, ${data.ramp.join(",")})` } });
    const rug = mx.svg("svg", { class: "strip-rug", viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    /* The axis stands in the box that scrolls, so that a scroll bar takes the same width from it as from the strips. */
    const rows = mx.html("div", { class: "strip-rows" }, [...data.strips.map((strip) => row(strip, data.names?.[strip.feature] ?? strip.feature)),
      mx.ticks.axis(data.ticks, { class: "strip-axis" }, [rug, ramp, mx.html("output", { class: "strip-at", hidden: true })]), ...lines]);
    box.replaceChildren(rows);
    listen(rows, ramp);
    mark(null);
  }

  /* Pointing at the strips points at the place on the curve; the arrow keys do too. */
  function listen(rows, ramp) {
    rows.addEventListener("pointermove", (event) => {
      const { left, width } = ramp.getBoundingClientRect();
      const at = (event.clientX - left) / width;
      mx.pick.point(at < 0 || at > 1 ? null : { coordinate: at });
    });
    rows.addEventListener("pointerleave", () => mx.pick.point(null));
    rows.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
      const line = rows.querySelector(".strips-here");
      if (!step) return;
      event.preventDefault();
      const at = line.hidden ? 0.5 : Number(line.style.getPropertyValue("--at")) + step;
      mx.pick.point({ coordinate: closed ? (at + 1) % 1 : Math.min(1, Math.max(0, at)) });
    });
    rows.addEventListener("focusout", () => mx.pick.point(null));
  }

  /* The name of the value that is nearest to a place. */
  function nearest(coordinate) {
    let best = "", least = Infinity;
    for (const [name, at] of ticks) {
      const gap = Math.abs(at - coordinate), far = closed ? Math.min(gap, 1 - gap) : gap;
      if (far < least) [best, least] = [name, far];
    }
    return best;
  }

  function here(place) {
    const line = document.querySelector(".strips-here"), told = document.querySelector(".strip-at");
    if (!line) return;
    line.hidden = told.hidden = place === null;
    if (place === null) return;
    for (const node of [line, told]) node.style.setProperty("--at", place.coordinate);
    told.textContent = `${place.coordinate.toFixed(2)} ${nearest(place.coordinate)}`;
  }

  /* Picked tokens: a tick each under the strips; features that fire on none of them fade. */
  function picked(samples, fires) {
    const rug = document.querySelector(".strip-rug");
    if (!rug) return;
    const cloud = mx.cloud.points();
    rug.replaceChildren(...samples.map((i) => {
      const x = cloud.coordinate[i] * 1000;
      return mx.svg("line", { x1: x, x2: x, y1: 0, y2: 10, "vector-effect": "non-scaling-stroke" });
    }));
    for (const strip of document.querySelectorAll(".strip")) {
      const count = fires[strip.dataset.feature];
      strip.classList.toggle("quiet", samples.length > 0 && count === 0);
      strip.querySelector(".strip-fires").textContent = samples.length > 0 && count !== undefined ? `${count} of ${samples.length}` : "";
    }
  }

  function mark(color) {
    for (const strip of document.querySelectorAll(".strip")) {
      strip.setAttribute("aria-pressed", String(color === `feature-${strip.dataset.feature}`));
    }
  }

  function place(coordinate) {
    const line = document.querySelector(".strips-line");
    if (!line) return;
    line.hidden = coordinate === null;
    if (coordinate !== null) line.style.setProperty("--at", coordinate);
  }

  mx.pick.draw({ picked, here });
  mx.strips = { render, mark, place };
})();
