import assert from "node:assert/strict";
import { test } from "node:test";
import { projection } from "../../assets/js/figures/projection.js";

const AXIS = { range: [0, 2] };
const SCENE = { xaxis: AXIS, yaxis: AXIS, zaxis: AXIS, aspectratio: { x: 1, y: 1, z: 1 } };
const CAMERA = {
  eye: { x: 0, y: 0, z: 2 },
  center: { x: 0, y: 0, z: 0 },
  up: { x: 0, y: 1, z: 0 },
};
const AREA = { width: 400, height: 300 };
const close = (found, expected) =>
  expected.forEach((value, at) => {
    assert.ok(Math.abs(found[at] - value) < 1e-9, `${found} is not ${expected}`);
  });

test("the middle of the scene is the middle of the picture", () => {
  close(projection(SCENE, CAMERA, AREA)(1, 1, 1), [200, 150, 2]);
});

test("half the field of view is 22.5 degrees, upwards is up", () => {
  const half = 2 * Math.tan(Math.PI / 8);
  close(projection(SCENE, CAMERA, AREA)(1, 1 + 2 * half, 1), [200, 0, 2]);
  const [across] = projection(SCENE, CAMERA, AREA)(1.5, 1, 1);
  assert.ok(across > 200);
});

test("what is nearer is larger, and nothing is seen behind the camera", () => {
  const project = projection(SCENE, CAMERA, AREA);
  assert.ok(project(1.5, 1, 2)[0] > project(1.5, 1, 1)[0]);
  assert.equal(project(1, 1, 6), null);
});
