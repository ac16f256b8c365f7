import assert from "node:assert/strict";
import { test } from "node:test";
import {
  clusterOf,
  featuresInside,
  featureX,
  featureY,
  nearestFeature,
  readPoints,
} from "../../assets/js/atlas/points.js";

const UNDRAWN = 0xffffff;

/** The bytes that explorer/app/atlas/map.py writes; group 0 is noise. */
function encode(features) {
  const buffer = new ArrayBuffer(8 + 8 * features.length);
  new Float32Array(buffer, 0, 2).set([3, 500]);
  features.forEach(([x, y, group, rate], at) => {
    new Uint16Array(buffer, 8, 2 * features.length).set([x * 65535, y * 65535], 2 * at);
    new Uint32Array(buffer, 8 + 4 * features.length)[at] = group + rate * 2 ** 24;
  });
  return buffer;
}

const POINTS = readPoints(
  encode([
    [0.1, 0.1, 1, 7],
    [0.2, 0.1, 1, 200],
    [0.9, 0.8, 2, 0],
    [0.5, 0.5, 0, 255],
    [0.6, 0.9, UNDRAWN, 9],
    [0.3, 0.4, 1, 1],
  ]),
  3,
);
const all = () => true;

test("features, their clusters and their places are read", () => {
  assert.equal(POINTS.count, 6);
  assert.deepEqual([...POINTS.ends], [3, 500]);
  assert.deepEqual(
    [0, 2, 3].map((feature) => clusterOf(POINTS, feature)),
    [0, 1, -1],
  );
  assert.ok(Math.abs(featureX(POINTS, 2) - 0.9) < 1e-4);
  assert.ok(Math.abs(featureY(POINTS, 2) - 0.8) < 1e-4);
});

test("groups hold drawn features only, noise first", () => {
  assert.deepEqual([...POINTS.groups.items], [3, 0, 1, 5, 2]);
  assert.deepEqual([...POINTS.groups.first], [0, 1, 4, 5, 5]);
  const { left, bottom, right, top } = POINTS.bounds;
  for (const [found, expected] of [
    [left, 0.1],
    [bottom, 0.1],
    [right, 0.9],
    [top, 0.8],
  ])
    assert.ok(Math.abs(found - expected) < 1e-4);
});

test("a cluster's middle is the median of its features", () => {
  const [middle] = POINTS.middle;
  assert.ok(Math.abs(middle[0] - 0.2) < 1e-4 && Math.abs(middle[1] - 0.1) < 1e-4);
  assert.equal(POINTS.middle[2], null, "a cluster without features has none");
});

test("the nearest feature lies within the radius and is shown", () => {
  assert.equal(nearestFeature(POINTS, 0.19, 0.1, 0.05, all), 1);
  assert.equal(
    nearestFeature(POINTS, 0.19, 0.1, 0.2, (feature) => feature !== 1),
    0,
  );
  assert.equal(nearestFeature(POINTS, 0.7, 0.2, 0.05, all), null);
  assert.equal(nearestFeature(POINTS, 0.6, 0.9, 0.05, all), null, "it is not drawn");
});

test("a lasso holds what lies inside, by the even-odd rule", () => {
  const outline = [
    [0.05, 0.05],
    [0.55, 0.05],
    [0.55, 0.55],
    [0.25, 0.25],
    [0.05, 0.55],
  ];
  assert.deepEqual(featuresInside(POINTS, outline).sort(), [0, 1, 3]);
});
