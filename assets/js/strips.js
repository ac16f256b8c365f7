/* Receptive strips: each feature's tuning curve under the same coordinate; a click colours the cloud by that feature. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});

  function row(strip) {
    const name = `${strip.role} ${strip.feature}`;
    const what = strip.varies ? `fires most at ${strip.peak}` : "fires everywhere alike";
    const area = mx.svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" },
      mx.svg("path", { d: strip.path, style: { fill: strip.varies ? strip.color : "var(--hub)" } }));
    return mx.html("button", { type: "button", class: "strip", "data-feature": strip.feature, "aria-pressed": "false",
      title: `Feature ${strip.feature} (${strip.role}) ${what}; mean activation there ${strip.strongest.toPrecision(3)}. Click to colour the cloud by it.`,
      onclick: () => choose(strip.feature) }, [mx.html("span", { class: "strip-name" }, name), area, mx.html("span", { class: "sr" }, what)]);
  }

  function choose(feature) {
    const pressed = document.querySelector(`.strip[data-feature="${feature}"]`)?.getAttribute("aria-pressed") === "true";
    window.dash_clientside.set_props("color-by", { value: pressed ? "coordinate" : `feature-${feature}` });
  }

  function render(data) {
    const box = document.getElementById("strips");
    if (!box || !data) return;
    box.replaceChildren(
      mx.html("div", { class: "strip-rows" }, [...data.strips.map(row),
        mx.html("div", { class: "strips-line", "aria-hidden": "true", hidden: true })]),
      mx.ticks.axis(data.ticks, { class: "strip-axis" },
        mx.html("div", { class: "strip-ramp", style: { background: `linear-gradient(90deg, ${data.ramp.join(",")})` } })));
    mark(null);
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

  mx.strips = { render, mark, place };
})();
