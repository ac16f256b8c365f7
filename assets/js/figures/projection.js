/** From a cloud's coordinates to pixels as plotly's camera sees them: its model, its view, its perspective of 45 degrees. */

const FOCUS = 1 / Math.tan(Math.PI / 8);

/**
 * @param {Vector} a
 * @param {Vector} b
 * @returns {Vector}
 */
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];

/**
 * @param {Vector} a
 * @param {Vector} b
 */
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/**
 * @param {Vector} a
 * @param {Vector} b
 * @returns {Vector}
 */
const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/**
 * @param {Vector} a
 * @returns {Vector}
 */
function unit(a) {
  const length = Math.hypot(...a) || 1;
  return [a[0] / length, a[1] / length, a[2] / length];
}

/**
 * @param {Xyz} one
 * @returns {Vector}
 */
const vector = (one) => [one.x, one.y, one.z];

/**
 * @param {SceneLayout} scene as plotly's layout names it, each axis with its range
 * @param {Camera} camera
 * @param {Area} area in pixels
 * @returns {Project} x, y, z to [across, down, depth], in pixels and units of the scene; null behind the camera
 */
export function projection(scene, camera, area) {
  const eye = vector(camera.eye);
  const back = unit(minus(eye, vector(camera.center)));
  const right = unit(cross(vector(camera.up), back));
  const up = cross(back, right);
  const aspect = vector(scene.aspectratio);
  const ranges = [scene.xaxis.range, scene.yaxis.range, scene.zaxis.range];
  /**
   * @param {number} value
   * @param {0 | 1 | 2} axis
   */
  const model = (value, axis) => {
    const [low, high] = ranges[axis];
    return aspect[axis] * ((value - low) / (high - low) - 0.5) - eye[axis];
  };
  return (x, y, z) => {
    /** @type {Vector} */
    const at = [model(x, 0), model(y, 1), model(z, 2)];
    const depth = -dot(back, at);
    if (depth <= 0) return null;
    const scale = (FOCUS * area.height) / (2 * depth);
    return [area.width / 2 + dot(right, at) * scale, area.height / 2 - dot(up, at) * scale, depth];
  };
}
