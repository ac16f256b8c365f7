/* The map: what is seen of it, its colours, its names and its tooltip. map_input.js moves it. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const AT_FIRST = 24, LOOKED_AT = 800, EDGE = 20, WIDEST = 220, LINE = 18, MAX_ZOOM = 64, REST_MS = 250, SOUGHT_ZOOM = 6;
  let map = null, lit = null;

  const part = (id) => document.getElementById(id);
  const set = (id, props) => window.dash_clientside.set_props(id, props);

  /* Open the map of a page: page is what its store holds. */
  async function open(page) {
    close();
    const box = part("map"), kept = mx.run.open(page);
    const [columns, points] = await Promise.all([kept.clusters, kept.points]);
    if (!box.isConnected || box.querySelector("canvas")) return;
    const canvas = mx.html("canvas", { "aria-hidden": "true" });
    box.replaceChildren(canvas, mx.svg("svg", { class: "map-lasso", "aria-hidden": "true" }));
    const drawing = mx.scatter.scatter(canvas, points);
    if (!drawing) {
      box.replaceChildren(mx.html("p", { class: "empty" }, "The map needs WebGL 2, which this browser does not offer. The tiles list the same clusters."));
      return;
    }
    map = { page, box, canvas, drawing, columns, points, ...look(page), chosen: null, pointed: null, labels: new Map(), view: null,
      named: columns.label.map((_, cluster) => cluster).filter((cluster) => points.middle[cluster]).sort((a, b) => columns.rank[a] - columns.rank[b]) };
    map.watcher = new ResizeObserver(() => { keepPlace(); draw(); });
    map.watcher.observe(box);
    canvas.addEventListener("mx-restored", () => repaint());
    mx.mapInput.listen(box.parentElement, handle);
    map.chosen = asked(new URLSearchParams(window.location.search).get("sel"));
    fit(page.place);
    repaint();
    mx.plotly.warm();
  }

  function close() {
    if (!map) return;
    map.watcher.disconnect();
    map.drawing.end();
    map = null;
  }

  const look = (page) => ({ by: page.paint, noise: page.noise });
  const asked = (text) => { const set = mx.selection.read(text); return set.size ? set : null; };

  /* All of it, or the place of a link: x, y and how far it is zoomed in. */
  function fit(place) {
    const { left, bottom, right, top } = map.points.bounds;
    const [u, v, zoom] = place && place.length ? place : [(left + right) / 2, (bottom + top) / 2, 1];
    map.view = { u, v, zoom: Math.min(MAX_ZOOM, Math.max(0.5, zoom)) };
    map.whole = !(place && place.length);
    keepPlace();
  }

  function keepPlace() {
    const { left, bottom, right, top } = map.points.bounds;
    const room = (pixels, extent) => Math.max(40, pixels - 2 * EDGE) / Math.max(extent, 1e-4);
    map.view.fitted = Math.min(room(map.box.clientWidth, right - left), room(map.box.clientHeight, top - bottom));
    map.view.scale = map.view.fitted * map.view.zoom;
  }

  const toPixels = (u, v) => [(u - map.view.u) * map.view.scale + map.box.clientWidth / 2, (map.view.v - v) * map.view.scale + map.box.clientHeight / 2];
  const toPlace = (x, y) => [(x - map.box.clientWidth / 2) / map.view.scale + map.view.u, map.view.v - (y - map.box.clientHeight / 2) / map.view.scale];

  function moved() {
    const { points, view } = map;
    view.u = Math.min(points.bounds.right, Math.max(points.bounds.left, view.u));
    view.v = Math.min(points.bounds.top, Math.max(points.bounds.bottom, view.v));
    keepPlace();
    draw();
    clearTimeout(map.resting);
    map.resting = setTimeout(() => {
      const n = mx.link.number;
      mx.link.set({ map: map && !map.whole ? `${n(view.u)},${n(view.v)},${n(view.zoom)}` : null });
    }, REST_MS);
  }

  /* A point has so many pixels that few stand out and many do not cover each other. */
  const size = () => Math.min(14, 7 * Math.min(1, (2500 / Math.max(1, map.points.groups.items.length)) ** 0.27) * map.view.zoom ** 0.35);

  function draw() {
    if (!map || map.waiting) return;
    map.waiting = requestAnimationFrame(() => {
      if (!map) return;
      map.waiting = 0;
      map.drawing.draw({ ...map.view, size: size() });
      name();
      map.box.dataset.drawn = String(Number(map.box.dataset.drawn || 0) + 1);
    });
  }

  /* Which clusters are not dimmed: the one that is pointed at in the tiles, those of a tried text, those that were selected. */
  const standing = () => (map.pointed === null ? lit || map.chosen : new Set([map.pointed]));

  function repaint() {
    if (!map) return;
    const { page, columns, by, noise, points } = map, stands = standing();
    map.drawing.paint(mx.paint.look(page.palette, columns, by, noise, stands ? (cluster) => stands.has(cluster) : null));
    part("map-legend").replaceChildren(...mx.paint.legend(page.palette, columns, by, points.ends));
    draw();
  }

  function spots(x, y) {
    return (width, height) => [[-width / 2, -height - 8], [-width / 2, 8], [10, -height / 2], [-width - 10, -height / 2]]
      .map(([dx, dy]) => mx.labels.box(x + dx, y + dy, width, height));
  }

  /* The most manifold-like clusters in sight are named; twice as near, four times as many. */
  function name() {
    const { box, view, points, named, columns, labels } = map, layer = part("map-labels");
    if (!layer) return;
    const area = { width: box.clientWidth, height: box.clientHeight }, stands = standing(), names = [];
    const font = `13px ${getComputedStyle(layer).fontFamily}`;
    for (const cluster of named) {
      if (stands && !stands.has(cluster)) continue;
      const [x, y] = toPixels(...points.middle[cluster]);
      if (x < 0 || y < 0 || x > area.width || y > area.height) continue;
      names.push({ cluster, width: Math.min(WIDEST, mx.labels.measure(columns.label[cluster], font) + 1), height: LINE, spots: spots(x, y) });
      if (names.length === LOOKED_AT) break;
    }
    const shown = new Set();
    for (const [{ cluster }, spot] of mx.labels.spread(names, area, AT_FIRST * (area.width / 700) * Math.max(1, view.zoom ** 2), tools())) {
      if (!spot) continue;
      shown.add(cluster);
      if (!labels.has(cluster)) labels.set(cluster, label(cluster, layer));
      mx.labels.move(labels.get(cluster), spot);
    }
    for (const [cluster, node] of labels) if (!shown.has(cluster)) { node.remove(); labels.delete(cluster); }
  }

  /* Where the buttons are, in the map's own pixels. */
  function tools() {
    const [box, frame] = [map.box.parentElement.querySelector(".map-tools"), map.box].map((node) => node.getBoundingClientRect());
    return [mx.labels.box(box.left - frame.left, box.top - frame.top, box.width, box.height)];
  }

  function label(cluster, layer) {
    const node = mx.html("a", { class: "map-label", href: `${map.page.base}${cluster}`, "data-cluster": cluster, tabindex: -1, dir: "auto", draggable: "false", onclick: go }, map.columns.label[cluster]);
    layer.append(node);
    return node;
  }

  /* What map_input.js may ask and do. */
  const handle = {
    view: () => map && map.view,
    pan(dx, dy) { map.view.u -= dx / map.view.scale; map.view.v += dy / map.view.scale; map.whole = false; moved(); },
    zoom(factor, x, y) {
      const [u, v] = toPlace(x, y), zoom = Math.min(MAX_ZOOM, Math.max(0.5, map.view.zoom * factor)), ratio = map.view.zoom / zoom;
      Object.assign(map.view, { u: u + (map.view.u - u) * ratio, v: v + (map.view.v - v) * ratio, zoom });
      map.whole = false;
      moved();
    },
    all() { fit(null); moved(); },
    size: () => [map.box.clientWidth, map.box.clientHeight],
    at(x, y) {
      const [u, v] = toPlace(x, y), shown = (feature) => map.noise !== "hidden" || mx.points.clusterOf(map.points, feature) >= 0;
      return mx.points.nearest(map.points, u, v, 10 / map.view.scale, shown);
    },
    visit(feature) {
      const cluster = feature === null ? -1 : mx.points.clusterOf(map.points, feature);
      if (cluster >= 0) visit(map.page.base + cluster);
    },
    tip,
    told: (feature) => wanted === feature && !part("map-tip").hidden,
    select(line) {
      const found = mx.points.inside(map.points, line.map(([x, y]) => toPlace(x, y)));
      const clusters = new Set(found.map((feature) => mx.points.clusterOf(map.points, feature)).filter((cluster) => cluster >= 0));
      set("selection", { data: mx.selection.write(clusters) });
      if (!clusters.size) mx.tell("No cluster has a feature in there.");
    },
    clear() { set("selection", { data: "" }); },
  };

  const told = new Map();
  let wanted = null;

  /* What stands behind a point, beside it; a late answer for another point is dropped. */
  async function tip(feature) {
    const node = part("map-tip");
    wanted = feature;
    if (feature === null || !map) { node.hidden = true; return; }
    const address = `${map.page.data}/feature/${feature}`;
    if (!told.has(address)) {
      if (told.size > 500) told.clear();
      const reply = await fetch(address);
      if (!reply.ok) return;
      told.set(address, await reply.json());
    }
    if (wanted !== feature || !map) return;
    const found = told.get(address), line = (text, kind) => mx.html("div", { class: kind, dir: "auto" }, text);
    const named = (one) => mx.html("div", { class: "small" }, [mx.html("bdi", {}, one.label), " ", mx.html("bdi", { class: "muted" }, one.source && `(${one.source})`)]);
    node.replaceChildren(mx.html("b", {}, found.title), line(found.where, "muted small"), ...found.labels.map(named), line(found.tokens, "small"), line(found.fires, "muted small"));
    node.hidden = false;
    const [x, y] = toPixels(mx.points.x(map.points, feature), mx.points.y(map.points, feature));
    const left = Math.min(Math.max(8, x - node.offsetWidth / 2), map.box.clientWidth - node.offsetWidth - 8);
    const above = y - node.offsetHeight - 12;
    node.style.transform = `translate(${Math.round(left)}px, ${Math.round(above > 8 ? above : y + 14)}px)`;
  }

  /* Bring a feature into sight and tell of it; noise that is hidden is shown again. */
  async function seek(feature) {
    if (!map) return mx.tell("The map needs WebGL 2, which this browser does not offer.");
    if (map.noise === "hidden") set("map-noise", { value: "shown" });
    Object.assign(map.view, { u: mx.points.x(map.points, feature), v: mx.points.y(map.points, feature), zoom: Math.max(map.view.zoom, SOUGHT_ZOOM) });
    map.whole = false;
    moved();
    map.box.scrollIntoView({ block: "nearest" });
    await tip(feature);
  }

  /* Show only these clusters in full colour; null shows all of them so. */
  function light(clusters) {
    lit = clusters && clusters.length ? new Set(clusters) : null;
    repaint();
  }

  function select(text) {
    if (!map) return;
    map.chosen = asked(text);
    repaint();
  }

  function point(cluster) {
    if (!map || map.pointed === cluster) return;
    map.pointed = cluster;
    repaint();
  }

  function color(by) { if (map) { map.by = by; repaint(); } }
  function noise(how) { if (map) { map.noise = how; repaint(); } }

  /* Follow a link inside the app without loading the page anew. */
  function visit(href) {
    window.history.pushState({}, "", href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  }

  function go(event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    visit(event.currentTarget.getAttribute("href"));
  }

  /* For tests: where a feature is drawn, which clusters stand out, what is seen. */
  const at = (feature) => toPixels(mx.points.x(map.points, feature), mx.points.y(map.points, feature));
  const outstanding = () => (map && standing() ? [...standing()].sort((a, b) => a - b) : null);

  document.addEventListener("click", ({ target }) => {
    const asked = target.closest("[data-seek]");
    if (asked) seek(Number(asked.dataset.seek));
  });

  mx.map = { open, select, color, noise, light, point, visit, go, at, standing: outstanding, view: () => map && { ...map.view } };
})();
