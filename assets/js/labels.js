/* Names that never lie over one another: those that come first get their place first, the others what is left. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const GAP = 3;

  function overlaps(a, b) {
    return a.left < b.right + GAP && b.left < a.right + GAP && a.top < b.bottom + GAP && b.top < a.bottom + GAP;
  }

  /* Place each name at the first of its spots that is free, or hide it.
     names: [{node, width, height, spots(width, height): [{left, top, right, bottom}]}]; limit: most names shown. */
  function place(names, area, limit = Infinity) {
    const taken = [];
    for (const { node, width, height, spots } of names) {
      const free = taken.length < limit && spots(width, height).find((box) =>
        box.left >= 4 && box.top >= 4 && box.right <= area.width - 4 && box.bottom <= area.height - 4 && !taken.some((other) => overlaps(box, other)));
      node.style.visibility = free ? "visible" : "hidden";
      if (!free) continue;
      taken.push(free);
      node.style.transform = `translate(${Math.round(free.left)}px, ${Math.round(free.top)}px)`;
    }
  }

  const box = (left, top, width, height) => ({ left, top, right: left + width, bottom: top + height });

  mx.labels = { place, box };
})();
