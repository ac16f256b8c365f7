/** State of the steering host, as a line on the page. Asking for it computes nothing there. */

import { find, html } from "../ui/dom.js";

const RETRY_MS = 3000;
const WAIT_MS = 1000;
const PENDING = '#page [data-dash-is-loading="true"], #stop:enabled';

/** @type {number | undefined} */
let retrying;
/** @type {number | undefined} */
let checking;
/** @type {(() => void) | null} */
let refresh = null;

/**
 * @param {HostState} host
 * @param {() => void} again
 */
function show(host, again) {
  const line = find("host-state");
  if (!line) return;
  const good = host.state === "ready";
  const calm = host.state === "none" || host.state === "not_ready";
  line.dataset.state = host.state;
  const form = document.querySelector(".steer-form");
  if (form instanceof HTMLElement && host.subject) form.dataset.kind = host.subject.kind;
  const retry = html(
    "button",
    { type: "button", class: "button small", onclick: again },
    "Ask again",
  );
  line.replaceChildren(
    html("span", { class: `dot ${good ? "good" : calm ? "" : "bad"}` }),
    html("span", {}, host.message),
    ...(good || calm ? [] : [retry]),
  );
}

/**
 * Show the host's state; while the host is away or starting, ask again as long as the page stays open.
 *
 * @param {string} api address of the app's API
 * @param {string} run
 * @param {string} fingerprint of the run
 */
export async function showHost(api, run, fingerprint) {
  const line = find("host-state");
  const again = () => {
    if (line?.isConnected) showHost(api, run, fingerprint);
  };
  clearTimeout(retrying);
  refresh = again;
  const host = await hostState(`${api}/host?${query({ run, fingerprint })}`);
  show(host.state, again);
  if (host.retry) retrying = window.setTimeout(again, RETRY_MS);
}

/** @param {Record<string, string>} pairs */
const query = (pairs) =>
  Object.entries(pairs)
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
    .join("&");

/**
 * @param {string} address
 * @returns {Promise<{ state: HostState, retry: boolean }>}
 */
async function hostState(address) {
  try {
    const reply = await fetch(address);
    if (!reply.ok) return { state: unreachable(`The app answered ${reply.status}.`), retry: true };
    /** @type {HostState} */
    const state = await reply.json();
    return { state, retry: state.state === "unreachable" || state.state === "not_ready" };
  } catch {
    return { state: unreachable("The app does not answer. Is it still running?"), retry: false };
  }
}

/**
 * @param {string} message
 * @returns {HostState}
 */
const unreachable = (message) => ({ state: "unreachable", message, subject: null });

/** Ask for the host's state again, where a page has asked before. */
export function refreshHost() {
  refresh?.();
}

/* A request that waits for a second may have found a host that is still starting: its line says so. */
function checkSoon() {
  clearTimeout(checking);
  checking = window.setTimeout(() => {
    if (document.querySelector(PENDING)) refreshHost();
  }, WAIT_MS);
}
for (const kind of ["click", "change"]) document.addEventListener(kind, checkSoon);
