/** The page's theme: its colours, its switch, its changes. theme.js sets the first one before the page is painted. */

/**
 * A colour of the theme.
 *
 * @param {string} name a custom property such as "--text"
 */
export const themeColor = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Switch between dark and light and remember the choice in this browser.
 *
 * @returns {"dark" | "light"} the new theme
 */
export function toggleTheme() {
  const next = document.documentElement.dataset.theme === "light" ? "dark" : "light";
  try {
    window.localStorage.setItem("theme", next);
  } catch {
    // Private windows have no storage.
  }
  document.documentElement.dataset.theme = next;
  window.dispatchEvent(new CustomEvent("mx-theme"));
  return next;
}

/** @param {() => void} listener */
export const onThemeChange = (listener) => window.addEventListener("mx-theme", listener);
