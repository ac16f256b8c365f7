/* Dark or light: the link's theme= first, then the viewer's own choice, then the system. Runs before the first paint. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const system = window.matchMedia("(prefers-color-scheme: light)");

  function stored() {
    try { return window.localStorage.getItem("theme"); } catch { return null; }
  }

  function wanted() {
    const asked = new URLSearchParams(window.location.search).get("theme") || stored();
    return asked === "light" || asked === "dark" ? asked : system.matches ? "light" : "dark";
  }

  function apply(theme) {
    document.documentElement.dataset.theme = theme;
    window.dispatchEvent(new CustomEvent("mx-theme"));
  }

  mx.theme = {
    current: () => document.documentElement.dataset.theme,
    color: (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim(),
    toggle() {
      const next = mx.theme.current() === "light" ? "dark" : "light";
      try { window.localStorage.setItem("theme", next); } catch { /* private windows have no storage */ }
      mx.link.set({ theme: next });
      apply(next);
    },
  };
  apply(wanted());
  system.addEventListener("change", () => apply(wanted()));
})();
