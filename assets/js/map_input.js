/* Hands on the map: drag, wheel, pinch, keys, hover and click; box and lasso select clusters. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const SLOP = 4, STEP = 60, WHEEL = 0.0016, NEAR_ENOUGH = 4;
  let tool = "pan";

  function listen(box, map) {
    const held = new Map();
    let begun = null, line = null, dragged = false;
    const here = (event) => { const frame = box.getBoundingClientRect(); return [event.clientX - frame.left - box.clientLeft, event.clientY - frame.top - box.clientTop]; };
    const drawn = () => box.querySelector(".map-lasso");

    function show() {
      const shape = drawn();
      shape.replaceChildren(...(line ? [mx.svg("polygon", { points: outline().map((point) => point.join(",")).join(" ") })] : []));
    }

    const outline = () => (tool === "box" ? [line[0], [line[1][0], line[0][1]], line[1], [line[0][0], line[1][1]]] : line);

    function stretch(at) {
      if (tool === "box") line = [line[0], at];
      else if (Math.hypot(at[0] - line.at(-1)[0], at[1] - line.at(-1)[1]) >= NEAR_ENOUGH) line.push(at);
      show();
    }

    function pinch(event, before) {
      const [other] = [...held.values()].filter((one) => one !== before);
      const now = here(event), apart = (a, b) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
      map.zoom(apart(now, other) / apart(before, other), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }

    box.addEventListener("pointerdown", (event) => {
      if (event.button || !map.view() || event.target.closest("button")) return;
      held.set(event.pointerId, here(event));
      begun = here(event);
      dragged = false;
      line = tool !== "pan" && held.size === 1 ? [begun, begun] : null;
    });

    box.addEventListener("pointermove", (event) => {
      if (!map.view()) return;
      const at = here(event), before = held.get(event.pointerId);
      if (!before) { if (event.pointerType === "mouse" && event.target.closest("canvas")) point(at); return; }
      if (!dragged && Math.hypot(at[0] - begun[0], at[1] - begun[1]) < SLOP) return;
      if (!dragged) { box.setPointerCapture(event.pointerId); map.tip(null); }
      dragged = true;
      if (held.size === 2) pinch(event, before);
      else if (line) stretch(at);
      else map.pan(at[0] - before[0], at[1] - before[1]);
      held.set(event.pointerId, at);
    });

    function point(at) {
      const feature = map.at(...at);
      box.classList.toggle("pointing", feature !== null);
      map.tip(feature);
    }

    function release(event) {
      if (!held.delete(event.pointerId) || !map.view()) return;
      if (event.type === "pointerup" && !dragged && event.target.closest("canvas")) {
        const feature = map.at(...here(event));
        if (feature === null || event.pointerType === "mouse" || map.told(feature)) map.visit(feature);
        else map.tip(feature);
      }
      if (line && dragged && event.type === "pointerup") map.select(outline());
      line = null;
      show();
    }

    for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, release);
    box.addEventListener("pointerleave", () => { if (!held.size && map.view()) map.tip(null); });
    /* A drag that ends over a name is no click on it. */
    box.addEventListener("click", (event) => { if (dragged) { event.preventDefault(); event.stopPropagation(); dragged = false; } }, true);
    box.addEventListener("dblclick", (event) => { if (map.view() && event.target.closest("canvas")) map.all(); });
    box.addEventListener("wheel", (event) => {
      if (!map.view()) return;
      event.preventDefault();
      map.zoom(Math.exp(-Math.max(-300, Math.min(300, event.deltaY)) * WHEEL), ...here(event));
    }, { passive: false });
    box.addEventListener("keydown", (event) => {
      if (!map.view() || event.ctrlKey || event.metaKey || event.altKey || !event.target.matches("#map")) return;
      const [width, height] = map.size();
      const acts = { ArrowLeft: () => map.pan(STEP, 0), ArrowRight: () => map.pan(-STEP, 0), ArrowUp: () => map.pan(0, STEP), ArrowDown: () => map.pan(0, -STEP),
        "+": () => map.zoom(1.5, width / 2, height / 2), "=": () => map.zoom(1.5, width / 2, height / 2), "-": () => map.zoom(1 / 1.5, width / 2, height / 2),
        0: () => map.all(), Escape: () => map.clear() };
      if (!acts[event.key]) return;
      event.preventDefault();
      acts[event.key]();
    });
    box.addEventListener("click", (event) => {
      const button = event.target.closest("[data-tool]");
      if (!button || !map.view()) return;
      const [width, height] = map.size(), acts = { in: () => map.zoom(1.5, width / 2, height / 2), out: () => map.zoom(1 / 1.5, width / 2, height / 2), all: () => map.all() };
      if (acts[button.dataset.tool]) acts[button.dataset.tool]();
      else take(box, button.dataset.tool);
    });
    take(box, tool);
  }

  /* What a drag does: moves the map, or draws a lasso or a box. */
  function take(box, wanted) {
    tool = wanted;
    box.dataset.tool = tool;
    for (const button of box.querySelectorAll("[data-tool][aria-pressed]")) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }

  mx.mapInput = { listen };
})();
