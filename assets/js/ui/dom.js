/** DOM elements from plain values: text never becomes markup, so what a model writes cannot run. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Set attributes, styles and `on...` listeners, then append the children. An attribute that is null,
 * undefined or false is left out.
 *
 * @template {Element} Kind
 * @param {Kind} node
 * @param {Attributes} attributes
 * @param {Children} children
 * @returns {Kind}
 */
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style") setStyle(node, attributes.style ?? {});
    else if (typeof value === "function")
      node.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of [children ?? []].flat()) {
    if (child !== null && child !== undefined)
      node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

/**
 * @param {Element} node
 * @param {Record<string, string | number>} style
 */
function setStyle(node, style) {
  const target = /** @type {HTMLElement | SVGElement} */ (node).style;
  for (const [name, value] of Object.entries(style)) target.setProperty(name, String(value));
}

/**
 * An HTML element.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} [attributes]
 * @param {Children} [children]
 */
export const html = (name, attributes = {}, children = null) =>
  fill(document.createElement(name), attributes, children);

/**
 * An SVG element.
 *
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} [attributes]
 * @param {Children} [children]
 */
export const svg = (name, attributes = {}, children = null) =>
  fill(document.createElementNS(SVG, name), attributes, children);

/**
 * The element with an id, or null.
 *
 * @param {string} id
 */
export const find = (id) => document.getElementById(id);

/**
 * The element with an id.
 *
 * @param {string} id
 * @returns {HTMLElement}
 * @throws {Error} the page has none.
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * The first element that a selector matches.
 *
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement}
 * @throws {Error} there is none.
 */
export function query(parent, selector) {
  const found = parent.querySelector(selector);
  if (!found) throw new Error(`no element matches ${selector}`);
  return /** @type {HTMLElement} */ (found);
}

/**
 * All elements that a selector matches.
 *
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement[]}
 */
export const queryAll = (parent, selector) => [...parent.querySelectorAll(selector)].map(asHtml);

/** @param {Element} node */
const asHtml = (node) => /** @type {HTMLElement} */ (node);

/**
 * The nearest element around an event's target, itself included, that a selector matches; or null.
 *
 * @param {EventTarget | null} target
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export const closest = (target, selector) =>
  target instanceof Element ? target.closest(selector) : null;

/**
 * Call back once an element exists: now, or after the change of the page that adds it.
 *
 * @template {Element} Kind
 * @param {() => Kind | null | undefined} look
 * @param {(found: Kind) => void} then
 */
export function whenPresent(look, then) {
  const found = look();
  if (found) return then(found);
  const watcher = new MutationObserver(() => {
    const late = look();
    if (!late) return;
    watcher.disconnect();
    then(late);
  });
  watcher.observe(document.body, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: ["class"],
  });
}
