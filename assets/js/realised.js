/* What was asked and what came of it: the state and the answer of each arm along the path, and texts that were read back. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const FAR = 2;

  const svg = (children, title, box = "0 0 1000 100") => mx.svg("svg", { viewBox: box, preserveAspectRatio: "none", role: "img", "aria-label": title }, children);
  const line = (d, kind) => mx.svg("path", { d, class: `line ${kind}` });

  function numbers(names, arms) {
    const head = mx.html("tr", {}, [mx.html("th", { scope: "col" }, "arm"), ...names.map(([name, meaning]) => mx.html("th", { scope: "col", title: meaning }, name))]);
    const rows = arms.map((arm) => mx.html("tr", {}, [mx.html("th", { scope: "row" }, arm.title), ...arm.numbers.map((text) => mx.html("td", {}, text))]));
    return mx.html("div", { class: "scroll small" }, mx.html("table", { class: "numbers-table" }, [mx.html("thead", {}, head), mx.html("tbody", {}, rows)]));
  }

  function column(view, arm, drawn) {
    return mx.html("section", { class: "realised-arm" }, [
      mx.html("h3", {}, arm.title),
      mx.html("div", { class: "realised-box" }, [
        svg([line(view.realised.requested, "requested"), line(drawn.state, "state"), line(drawn.answer, "answer")], `${arm.title}: asked and realised place along the path`),
        mx.html("span", { class: "realised-end", style: { top: `${view.realised.start * 100}%` } }, view.start_name),
        mx.html("span", { class: "realised-end", style: { top: `${view.realised.end * 100}%` } }, view.end_name),
      ]),
      mx.html("p", { class: "muted small" }, drawn.words),
    ]);
  }

  function render(view) {
    const box = document.getElementById("realised");
    if (!box) return;
    document.getElementById("checks").hidden = false;
    const arms = view.realised ? mx.html("div", { class: "arms" }, view.arms.map((arm, at) => column(view, arm, view.realised.arms[at]))) : null;
    box.replaceChildren(...[arms, numbers(view.numbers, view.arms)].filter(Boolean));
  }

  function nearest(coordinate) {
    const view = mx.bands.view();
    let best = null;
    for (const [name, color, at] of view.values) {
      const gap = Math.abs(at - coordinate), away = view.closed ? Math.min(gap, 1 - gap) : gap;
      if (!best || away < best.away) best = { name, color, away };
    }
    return best || { name: coordinate.toFixed(2), color: "var(--hub)" };
  }

  /* A text's own path: its tokens to the right, the curve upwards; hollow where the place says little. */
  function path(written, requested) {
    const count = Math.max(written.tokens.length - 1, 1);
    const fires = written.tokens.map((token, at) => ({ ...token, x: (at / count) * 100, y: (1 - token.coordinate) * 100 })).filter((token) => token.fires);
    const dots = fires.map((token) => mx.html("i", { class: token.off_manifold >= FAR ? "far" : "", title: `${token.text.trim()}: near ${nearest(token.coordinate).name}, ${token.off_manifold.toFixed(1)} × usual`,
      style: { left: `${token.x}%`, top: `${token.y}%`, "--value": nearest(token.coordinate).color } }));
    const joined = fires.map((token, at) => `${at ? "L" : "M"}${token.x * 10} ${token.y}`).join("");
    return mx.html("div", { class: "text-path", "aria-hidden": "true" }, [
      svg([requested === null ? null : line(`M0 ${(1 - requested) * 100}L1000 ${(1 - requested) * 100}`, "requested"), line(joined, "state")], ""), ...dots]);
  }

  function chip(token) {
    const near = nearest(token.coordinate);
    return mx.html("li", { class: token.off_manifold >= FAR ? "far" : "" }, [mx.html("b", {}, token.text.trim()), ` near ${near.name}, ${token.off_manifold.toFixed(1)} × usual`]);
  }

  /* What the unsteered model makes of a text: how likely, how repetitive, and where on the curve its tokens lie.
     requested: the coordinate that was asked for, or null for the text of the model left alone. */
  function text(written, requested) {
    const fires = written.tokens.filter((token) => token.fires);
    const facts = [
      written.perplexity === null ? "" : `perplexity ${written.perplexity < 1000 ? written.perplexity.toPrecision(3) : written.perplexity.toExponential(1)}`,
      written.repeated === null ? "" : `${mx.share(written.repeated)} repeated`,
    ].filter(Boolean).join(" · ");
    const asked = requested === null ? "" : `Asked for: ${nearest(requested).name} (dashed). `;
    const children = [mx.html("p", { class: "small muted", title: "Perplexity of the text under the model left alone; share of its runs of three words that stood in it before." }, facts)];
    if (fires.length) {
      children.push(mx.html("details", { class: "small" }, [
        mx.html("summary", {}, `fires on ${fires.length} of ${written.tokens.length} words`),
        mx.html("p", { class: "muted" }, `${asked}Read back by the model left alone:`),
        path(written, requested), mx.html("ul", { class: "text-places" }, fires.map(chip))]));
    } else {
      children.push(mx.html("p", { class: "small muted" }, "the cluster fires on none of its words"));
    }
    return mx.html("div", {}, children);
  }

  mx.realised = { render, text, numbers, line, svg };
})();
