/** A run's clusters and points, which map, tiles and table draw: fetched once, cached until another run is opened. */

import { notify } from "../ui/toast.js";
import { readPoints } from "./points.js";

/** @type {RunData | null} */
let cached = null;

/**
 * @param {string} address
 * @throws {Error} the app refused
 */
async function request(address) {
  const reply = await fetch(address);
  if (!reply.ok) throw new Error(`${address} answered ${reply.status}`);
  return reply;
}

/**
 * @param {string} address
 * @returns {Promise<ClusterColumns>}
 */
const requestClusters = async (address) => (await request(address)).json();

/**
 * @param {string} address
 * @param {Promise<ClusterColumns>} clusters
 * @returns {Promise<MapPoints>}
 */
async function requestPoints(address, clusters) {
  const reply = await request(address);
  const [buffer, { label }] = await Promise.all([reply.arrayBuffer(), clusters]);
  return readPoints(buffer, label.length);
}

/**
 * The data of a page's run.
 *
 * @param {MapPage} page
 * @returns {RunData}
 */
export function runData({ data, digest }) {
  const key = `${data}?${digest}`;
  if (cached?.key === key) return cached;
  const clusters = requestClusters(`${data}/clusters?${digest}`);
  const points = requestPoints(`${data}/points?${digest}`, clusters);
  cached = { key, clusters, points };
  Promise.all([clusters, points]).catch((error) => {
    if (cached?.key === key) cached = null;
    notify(`The map could not be read: ${error.message}.`);
  });
  return cached;
}
