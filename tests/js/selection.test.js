import assert from "node:assert/strict";
import { test } from "node:test";
import {
  readRanges,
  readSelection,
  writeRanges,
  writeSelection,
} from "../../assets/js/view/selection.js";

test("numbers are sorted and written once", () => {
  assert.equal(writeRanges([9, 3, 8, 3, 4]), "3-4,8-9");
  assert.equal(writeSelection(new Set([5, 4, 1])), "1,4-5");
});

test("nothing reads as nothing", () => {
  for (const text of [null, undefined, ""]) {
    assert.deepEqual(readRanges(text), []);
    assert.equal(readSelection(text).size, 0);
  }
});

test("a large scattered set is written as bits and read back", () => {
  const clusters = Array.from({ length: 900 }, (_, at) => (at * 7919) % 9001);
  const text = writeSelection(clusters);
  assert.match(text, /^~[\w-]+$/);
  assert.ok(text.length < 1600);
  assert.deepEqual(readSelection(text), new Set(clusters.sort((a, b) => a - b)));
});
