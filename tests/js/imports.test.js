/** Which folders of assets/js may import which; Biome finds circles. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, posix } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../assets/js", import.meta.url));
const IMPORT = /^(?:import|\} from|export .* from)\b.*?"([^"]+)";$/gm;

/* A tour embeds a manifold's drawings and the steering panel's. */
const ALLOWED = {
  ui: [],
  view: ["ui"],
  site: ["ui", "view"],
  figures: ["ui", "view"],
  atlas: ["ui", "view", "site"],
  manifold: ["ui", "view", "site", "figures"],
  steering: ["ui", "view", "site", "figures"],
  try_text: ["ui", "view", "site"],
  compare: ["ui", "view", "site", "figures"],
  share: ["ui", "view", "site"],
  tour: ["ui", "view", "site", "figures", "manifold", "steering"],
  still: ["ui", "view", "manifold", "tour"],
};

const files = readdirSync(ROOT, { recursive: true })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".js"));

test("folders import only what is below them", () => {
  for (const path of files.filter((one) => one.includes("/"))) {
    const [folder] = path.split("/");
    assert.ok(folder in ALLOWED, `${folder} has no entry here`);
    for (const [, target] of readFileSync(`${ROOT}/${path}`, "utf8").matchAll(IMPORT)) {
      const [to] = posix.join(dirname(path), target).split("/");
      const allowed = to === folder || ALLOWED[folder].includes(to);
      assert.ok(allowed, `${path} imports ${target}`);
    }
  }
});

test("imports are relative and name a file", () => {
  for (const path of files)
    for (const [, target] of readFileSync(`${ROOT}/${path}`, "utf8").matchAll(IMPORT)) {
      assert.match(target, /^\.\.?\/.*\.js$/);
      assert.ok(files.includes(posix.join(dirname(path), target)), `${path} imports ${target}`);
    }
});

test("plotly's private parts are used in one module", () => {
  const users = files.filter((path) =>
    /_fullLayout|\bglplot\b/.test(readFileSync(`${ROOT}/${path}`, "utf8")),
  );
  assert.deepEqual(users, ["figures/plotly_scene.js"]);
});

test("the bridge alone gives Dash its callbacks", () => {
  const users = files.filter((path) =>
    /dash_clientside\.mx\b/.test(readFileSync(`${ROOT}/${path}`, "utf8")),
  );
  assert.deepEqual(users, ["callbacks.js"]);
});
