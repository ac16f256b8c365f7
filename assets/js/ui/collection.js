/** Notes and collections of views as data: what may stand in one, and how they travel behind the "#" of a link. */

export const LIMITS = {
  note: 4000,
  title: 120,
  caption: 1000,
  link: 4000,
  packed: 12000,
  file: 400000,
  steps: 60,
};
const INSIDE = /^(run|s|tour)\/./;

/** The app's root path, as its header links to it. */
export const home = () => document.querySelector(".brand")?.getAttribute("href") || "/";

/** The page's path below the app's root. */
export const pagePath = () => decodeURI(window.location.pathname).slice(home().length);

/** The page's path and view below the app's root. */
export const pageView = () =>
  window.location.pathname.slice(home().length) + window.location.search;

/**
 * @param {unknown} text
 * @param {number} longest
 * @returns {text is string}
 */
const isText = (text, longest) => typeof text === "string" && text.length <= longest;

/**
 * Whether a link is a view inside this app, relative to its root; nothing else may stand in a collection.
 *
 * @param {unknown} link
 * @returns {link is string}
 */
export function isView(link) {
  if (!isText(link, LIMITS.link) || !INSIDE.test(link) || link.includes("#")) return false;
  const base = new URL(home(), window.location.href);
  const target = new URL(link, base);
  const inside = target.origin === base.origin && target.pathname.startsWith(base.pathname);
  return inside && INSIDE.test(target.pathname.slice(base.pathname.length));
}

/**
 * @param {any} value untrusted
 * @returns {PageNote | null}
 */
function readNote(value) {
  if (!value || !isText(value.text, LIMITS.note) || !isView(value.path)) return null;
  return { path: value.path, text: value.text };
}

/**
 * @param {any} step untrusted
 * @returns {step is CollectionStep}
 */
const isStep = (step) =>
  Boolean(step) &&
  isView(step.link) &&
  isText(step.title, LIMITS.title) &&
  isText(step.text, LIMITS.caption);

/**
 * @param {any} value untrusted
 * @returns {Collection | null}
 */
function readCollection(value) {
  const steps = value?.steps;
  if (!Array.isArray(steps) || steps.length > LIMITS.steps || !steps.every(isStep)) return null;
  if (!isText(value.title, LIMITS.title)) return null;
  return {
    title: value.title,
    steps: steps.map(({ title, text, link }) => ({ title, text, link })),
  };
}

/**
 * A collection from this browser's storage, or null.
 *
 * @param {string | null} text JSON
 */
export function storedCollection(text) {
  try {
    return readCollection(JSON.parse(text ?? "null"));
  } catch {
    return null;
  }
}

/**
 * A collection from a file, or null.
 *
 * @param {File} file
 */
export async function collectionFromFile(file) {
  if (file.size > LIMITS.file) return null;
  try {
    const value = JSON.parse(await file.text());
    const known = value.format === "manifold-collection" && value.format_version === 1;
    return known ? readCollection(value) : null;
  } catch {
    return null;
  }
}

/**
 * The file of a collection.
 *
 * @param {Collection} collection
 */
export function collectionFile({ title, steps }) {
  const value = { format: "manifold-collection", format_version: 1, title, steps };
  return new Blob([JSON.stringify(value, null, 2)], { type: "application/json" });
}

/**
 * Deflated JSON in base64url.
 *
 * @param {{ note: PageNote } | { collection: Collection }} content
 */
export async function pack(content) {
  const text = JSON.stringify({ v: 1, ...content });
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const letters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Inflate, but no further than a file may be long.
 *
 * @param {string} packed
 * @returns {Promise<string | null>}
 */
async function unpack(packed) {
  const letters = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text += decoder.decode(part.value, { stream: true });
    if (text.length > LIMITS.file) return null;
  }
  return text;
}

/**
 * The note or the collection in the page's link, or null.
 *
 * @returns {Promise<{ note: PageNote | null, collection: Collection | null } | null>}
 */
export async function contentOfLink() {
  const packed = /^#keep=([\w-]+)$/.exec(window.location.hash)?.[1];
  if (!packed || packed.length > LIMITS.packed) return null;
  try {
    const value = JSON.parse((await unpack(packed)) ?? "null");
    if (value?.v !== 1) return null;
    const note = readNote(value.note);
    const collection = readCollection(value.collection);
    return note || collection ? { note, collection } : null;
  } catch {
    return null;
  }
}
