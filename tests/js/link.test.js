import assert from "node:assert/strict";
import { test } from "node:test";
import { cameraText, changedQuery } from "../../assets/js/view/link.js";

test("a key is set, replaced and removed; the others stay in their order", () => {
  const query = changedQuery("?v=1&pick=3&theme=dark", { color: "token" });
  assert.equal(query, "?v=1&theme=dark&color=token&pick=3");
  assert.equal(changedQuery(query, { theme: "light" }), "?v=1&theme=light&color=token&pick=3");
  assert.equal(changedQuery(query, { theme: null, color: "", pick: undefined }), "");
});

test("unknown keys are dropped", () => {
  assert.equal(changedQuery("?utm_source=x&q=a", {}), "?v=1&q=a");
});

test("a camera has nine short numbers", () => {
  const camera = {
    eye: { x: 0.123456, y: -0.3, z: 1.45 },
    center: { x: 0, y: 0, z: 0 },
    up: { x: 0, y: 1, z: 0 },
  };
  assert.equal(cameraText(camera), "0.1235,-0.3,1.45,0,0,0,0,1,0");
});
