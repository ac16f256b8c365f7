import assert from "node:assert/strict";
import { test } from "node:test";
import { coordinateAt, coordinateGap, rolled, unroll } from "../../assets/js/figures/curve.js";

const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test("a path over the seam of a closed curve is unrolled", () => {
  const unrolled = unroll([0.9, 0.98, 0.06, 0.1], true);
  [0.9, 0.98, 1.06, 1.1].forEach((expected, at) => {
    close(unrolled[at], expected);
  });
  close(coordinateAt([0.9, 0.98, 0.06, 0.1], true, 0.5), 1.02);
  close(rolled(coordinateAt([0.9, 0.98, 0.06, 0.1], true, 0.5), true), 0.02);
});

test("a path on an open curve is not", () => {
  close(unroll([0.9, 0.1], false)[1], 0.1);
  close(coordinateAt([0.9, 0.1], false, 0.25), 0.7);
  assert.equal(rolled(1.2, false), 1);
});

test("a path of one waypoint stands still", () => {
  for (const position of [0, 0.5, 1]) close(coordinateAt([0.3], true, position), 0.3);
});

test("distances go the shorter way round a closed curve", () => {
  close(coordinateGap(0.95, 0.05, true), 0.1);
  close(coordinateGap(0.95, 0.05, false), 0.9);
});
