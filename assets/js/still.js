/* A page that opens from disk: stands in for Dash and the address bar, then draws what the file brought along. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  let colors = {};

  const plot = (id) => document.querySelector(`#${id} .plot`);

  /* The scripts tell Dash what has changed; here only the cloud's figure and its colours can. */
  function props(id, values) {
    if (values.figure && plot(id)) window.Plotly.react(plot(id), values.figure.data, values.figure.layout, { responsive: true, displayModeBar: false });
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
    mx.cloud.use(data.shape);
    mx.strips.render(data.strips);
    const choice = document.getElementById("still-color");
    choice.addEventListener("change", () => paint(choice.value));
    paint("coordinate");
  }

  function start() {
    const { figures, stores } = JSON.parse(document.getElementById("still-data").textContent);
    for (const [id, { figure, config }] of Object.entries(figures)) window.Plotly.newPlot(plot(id), figure.data, figure.layout, config);
    if (stores["still-manifold"]) manifold(stores["still-manifold"]);
    if (stores["tour-store"]) mx.tour.render(stores["tour-store"]);
  }

  window.dash_clientside = { set_props: props };
  mx.link = { set() {}, number: String };
  mx.still = { start };
})();
