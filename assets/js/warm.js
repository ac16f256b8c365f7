/* Loads plotly while nobody waits for it: a click on a tile then only has to draw. Dash takes the one that is there. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const LATEST_MS = 4000;
  let begun = false;

  mx.warm = function () {
    const saving = navigator.connection && navigator.connection.saveData;
    if (begun || window.Plotly || !window._dashPlotlyJSURL || saving) return;
    begun = true;
    const idle = window.requestIdleCallback || ((then) => setTimeout(then, LATEST_MS));
    idle(() => { if (!window.Plotly) document.head.append(mx.html("script", { src: window._dashPlotlyJSURL, async: true })); }, { timeout: LATEST_MS });
  };
})();
