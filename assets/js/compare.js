/* Two clouds with one camera: turning one turns the other. Strips and names of each side. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});

  /* The cloud that the reader has in hand leads; the other takes its camera over, at most once a frame. */
  function together(spaces) {
    let leader = null, camera = null;
    const lead = (space) => () => { leader = space; };
    for (const space of spaces) for (const kind of ["pointerdown", "wheel"]) space.box.addEventListener(kind, lead(space), { capture: true, passive: true });
    const follow = () => {
      const taken = camera, other = spaces.find((space) => space !== leader);
      camera = null;
      window.Plotly.relayout(other.plot, { "scene.camera": taken });
    };
    const turned = (space) => (next) => {
      if (space !== leader) return;
      if (camera === null) requestAnimationFrame(follow);
      camera = next;
    };
    for (const space of spaces) space.told = { turned: turned(space), rested: (now) => { if (space === leader) mx.link.set({ cam: mx.link.camera(now) }); } };
  }

  function strip(one, named) {
    const area = mx.svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none" },
      mx.svg("path", { d: one.path, style: { fill: one.varies ? one.color : "var(--hub)" } }));
    return mx.html("div", { class: "strip", title: named && `Feature ${named}` }, [mx.html("span", { class: "strip-name" }, `${one.role} ${one.feature}`), area]);
  }

  function strips(box, data) {
    const ramp = mx.html("div", { class: "strip-ramp", style: { background: `linear-gradient(90deg, ${data.ramp.join(",")})` } });
    const rows = { class: "strip-rows", tabindex: "0", role: "group", "aria-label": "Where each feature fires" };
    box.replaceChildren(mx.html("div", rows, [...data.strips.map((one) => strip(one, data.names?.[one.feature])), mx.ticks.axis(data.ticks, { class: "strip-axis" }, ramp)]));
  }

  function render(data) {
    const both = document.getElementById("compare-clouds");
    let waiting = data.sides.length;
    const scene = () => {
      waiting -= 1;
      if (waiting) return;
      together(spaces);
      both.dataset.linked = "yes";
    };
    const spaces = data.sides.map((side) => {
      const box = document.getElementById(side.cloud), section = box.closest(".compare-side");
      strips(section.querySelector(".compare-strips"), side.strips);
      const space = mx.space.show(box, side.figure, { scene });
      mx.cloudLabels.around(() => section.querySelector(".cloud-names")).use(space, side.shape.labels, side.shape.middle);
      return space;
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
