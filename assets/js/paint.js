/* Colours of the map: one a cluster, a class or a number; and the legend that says what they mean. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const GOLDEN = 0.6180339887;

  /* A colour between the steps of a ramp. */
  function along(ramp, share) {
    const at = Math.min(1, Math.max(0, share)) * (ramp.length - 1), low = Math.floor(at), rest = at - low;
    return ramp[low].map((part, channel) => Math.round(part + rest * (ramp[Math.min(low + 1, ramp.length - 1)][channel] - part)));
  }

  const OF_CLUSTER = {
    cluster: (palette) => (columns, cluster) => along(palette.cyclic, (cluster * GOLDEN) % 1),
    shape: (palette) => (columns, cluster) => palette.categories[columns.shape[cluster]],
    regime: (palette) => (columns, cluster) => palette.categories[columns.regime[cluster]],
    stability: (palette) => (columns, cluster) => (columns.stability[cluster] === null ? palette.grey : along(palette.sequential, columns.stability[cluster])),
    rate: (palette) => () => palette.grey,
  };

  const read = (hex) => ({ cyclic: hex.cyclic.map(mx.scatter.rgb), sequential: hex.sequential.map(mx.scatter.rgb), categories: hex.categories.map(mx.scatter.rgb), grey: mx.scatter.rgb(hex.grey) });

  /* What mx.scatter paints: by is one of OF_CLUSTER, stands tells which clusters are not dimmed, or null. */
  function look(hex, columns, by, noise, stands) {
    const palette = read(hex), color = OF_CLUSTER[by](palette);
    return {
      clusters: columns.label.map((_, cluster) => color(columns, cluster)),
      ramp: Array.from({ length: mx.scatter.LEVELS }, (_, level) => along(palette.sequential, level / (mx.scatter.LEVELS - 1))),
      byRate: by === "rate", grey: palette.grey, noise, stands,
    };
  }

  const swatch = (color, name) => mx.html("span", { class: "legend-item" }, [mx.html("i", { class: "swatch", style: { background: color }, "aria-hidden": "true" }), name]);

  function classes(hex, names, column) {
    const counts = names.map((_, at) => column.filter((one) => one === at).length);
    return names.map((name, at) => [name, at]).filter(([, at]) => counts[at])
      .map(([name, at]) => swatch(hex.categories[at], `${name} (${counts[at].toLocaleString("en-US")})`));
  }

  function scale(hex, low, high, more) {
    const ramp = mx.html("i", { class: "ramp", style: { background: `linear-gradient(90deg, ${hex.sequential.join(", ")})` }, "aria-hidden": "true" });
    return [mx.html("span", { class: "legend-item" }, [low, ramp, high]), ...more];
  }

  /* What the colours mean. */
  function legend(hex, columns, by, ends) {
    if (by === "shape") return classes(hex, hex.shapes, columns.shape);
    if (by === "regime") return classes(hex, hex.regimes, columns.regime);
    const counts = [...ends].map((one) => Math.round(one).toLocaleString("en-US"));
    if (by === "rate") return scale(hex, `fires on ${counts[0]}`, `${counts[1]} tokens`, [mx.html("span", {}, "log scale")]);
    const unmeasured = columns.stability.filter((one) => one === null).length;
    if (by === "stability") return scale(hex, "stability 0", "1", unmeasured ? [swatch(hex.grey, `not measured (${unmeasured.toLocaleString("en-US")})`)] : []);
    return [mx.html("span", {}, "A colour for each cluster; grey is noise")];
  }

  mx.paint = { look, legend };
})();
