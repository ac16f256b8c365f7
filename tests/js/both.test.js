import assert from "node:assert/strict";
import { test } from "node:test";
import { curvePoint, nearest } from "../../assets/js/figures/curve.js";
import { counted, percent } from "../../assets/js/ui/format.js";
import { plainCell } from "../../assets/js/ui/tsv.js";
import { changedQuery, KEYS, VERSION } from "../../assets/js/view/link.js";
import {
  readRanges,
  readSelection,
  writeRanges,
  writeSelection,
} from "../../assets/js/view/selection.js";
import { casesOf } from "./both.js";

test("percentages and counts", () => {
  const cases = casesOf("format");
  for (const [share, text] of cases.percent) assert.equal(percent(share), text);
  for (const [number, noun, text] of cases.counted) assert.equal(counted(number, noun), text);
});

test("selections and ranges", () => {
  const { selection, ranges } = casesOf("selection");
  for (const { clusters, text } of selection) {
    assert.equal(writeSelection(clusters), text);
    assert.deepEqual([...readSelection(text)], clusters);
  }
  for (const { numbers, text } of ranges) {
    assert.equal(writeRanges(numbers), text);
    assert.deepEqual(readRanges(text), numbers);
  }
});

test("links", () => {
  const { version, keys, cases } = casesOf("link");
  assert.equal(VERSION, version);
  assert.deepEqual(KEYS, keys);
  for (const { changes, query } of cases) assert.equal(changedQuery("", changes), query);
});

test("points of curves", () => {
  for (const { knots, closed, coordinate, point } of casesOf("curve").points) {
    const found = curvePoint(knots, closed, coordinate);
    for (const axis of [0, 1, 2]) assert.ok(Math.abs(found[axis] - point[axis]) < 1e-5);
  }
});

test("nearest values", () => {
  for (const { values, closed, coordinate, name } of casesOf("curve").nearest)
    assert.equal(nearest(values, ([, at]) => at, coordinate, closed)[0], name);
});

test("cells of spreadsheets", () => {
  for (const { text, cell } of casesOf("tsv").harmless) assert.equal(plainCell(text), cell);
});
