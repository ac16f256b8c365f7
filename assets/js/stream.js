/* Text of every arm at once: one request, one event stream, one column an arm, and a stop that the host hears. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  let source = null;
  let result = null;
  // The latest request, until its first text: earlier text stays on the screen that long.
  let waiting = null;

  const column = (row) => document.querySelector(`#streams .stream[data-row="${row}"]`);
  const part = (row, name) => column(row)?.querySelector(`.${name}`);
  // A store has no element of its own: the panel's button tells whether the panel is still there.
  const props = (id, values) => { if (document.getElementById("generate")) window.dash_clientside.set_props(id, values); };

  function say(text) {
    props("steer-status", { children: text });
  }

  function running(on) {
    props("generate", { disabled: on });
    props("stop", { disabled: !on });
    document.getElementById("streams")?.setAttribute("aria-busy", String(on));
  }

  function clear(prompt) {
    const box = document.getElementById("streams");
    if (!box) return;
    box.hidden = false;
    box.scrollIntoView({ block: "nearest" });
    for (const one of box.querySelectorAll(".stream")) {
      one.querySelector(".prompt").textContent = prompt;
      one.querySelector(".said").textContent = "";
      one.querySelector(".end").textContent = "";
      one.querySelector(".read-back").replaceChildren();
    }
  }

  const ENDS = { length: "as long as asked", end: "the model ended here", stopped: "stopped", interrupted: "interrupted" };

  /* The first text of a request replaces what stood there. */
  function begin() {
    clear(waiting.prompt);
    waiting = null;
    props("stream-store", { data: null });
  }

  function take(event) {
    if (waiting && (event.type === "token" || event.type === "row_done")) begin();
    if (event.type === "start") result.start = event;
    if (event.type === "token") part(event.row, "said")?.append(event.text);
    if (event.type === "row_done") {
      result.texts.push(event);
      const said = part(event.row, "said"), end = part(event.row, "end");
      if (said) said.textContent = event.text;
      if (end) end.textContent = ENDS[event.finish] + (event.row === "baseline" ? "" : ` · steered at ${event.hook_fired} ${event.hook_fired === 1 ? "token" : "tokens"}`);
    }
    if (event.type === "done") {
      result.done = event;
      readBack(event, result.start.coordinate);
      finish("");
    }
    if (event.type === "error") fail(event.message, LOST.has(event.code));
  }

  /* What the unsteered model makes of each text, beside what was asked for. */
  function readBack(done, requested) {
    for (const [row, written] of Object.entries(done.written)) part(row, "read-back")?.replaceChildren(mx.realised.text(written, row === "baseline" ? null : requested));
  }

  /* Columns that had no end of their own say how they ended. */
  function leave(how) {
    for (const end of document.querySelectorAll("#streams .stream .end")) if (!end.textContent) end.textContent = ENDS[how];
  }

  function finish(words, ended) {
    if (source) source.close();
    source = null;
    if (ended && !waiting) leave(ended);
    running(false);
    say(words);
    document.getElementById("steer-status")?.classList.toggle("bad", ended === "interrupted");
    // Without any text of its own, a request leaves the text and the result before it as they are.
    if (!waiting) props("stream-store", { data: ended || !result.start ? null : result });
    waiting = null;
  }

  const LOST = new Set(["unreachable", "interrupted"]);
  const INTERRUPTED = "Interrupted: ";

  function fail(words, lost) {
    const earlier = waiting && document.getElementById("streams")?.hidden === false;
    const opening = earlier && lost && !words.startsWith(INTERRUPTED) ? INTERRUPTED : "";
    finish(earlier ? `${opening}${words} The text below is from the request before.` : words, "interrupted");
    mx.host.again();
  }

  async function start(api, request) {
    stop("");
    waiting = request;
    running(true);
    say("asking the host…");
    result = { steer_request: request, start: null, texts: [], done: null };
    let ticket;
    try {
      const reply = await fetch(`${api}/steer`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request) });
      ticket = await reply.json();
      if (!reply.ok) return fail(ticket.message || `The app answered ${reply.status}.`, false);
    } catch {
      return fail("The app does not answer. Is it still running?", true);
    }
    say("");
    source = new EventSource(`${api}/steer/${ticket.id}`);
    source.onmessage = (message) => take(JSON.parse(message.data));
    source.onerror = () => { if (source) fail("Interrupted: the connection to the app broke before the text was complete; generate again.", true); };
  }

  function stop(words) {
    if (source) finish(words ?? "Stopped.", "stopped");
  }

  function replay(prompt, texts, done, requested) {
    waiting = null;
    clear(prompt);
    for (const one of document.querySelectorAll("#streams .stream")) one.hidden = !texts.some((text) => text.row === one.dataset.row);
    result = { start: null, texts: [] };
    for (const text of texts) take({ type: "row_done", ...text });
    if (done) readBack(done, requested);
  }

  mx.stream = { start, stop, replay, running: () => source !== null };
})();
