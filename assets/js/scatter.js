/* Draws the map's points by WebGL: they are sent to the graphics card once; moving, zooming and colours send none again. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const ROW = 1024, LEVELS = 256;
  const NOISE = 0, REST = 1, OUTSTANDING = 2;
  const FADE = { shown: 0.4, faded: 0.14, hidden: 0 }, DIM = 0.14, PLAIN = 0.92, REST_ALPHA = 40;
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

  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

  function program(gl) {
    const made = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(made, shader);
    }
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(`the map's shaders do not link: ${gl.getProgramInfoLog(made)}`);
    gl.useProgram(made);
    return (name) => gl.getUniformLocation(made, name);
  }

  function buffer(gl, target, data) {
    gl.bindBuffer(target, gl.createBuffer());
    gl.bufferData(target, data, gl.STATIC_DRAW);
  }

  function texture(gl, unit) {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
  }

  function pixels(gl, unit, width, height, data) {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, data);
  }

  /* A drawing of points on a canvas; null where the browser has no WebGL. */
  function scatter(canvas, points) {
    const gl = canvas.getContext("webgl2", { alpha: true, antialias: false, premultipliedAlpha: true });
    if (!gl) return null;
    const { items, first } = points.groups;
    let at, outstanding = false, byRate = false, grey = [0, 0, 0], noise = "shown";
    let colors = new Uint8Array(4 * ROW), ramp = new Uint8Array(4 * LEVELS);

    function begin() {
      at = program(gl);
      buffer(gl, gl.ARRAY_BUFFER, points.place);
      gl.enableVertexAttribArray(0);
      gl.vertexAttribPointer(0, 2, gl.UNSIGNED_SHORT, true, 0, 0);
      buffer(gl, gl.ARRAY_BUFFER, points.state);
      gl.enableVertexAttribArray(1);
      gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_INT, 0, 0);
      buffer(gl, gl.ELEMENT_ARRAY_BUFFER, items);
      for (const unit of [0, 1]) texture(gl, unit);
      gl.uniform1i(at("colors"), 0);
      gl.uniform1i(at("ramp"), 1);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      send();
    }

    function send() {
      pixels(gl, 0, ROW, colors.length / 4 / ROW, colors);
      pixels(gl, 1, LEVELS, 1, ramp);
    }

    /* Colours of the clusters, [[r, g, b]], or of the firing rates; stands(cluster) is false for those that are dimmed. */
    function paint(look) {
      const rows = Math.max(1, Math.ceil(look.clusters.length / ROW));
      colors = new Uint8Array(4 * ROW * rows);
      look.clusters.forEach((color, cluster) => colors.set([...color, look.stands && !look.stands(cluster) ? REST_ALPHA : 255], 4 * cluster));
      look.ramp.forEach((color, level) => ramp.set([...color, 255], 4 * level));
      [outstanding, byRate, grey, noise] = [Boolean(look.stands), look.byRate, look.grey, look.noise];
      send();
    }

    /* Draw what is seen: the place in the middle, pixels to a unit, and the diameter of a point in pixels. */
    function draw({ u, v, scale, size }) {
      const ratio = window.devicePixelRatio || 1, width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      gl.viewport(0, 0, width, height);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(at("middle"), u, v);
      gl.uniform2f(at("scale"), (2 * scale) / canvas.clientWidth, (2 * scale) / canvas.clientHeight);
      gl.uniform3f(at("grey"), ...grey.map((part) => part / 255));
      gl.uniform1i(at("byRate"), byRate ? 1 : 0);
      gl.uniform1f(at("noise"), FADE[noise] * (outstanding ? 0.4 : 1));
      gl.uniform1f(at("plain"), PLAIN);
      if (noise !== "hidden") part(NOISE, 0, first[1], size * 0.7 * ratio);
      if (outstanding) part(REST, first[1], items.length - first[1], size * ratio);
      part(OUTSTANDING, first[1], items.length - first[1], size * ratio * (outstanding ? 1.15 : 1));
    }

    function part(number, from, count, size) {
      if (!count) return;
      gl.uniform1i(at("part"), number);
      gl.uniform1f(at("size"), size);
      gl.drawElements(gl.POINTS, count, gl.UNSIGNED_INT, 4 * from);
    }

    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { begin(); canvas.dispatchEvent(new CustomEvent("mx-restored")); });
    begin();
    return { paint, draw, end: () => { const lose = gl.getExtension("WEBGL_lose_context"); if (lose) lose.loseContext(); } };
  }

  mx.scatter = { scatter, rgb, LEVELS };
})();
