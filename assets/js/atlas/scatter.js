/** Draws the map's points with WebGL: they are uploaded once; moving, zooming and colouring upload none again. */

const ROW = 1024;
/** Steps of the ramp of firing rates. */
export const LEVELS = 256;
const NOISE = 0;
const REST = 1;
const OUTSTANDING = 2;
/** @type {Record<NoiseLook, number>} */
const NOISE_ALPHA = { shown: 0.4, faded: 0.14, hidden: 0 };
const NOISE_BEHIND = 0.4;
const NOISE_SIZE = 0.7;
const OUTSTANDING_SIZE = 1.15;
const DIM = 0.14;
const PLAIN = 0.92;
const DIMMED_ALPHA = 40;
const VERTEX = `#version 300 es
  layout(location = 0) in vec2 place;
  layout(location = 1) in uint state;
  uniform vec2 middle, scale;
  uniform float size, noise, plain;
  uniform vec3 grey;
  uniform int part;
  uniform bool byRate;
  uniform sampler2D colors, ramp;
  out vec4 color;
  void main() {
    int cluster = int(state & 0xffffffu) - 1;
    vec4 own = cluster < 0 ? vec4(grey, 1.0) : texelFetch(colors, ivec2(cluster % ${ROW}, cluster / ${ROW}), 0);
    bool stands = own.a > 0.5;
    vec3 paint = byRate ? texelFetch(ramp, ivec2(int(state >> 24), 0), 0).rgb : own.rgb;
    float alpha = part == ${NOISE} ? noise : stands ? plain : ${DIM};
    bool drawn = part == ${NOISE} || stands == (part == ${OUTSTANDING});
    color = vec4(paint, alpha);
    gl_PointSize = size;
    gl_Position = drawn ? vec4((place - middle) * scale, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  }`;
const FRAGMENT = `#version 300 es
  precision highp float;
  in vec4 color;
  uniform float size;
  out vec4 drawn;
  void main() {
    float edge = length(gl_PointCoord - 0.5) * size;
    float alpha = color.a * clamp(size * 0.5 - edge + 0.25, 0.0, 1.0);
    drawn = vec4(color.rgb * alpha, alpha);
  }`;

/**
 * Compile the shaders.
 *
 * @param {WebGL2RenderingContext} gl
 * @returns {(name: string) => WebGLUniformLocation | null} where a uniform is
 */
function useProgram(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of /** @type {const} */ ([
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ])) {
    const shader = gl.createShader(kind);
    if (!shader) continue; // The context is lost; all is set up again once it is restored.
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
    throw new Error(`the map's shaders do not link: ${gl.getProgramInfoLog(program)}`);
  gl.useProgram(program);
  return (name) => gl.getUniformLocation(program, name);
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number} target
 * @param {BufferSource} data
 */
function upload(gl, target, data) {
  gl.bindBuffer(target, gl.createBuffer());
  gl.bufferData(target, data, gl.STATIC_DRAW);
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number} unit
 */
function createTexture(gl, unit) {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
    gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T])
    gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
}

/**
 * @param {WebGL2RenderingContext} gl
 * @param {number} unit
 * @param {number} width
 * @param {Uint8Array} data RGBA
 */
function fillTexture(gl, unit, width, data) {
  const height = data.length / 4 / width;
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, data);
}

/**
 * A drawing of points on a canvas; null where the browser has no WebGL 2.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {MapPoints} points
 * @returns {Scatter | null}
 */
export function createScatter(canvas, points) {
  const settings = { alpha: true, antialias: false, premultipliedAlpha: true };
  const gl = /** @type {WebGL2RenderingContext | null} */ (canvas.getContext("webgl2", settings));
  if (!gl) return null;
  const { items, first } = points.groups;
  /** @type {(name: string) => WebGLUniformLocation | null} */
  let uniform = () => null;
  /** @type {MapLook | null} */
  let look = null;
  let colors = new Uint8Array(4 * ROW);
  const ramp = new Uint8Array(4 * LEVELS);

  function setUp() {
    if (!gl) return;
    uniform = useProgram(gl);
    upload(gl, gl.ARRAY_BUFFER, points.place);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.UNSIGNED_SHORT, true, 0, 0);
    upload(gl, gl.ARRAY_BUFFER, points.state);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_INT, 0, 0);
    upload(gl, gl.ELEMENT_ARRAY_BUFFER, items);
    for (const unit of [0, 1]) createTexture(gl, unit);
    gl.uniform1i(uniform("colors"), 0);
    gl.uniform1i(uniform("ramp"), 1);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    uploadColors();
  }

  function uploadColors() {
    if (!gl) return;
    fillTexture(gl, 0, ROW, colors);
    fillTexture(gl, 1, LEVELS, ramp);
  }

  /** @param {MapLook} next */
  function paint(next) {
    look = next;
    const { stands } = next;
    colors = new Uint8Array(4 * ROW * Math.max(1, Math.ceil(next.clusters.length / ROW)));
    next.clusters.forEach((color, cluster) => {
      const alpha = stands && !stands(cluster) ? DIMMED_ALPHA : 255;
      colors.set([...color, alpha], 4 * cluster);
    });
    next.ramp.forEach((color, level) => {
      ramp.set([...color, 255], 4 * level);
    });
    uploadColors();
  }

  /** @param {{ u: number, v: number, scale: number, size: number }} seen */
  function draw({ u, v, scale, size }) {
    if (!gl || !look) return;
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = canvas;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height)
      [canvas.width, canvas.height] = [width, height];
    const outstanding = Boolean(look.stands);
    const [red, green, blue] = look.grey;
    gl.viewport(0, 0, width, height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(uniform("middle"), u, v);
    gl.uniform2f(uniform("scale"), (2 * scale) / clientWidth, (2 * scale) / clientHeight);
    gl.uniform3f(uniform("grey"), red / 255, green / 255, blue / 255);
    gl.uniform1i(uniform("byRate"), look.byRate ? 1 : 0);
    gl.uniform1f(uniform("noise"), NOISE_ALPHA[look.noise] * (outstanding ? NOISE_BEHIND : 1));
    gl.uniform1f(uniform("plain"), PLAIN);
    const clustered = items.length - first[1];
    if (look.noise !== "hidden") drawPart(NOISE, 0, first[1], size * NOISE_SIZE * ratio);
    if (outstanding) drawPart(REST, first[1], clustered, size * ratio);
    drawPart(OUTSTANDING, first[1], clustered, size * ratio * (outstanding ? OUTSTANDING_SIZE : 1));
  }

  /**
   * @param {number} part
   * @param {number} from
   * @param {number} count
   * @param {number} size
   */
  function drawPart(part, from, count, size) {
    if (!gl || !count) return;
    gl.uniform1i(uniform("part"), part);
    gl.uniform1f(uniform("size"), size);
    gl.drawElements(gl.POINTS, count, gl.UNSIGNED_INT, 4 * from);
  }

  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => {
    setUp();
    canvas.dispatchEvent(new CustomEvent("mx-restored"));
  });
  setUp();
  return { paint, draw, release: () => gl.getExtension("WEBGL_lose_context")?.loseContext() };
}
