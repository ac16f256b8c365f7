/* What puts a result to the test, drawn when it was asked for: controls, a dose sweep, phrases. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const NAMES = ["check", "sweep", "phrases"];
  const PATH_KEYS = ["run", "cluster", "prompt", "chat", "where", "start", "end", "seed"];

  const table = (head, rows, title) => mx.html("div", { class: "scroll small" }, mx.html("table", {}, [
    title ? mx.html("caption", { class: "sr" }, title) : null,
    mx.html("thead", {}, mx.html("tr", {}, head.map((text) => mx.html("th", { scope: "col" }, text)))),
    mx.html("tbody", {}, rows.map((row) => mx.html("tr", {}, row.map((text) => mx.html("td", {}, text))))),
  ]));
  const folded = (title, content) => mx.html("details", { class: "as-table" }, [mx.html("summary", { class: "small" }, title), content]);

  function spread(told) {
    return mx.html("section", {}, [mx.html("h3", {}, told.title), mx.html("p", { class: "muted small" }, told.words),
      table(["arm", "E", "p(target)", "visited"], told.rows, told.title)]);
  }

  function check(view) {
    return [
      mx.html("p", { class: view.stands_out === false ? "verdict bad" : "verdict" }, view.words),
      mx.html("div", { class: "control-arms" }, view.arms.map((arm) => mx.html("section", {}, [mx.html("h3", { class: "small" }, arm.title), mx.bands.picture(arm)]))),
      mx.realised.numbers(view.numbers, view.arms),
      view.tables.length ? mx.html("div", { class: "spreads" }, view.tables.map(spread))
        : mx.html("p", { class: "muted small" }, "The run's own text has no contexts from which this move could be repeated."),
    ];
  }

  const at = (position) => `${Math.round(position * 100)} %`;

  function grid(view, told) {
    const cells = told.rows.flatMap((row, r) => [
      mx.html("span", { class: "dose" }, mx.link.number(view.strengths[r])),
      ...row.map((cell, c) => mx.html("i", { class: cell.beyond ? "beyond" : "", style: { "--share": `${Math.min(100, (cell.p / view.most) * 100)}%` },
        title: `strength ${view.strengths[r]} at ${at(view.positions[c])}: ${mx.percent(cell.p)}, says ${cell.word}, ${cell.off.toFixed(1)} × usual` })),
    ]);
    const rows = told.rows.map((row, r) => [mx.link.number(view.strengths[r]), ...row.map((cell) => `${mx.percent(cell.p)} · ${cell.off.toFixed(1)}`)]);
    return mx.html("section", {}, [
      mx.html("h3", { class: "small" }, [told.title, mx.html("span", { class: "muted sweep-most" }, told.words)]),
      mx.html("div", { class: "sweep-grid", "aria-hidden": "true", style: { "--columns": view.positions.length, "--value": view.color } }, [
        ...cells, mx.html("span", {}), mx.html("span", { class: "sweep-axis" }, [mx.html("span", {}, "start"), mx.html("span", {}, "end")])]),
      folded("as a table", table(["strength", ...view.positions.map(at)], rows, `${told.title}: probability, and distance from the curve in usual ones`)),
    ]);
  }

  function sweep(view) {
    return [mx.html("p", { class: "muted small" }, view.words), mx.html("div", { class: "sweeps" }, view.grids.map((told) => grid(view, told)))];
  }

  function phrase(told) {
    const baseline = mx.realised.line(`M0 ${told.baseline * 100}L1000 ${told.baseline * 100}`, "requested");
    const lines = told.lines.map((one) => mx.realised.line(one.path, one.arm));
    return mx.html("section", { class: "phrase" }, [
      mx.html("p", {}, [mx.html("b", {}, told.text), told.read ? mx.html("span", { class: "muted small" }, ` read as “${told.read}”`) : null]),
      mx.html("div", { class: "phrase-box" }, mx.realised.svg([baseline, ...lines], `${told.text}: log-probability along the path`)),
      mx.html("p", { class: "muted small" }, told.words),
    ]);
  }

  function phrases(view) {
    const arms = view.length ? view[0].lines : [];
    const key = mx.html("p", { class: "key small muted" }, [["requested", "unsteered"], ...arms.map((one) => [one.arm, one.title])].map(([kind, name]) =>
      mx.html("span", {}, [mx.svg("svg", { viewBox: "0 0 24 8", "aria-hidden": "true" }, mx.realised.line("M0 4L24 4", kind)), name])));
    const rows = view.flatMap((told) => told.lines.map((one) => [told.text, one.title, ...one.logprob.map((value) => value.toFixed(1))]));
    const steps = arms.length ? arms[0].logprob.map((_, n) => at(n / Math.max(arms[0].logprob.length - 1, 1))) : [];
    return [key, mx.html("div", { class: "phrase-rows" }, view.map(phrase)), folded("as a table", table(["phrase", "arm", ...steps], rows, "Log-probabilities in nats"))];
  }

  const DRAW = { check, sweep, phrases };

  function draw(name, view) {
    document.getElementById(`${name}-result`)?.replaceChildren(...(view ? DRAW[name](view) : []));
  }

  /* Whether an answer is about the result that is shown: what came too late is not drawn under another one. */
  function belongs(data, steer) {
    if (!data || !steer) return false;
    const keys = data.request.strength === undefined ? PATH_KEYS : [...PATH_KEYS, "strength"];
    return keys.every((key) => JSON.stringify(data.request[key]) === JSON.stringify(steer.request[key]));
  }

  function answer(name, data, steer) {
    const mine = belongs(data, steer);
    draw(name, mine ? data.view : null);
    if (data && !mine) window.dash_clientside.set_props(`${name}-status`, { children: "Press Steer first: the fields have changed." });
  }

  function clear() {
    for (const name of NAMES) {
      draw(name, null);
      if (document.getElementById(`${name}-status`)) window.dash_clientside.set_props(`${name}-status`, { children: "" });
    }
  }

  /* What goes into a stored result. */
  const kept = (asked, steer) => Object.fromEntries(NAMES.map((name, n) => [name, belongs(asked[n], steer) ? asked[n].reply : null]));

  function replay(views) {
    for (const name of NAMES) if (views[name]) draw(name, views[name]);
  }

  mx.checks = { answer, clear, kept, replay };
})();
