/** Errors of Dash's callbacks appear on the page: Dash itself only writes them to the console. */

import { notify } from "./toast.js";

const plainFetch = window.fetch.bind(window);

/** @type {typeof window.fetch} */
window.fetch = async (input, options) => {
  const address = input instanceof Request ? input.url : String(input);
  if (!address.includes("_dash-update-component")) return plainFetch(input, options);
  try {
    const reply = await plainFetch(input, options);
    if (!reply.ok) report(reply.clone());
    return reply;
  } catch (error) {
    notify("The app does not answer. Is it still running?");
    throw error;
  }
};

/** @param {Response} reply */
async function report(reply) {
  try {
    notify((await reply.json()).message);
  } catch {
    notify(`The app answered ${reply.status}.`);
  }
}
