/** The view in the address bar: same keys and version as explorer/app/view/state.py. Defaults are left out. */

import { short } from "../ui/format.js";

export const VERSION = "1";
/** Keys in the order in which links hold them. */
export const KEYS =
  "theme q shape regime sort sel wall by noise map text cam color axes pick at prompt from to strength ask where values phrases step a b".split(
    " ",
  );

let writable = true;

/** Leave the address alone from now on: an exported file has no link of its own. */
export function freeze() {
  writable = false;
}

/**
 * A link's query after some keys have changed.
 *
 * @param {string} query the present one, "" or "?..."
 * @param {Record<string, string | number | null | undefined>} changes null, undefined or "" removes a key
 */
export function changedQuery(query, changes) {
  const now = new URLSearchParams(query);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") now.delete(key);
    else now.set(key, String(value));
  }
  const next = new URLSearchParams();
  for (const key of KEYS) {
    const value = now.get(key);
    if (value !== null) next.set(key, value);
  }
  const text = next.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
  return text ? `?v=${VERSION}&${text}` : "";
}

/**
 * Change keys of the page's link. The browser's history keeps one entry for each page.
 *
 * @param {Record<string, string | number | null | undefined>} changes
 */
export function setLink(changes) {
  const { search, pathname, hash } = window.location;
  const query = changedQuery(search, changes);
  if (writable && query !== search)
    window.history.replaceState(window.history.state, "", pathname + query + hash);
}

/**
 * The present value of a key, or null.
 *
 * @param {string} key
 */
export const linkValue = (key) => new URLSearchParams(window.location.search).get(key);

/** @type {(keyof Camera)[]} */
const PARTS = ["eye", "center", "up"];

/**
 * A camera as the link writes it: eye, centre and up vector, nine numbers.
 *
 * @param {Camera} camera
 */
export const cameraText = (camera) =>
  PARTS.flatMap((part) => [camera[part].x, camera[part].y, camera[part].z].map(short)).join(",");
