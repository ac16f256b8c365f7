import assert from "node:assert/strict";
import { test } from "node:test";
import { distancesAt, gridCell } from "../../assets/js/steering/meter.js";

test("a value lies in a cell of its grid", () => {
  const grid = [-1, 0, 0.5, 2];
  assert.deepEqual(gridCell(grid, -1), [0, 1, 0]);
  assert.deepEqual(gridCell(grid, 0.25), [1, 2, 0.5]);
  assert.deepEqual(gridCell(grid, 2), [2, 3, 1]);
});

test("values outside the grid take its ends", () => {
  assert.deepEqual(gridCell([0, 1, 2], -5), [0, 1, 0]);
  assert.deepEqual(gridCell([0, 1, 2], 5), [1, 2, 1]);
});

test("distances are interpolated along the path", () => {
  const meter = {
    positions: [0, 1],
    off_manifold: [
      [1, 2],
      [3, 6],
    ],
  };
  assert.deepEqual(distancesAt(meter, 0.25), [1.5, 3]);
  assert.deepEqual(distancesAt({ positions: [0], off_manifold: [[1, 2]] }, 0.7), [1, 2]);
});
