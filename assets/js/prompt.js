/* The prompt as the model read it, token by token: marks of its template muted, steered tokens marked. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});

  function token(one) {
    const kinds = [one.steered ? "steered" : "", one.special ? "special" : ""].filter(Boolean);
    return mx.html(one.steered ? "mark" : "span", { class: ["token", ...kinds].join(" ") }, one.text.replace(/\n/g, "↵"));
  }

  function show(tokens) {
    const box = document.getElementById("bands");
    if (!box) return;
    const steered = tokens.filter((one) => one.steered).length;
    const words = steered === 1 ? "steered at the marked token" : `steered at the ${steered} marked tokens`;
    box.append(mx.html("p", { class: "as-read small" }, [
      mx.html("span", { class: "muted" }, `The prompt as the model reads it, ${words}:`), " ", ...tokens.map(token)]));
  }

  mx.prompt = { show };
})();
