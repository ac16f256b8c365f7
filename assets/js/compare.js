/* Two clouds with one camera: turning one turns the other. Strips and names of each side. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});

  const plot = (cloud) => document.querySelector(`#${cloud} .js-plotly-plot`);
  const drawn = (cloud) => {
    const gd = plot(cloud);
    return gd && gd.on && window.Plotly && gd._fullLayout && gd._fullLayout.scene && gd._fullLayout.scene._scene ? gd : null;
  };

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
    for (const side of data.sides) {
      const section = document.getElementById(side.cloud).closest(".compare-side");
      strips(section.querySelector(".compare-strips"), side.strips);
      mx.cloudLabels.around(() => section.querySelector(".cloud-names"), () => plot(side.cloud)).use(side.shape.labels, side.shape.middle);
    }
    const clouds = data.sides.map((side) => side.cloud);
    if (!clouds.length) return;
    const there = () => (clouds.every(drawn) ? clouds.map(drawn) : null);
    mx.whenThere(there, ([left, right]) => {
      follow(left, right);
      follow(right, left);
      both.dataset.linked = "yes";
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
