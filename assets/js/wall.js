/* The wall of clusters, as tiles or as rows of a table: only those in sight are in the page, however many there are. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const GAP = 12, NARROWEST = 168, TEXT = 96, HEAD = 36, ROW = 52, MORE = 2, REST_MS = 90;
  const COLUMNS = ["Cluster", "Regime", "Features", "Tokens", "Stability"];
  let wall = null;

  const counted = (count, noun) => `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;

  /* Show clusters in their order; tiles is {order: [cluster], fires: {cluster: tokens of a tried text}}. */
  async function show(page, tiles, look) {
    const box = document.getElementById("tiles"), columns = await mx.run.open(page).clusters;
    if (!box.isConnected) return;
    if (wall) wall.watcher.disconnect();
    wall = { box, page, columns, ...tiles, look, active: 0, cells: new Map(), watcher: new ResizeObserver(soon) };
    box.className = `wall ${look}`;
    box.setAttribute("role", look === "table" ? "table" : "list");
    if (look === "table") box.setAttribute("aria-rowcount", wall.order.length + 1);
    else box.removeAttribute("aria-rowcount");
    box.replaceChildren(...(wall.order.length ? look === "table" ? [head()] : [] : [nothing()]));
    box.onkeydown = walk;
    box.onpointerover = (event) => mx.map.point(clusterAt(event));
    box.onpointerleave = () => mx.map.point(null);
    wall.watcher.observe(box);
    draw();
  }

  function clusterAt(event) {
    const cell = event.target.closest("[data-at]");
    return cell ? wall.order[Number(cell.dataset.at)] : null;
  }

  const nothing = () => mx.html("div", { class: "empty", role: "listitem" }, [mx.html("h2", {}, "No cluster matches"), mx.html("p", {}, "Try fewer words, another shape or any regime, or clear the selection.")]);

  const head = () => mx.html("div", { class: "row row-head", role: "row" }, COLUMNS.map((name) => mx.html("span", { role: "columnheader" }, name)));

  /* How the cells lie: so many in a row, each so large, below what stands on top. */
  function metrics() {
    const width = wall.box.clientWidth;
    if (wall.look === "table") return { across: 1, width, height: ROW, step: ROW, top: HEAD };
    const across = Math.max(2, Math.floor((width + GAP) / (NARROWEST + GAP))), own = (width - GAP * (across - 1)) / across, height = Math.round(own * 0.75) + TEXT;
    return { across, width: own, height, step: height + GAP, top: 0 };
  }

  /* The cells in sight and a few more; the one that has the focus stays, wherever it is. */
  function inSight({ across, step, top }) {
    const above = wall.box.getBoundingClientRect().top + top, first = (Math.floor(-above / step) - MORE) * across;
    const last = (Math.ceil((window.innerHeight - above) / step) + MORE) * across, places = new Set();
    for (let at = Math.max(0, first); at < Math.min(wall.order.length, last); at += 1) places.add(at);
    if (wall.order.length) places.add(wall.active);
    return [...places].sort((a, b) => a - b);
  }

  function draw() {
    if (!wall || !wall.box.isConnected) return;
    const size = metrics(), places = inSight(size), wanted = new Set(places);
    wall.box.style.height = wall.order.length ? `${size.top + Math.ceil(wall.order.length / size.across) * size.step}px` : "";
    for (const [at, cell] of wall.cells) if (!wanted.has(at)) { cell.remove(); wall.cells.delete(at); }
    let next = wall.box.querySelector(":scope > [data-at]");
    for (const at of places) {
      const cell = wall.cells.get(at) || make(at);
      if (cell === next) next = next.nextElementSibling;
      else wall.box.insertBefore(cell, next);
      const x = (at % size.across) * (size.width + GAP), y = size.top + Math.floor(at / size.across) * size.step;
      Object.assign(cell.style, { transform: `translate(${x}px, ${y}px)`, width: `${size.width}px`, height: `${size.height}px` });
      cell.querySelector("a").tabIndex = at === wall.active ? 0 : -1;
    }
    clearTimeout(wall.resting);
    wall.resting = setTimeout(paint, REST_MS);
  }

  /* Portraits are fetched once the hand rests: those that fly by are not. */
  function paint() {
    for (const picture of wall.box.querySelectorAll("img:not([src])")) picture.src = picture.dataset.src;
  }

  function make(at) {
    const cell = wall.look === "table" ? row(at, wall.order[at]) : tile(at, wall.order[at]);
    wall.cells.set(at, cell);
    return cell;
  }

  const link = (cluster, props, children) => mx.html("a", { href: wall.page.base + cluster, onclick: mx.map.go, draggable: "false", ...props }, children);

  /* Its shape, and how many values it holds. */
  function words(cluster) {
    const { columns, page } = wall, values = columns.values[cluster];
    return page.palette.shapes[columns.shape[cluster]] + (values ? ` · ${counted(values, "value")}` : "");
  }

  function tile(at, cluster) {
    const { columns, fires, page } = wall, on = fires[cluster] || 0, label = columns.label[cluster];
    const text = [mx.html("span", { class: "tile-name", title: label, dir: "auto" }, label), mx.html("span", { class: "tile-words" }, words(cluster)),
      mx.html("span", { class: "tile-regime" }, `${counted(columns.features[cluster], "feature")} · ${page.palette.regimes[columns.regime[cluster]]}`)];
    return mx.html("div", { class: "cell", role: "listitem", "data-at": at, "aria-setsize": wall.order.length, "aria-posinset": at + 1 },
      link(cluster, { class: `tile panel ${on ? "lit" : ""}` }, [picture(cluster), mx.html("div", { class: "tile-text" }, text), on ? mx.html("span", { class: "tile-fires" }, `fires on ${counted(on, "token")}`) : null]));
  }

  const picture = (cluster) => mx.html("img", { alt: "", width: 160, height: 120, loading: "lazy", decoding: "async", "data-src": `${wall.page.data}/thumbnail/${cluster}.svg` });

  function row(at, cluster) {
    const { columns, fires, page } = wall, label = columns.label[cluster], stability = columns.stability[cluster];
    const texts = [page.palette.regimes[columns.regime[cluster]], columns.features[cluster].toLocaleString("en-US"), columns.tokens[cluster].toLocaleString("en-US"),
      stability === null ? "–" : stability.toFixed(2)];
    const name = link(cluster, { class: "row-name", title: label }, [picture(cluster), mx.html("span", {}, [mx.html("bdi", {}, label), mx.html("span", { class: "row-words" }, words(cluster))])]);
    return mx.html("div", { class: `cell row ${fires[cluster] ? "lit" : ""}`, role: "row", "data-at": at, "aria-rowindex": at + 2 },
      [mx.html("span", { role: "cell" }, name), ...texts.map((text) => mx.html("span", { role: "cell" }, text))]);
  }

  /* Arrow keys walk over the wall, also to cells that are not in the page yet. */
  function walk(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !event.target.closest("a")) return;
    const { across, step } = metrics(), sheet = across * Math.max(1, Math.floor(window.innerHeight / step) - 1);
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, PageDown: sheet, PageUp: -sheet, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const to = Math.min(wall.order.length - 1, Math.max(0, wall.active + by));
    if (Math.abs(by) === across && to - wall.active !== by) return;
    focus(to);
  }

  function focus(at) {
    const { across, height, step, top } = metrics(), y = wall.box.getBoundingClientRect().top + top + Math.floor(at / across) * step;
    const header = document.getElementById("header").getBoundingClientRect().bottom + GAP;
    wall.active = at;
    if (y < header) window.scrollBy(0, y - header);
    else if (y + height > window.innerHeight - GAP) window.scrollBy(0, y + height - window.innerHeight + GAP);
    draw();
    wall.cells.get(at).querySelector("a").focus({ preventScroll: true });
  }

  let asked = 0;
  function soon() {
    asked = asked || requestAnimationFrame(() => { asked = 0; draw(); });
  }

  window.addEventListener("scroll", soon, { passive: true });
  window.addEventListener("resize", soon);
  /* A click on a cell, or the tab key, makes it the one to walk on from. */
  window.addEventListener("focusin", (event) => {
    const cell = wall && event.target.closest("#tiles [data-at]");
    if (!cell || Number(cell.dataset.at) === wall.active) return;
    wall.active = Number(cell.dataset.at);
    for (const [at, other] of wall.cells) other.querySelector("a").tabIndex = at === wall.active ? 0 : -1;
  });

  mx.wall = { show };
})();
