/** The tooltip of a feature on the map: what it is, fetched while the pointer is on it. */

import { byId, html } from "../ui/dom.js";

const MOST_CACHED = 500;
const EDGE = 8;
const ABOVE = 12;
const BELOW = 14;
/** @type {Map<string, FeatureTip>} */
const cache = new Map();
/** @type {number | null} */
let wanted = null;

/**
 * Whether a feature's tooltip is open.
 *
 * @param {number} feature
 */
export const hasTip = (feature) => wanted === feature && !byId("map-tip").hidden;

export function hideTip() {
  wanted = null;
  byId("map-tip").hidden = true;
}

/**
 * Show what a feature is. A late answer for another feature is dropped.
 *
 * @param {number} feature
 * @param {string} address of its description
 * @param {() => { at: [number, number], width: number } | null} look where it is, in pixels, and the map's width; null
 *   once the map is closed
 */
export async function showTip(feature, address, look) {
  wanted = feature;
  const tip = await description(address);
  const place = look();
  if (!tip || !place || wanted !== feature) return;
  const node = byId("map-tip");
  node.replaceChildren(...lines(tip));
  node.hidden = false;
  const [x, y] = place.at;
  const right = place.width - node.offsetWidth - EDGE;
  const left = Math.min(Math.max(EDGE, x - node.offsetWidth / 2), right);
  const above = y - node.offsetHeight - ABOVE;
  const top = above > EDGE ? above : y + BELOW;
  node.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}

/**
 * @param {string} address
 * @returns {Promise<FeatureTip | null>}
 */
async function description(address) {
  const known = cache.get(address);
  if (known) return known;
  if (cache.size > MOST_CACHED) cache.clear();
  const reply = await fetch(address);
  if (!reply.ok) return null;
  const found = await reply.json();
  cache.set(address, found);
  return found;
}

/** @param {FeatureTip} tip */
function lines({ title, where, labels, tokens, fires }) {
  /**
   * @param {string} text
   * @param {string} kind
   */
  const line = (text, kind) => html("div", { class: kind, dir: "auto" }, text);
  const named = labels.map(({ label, source }) =>
    html("div", { class: "small" }, [
      html("bdi", {}, label),
      " ",
      html("bdi", { class: "muted" }, source && `(${source})`),
    ]),
  );
  return [
    html("b", {}, title),
    line(where, "muted small"),
    ...named,
    line(tokens, "small"),
    line(fires, "muted small"),
  ];
}
