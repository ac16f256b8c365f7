/** The tooltip of a point in the cloud: its context, fetched while the pointer is on it. */

import { cloudPicks, placeOfSample, sampleOf } from "./cloud.js";
import { pointAt } from "./pick.js";

const MOST_CACHED = 500;
/** @type {Map<string, SampleContext>} */
const cache = new Map();
/** @type {string | null} */
let wanted = null;

/**
 * @param {string} address
 * @returns {Promise<SampleContext | null>}
 */
async function context(address) {
  const known = cache.get(address);
  if (known) return known;
  if (cache.size > MOST_CACHED) cache.clear();
  const reply = await fetch(address);
  if (!reply.ok) return null;
  const found = await reply.json();
  cache.set(address, found);
  return found;
}

/**
 * A component as Dash draws it.
 *
 * @param {string} type
 * @param {Record<string, unknown>} props
 */
const component = (type, props) => ({ type, namespace: "dash_html_components", props });

/** @param {SampleContext} found */
function contextLine({ before, token, after }) {
  const text = token.trimStart() || token;
  const space = token.slice(0, token.length - text.length);
  const children = [before + space, component("Mark", { children: text }), after];
  return component("Div", { className: "context", children });
}

/**
 * Whether the tooltip is shown, where, and what it holds. A late answer for another point is dropped.
 *
 * @param {Hover | null} hover
 * @param {{ data: string }} page with the address of the run's data
 * @param {unknown} unchanged Dash's mark for a property that stays
 */
export async function cloudTooltip(hover, page, unchanged) {
  const point = hover?.points?.[0] ?? null;
  const sample = point ? sampleOf(point) : null;
  if (!point?.planes) pointAt(sample === null ? null : placeOfSample(sample), cloudPicks);
  const address = sample === null ? null : `${page.data}/sample/${sample}`;
  wanted = address;
  const found = address ? await context(address) : null;
  if (!point || !found || wanted !== address) return [false, unchanged, unchanged];
  const where = component("Div", { className: "muted small", children: found.where });
  return [true, point.bbox, [contextLine(found), where]];
}
