import assert from "node:assert/strict";
import { test } from "node:test";
import { cloudColors } from "../../assets/js/figures/colors.js";
import { alongRamp, rgb } from "../../assets/js/ui/color.js";

const SCALE = [
  [0, "#000000"],
  [0.5, "#ff0000"],
  [1, "#ffffff"],
];

test("numbers take colours between the steps of a scale", () => {
  const colors = cloudColors([10, 15, 20, 30], SCALE, 10, 30);
  assert.deepEqual(colors, ["rgb(0,0,0)", "rgb(128,0,0)", "rgb(255,0,0)", "rgb(255,255,255)"]);
});

test("numbers beyond the scale take its ends, missing ones are grey", () => {
  assert.deepEqual(cloudColors([-9, 99, null, Number.NaN], SCALE, 0, 1), [
    "rgb(0,0,0)",
    "rgb(255,255,255)",
    "#5b636e",
    "#5b636e",
  ]);
});

test("a ramp is clamped", () => {
  const ramp = ["#000000", "#0a141e", "#ffffff"].map(rgb);
  assert.deepEqual(alongRamp(ramp, 0.25), [5, 10, 15]);
  assert.deepEqual(alongRamp(ramp, 0.5), [10, 20, 30]);
  assert.deepEqual(alongRamp(ramp, 7), [255, 255, 255]);
});
