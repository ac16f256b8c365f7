/* The strength slider and its meter: how far from the curve the state would lie, known before anything is generated. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

  /* Between neighbours of a grid: [lower, upper, share]. */
  function between(grid, value) {
    const last = grid.length - 1;
    const upper = clamp(grid.findIndex((at) => at >= value), 1, last);
    const span = grid[upper] - grid[upper - 1];
    return [upper - 1, upper, span ? clamp((value - grid[upper - 1]) / span, 0, 1) : 0];
  }

  function mix(row, [low, high, share]) { return row[low] * (1 - share) + row[high] * share; }

  function rowAt(meter, position) {
    if (meter.positions.length < 2) return meter.off_manifold[0];
    const [low, high, share] = between(meter.positions, position);
    return meter.off_manifold[low].map((off, at) => off * (1 - share) + meter.off_manifold[high][at] * share);
  }

  const field = () => document.getElementById("steer-strength");

  /* The slider of a result; where there is no field to set, as on a stored one, it only tells. */
  function row(view) {
    const meter = view.meter;
    if (!meter) return null;
    const low = meter.strengths[0], high = meter.strengths[meter.strengths.length - 1];
    const settle = (event) => { if (field()) window.dash_clientside.set_props("steer-strength", { value: Number(event.target.value) }); };
    return mx.html("label", { class: "meter" }, [
      mx.html("span", { class: "muted small" }, "strength"),
      mx.html("span", { class: "meter-track" }, [
        mx.html("span", { class: "meter-cells", "aria-hidden": "true" }, meter.strengths.map(() => mx.html("i"))),
        mx.html("input", { id: "strength-slider", type: "range", min: low, max: high, step: 0.05, value: clamp(view.strength, low, high),
          disabled: !field(), "aria-label": "Strength of the move", oninput: () => show(mx.bands.position(), view), onchange: settle }),
      ]),
      mx.html("span", { class: "meter-words small muted" }),
    ]);
  }

  function show(position, view) {
    const slider = document.getElementById("strength-slider");
    if (!slider || !view || !view.meter) return;
    const meter = view.meter, offs = rowAt(meter, position), strength = Number(slider.value);
    document.querySelectorAll(".meter-cells i").forEach((cell, at) => cell.classList.toggle("beyond", offs[at] > meter.safe));
    const off = mix(offs, between(meter.strengths, strength));
    const words = `at ${mx.link.number(strength)}: ${off.toFixed(1)} × usual${off > meter.safe ? ", beyond safe" : ""}`;
    const told = document.querySelector(".meter-words");
    told.textContent = words;
    told.classList.toggle("beyond", off > meter.safe);
    told.title = `Before any text: at strength ${strength} the curve's arm would bring the state ${off.toFixed(1)} times the usual distance from the curve. Up to ${meter.safe.toFixed(1)} counts as safe.`;
    slider.setAttribute("aria-valuetext", `${words} the distance from the curve`);
  }

  mx.bands.listen(show);
  mx.meter = { row };
})();
