/* A set of clusters as text for the link: the same two forms as explorer/app/selection.py. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const READABLE = 120;

  function ranges(clusters) {
    const parts = [];
    for (let at = 0; at < clusters.length; at += 1) {
      const first = clusters[at];
      while (clusters[at + 1] === clusters[at] + 1) at += 1;
      parts.push(clusters[at] === first ? `${first}` : `${first}-${clusters[at]}`);
    }
    return parts.join(",");
  }

  function bits(clusters) {
    const bytes = new Uint8Array((clusters[clusters.length - 1] >> 3) + 1);
    for (const cluster of clusters) bytes[cluster >> 3] |= 1 << (cluster & 7);
    const text = btoa(String.fromCharCode(...bytes));
    return `~${text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
  }

  /* Write a set; the form that can be read as long as it is not long, then the shorter one. */
  function write(set) {
    const clusters = [...set].sort((a, b) => a - b);
    if (!clusters.length) return "";
    const plain = ranges(clusters);
    if (plain.length <= READABLE) return plain;
    const packed = bits(clusters);
    return packed.length < plain.length ? packed : plain;
  }

  /* Read what the server has let through. */
  function read(text) {
    const found = new Set();
    if (!text) return found;
    if (text.startsWith("~")) {
      const bytes = atob(text.slice(1).replaceAll("-", "+").replaceAll("_", "/"));
      for (let bit = 0; bit < 8 * bytes.length; bit += 1) if ((bytes.charCodeAt(bit >> 3) >> (bit & 7)) & 1) found.add(bit);
      return found;
    }
    for (const part of text.split(",")) {
      const [first, last] = part.split("-").map(Number);
      for (let cluster = first; cluster <= (last ?? first); cluster += 1) found.add(cluster);
    }
    return found;
  }

  mx.selection = { write, read };
})();
