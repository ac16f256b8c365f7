/** Short messages at the edge of the page. */

import { find, html } from "./dom.js";

const SECONDS = 8;

/**
 * Show a message for a few seconds. A page without a toast, such as an exported file, shows none.
 *
 * @param {string} text
 * @param {string | null} [link] an address to append
 */
export function notify(text, link = null) {
  const toast = find("toast");
  if (!toast) return;
  toast.replaceChildren(text, ...(link ? [html("a", { href: link }, link)] : []));
  const shown = toast.textContent;
  window.setTimeout(() => {
    if (toast.textContent === shown) toast.replaceChildren();
  }, SECONDS * 1000);
}
