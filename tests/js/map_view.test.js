import assert from "node:assert/strict";
import { test } from "node:test";
import {
  fitView,
  keepInside,
  panned,
  toPixels,
  toPlace,
  viewOf,
  zoomed,
} from "../../assets/js/atlas/map_view.js";

const BOUNDS = { left: 0, bottom: 0.2, right: 1, top: 0.8 };
const AREA = { width: 440, height: 340 };
const close = (found, expected) =>
  expected.forEach((value, at) => {
    assert.ok(Math.abs(found[at] - value) < 1e-9, `${found} is not ${expected}`);
  });

test("the whole map fits, in its middle", () => {
  const view = viewOf(BOUNDS, AREA, null);
  close([view.u, view.v, view.zoom, view.scale], [0.5, 0.5, 1, 400]);
  assert.equal(view.whole, true);
  close(toPixels(view, AREA, [0, 0.5]), [20, 170]);
});

test("pixels and places are inverse", () => {
  const view = viewOf(BOUNDS, AREA, [0.3, 0.4, 5]);
  close(toPlace(view, AREA, toPixels(view, AREA, [0.7, 0.25])), [0.7, 0.25]);
});

test("zooming keeps the place under the pointer, and has its limits", () => {
  const view = viewOf(BOUNDS, AREA, null);
  const place = toPlace(view, AREA, [60, 50]);
  const nearer = fitView(zoomed(view, 3, place), BOUNDS, AREA);
  close(toPixels(nearer, AREA, place), [60, 50]);
  assert.equal(zoomed(view, 1e9, place).zoom, 64);
  assert.equal(zoomed(view, 1e-9, place).zoom, 0.5);
  assert.equal(nearer.whole, false);
});

test("a drag moves the map with the pointer, not beyond its bounds", () => {
  const view = viewOf(BOUNDS, AREA, null);
  close(toPixels(panned(view, 30, -10), AREA, [0.5, 0.5]), [250, 160]);
  const kept = keepInside(panned(view, -1e6, 1e6), BOUNDS);
  close([kept.u, kept.v], [1, 0.8]);
});
