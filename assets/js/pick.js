/* What is picked in a cloud, and the one place that is pointed at: told to everything that draws them. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const LONGEST = 2000;
  const drawers = [];
  let picked = [];
  let fires = {};
  let here = null;

  /* "3,7-12" as explorer/app/picks.py reads and writes it. */
  function read(text) {
    return (text || "").split(",").filter(Boolean).flatMap((part) => {
      const [first, last] = part.split("-").map(Number);
      return Array.from({ length: (last ?? first) - first + 1 }, (_, i) => first + i);
    });
  }

  function write(samples) {
    const stretches = [];
    for (const sample of [...new Set(samples)].sort((a, b) => a - b)) {
      const last = stretches[stretches.length - 1];
      if (last && sample === last[1] + 1) last[1] = sample;
      else stretches.push([sample, sample]);
    }
    return stretches.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(",");
  }

  /* Pick these samples, or with `add` these too; picking what alone is picked picks nothing. */
  function choose(samples, add) {
    const same = samples.length === 1 && picked.length === 1 && samples[0] === picked[0];
    const text = same ? "" : write(add ? [...picked, ...samples] : samples);
    window.dash_clientside.set_props("pick-store", { data: text });
    mx.link.set({ pick: text.length > LONGEST ? null : text });
    if (text.length > LONGEST) mx.tell("These are too many points for a link: it will open without them.");
  }

  function show(text, counts) {
    picked = read(text);
    fires = counts || {};
    for (const drawer of drawers) if (drawer.picked) drawer.picked(picked, fires);
  }

  /* Point at a place: {coordinate, sample}, sample may be missing; null points nowhere. */
  function point(place, from) {
    here = place;
    for (const drawer of drawers) if (drawer.here && drawer !== from) drawer.here(here);
  }

  /* The cloud's points have other colours now. */
  function recolor() {
    for (const drawer of drawers) if (drawer.recolor) drawer.recolor();
  }

  /* Rows of the table of contexts point at their token. */
  function rows(event) {
    const row = event.target.closest ? event.target.closest("tr[data-sample]") : null;
    if (row) point({ coordinate: Number(row.dataset.at), sample: Number(row.dataset.sample) });
    else if (event.type === "pointerover" && event.relatedTarget && event.relatedTarget.closest && event.relatedTarget.closest("tr[data-sample]")) point(null);
  }
  document.addEventListener("pointerover", rows);

  document.addEventListener("click", (event) => {
    const kind = event.target.closest("[data-pick]");
    if (kind) choose(read(kind.dataset.pick), event.shiftKey);
  });

  mx.pick = { choose, show, point, recolor, picked: () => picked, draw: (drawer) => drawers.push(drawer) };
})();
