/* A part of the page as one SVG: boxes, drawings and text where they stand, colours as they are seen, nothing to load.
   WebGL and portraits go in as pictures. The same SVG, painted, is the PNG. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const SVG = "http://www.w3.org/2000/svg";
  const SKIPPED = "script, style, input, textarea, select, summary, .button, .card-tools, .dash-dropdown-wrapper, .segments, .hint, .no-picture";
  const PAINTED = ["fill", "stroke", "stroke-width", "stroke-opacity", "fill-opacity", "opacity", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "vector-effect"];
  const MARGIN = 16, SCALE = 2;
  const brush = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const known = new Map();

  /* Any CSS colour as rgb() and opacity, which every reader of SVG knows. */
  function color(css) {
    if (!known.has(css)) {
      brush.clearRect(0, 0, 1, 1);
      brush.fillStyle = css;
      brush.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
      known.set(css, { paint: `rgb(${r},${g},${b})`, alpha: a / 255 });
    }
    return known.get(css);
  }

  const round = (x) => Math.round(x * 100) / 100;

  function box(node, style, at, out) {
    const { paint, alpha } = color(style.backgroundColor);
    const place = { x: round(at.x), y: round(at.y), width: round(at.width), height: round(at.height), rx: parseFloat(style.borderTopLeftRadius) || null };
    if (alpha > 0) out.append(mx.svg("rect", { ...place, fill: paint, "fill-opacity": alpha < 1 ? round(alpha) : null }));
    const stops = style.backgroundImage.startsWith("linear-gradient(90deg") ? style.backgroundImage.match(/(rgb|oklab|color)a?\([^()]*\)/g) : null;
    if (stops) out.append(ramp(stops, place));
    border(style, at, out);
  }

  let ramps = 0;
  function ramp(stops, place) {
    const id = `ramp-${(ramps += 1)}`;
    const marks = stops.map((css, i) => mx.svg("stop", { offset: round(i / (stops.length - 1)), "stop-color": color(css).paint }));
    return mx.svg("g", {}, [mx.svg("linearGradient", { id }, marks), mx.svg("rect", { ...place, fill: `url(#${id})` })]);
  }

  function border(style, at, out) {
    const sides = { Top: [0, 0, 1, 0], Bottom: [0, 1, 1, 1], Left: [0, 0, 0, 1], Right: [1, 0, 1, 1] };
    for (const [side, [x1, y1, x2, y2]] of Object.entries(sides)) {
      const width = style[`border${side}Style`] === "none" ? 0 : parseFloat(style[`border${side}Width`]);
      const { paint, alpha } = color(style[`border${side}Color`]);
      if (width && alpha) out.append(mx.svg("line", { x1: round(at.x + x1 * at.width), x2: round(at.x + x2 * at.width), y1: round(at.y + y1 * at.height), y2: round(at.y + y2 * at.height), stroke: paint, "stroke-opacity": round(alpha), "stroke-width": width }));
    }
  }

  /* A drawing with the styles that it has here written into it. */
  function drawing(node, at) {
    const copy = node.cloneNode(true);
    const from = [node, ...node.querySelectorAll("*")], to = [copy, ...copy.querySelectorAll("*")];
    from.forEach((one, i) => {
      const style = getComputedStyle(one);
      for (const name of PAINTED) {
        const value = style.getPropertyValue(name);
        const paints = (name === "fill" || name === "stroke") && value !== "none" && !value.startsWith("url");
        to[i].setAttribute(name, paints ? color(value).paint : value);
        if (paints && color(value).alpha < 1) to[i].setAttribute(`${name}-opacity`, round(color(value).alpha));
      }
      to[i].removeAttribute("style");
      to[i].removeAttribute("class");
    });
    for (const [name, value] of Object.entries({ x: at.x, y: at.y, width: at.width, height: at.height })) copy.setAttribute(name, round(value));
    return copy;
  }

  /* Text line by line, as the browser broke it. */
  function words(node, style, origin, out) {
    const range = document.createRange();
    const lines = [];
    for (const { 0: text, index } of node.data.matchAll(/\S+/g)) {
      range.setStart(node, index);
      range.setEnd(node, index + text.length);
      const at = range.getClientRects()[0];
      if (!at || !at.width) continue;
      const last = lines[lines.length - 1];
      if (last && Math.abs(last.at.top - at.top) < 2) last.text += ` ${text}`;
      else lines.push({ text, at });
    }
    brush.font = style.font;
    const size = brush.measureText("x");
    for (const { text, at } of lines) {
      const baseline = at.top + (at.height * size.fontBoundingBoxAscent) / (size.fontBoundingBoxAscent + size.fontBoundingBoxDescent);
      const { paint, alpha } = color(style.color);
      out.append(mx.svg("text", { x: round(at.left - origin.x), y: round(baseline - origin.y), fill: paint, "fill-opacity": alpha < 1 ? round(alpha) : null,
        "font-family": style.fontFamily, "font-size": style.fontSize, "font-weight": style.fontWeight }, text));
    }
  }

  function walk(node, origin, images, out) {
    if (node.nodeType === Node.TEXT_NODE) return node.data.trim() && words(node, getComputedStyle(node.parentElement), origin, out);
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches(SKIPPED) || node.classList.contains("sr")) return;
    if (!node.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true })) return;
    const rect = node.getBoundingClientRect();
    const at = { x: rect.x - origin.x, y: rect.y - origin.y, width: rect.width, height: rect.height };
    if (node instanceof SVGElement) return out.append(drawing(node, at));
    if (images.has(node)) return out.append(mx.svg("image", { x: round(at.x), y: round(at.y), width: round(at.width), height: round(at.height), href: images.get(node) }));
    box(node, getComputedStyle(node), at, out);
    for (const child of node.childNodes) walk(child, origin, images, out);
  }

  function portrait(image) {
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width * SCALE, height: image.height * SCALE });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL();
  }

  function pixels(one) {
    if (one.matches("canvas")) return one.toDataURL();
    if (one.matches("img")) return portrait(one);
    return window.Plotly.toImage(one, { format: "png", scale: SCALE, width: one.clientWidth, height: one.clientHeight });
  }

  /* What is drawn with WebGL or on a canvas, as it looks now, and pictures that have loaded. */
  async function drawn(part) {
    const found = [...part.querySelectorAll(".js-plotly-plot, canvas.sketch, img")];
    const drawings = found.filter((one) => one.checkVisibility({ visibilityProperty: true }) && (!one.matches("img") || one.naturalWidth));
    const pictures = await Promise.all(drawings.map(pixels));
    return new Map(drawings.map((one, i) => [one, pictures[i]]));
  }

  async function draw(part) {
    const images = await drawn(part);
    part.setAttribute("data-drawn-whole", "");
    try {
      const rect = part.getBoundingClientRect();
      const [width, height] = [Math.ceil(Math.max(rect.width, part.scrollWidth)) + 2 * MARGIN, Math.ceil(Math.max(rect.height, part.scrollHeight)) + 2 * MARGIN];
      const ground = color(getComputedStyle(document.documentElement).getPropertyValue("--panel"));
      const svg = mx.svg("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` }, mx.svg("rect", { width, height, fill: ground.paint }));
      walk(part, { x: rect.x - MARGIN, y: rect.y - MARGIN }, images, svg);
      return { svg: () => blob(svg), png: () => painted(svg, width, height) };
    } finally {
      part.removeAttribute("data-drawn-whole");
    }
  }

  const blob = (svg) => new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" });

  async function painted(svg, width, height) {
    const image = new Image();
    const address = URL.createObjectURL(blob(svg));
    try {
      await new Promise((done, failed) => { image.onload = done; image.onerror = () => failed(new Error("the picture could not be painted")); image.src = address; });
    } finally {
      URL.revokeObjectURL(address);
    }
    const canvas = Object.assign(document.createElement("canvas"), { width: width * SCALE, height: height * SCALE });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }

  mx.picture = { draw };
})();
