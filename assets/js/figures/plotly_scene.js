/** The one place that reaches into plotly's private scene, for what its public API does not offer: the camera of this
 *  very frame, each frame that is drawn, and whether WebGL is there at all. Written for plotly.js 4. */

/**
 * @param {PlotElement} plot
 * @returns {PrivateScene | null}
 */
const privateScene = (plot) => plot._fullLayout?.scene?._scene ?? null;

/**
 * The camera at this moment; null where plotly has no WebGL scene.
 *
 * @param {PlotElement} plot
 * @returns {Camera | null}
 */
export function cameraOf(plot) {
  const scene = privateScene(plot);
  return scene?.glplot ? scene.getCamera() : null;
}

/** Scenes that have a listener already. @type {WeakSet<object>} */
const watched = new WeakSet();

/**
 * Call back after each frame that a plot's scene draws. Plotly may replace the scene: call this after each plot.
 *
 * @param {PlotElement} plot
 * @param {() => void} listener
 */
export function onFrame(plot, listener) {
  const glplot = privateScene(plot)?.glplot;
  if (!glplot || watched.has(glplot)) return;
  watched.add(glplot);
  const render = glplot.onrender;
  glplot.onrender = () => {
    render?.();
    listener();
  };
}
