/* A page that opens from disk: stands in for Dash and the address bar, then draws what the file brought along. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  let colors = {};

  /* The scripts tell Dash what has changed; here only the cloud's colours can. */
  function props(id, values) {
    if (id === "color-by") paint(values.value);
  }

  function paint(by) {
    const choice = document.getElementById("still-color");
    if (!choice || !colors[by]) return;
    choice.value = by;
    mx.cloud.colors(colors[by]);
    mx.strips.mark(by);
  }

  function manifold(data) {
    colors = data.colors;
    mx.cloud.use(data);
    mx.strips.render(data.strips);
    const choice = document.getElementById("still-color");
    choice.addEventListener("change", () => paint(choice.value));
    paint("coordinate");
  }

  function start() {
    const stores = JSON.parse(document.getElementById("still-data").textContent);
    if (stores["still-manifold"]) manifold(stores["still-manifold"]);
    if (stores["tour-store"]) mx.tour.render(stores["tour-store"]);
  }

  window.dash_clientside = { set_props: props };
  mx.link = { set() {}, number: String };
  mx.still = { start };
})();
