/** Dark or light: the link's theme=, else the reader's own choice, else the system's. A classic script in the head, so
 *  that it runs before the first paint; ui/theme.js is the part for later. */
(() => {
  const system = window.matchMedia("(prefers-color-scheme: light)");

  function stored() {
    try {
      return window.localStorage.getItem("theme");
    } catch {
      return null;
    }
  }

  function apply() {
    const chosen = new URLSearchParams(window.location.search).get("theme") || stored();
    const theme = chosen === "light" || chosen === "dark" ? chosen : null;
    document.documentElement.dataset.theme = theme ?? (system.matches ? "light" : "dark");
    window.dispatchEvent(new CustomEvent("mx-theme"));
  }

  apply();
  system.addEventListener("change", apply);
})();
