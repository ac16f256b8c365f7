/* A tried text: its tokens as chips, what fires on each, the lights on the map, the marks on the curve. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  let kept = null;
  let view = null;
  let page = null;
  let chosen = null;
  let box = null;

  const part = (id) => document.getElementById(id);
  const set = (id, props) => window.dash_clientside.set_props(id, props);
  const here = (token) => token.firing.find((one) => one.cluster === page.cluster);

  /* A text's answer stays while one walks through its run; a link that names another text is not answered with it. */
  function show(answer, opened) {
    const asked = new URLSearchParams(window.location.search).get("text");
    const came = part("try-tokens") !== box;
    if (!came) kept = answer;
    box = part("try-tokens");
    page = opened;
    chosen = null;
    view = kept && kept.run === page.run && (!asked || asked === kept.text) ? kept : null;
    if (view) {
      mx.link.set({ text: view.text });
      if (came) set("try-text", { value: view.text });
    }
    if (page.cluster === null) {
      if (came) mx.host.ask(page.api, page.run, page.fingerprint);
      set("try-counts", { data: view ? view.counts : null });
    }
    draw();
  }

  function clear() {
    mx.link.set({ text: null });
    set("try-text", { value: "" });
    set("try-status", { children: "" });
    kept = null;
    show(null, page);
    part("try-text").focus();
  }

  function draw() {
    part("try-clear").hidden = !view;
    box.replaceChildren(...(view ? view.tokens.map(chip) : []));
    tell();
    if (page.cluster === null) light();
    else mx.cloud.place(marks());
  }

  function chip(token, index) {
    const own = here(token), fires = token.firing.length;
    if (token.special) return mx.html("span", { class: "chip special", title: "The tokenizer adds this; no cluster is told of it", dir: "auto" }, token.text);
    return mx.html("button", { type: "button", class: `chip ${fires ? "fires" : ""} ${own ? "here" : ""}`, "data-token": index,
      tabindex: index === first() ? 0 : -1, "aria-pressed": "false", style: own && own.coordinate !== null ? { "--value": own.color } : {},
      onclick: () => choose(index), onkeydown: (event) => walk(event, index), dir: "auto" },
    [token.text, fires ? mx.html("span", { class: "chip-count", "aria-hidden": "true" }, fires) : null,
      mx.html("span", { class: "sr" }, fires === 1 ? ", 1 cluster fires" : `, ${fires || "no"} clusters fire`)]);
  }

  const first = () => view.tokens.findIndex((token) => !token.special);
  const chips = () => [...box.querySelectorAll("button")];

  /* Arrow keys walk along the chips; one of them is in the order of tabs. */
  function walk(event, index) {
    const all = chips(), at = all.findIndex((one) => Number(one.dataset.token) === index);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || !all[to]) return;
    event.preventDefault();
    for (const one of all) one.tabIndex = -1;
    all[to].tabIndex = 0;
    all[to].focus();
  }

  function choose(index) {
    chosen = chosen === index ? null : index;
    for (const one of chips()) one.setAttribute("aria-pressed", String(Number(one.dataset.token) === chosen));
    tell();
    if (page.cluster === null) light();
    else mx.cloud.place(marks());
  }

  /* What fires on the chosen token, or what to do where none is chosen. */
  function tell() {
    const detail = part("try-detail");
    if (!view) { detail.replaceChildren(); return; }
    if (chosen === null) { detail.replaceChildren(mx.html("p", { class: "muted small" }, `${view.summary} ${next()}`)); return; }
    const token = view.tokens[chosen];
    const rows = token.firing.map(row);
    detail.replaceChildren(rows.length ? mx.html("ul", {}, rows) : mx.html("p", { class: "muted small" }, "No cluster fires on this token."));
  }

  function next() {
    if (page.cluster === null) return Object.keys(view.counts).length ? "Choose a token to see which of them fire there." : "";
    const mine = view.tokens.map(here).filter(Boolean);
    if (!mine.length) return "This one does not.";
    if (mine.every((one) => one.coordinate === null)) return "This one fires on the marked tokens; its shape has no curve to place them on.";
    return "The marked tokens lie on this one's curve; a hollow mark lies far from it.";
  }

  function row(one) {
    const href = `${page.base}${one.cluster}?${query()}`;
    const name = one.cluster === page.cluster ? mx.html("b", { class: "try-name" }, one.label)
      : mx.html("a", { class: "try-name", href, dir: "auto", onclick: mx.map.go }, one.label);
    return mx.html("li", {}, [mx.html("span", { class: "try-dot", "aria-hidden": "true", style: { "--value": page.cluster === null ? one.hue : one.color } }), name,
      mx.html("span", { class: "muted" }, [one.place, one.features].filter(Boolean).join(" · "))]);
  }

  function query() {
    const now = new URLSearchParams(window.location.search), next = new URLSearchParams({ v: "1" });
    for (const key of ["theme", "text"]) if (now.has(key)) next.set(key, now.get(key));
    return next;
  }

  /* The map shows the clusters of the chosen token, or of the whole text. */
  function light() {
    if (!view) { mx.map.light(null); return; }
    mx.map.light(chosen === null ? Object.keys(view.counts).map(Number) : view.tokens[chosen].firing.map((one) => one.cluster));
  }

  function marks() {
    if (!view) return [];
    return view.tokens.map((token, index) => ({ text: token.text, own: here(token), chosen: index === chosen }))
      .filter(({ own }) => own && own.coordinate !== null)
      .map(({ text, own, chosen }) => ({ text, coordinate: own.coordinate, color: own.color, far: own.far, chosen }));
  }

  mx.text = { show, clear };
})();
