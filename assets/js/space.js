/* A cloud in space: a sketch of it at once; plotly's scene takes the sketch's place once the page around it was painted.
   Both draw the same figure, which is kept here: what changes while there is no scene yet changes the sketch. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const CONFIG = { displayModeBar: false, scrollZoom: true };
  const LATEST_MS = 500, REST_MS = 250;
  const views = new Map();

  /* Draw a figure in a box. told.scene(plot) is called once, when the box first has a scene that can be turned;
     told.turned(camera) with every frame that the reader turns or brings nearer; told.rested(camera) when that ends. */
  function show(box, figure, told) {
    tidy();
    mx.plotly.fetch();
    const view = views.get(box) || open(box, told);
    view.figure = read(figure);
    view.stands = null;
    for (const { marker } of view.figure.data) if (marker && marker.colorscale) paint(marker);
    [view.live, view.painted] = [false, false];
    view.drawn.clear();
    sketch(view);
    const mine = view.figure;
    afterPaint(() => {
      if (view.figure !== mine) return;
      view.painted = true;
      build(view);
    });
    return view;
  }

  function open(box, told) {
    const view = { box, told, plot: mx.html("div", { class: "plot" }), picture: mx.html("canvas", { class: "sketch", "aria-hidden": "true" }), drawn: new Set(), size: "" };
    view.restyle = (update, traces) => restyle(view, update, traces);
    view.project = () => project(view);
    box.replaceChildren(view.plot);
    view.watcher = new ResizeObserver(() => fit(view));
    view.watcher.observe(box);
    views.set(box, view);
    return view;
  }

  /* A browser keeps few scenes: those whose page was left are given back. */
  function tidy() {
    for (const [box, view] of views) {
      if (box.isConnected) continue;
      view.watcher.disconnect();
      if (window.Plotly) window.Plotly.purge(view.plot);
      views.delete(box);
    }
  }

  /* A figure with its numbers as arrays: they come as bytes in base64. */
  function read(value) {
    if (Array.isArray(value)) return value.map(read);
    if (!value || typeof value !== "object") return value;
    if (value.bdata) return new Float32Array(Uint8Array.from(atob(value.bdata), (one) => one.charCodeAt(0)).buffer);
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, read(one)]));
  }

  /* Plotly has a grey of its own for points without a number, so it is told each point's colour. */
  function paint(marker) {
    marker.color = mx.cloudColors(marker.color, marker.colorscale, marker.cmin, marker.cmax);
    for (const name of ["colorscale", "cmin", "cmax"]) delete marker[name];
  }

  function afterPaint(then) {
    const idle = window.requestIdleCallback || setTimeout;
    requestAnimationFrame(() => setTimeout(() => idle(then, { timeout: LATEST_MS })));
  }

  const area = (view) => ({ width: view.box.clientWidth, height: view.box.clientHeight });
  const sizeOf = (view) => Object.values(area(view)).join();
  const seen = (view) => view.box.clientWidth > 0 && view.box.clientHeight > 0;
  const scene = (view) => (view.live ? view.plot._fullLayout.scene._scene : null);

  function project(view) {
    const there = scene(view), layout = view.figure.layout.scene;
    return mx.projection(layout, there && there.glplot ? there.getCamera() : layout.camera, area(view));
  }

  const drawn = (view) => { for (const listener of view.drawn) listener(); };

  function sketch(view) {
    if (!seen(view)) return;
    view.size = sizeOf(view);
    view.box.append(view.picture);
    mx.sketch(view.picture, view.figure.data, project(view), area(view));
    view.box.dataset.drawn = "sketch";
    drawn(view);
  }

  async function build(view) {
    if (view.live || !seen(view)) return;
    const mine = view.figure;
    try { await mx.plotly.load(); } catch { return stays("plotly.js did not load"); }
    if (view.figure !== mine || view.live || !view.box.isConnected) return;
    const first = !view.plot.on;
    [view.live, view.size] = [true, sizeOf(view)];
    await window.Plotly.react(view.plot, { data: mine.data, layout: mine.layout, config: CONFIG });
    if (first) {
      view.plot.on("plotly_afterplot", () => follow(view));
      view.told.scene?.(view.plot);
    }
    follow(view);
    requestAnimationFrame(() => { if (view.figure === mine) reveal(view); });
  }

  /* A page from disk has nowhere to say it. */
  const stays = (reason) => mx.tell && mx.tell(`The cloud cannot be turned: ${reason}.`);

  function reveal(view) {
    if (!scene(view).glplot) {
      [view.live, view.painted] = [false, false];
      return stays("this browser offers no WebGL");
    }
    view.stands = places(scene(view).getCamera());
    view.box.dataset.drawn = "scene";
    view.picture.remove();
    drawn(view);
  }

  /* Whoever draws over the scene draws anew with every frame of it. */
  function follow(view) {
    const { glplot } = scene(view) || {};
    if (!glplot || glplot.mxFollowed) return;
    const draw = glplot.onrender;
    glplot.onrender = () => { if (draw) draw(); drawn(view); look(view); };
    glplot.mxFollowed = true;
  }

  const places = (camera) => ["eye", "center", "up"].flatMap((part) => Object.values(camera[part]).map((one) => one.toFixed(4))).join();

  /* Plotly's own events come before a turn of the wheel has moved the camera, and what it draws next takes the camera back
     to where they found it. So the frames are asked, and plotly is told where the camera came to rest. */
  function look(view) {
    if (view.stands === null || !view.live) return;
    const camera = scene(view).getCamera(), now = places(camera);
    if (now === view.stands) return;
    view.stands = now;
    view.told.turned?.(camera);
    clearTimeout(view.resting);
    view.resting = setTimeout(() => {
      if (!view.box.isConnected || !view.live) return;
      window.Plotly.relayout(view.plot, { "scene.camera": camera });
      view.told.rested?.(camera);
    }, REST_MS);
  }

  function fit(view) {
    if (!seen(view) || sizeOf(view) === view.size) return;
    view.size = sizeOf(view);
    if (view.box.dataset.drawn !== "scene") sketch(view);
    if (view.live) window.Plotly.Plots.resize(view.plot).catch(() => {});
    else if (view.painted) build(view);
  }

  /* As Plotly.restyle: paths and their values, one for each of the traces; what is undefined stays. */
  function restyle(view, update, traces) {
    if (view.live) return void window.Plotly.restyle(view.plot, update, traces);
    for (const [path, given] of Object.entries(update)) {
      const names = path.split("."), last = names.pop();
      traces.forEach((trace, i) => {
        const value = Array.isArray(given) ? given[i % given.length] : given;
        if (value !== undefined) names.reduce((part, name) => part[name], view.figure.data[trace])[last] = value;
      });
    }
    sketch(view);
  }

  mx.space = { show, tidy };
})();
