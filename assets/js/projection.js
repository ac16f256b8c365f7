/* From a cloud's places to pixels as plotly's camera sees them: its model, its view, and its perspective of 45 degrees. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const AXES = ["x", "y", "z"];
  const FOCUS = 1 / Math.tan(Math.PI / 8);

  const minus = (a, b) => a.map((v, i) => v - b[i]);
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const unit = (a) => { const long = Math.hypot(...a) || 1; return a.map((v) => v / long); };
  const vector = (one) => AXES.map((axis) => one[axis]);

  /* Gives (x, y, z) => [across, down, depth] in pixels and units of the scene; null for what lies behind the camera.
     scene: as plotly's layout names it, each axis with its range; area: {width, height} in pixels. */
  mx.projection = function (scene, camera, area) {
    const eye = vector(camera.eye);
    const back = unit(minus(eye, vector(camera.center)));
    const right = unit(cross(vector(camera.up), back));
    const up = cross(back, right);
    const aspect = vector(scene.aspectratio), ranges = AXES.map((axis) => scene[`${axis}axis`].range);
    return (...place) => {
      const at = place.map((v, i) => aspect[i] * ((v - ranges[i][0]) / (ranges[i][1] - ranges[i][0]) - 0.5) - eye[i]);
      const depth = -dot(back, at), scale = (FOCUS * area.height) / (2 * depth);
      return depth > 0 ? [area.width / 2 + dot(right, at) * scale, area.height / 2 - dot(up, at) * scale, depth] : null;
    };
  };
})();
