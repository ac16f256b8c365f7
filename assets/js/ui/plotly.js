/** plotly.js, 4.6 MiB that only a cloud in space needs: fetched in idle time, run once, never before a page is painted. */

import { html } from "./dom.js";

const QUIET_MS = 1500;
const HANDS = ["pointermove", "pointerdown", "wheel", "keydown"];

/** @type {Promise<Plotly> | null} */
let loading = null;
let fetched = false;

/**
 * Run plotly.js, once.
 *
 * @returns {Promise<Plotly>}
 * @throws {Error} it could not be loaded; the next call tries again
 */
export function loadPlotly() {
  loading ??= new Promise((done, failed) => {
    if (window.Plotly) return done(window.Plotly);
    const script = html("script", { src: window._dashPlotlyJSURL, async: true });
    script.onload = () => done(/** @type {Plotly} */ (window.Plotly));
    script.onerror = () => {
      loading = null;
      script.remove();
      failed(new Error("plotly.js did not load"));
    };
    document.head.append(script);
  });
  return loading;
}

/** Fetch plotly.js into the browser's cache. Firefox holds a link's prefetch against default-src, so this is a fetch. */
export function prefetchPlotly() {
  if (fetched || loading || window.Plotly || !window._dashPlotlyJSURL) return;
  fetched = true;
  fetch(window._dashPlotlyJSURL, { priority: "low" })
    .then((reply) => reply.blob())
    .catch(() => {});
}

/** Fetch plotly.js, and run it once nobody has touched the page for a while: running it blocks the page. */
export function warmPlotly() {
  const connection = /** @type {{ saveData?: boolean } | undefined} */ (
    Reflect.get(navigator, "connection")
  );
  if (fetched || loading || connection?.saveData) return;
  prefetchPlotly();
  /** @type {number | undefined} */
  let resting;
  const touched = () => {
    clearTimeout(resting);
    if (!loading)
      resting = window.setTimeout(() => whenIdle(() => loadPlotly().catch(() => {})), QUIET_MS);
    else for (const name of HANDS) window.removeEventListener(name, touched, true);
  };
  for (const name of HANDS)
    window.addEventListener(name, touched, { capture: true, passive: true });
  touched();
}

/**
 * @param {() => void} task
 * @param {number} [timeout] latest, in milliseconds
 */
export function whenIdle(task, timeout) {
  if (window.requestIdleCallback)
    window.requestIdleCallback(task, timeout === undefined ? {} : { timeout });
  else window.setTimeout(task);
}

/**
 * The data URL of a plot as it looks now.
 *
 * @param {HTMLElement} plot
 * @param {number} scale image pixels for a pixel of the page
 */
export async function plotImage(plot, scale) {
  const plotly = await loadPlotly();
  const { clientWidth: width, clientHeight: height } = plot;
  return plotly.toImage(plot, { format: "png", scale, width, height });
}
