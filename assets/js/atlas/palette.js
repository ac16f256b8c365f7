/** Colours of the map, by cluster, by class or by number, and the legend that explains them. */

import { alongRamp, rgb } from "../ui/color.js";
import { html } from "../ui/dom.js";
import { thousands } from "../ui/format.js";
import { LEVELS } from "./scatter.js";

/* The golden ratio spreads neighbouring cluster numbers over the colour circle. */
const GOLDEN = 0.6180339887;

/** @type {Record<MapColoring, (palette: RgbPalette, columns: ClusterColumns, cluster: number) => Rgb>} */
const COLOR_OF = {
  cluster: ({ cyclic }, _columns, cluster) => alongRamp(cyclic, (cluster * GOLDEN) % 1),
  shape: ({ categories }, { shape }, cluster) => categories[shape[cluster]],
  regime: ({ categories }, { regime }, cluster) => categories[regime[cluster]],
  stability: ({ grey, sequential }, columns, cluster) => {
    const stability = columns.stability[cluster];
    return stability === null ? grey : alongRamp(sequential, stability);
  },
  rate: ({ grey }) => grey,
};

/**
 * @param {HexPalette} palette
 * @returns {RgbPalette}
 */
const readPalette = ({ cyclic, sequential, categories, grey }) => ({
  cyclic: cyclic.map(rgb),
  sequential: sequential.map(rgb),
  categories: categories.map(rgb),
  grey: rgb(grey),
});

/**
 * What the scatter paints.
 *
 * @param {HexPalette} hex
 * @param {ClusterColumns} columns
 * @param {MapColoring} by
 * @param {NoiseLook} noise
 * @param {((cluster: number) => boolean) | null} stands whether a cluster is not dimmed; null dims none
 * @returns {MapLook}
 */
export function mapLook(hex, columns, by, noise, stands) {
  const palette = readPalette(hex);
  return {
    clusters: columns.label.map((_, cluster) => COLOR_OF[by](palette, columns, cluster)),
    ramp: Array.from({ length: LEVELS }, (_, level) =>
      alongRamp(palette.sequential, level / (LEVELS - 1)),
    ),
    byRate: by === "rate",
    grey: palette.grey,
    noise,
    stands,
  };
}

/**
 * @param {string} background
 * @param {string} name
 */
function swatch(background, name) {
  const color = html("i", { class: "swatch", style: { background }, "aria-hidden": "true" });
  return html("span", { class: "legend-item" }, [color, name]);
}

/**
 * Classes that occur, with their counts.
 *
 * @param {HexPalette} hex
 * @param {string[]} names
 * @param {number[]} column class of each cluster
 */
const classes = (hex, names, column) =>
  names.flatMap((name, at) => {
    const count = column.filter((one) => one === at).length;
    return count ? [swatch(hex.categories[at], `${name} (${thousands(count)})`)] : [];
  });

/**
 * @param {HexPalette} hex
 * @param {string} low
 * @param {string} high
 */
function scale({ sequential }, low, high) {
  const background = `linear-gradient(90deg, ${sequential.join(", ")})`;
  const ramp = html("i", { class: "ramp", style: { background }, "aria-hidden": "true" });
  return html("span", { class: "legend-item" }, [low, ramp, high]);
}

/**
 * @param {HexPalette} hex
 * @param {ClusterColumns} columns
 * @param {MapColoring} by
 * @param {Float32Array} ends fewest and most tokens on which a drawn feature fires
 */
export function legend(hex, columns, by, ends) {
  if (by === "shape") return classes(hex, hex.shapes, columns.shape);
  if (by === "regime") return classes(hex, hex.regimes, columns.regime);
  if (by === "rate") {
    const [low, high] = [...ends].map((one) => thousands(Math.round(one)));
    return [scale(hex, `fires on ${low}`, `${high} tokens`), html("span", {}, "log scale")];
  }
  if (by === "stability") {
    const unmeasured = columns.stability.filter((one) => one === null).length;
    const note = swatch(hex.grey, `not measured (${thousands(unmeasured)})`);
    return [scale(hex, "stability 0", "1"), ...(unmeasured ? [note] : [])];
  }
  return [html("span", {}, "A colour for each cluster; grey is noise")];
}
