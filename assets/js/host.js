/* What can be said of the steering host; asking computes nothing there. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});

  function show(found, again) {
    const line = document.getElementById("host-state");
    if (!line) return;
    const good = found.state === "ready", calm = found.state === "none" || found.state === "not_ready";
    line.dataset.state = found.state;
    const form = document.querySelector(".steer-form");
    if (form && found.subject) form.dataset.kind = found.subject.kind;
    line.replaceChildren(mx.html("span", { class: `dot ${good ? "good" : calm ? "" : "bad"}` }), mx.html("span", {}, found.message),
      ...(good || calm ? [] : [mx.html("button", { type: "button", class: "button small", onclick: again }, "Ask again")]));
  }

  const SECONDS = 3, WAIT_MS = 1000;
  let timer = null;
  let asked = null;

  /* Asks again by itself while the host is away or on its way, as long as the page that asked is there. */
  async function ask(api, run, fingerprint) {
    const line = document.getElementById("host-state");
    const again = () => { if (line && line.isConnected) ask(api, run, fingerprint); };
    clearTimeout(timer);
    asked = again;
    try {
      const reply = await fetch(`${api}/host?run=${encodeURIComponent(run)}&fingerprint=${encodeURIComponent(fingerprint)}`);
      const found = reply.ok ? await reply.json() : { state: "unreachable", message: `The app answered ${reply.status}.` };
      show(found, again);
      if (found.state === "unreachable" || found.state === "not_ready") timer = setTimeout(again, SECONDS * 1000);
    } catch {
      show({ state: "unreachable", message: "The app does not answer. Is it still running?" }, again);
    }
  }

  /* What is pressed or changed may be a question, and one that waits may have found a host that has to start: how is it? */
  const OUT = '#page [data-dash-is-loading="true"], #stop:enabled';
  let looking = null;
  function look() {
    clearTimeout(looking);
    looking = setTimeout(() => { if (asked && document.querySelector(OUT)) asked(); }, WAIT_MS);
  }
  for (const kind of ["click", "change"]) document.addEventListener(kind, look);

  mx.host = { ask, again: () => { if (asked) asked(); } };
})();
