/* The view in the address bar: same keys and version as explorer/app/state.py. Defaults are left out. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const VERSION = "1";
  const ORDER = ["theme", "q", "shape", "regime", "sort", "sel", "wall", "by", "noise", "map", "text", "cam", "color", "axes", "pick", "at", "prompt", "from", "to", "strength", "ask", "where", "values", "phrases", "step", "a", "b"];

  function number(value) {
    return String(Math.round(value * 1e4) / 1e4);
  }

  /* Set keys of the current view; "" or null leaves a key out. The history keeps one entry a page. */
  function set(changes) {
    const now = new URLSearchParams(window.location.search);
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === undefined || value === "") now.delete(key);
      else now.set(key, value);
    }
    const next = new URLSearchParams();
    for (const key of ORDER) if (now.has(key)) next.set(key, now.get(key));
    const text = next.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
    const query = text ? `?v=${VERSION}&${text}` : "";
    if (query !== window.location.search) {
      window.history.replaceState(window.history.state, "", window.location.pathname + query + window.location.hash);
    }
  }

  function camera(value) {
    const parts = ["eye", "center", "up"].flatMap((part) => ["x", "y", "z"].map((axis) => number(value[part][axis])));
    return parts.join(",");
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return false;
    }
  }

  mx.link = { set, camera, number, copy };
})();
