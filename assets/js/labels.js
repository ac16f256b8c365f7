/* Names that never lie over one another: those that come first get their place first, the others what is left. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const GAP = 3;

  function overlaps(a, b) {
    return a.left < b.right + GAP && b.left < a.right + GAP && a.top < b.bottom + GAP && b.top < a.bottom + GAP;
  }

  /* The first free spot of each name, null where there is none.
     names: [{width, height, spots(width, height): [{left, top, right, bottom}]}]; limit: most names with a spot;
     taken: boxes where none may lie. */
  function* spread(names, area, limit = Infinity, taken = []) {
    const most = limit + taken.length;
    for (const name of names) {
      const free = taken.length < most && name.spots(name.width, name.height).find((box) =>
        box.left >= 4 && box.top >= 4 && box.right <= area.width - 4 && box.bottom <= area.height - 4 && !taken.some((other) => overlaps(box, other)));
      if (free) taken.push(free);
      yield [name, free || null];
    }
  }

  function move(node, box) {
    node.style.visibility = box ? "visible" : "hidden";
    node.style.transform = box ? `translate(${Math.round(box.left)}px, ${Math.round(box.top)}px)` : "none";
  }

  /* Move each name's node to its spot, or hide it. */
  function place(names, area) {
    for (const [{ node }, box] of spread(names, area)) move(node, box);
  }

  const pen = document.createElement("canvas").getContext("2d"), widths = new Map();

  /* Width of a name on one line, in pixels, without drawing it. */
  function measure(text, font) {
    const key = font + text;
    if (widths.size > 20000) widths.clear();
    if (!widths.has(key)) {
      pen.font = font;
      widths.set(key, Math.ceil(pen.measureText(text).width));
    }
    return widths.get(key);
  }

  const box = (left, top, width, height) => ({ left, top, right: left + width, bottom: top + height });

  mx.labels = { spread, move, place, measure, box };
})();
