/* The colours of a cloud's points from their numbers, as the legend has them: the same in space, on planes, in a sketch. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const GREY = "#5b636e";
  const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

  /* A colour between two of a scale; grey for what has no number. */
  function mixed(scale, at) {
    if (!(at >= 0 || at < 0)) return GREY;
    const next = Math.max(1, scale.findIndex(([place], i) => i && place >= at));
    const [[low, from], [high, to]] = [scale[next - 1], scale[next]];
    const share = Math.min(1, Math.max(0, (at - low) / (high - low || 1)));
    const end = parts(to);
    return `rgb(${parts(from).map((part, i) => Math.round(part + (end[i] - part) * share)).join(",")})`;
  }

  /* numbers: one a point, NaN or null draws it grey; low and high: at the scale's two ends. */
  mx.cloudColors = (numbers, scale, low, high) => Array.from(numbers, (number) => mixed(scale, ((number ?? NaN) - low) / (high - low || 1)));
})();
