/* Names along an axis, as many as have room: both ends first, then the others from the left; never cut, never touching. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const GAP = 6;

  function fit(box) {
    const width = box.clientWidth;
    if (!width) return;
    const names = [...box.querySelectorAll(".tick")].map((node) => {
      const left = Math.min(Math.max(node.dataset.at * width - node.offsetWidth / 2, 0), width - node.offsetWidth);
      return { node, left, right: left + node.offsetWidth };
    });
    const last = names[names.length - 1];
    let free = -Infinity;
    for (const name of names) {
      const shown = name === last ? name.left >= free : name.left >= free && name.right + GAP <= last.left;
      name.node.style.visibility = shown ? "visible" : "hidden";
      name.node.style.left = `${name.left}px`;
      if (shown) free = name.right + GAP;
    }
  }

  const watcher = new ResizeObserver((entries) => { for (const entry of entries) fit(entry.target); });

  /* An axis with its names, [[name, share of the width], ...] ascending; it fits itself whenever its width changes. */
  function axis(ticks, attributes, before) {
    const marks = ticks.map(([name, at]) => mx.html("span", { class: "tick", "data-at": Math.min(1, Math.max(0, at)) }, name));
    const box = mx.html("div", { "aria-hidden": "true", ...attributes }, [].concat(before ?? [], marks));
    watcher.observe(box);
    return box;
  }

  mx.ticks = { axis };
})();
