/* What can be said of the steering host; asking computes nothing there. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});

  function show(found, again) {
    const line = document.getElementById("host-state");
    if (!line) return;
    const good = found.state === "ready";
    const subject = good && found.subject ? `host: ${found.subject.model} on ${found.subject.device} · ${found.subject.dtype}` : found.message;
    line.dataset.state = found.state;
    line.replaceChildren(mx.html("span", { class: `dot ${good ? "good" : found.state === "none" ? "" : "bad"}` }), mx.html("span", {}, subject),
      ...(good || found.state === "none" ? [] : [mx.html("button", { type: "button", class: "button small", onclick: again }, "Ask again")]));
  }

  async function ask(api, fingerprint) {
    const again = () => ask(api, fingerprint);
    try {
      const reply = await fetch(`${api}/host?fingerprint=${encodeURIComponent(fingerprint)}`);
      show(reply.ok ? await reply.json() : { state: "unreachable", message: `The app answered ${reply.status}.` }, again);
    } catch {
      show({ state: "unreachable", message: "The app does not answer. Is it still running?" }, again);
    }
  }

  mx.host = { ask };
})();
