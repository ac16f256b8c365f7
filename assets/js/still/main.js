/** Entry of an exported page: draws the data inside the file, without Dash and without a link. */

import { colorCloud, showCloud } from "../manifold/cloud.js";
import { markStrip, renderStrips } from "../manifold/strips.js";
import { renderTour } from "../tour/presenter.js";
import { byId } from "../ui/dom.js";
import { freeze } from "../view/link.js";

/** @type {Record<string, CloudColors>} */
let colors = {};

/** @param {string} by */
function paint(by) {
  const choice = byId("still-color");
  if (!(choice instanceof HTMLSelectElement) || !colors[by]) return;
  choice.value = by;
  colorCloud(colors[by]);
  markStrip(by);
}

/** @param {StillManifold} data */
function showManifold(data) {
  colors = data.colors;
  showCloud(data);
  renderStrips(data.strips);
  const choice = byId("still-color");
  choice.addEventListener("change", () => {
    if (choice instanceof HTMLSelectElement) paint(choice.value);
  });
  paint("coordinate");
}

/* The scripts tell Dash what changes; of that, an exported page can only change the cloud's colours. */
window.dash_clientside = {
  no_update: undefined,
  set_props(id, properties) {
    if (id === "color-by") paint(String(properties.value));
  },
};
freeze();

const stores = JSON.parse(byId("still-data").textContent ?? "{}");
if (stores["still-manifold"]) showManifold(stores["still-manifold"]);
if (stores["tour-store"]) renderTour(stores["tour-store"]);
