/* What Dash calls in the browser: each function decodes, hands over, and returns. */
(function () {
  "use strict";
  const mx = window.mx;
  const dash = (window.dash_clientside = window.dash_clientside || {});
  const no = () => dash.no_update;
  const cache = new Map();

  async function json(url) {
    if (!cache.has(url)) {
      if (cache.size > 500) cache.clear();
      const reply = await fetch(url);
      if (!reply.ok) return null;
      cache.set(url, await reply.json());
    }
    return cache.get(url);
  }

  const node = (type, props, namespace = "dash_html_components") => ({ type, namespace, props });
  const div = (children, className) => node("Div", { children, className });

  function context(found) {
    const token = found.token.trimStart() || found.token;
    const space = found.token.slice(0, found.token.length - token.length);
    return node("Div", { className: "context", children: [found.before + space, node("Mark", { children: token }), found.after] });
  }

  /* Tooltips follow the pointer while the text is fetched; a late answer for another point is dropped. */
  const wanted = {};
  async function tip(id, hover, url, children) {
    const point = hover && hover.points && hover.points[0];
    wanted[id] = point ? url(point) : null;
    if (!point || !wanted[id]) return [false, no(), no()];
    const mine = wanted[id];
    const found = await json(mine);
    if (wanted[id] !== mine || !found) return [false, no(), no()];
    return [true, point.bbox, children(found, point)];
  }

  const shareWords = (link, done) => mx.tell(done ? "Link copied: " : "Copy this link: ", link);

  dash.mx = {
    title(text) {
      if (text) document.title = text;
      mx.notes.arrive();
    },
    theme(clicks) { if (clicks) mx.theme.toggle(); },

    map(data) { if (data) mx.map.open(data); return "yes"; },
    mapColor(by) {
      mx.map.color(by);
      mx.link.set({ by: by === "cluster" ? null : by });
    },
    mapNoise(how, data) {
      mx.map.noise(how);
      mx.link.set({ noise: how === "shown" ? null : how });
      return data.noiseWords[how];
    },
    selection(text) {
      mx.map.select(text);
      mx.link.set({ sel: text });
      return !text;
    },
    clearSelection(clicks) { return clicks ? "" : no(); },
    wall(tiles, look, data) {
      if (!tiles || !data) return no();
      mx.wall.show(data, tiles, look);
      mx.link.set({ wall: look === "tiles" ? null : look });
      return "yes";
    },
    textAsked(clicks, submits, text) { if ((clicks || submits) && text) mx.link.set({ text }); },
    text(found, page) { if (page) mx.text.show(found, page); return "yes"; },
    textClear(clicks) { if (clicks) mx.text.clear(); },
    filters(query, sort, shape, regime) {
      mx.link.set({ q: query, sort: sort === "manifold" ? null : sort, shape: shape === "any" ? null : shape, regime: regime === "any" ? null : regime });
    },
    async shareView(clicks) {
      if (clicks) shareWords(window.location.href, await mx.link.copy(window.location.href));
    },

    cluster(data) {
      if (!data) return no();
      mx.cloud.use(data.shape);
      mx.strips.render(data.strips);
      mx.planes.use(data.shape);
      mx.features.render();
      const color = new URLSearchParams(window.location.search).get("color");
      mx.strips.mark(color);
      mx.features.mark(color);
      if (data.api) mx.host.ask(data.api, data.run, data.fingerprint);
      return "yes";
    },
    cloudTip(hover, data) {
      const point = hover && hover.points && hover.points[0];
      const sample = point ? mx.cloud.sampleOf(point) : null;
      if (!point || !point.planes) mx.pick.point(sample === null ? null : mx.cloud.placeOf(sample), mx.cloud.own);
      return tip("cloud", hover, () => (sample === null ? null : `${data.data}/sample/${sample}`), (found) => [
        context(found), div(found.where, "muted small")]);
    },
    picked(text, fires) { mx.pick.show(text, fires); return !text; },
    pickNone(clicks) { if (clicks) mx.pick.choose([]); },
    pickPoint(click) {
      const point = click && click.points && click.points[0];
      const sample = point ? mx.cloud.sampleOf(point) : null;
      if (sample !== null && sample !== undefined) mx.pick.choose([sample]);
    },
    colors(data, by) {
      mx.cloud.colors(data);
      mx.strips.mark(by);
      mx.features.mark(by);
      mx.link.set({ color: by === "coordinate" ? null : by });
    },
    camera(moved) {
      if (moved && moved["scene.camera"]) mx.link.set({ cam: mx.link.camera(moved["scene.camera"]) });
    },

    compare(data) { if (data) mx.compare.render(data); return "yes"; },
    compareWith(leftRun, left, rightRun, right, now) {
      if (now) mx.compare.choose([[leftRun, left], [rightRun, right]], now);
    },

    steerFields(prompt, from, to, strength, ask, where) {
      mx.link.set({ ask: ask === "text" ? null : ask, where: where === "last_prompt" ? null : where, prompt, from: from === "~" ? null : from, to, strength: Number(strength) === 1 ? null : strength });
    },
    checkFields(phrases, readout, own) {
      mx.link.set({ phrases: phrases === own.phrases ? null : phrases, values: readout === own.readout ? null : readout });
    },
    ownReadout(clicks, own) { return clicks ? own.readout : no(); },
    bands(data, position) {
      const verdict = document.getElementById("steer-verdict");
      mx.stream.stop();
      mx.checks.clear();
      if (!data) { mx.bands.clear(); mx.host.again(); return [true, true, ""]; }
      mx.bands.render(data.view, position);
      mx.realised.render(data.view);
      mx.prompt.show(data.reply.prompt_tokens);
      mx.cloud.path(data.view);
      if (verdict) verdict.className = `verdict ${data.view.moves === false ? "bad" : ""}`;
      return [false, false, data.view.verdict];
    },
    check(data, steer) { mx.checks.answer("check", data, steer); },
    sweep(data, steer) { mx.checks.answer("sweep", data, steer); },
    phrases(data, steer) { mx.checks.answer("phrases", data, steer); },
    generate(clicks, steer, cluster) {
      if (!clicks || !steer || !cluster) return;
      const { waypoints, random_repeats, values, ...same } = steer.request;
      mx.stream.start(cluster.api, { ...same, position: mx.bands.position(), max_tokens: 24 });
    },
    stop(clicks) { if (clicks) mx.stream.stop("Stopped."); },
    async shareResult(clicks, steer, stream, cluster, ...asked) {
      if (!clicks || !steer) return;
      const body = { view: window.location.search, label: cluster.label, behaviour_request: steer.request, behaviour: steer.reply, ...(stream || {}), ...mx.checks.kept(asked, steer) };
      const reply = await fetch(`${cluster.api}/share`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const kept = await reply.json();
      if (!reply.ok) { mx.tell(kept.message); return; }
      const link = new URL(cluster.api.replace(/api$/, "") + kept.path.replace(/^\//, ""), window.location.href).href;
      shareWords(link, await mx.link.copy(link));
    },
    tour(data) {
      if (data) mx.tour.render(data);
      return "yes";
    },
    replay(data) {
      if (!data) return no();
      mx.cloud.place([]);
      if (data.shape) mx.cloud.use(data.shape);
      mx.bands.render(data.view, data.position);
      mx.prompt.show(data.prompt);
      mx.cloud.path(data.view);
      mx.realised.render(data.view);
      mx.checks.replay(data.checks);
      mx.stream.replay(data.view.prompt, data.texts, data.done, data.requested);
      return "yes";
    },
  };
})();
