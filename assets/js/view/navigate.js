/** Links inside the app: Dash exchanges the page's content, nothing is reloaded. */

/** @param {string} href */
export function visit(href) {
  window.history.pushState({}, "", href);
  window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
  window.scrollTo(0, 0);
}

/**
 * Listener for a click on a link; keys that open another tab keep their meaning.
 *
 * @param {MouseEvent & { currentTarget: EventTarget | null }} event
 */
export function follow(event) {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  visit(/** @type {HTMLElement} */ (event.currentTarget).getAttribute("href") ?? "");
}
