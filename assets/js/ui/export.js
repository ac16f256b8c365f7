/** Ways out of the page: the clipboard and saved files. */

import { html } from "./dom.js";
import { notify } from "./toast.js";

/**
 * Copy text to the clipboard.
 *
 * @param {string} text
 * @returns {Promise<boolean>} false where the browser forbids it
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Copy a link and say so; where copying is forbidden, show the link instead.
 *
 * @param {string} link
 */
export async function copyLink(link) {
  notify((await copyText(link)) ? "Link copied: " : "Copy this link: ", link);
}

/**
 * Save data as a file.
 *
 * @param {Blob} data
 * @param {string} name file name
 */
export function saveFile(data, name) {
  const address = URL.createObjectURL(data);
  html("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}
