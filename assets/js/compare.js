/* Two clouds with one camera: turning one turns the other. Strips and names of each side. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});

  /* The other cloud takes over the camera, at most once a frame; what it tells of its own move is no new move. */
  function follow(gd, other) {
    let camera = null;
    const move = (update) => {
      const next = update && update["scene.camera"];
      if (!next || gd.mxLed) return;
      const waiting = camera !== null;
      camera = next;
      if (waiting) return;
      requestAnimationFrame(() => {
        const taken = camera;
        [camera, other.mxLed] = [null, true];
        window.Plotly.relayout(other, { "scene.camera": taken }).then(() => { other.mxLed = false; });
      });
    };
    gd.on("plotly_relayouting", move);
    gd.on("plotly_relayout", (update) => {
      move(update);
      if (update["scene.camera"] && !gd.mxLed) mx.link.set({ cam: mx.link.camera(update["scene.camera"]) });
    });
  }

  function strip(one) {
    const area = mx.svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none" },
      mx.svg("path", { d: one.path, style: { fill: one.varies ? one.color : "var(--hub)" } }));
    return mx.html("div", { class: "strip" }, [mx.html("span", { class: "strip-name" }, `${one.role} ${one.feature}`), area]);
  }

  function strips(box, data) {
    const ramp = mx.html("div", { class: "strip-ramp", style: { background: `linear-gradient(90deg, ${data.ramp.join(",")})` } });
    const rows = { class: "strip-rows", tabindex: "0", role: "group", "aria-label": "Where each feature fires" };
    box.replaceChildren(mx.html("div", rows, data.strips.map(strip)), mx.ticks.axis(data.ticks, { class: "strip-axis" }, ramp));
  }

  function render(data) {
    const both = document.getElementById("compare-clouds");
    const plots = [];
    const linked = (side) => (plot) => {
      plots[side] = plot;
      if (!plots[0] || !plots[1]) return;
      follow(plots[0], plots[1]);
      follow(plots[1], plots[0]);
      both.dataset.linked = "yes";
    };
    data.sides.forEach((side, i) => {
      const box = document.getElementById(side.cloud), section = box.closest(".compare-side");
      strips(section.querySelector(".compare-strips"), side.strips);
      const space = mx.space.show(box, side.figure, linked(i));
      mx.cloudLabels.around(() => section.querySelector(".cloud-names")).use(space, side.shape.labels, side.shape.middle);
    });
  }

  /* Another choice is another address. A side whose run changes takes its most alike cluster; all clusters of one side are
     compared with all of the other. */
  function choose(sides, now) {
    const before = [now.a, now.b].map((side) => side.split("/"));
    const whole = sides.some(([, cluster], i) => cluster === "all" && before[i].length > 1);
    const [a, b] = sides.map(([run, cluster], i) => (whole || cluster === "all" || run !== before[i][0] ? run : `${run}/${cluster}`));
    const next = new URLSearchParams({ v: "1", a, b }).toString().replaceAll("%2F", "/");
    if (a !== now.a || b !== now.b) mx.map.visit(`${window.location.pathname}?${next}`);
  }

  mx.compare = { render, choose };
})();
