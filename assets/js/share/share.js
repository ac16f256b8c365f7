/** Sharing: the page's link, and results that the server stores. */

import { copyLink } from "../ui/export.js";
import { notify } from "../ui/toast.js";

export const shareView = () => copyLink(window.location.href);

/**
 * Store a result and copy its link.
 *
 * @param {string} api
 * @param {object} body what `POST /api/share` takes
 */
export async function shareResult(api, body) {
  const headers = { "Content-Type": "application/json" };
  const request = { method: "POST", headers, body: JSON.stringify(body) };
  const reply = await fetch(`${api}/share`, request);
  const stored = await reply.json();
  if (!reply.ok) return notify(stored.message);
  const link = api.replace(/api$/, "") + stored.path.replace(/^\//, "");
  await copyLink(new URL(link, window.location.href).href);
}
