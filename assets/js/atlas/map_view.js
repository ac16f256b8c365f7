/** The part of the map that is seen, as a value: its middle, its zoom, and its scale in pixels. */

import { clamp } from "../ui/format.js";

const LOWEST_ZOOM = 0.5;
const HIGHEST_ZOOM = 64;
const EDGE = 20;
const SMALLEST_ROOM = 40;
const SMALLEST_EXTENT = 1e-4;

/**
 * All of the map, or the place of a link.
 *
 * @param {Bounds} bounds of all points
 * @param {Area} area in pixels
 * @param {number[] | null} place x, y and zoom, or nothing for all of it
 * @returns {MapView}
 */
export function viewOf({ left, bottom, right, top }, area, place) {
  const whole = !place?.length;
  const [u, v, zoom] = whole ? [(left + right) / 2, (bottom + top) / 2, 1] : place;
  return fitView(
    { u, v, zoom: clampZoom(zoom), scale: 1, whole },
    { left, bottom, right, top },
    area,
  );
}

/** @param {number} zoom */
const clampZoom = (zoom) => clamp(zoom, LOWEST_ZOOM, HIGHEST_ZOOM);

/**
 * The view in a box of another size: at zoom 1 all points fit.
 *
 * @param {MapView} view
 * @param {Bounds} bounds
 * @param {Area} area
 * @returns {MapView}
 */
export function fitView(view, { left, bottom, right, top }, { width, height }) {
  /**
   * @param {number} pixels
   * @param {number} extent
   */
  const room = (pixels, extent) =>
    Math.max(SMALLEST_ROOM, pixels - 2 * EDGE) / Math.max(extent, SMALLEST_EXTENT);
  const fitted = Math.min(room(width, right - left), room(height, top - bottom));
  return { ...view, scale: fitted * view.zoom };
}

/**
 * @param {MapView} view
 * @param {number} dx pixels
 * @param {number} dy pixels
 * @returns {MapView}
 */
export const panned = (view, dx, dy) => ({
  ...view,
  u: view.u - dx / view.scale,
  v: view.v + dy / view.scale,
  whole: false,
});

/**
 * Zoom around a place, which stays where it is.
 *
 * @param {MapView} view
 * @param {number} factor
 * @param {[number, number]} place
 * @returns {MapView}
 */
export function zoomed(view, factor, [u, v]) {
  const zoom = clampZoom(view.zoom * factor);
  const ratio = view.zoom / zoom;
  return {
    ...view,
    u: u + (view.u - u) * ratio,
    v: v + (view.v - v) * ratio,
    zoom,
    whole: false,
  };
}

/**
 * The view with its middle inside the bounds.
 *
 * @param {MapView} view
 * @param {Bounds} bounds
 * @returns {MapView}
 */
export const keepInside = (view, { left, bottom, right, top }) => ({
  ...view,
  u: clamp(view.u, left, right),
  v: clamp(view.v, bottom, top),
});

/**
 * @param {MapView} view
 * @param {Area} area
 * @param {[number, number]} place
 * @returns {[number, number]} pixels across and down
 */
export const toPixels = (view, { width, height }, [u, v]) => [
  (u - view.u) * view.scale + width / 2,
  (view.v - v) * view.scale + height / 2,
];

/**
 * @param {MapView} view
 * @param {Area} area
 * @param {[number, number]} pixel across and down
 * @returns {[number, number]} place
 */
export const toPlace = (view, { width, height }, [x, y]) => [
  (x - width / 2) / view.scale + view.u,
  view.v - (y - height / 2) / view.scale,
];

/**
 * Diameter of a point in pixels: few points stand out, many do not cover each other.
 *
 * @param {number} count points drawn
 * @param {number} zoom
 */
export const pointSize = (count, zoom) =>
  Math.min(14, 7 * Math.min(1, (2500 / Math.max(1, count)) ** 0.27) * zoom ** 0.35);
