/* Elements without markup strings: text from a model never becomes HTML. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const SVG = "http://www.w3.org/2000/svg";

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "style") for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
      else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    for (const child of [].concat(children ?? [])) {
      if (child !== null && child !== undefined) node.append(child instanceof Node ? child : String(child));
    }
    return node;
  }

  mx.html = (name, attributes, children) => fill(document.createElement(name), attributes, children);
  mx.svg = (name, attributes, children) => fill(document.createElementNS(SVG, name), attributes, children);
  mx.percent = (share) => (share >= 0.995 ? ">99 %" : share < 0.005 ? "<1 %" : `${Math.round(share * 100)} %`);
  /* A share of something counted: none is none. */
  mx.share = (share) => (share === 0 ? "0 %" : mx.percent(share));
  mx.whenThere = function (find, then) {
    const found = find();
    if (found) return then(found);
    const watcher = new MutationObserver(() => {
      const late = find();
      if (late) { watcher.disconnect(); then(late); }
    });
    watcher.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
  };
})();
