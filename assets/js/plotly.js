/* plotly.js, 4.6 MiB that only a cloud in space needs: fetched while nobody waits for it, run once, never before a page is seen. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const QUIET_MS = 1500;
  const HANDS = ["pointermove", "pointerdown", "wheel", "keydown"];
  let running = null;
  let fetched = false;

  /* Run it, whoever asks first; gives plotly. */
  function load() {
    running = running || new Promise((done, failed) => {
      if (window.Plotly) return done(window.Plotly);
      const script = mx.html("script", { src: window._dashPlotlyJSURL, async: true });
      script.onload = () => done(window.Plotly);
      script.onerror = () => { running = null; script.remove(); failed(new Error("plotly.js did not load")); };
      document.head.append(script);
    });
    return running;
  }

  /* Fetch it into the browser's cache, which costs the page nothing. Firefox holds a link's prefetch against default-src. */
  function fetch() {
    if (fetched || running || window.Plotly) return;
    fetched = true;
    window.fetch(window._dashPlotlyJSURL, { priority: "low" }).then((reply) => reply.blob()).catch(() => {});
  }

  /* Fetch it, and run it once nobody has touched the page for a while: running it keeps the page from answering. */
  function warm() {
    const saving = navigator.connection && navigator.connection.saveData;
    if (fetched || running || saving) return;
    fetch();
    const idle = window.requestIdleCallback || setTimeout;
    let resting = 0;
    const touched = () => {
      clearTimeout(resting);
      if (!running) resting = setTimeout(() => idle(() => load().catch(() => {})), QUIET_MS);
      else for (const name of HANDS) window.removeEventListener(name, touched, true);
    };
    for (const name of HANDS) window.addEventListener(name, touched, { capture: true, passive: true });
    touched();
  }

  mx.plotly = { fetch, load, warm };
})();
