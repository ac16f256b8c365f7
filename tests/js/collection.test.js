import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import {
  collectionFile,
  collectionFromFile,
  contentOfLink,
  isView,
  LIMITS,
  pack,
  storedCollection,
} from "../../assets/js/ui/collection.js";

const COLLECTION = {
  title: "Rings",
  steps: [{ title: "Days", text: "a ring", link: "run/almanac/cluster/0?v=1&theme=dark" }],
};

beforeEach(() => {
  globalThis.document = { querySelector: () => ({ getAttribute: () => "/app/" }) };
  globalThis.window = { location: { href: "http://127.0.0.1:8000/app/run/almanac", hash: "" } };
});

test("only views of this app are links of a collection", () => {
  for (const link of ["run/a", "s/abc", "tour/x?v=1", "run/a/cluster/3?v=1&q=a%2Fb"])
    assert.ok(isView(link), link);
  const outside = [
    "javascript:hit(1)",
    "//evil.example/run/x",
    "http://evil.example/run/x",
    "run/../../elsewhere",
    "/run/a",
    "run/a#keep=x",
    "run/",
    `run/${"a".repeat(LIMITS.link)}`,
    7,
    null,
  ];
  for (const link of outside) assert.ok(!isView(link), String(link));
});

test("a link brings what was packed", async () => {
  window.location.hash = `#keep=${await pack({ collection: COLLECTION })}`;
  assert.deepEqual(await contentOfLink(), { note: null, collection: COLLECTION });
  window.location.hash = `#keep=${await pack({ note: { path: "run/a", text: "<b>" } })}`;
  assert.deepEqual((await contentOfLink()).note, { path: "run/a", text: "<b>" });
});

test("anything else brings nothing", async () => {
  for (const hash of ["", "#keep=", "#keep=AAAA", "#keep=%00", `#keep=${"A".repeat(20000)}`]) {
    window.location.hash = hash;
    assert.equal(await contentOfLink(), null, hash.slice(0, 20));
  }
  const bomb = { collection: { title: "x".repeat(LIMITS.file + 1), steps: [] } };
  window.location.hash = `#keep=${await pack(bomb)}`;
  assert.equal(await contentOfLink(), null, "it unpacks to more than a file may hold");
});

test("a file is read back, another format is not", async () => {
  assert.deepEqual(await collectionFromFile(collectionFile(COLLECTION)), COLLECTION);
  assert.equal(await collectionFromFile(new Blob([JSON.stringify(COLLECTION)])), null);
  assert.equal(await collectionFromFile(new Blob(["{"])), null);
});

test("stored text that is no collection is ignored", () => {
  assert.deepEqual(storedCollection(JSON.stringify(COLLECTION)), COLLECTION);
  for (const text of [null, "", "[]", '{"title":"x","steps":[{}]}', '{"steps":[]}'])
    assert.equal(storedCollection(text), null);
});
