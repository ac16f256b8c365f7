/* Text of every arm at once: one request, one event stream, one column an arm, and a stop that the host hears. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  let source = null;
  let result = null;

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

  function take(event) {
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
    if (event.type === "error") finish(event.message, true);
  }

  /* What the unsteered model makes of each text, beside what was asked for. */
  function readBack(done, requested) {
    for (const [row, written] of Object.entries(done.written)) part(row, "read-back")?.replaceChildren(mx.realised.text(written, row === "baseline" ? null : requested));
  }

  /* Columns that had no end of their own say how they ended. */
  function leave(how) {
    for (const end of document.querySelectorAll("#streams .stream .end")) if (!end.textContent) end.textContent = ENDS[how];
  }

  function finish(words, failed) {
    if (source) source.close();
    source = null;
    if (failed) { leave("interrupted"); mx.host.again(); }
    running(false);
    say(words);
    document.getElementById("steer-status")?.classList.toggle("bad", Boolean(failed));
    props("stream-store", { data: failed || !result || !result.start ? null : result });
  }

  async function start(api, request) {
    stop("");
    clear(request.prompt);
    running(true);
    say("asking the host…");
    props("stream-store", { data: null });
    result = { steer_request: request, start: null, texts: [], done: null };
    let ticket;
    try {
      const reply = await fetch(`${api}/steer`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request) });
      ticket = await reply.json();
      if (!reply.ok) return finish(ticket.message || `The app answered ${reply.status}.`, true);
    } catch {
      return finish("The app does not answer. Is it still running?", true);
    }
    say("");
    source = new EventSource(`${api}/steer/${ticket.id}`);
    source.onmessage = (message) => take(JSON.parse(message.data));
    source.onerror = () => { if (source) finish("The connection broke. What stands here is what was said until then; press Generate again.", true); };
  }

  function stop(words) {
    if (!source) return;
    leave("stopped");
    result = null;
    finish(words ?? "Stopped.");
  }

  function replay(prompt, texts, done, requested) {
    clear(prompt);
    for (const one of document.querySelectorAll("#streams .stream")) one.hidden = !texts.some((text) => text.row === one.dataset.row);
    result = { start: null, texts: [] };
    for (const text of texts) take({ type: "row_done", ...text });
    if (done) readBack(done, requested);
  }

  mx.stream = { start, stop, replay, running: () => source !== null };
})();
