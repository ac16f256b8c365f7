import assert from "node:assert/strict";
import { test } from "node:test";
import { boxAt, layOut } from "../../assets/js/ui/label_layout.js";

const AREA = { width: 200, height: 100 };
const label = (name, ...places) => ({
  name,
  width: 40,
  height: 20,
  spots: (width, height) => places.map(([left, top]) => boxAt(left, top, width, height)),
});
const spots = (labels, ...more) =>
  [...layOut(labels, AREA, ...more)].map(([{ name }, box]) => [name, box && [box.left, box.top]]);

test("earlier labels take their first spot, later ones what is free", () => {
  const labels = [label("a", [10, 10]), label("b", [20, 15], [100, 10]), label("c", [12, 12])];
  assert.deepEqual(spots(labels), [
    ["a", [10, 10]],
    ["b", [100, 10]],
    ["c", null],
  ]);
});

test("labels keep a gap of three pixels and stay inside", () => {
  assert.deepEqual(spots([label("a", [10, 10]), label("b", [52, 10]), label("c", [53, 10])]), [
    ["a", [10, 10]],
    ["b", null],
    ["c", [53, 10]],
  ]);
  assert.deepEqual(spots([label("left", [3, 10]), label("right", [157, 10])]), [
    ["left", null],
    ["right", null],
  ]);
});

test("no label lies on a taken box, and no more than the limit are placed", () => {
  const taken = [boxAt(0, 0, 60, 60)];
  const labels = [label("a", [20, 20], [100, 10]), label("b", [100, 60])];
  assert.deepEqual(spots(labels, 1, taken), [
    ["a", [100, 10]],
    ["b", null],
  ]);
});
