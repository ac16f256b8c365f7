/** Generated texts of all arms: one request, one event stream, one column an arm, and a stop that reaches the host. */

import { refreshHost } from "../site/host.js";
import { setProps } from "../ui/dash.js";
import { find, query, queryAll } from "../ui/dom.js";
import { readBackNode } from "./realised.js";

const ENDS = {
  length: "as long as asked",
  end: "the model ended here",
  stopped: "stopped",
  interrupted: "interrupted",
};
const INTERRUPTED = "Interrupted: ";
const BROKEN = `${INTERRUPTED}the connection to the app broke before the text was complete; generate again.`;
/** Error codes of a host that went away. */
const LOST = new Set(["unreachable", "interrupted"]);

/** @type {EventSource | null} */
let source = null;
/** @type {StreamResult | null} */
let result = null;
/**
 * The latest request, until its first text: earlier text stays on the screen that long.
 *
 * @type {{ prompt: string } | null}
 */
let waiting = null;

/**
 * A part of an arm's column, or null.
 *
 * @param {string} row
 * @param {string} name
 * @returns {HTMLElement | null}
 */
const part = (row, name) => document.querySelector(`#streams .stream[data-row="${row}"] .${name}`);

const columns = () => queryAll(document, "#streams .stream");

/**
 * Set a property of the panel's components, while the panel is on the page; a store has no element of its own.
 *
 * @param {string} id
 * @param {Record<string, unknown>} properties
 */
function setPanel(id, properties) {
  if (find("generate")) setProps(id, properties);
}

/** @param {string} text */
const showStatus = (text) => setPanel("steer-status", { children: text });

/** @param {boolean} on */
function setRunning(on) {
  setPanel("generate", { disabled: on });
  setPanel("stop", { disabled: !on });
  find("streams")?.setAttribute("aria-busy", String(on));
}

/** @param {string} prompt */
function clearColumns(prompt) {
  const box = find("streams");
  if (!box) return;
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });
  for (const column of columns()) {
    query(column, ".prompt").textContent = prompt;
    for (const name of [".said", ".end", ".read-back"]) query(column, name).replaceChildren();
  }
}

/**
 * The first text of a request replaces what stood there.
 *
 * @param {{ prompt: string }} request
 */
function showFirst(request) {
  clearColumns(request.prompt);
  waiting = null;
  setPanel("stream-store", { data: null });
}

/** @param {StreamEvent} event */
function receive(event) {
  if (!result) return;
  if (waiting && (event.type === "token" || event.type === "row_done")) showFirst(waiting);
  if (event.type === "start") result.start = event;
  else if (event.type === "token") part(event.row, "said")?.append(event.text);
  else if (event.type === "row_done") {
    result.texts.push(event);
    showText(event);
  } else if (event.type === "done") {
    result.done = event;
    showReadBack(event, result.start?.coordinate ?? null);
    finish("", null);
  } else if (event.type === "error") fail(event.message, LOST.has(event.code));
}

/** @param {FinishedText} text */
function showText({ row, text, finish: how, hook_fired }) {
  part(row, "said")?.replaceChildren(text);
  const steered = ` · steered at ${hook_fired} ${hook_fired === 1 ? "token" : "tokens"}`;
  part(row, "end")?.replaceChildren(ENDS[how] + (row === "baseline" ? "" : steered));
}

/**
 * What the unsteered model makes of each text, next to what was requested.
 *
 * @param {Pick<protocol.DoneEvent, "written">} done
 * @param {number | null} requested coordinate
 */
function showReadBack({ written }, requested) {
  for (const [row, one] of Object.entries(written))
    part(row, "read-back")?.replaceChildren(
      readBackNode(one, row === "baseline" ? null : requested),
    );
}

/**
 * Say how the columns without an end of their own ended.
 *
 * @param {keyof typeof ENDS} how
 */
function endColumns(how) {
  for (const column of columns()) {
    const end = query(column, ".end");
    if (!end.textContent) end.textContent = ENDS[how];
  }
}

/**
 * @param {string} status
 * @param {"stopped" | "interrupted" | null} early how it ended before its last event
 */
function finish(status, early) {
  source?.close();
  source = null;
  if (early && !waiting) endColumns(early);
  setRunning(false);
  showStatus(status);
  find("steer-status")?.classList.toggle("bad", early === "interrupted");
  // Without any text of its own, a request leaves the earlier text and its result as they are.
  if (!waiting) setPanel("stream-store", { data: early || !result?.start ? null : result });
  waiting = null;
}

/**
 * @param {string} status
 * @param {boolean} lost whether the host or the app went away
 */
function fail(status, lost) {
  const earlier = waiting && find("streams")?.hidden === false;
  const opening = earlier && lost && !status.startsWith(INTERRUPTED) ? INTERRUPTED : "";
  const closing = " The text below is from the request before.";
  finish(earlier ? opening + status + closing : status, "interrupted");
  refreshHost();
}

/**
 * Request the texts and show them while they are generated.
 *
 * @param {string} api
 * @param {Record<string, unknown> & { prompt: string }} request
 */
export async function startStream(api, request) {
  stopStream("");
  waiting = request;
  setRunning(true);
  showStatus("asking the host…");
  result = { steer_request: request, start: null, texts: [], done: null };
  const { id, problem, lost } = await requestTicket(`${api}/steer`, request);
  if (!id) return fail(problem, lost);
  showStatus("");
  source = new EventSource(`${api}/steer/${id}`);
  source.onmessage = ({ data }) => receive(JSON.parse(data));
  source.onerror = () => {
    if (source) fail(BROKEN, true);
  };
}

/**
 * @param {string} address
 * @param {object} request
 * @returns {Promise<{ id: string | null, problem: string, lost: boolean }>}
 */
async function requestTicket(address, request) {
  try {
    const headers = { "Content-Type": "application/json" };
    const reply = await fetch(address, { method: "POST", headers, body: JSON.stringify(request) });
    const ticket = await reply.json();
    if (reply.ok) return { id: ticket.id, problem: "", lost: false };
    return {
      id: null,
      problem: ticket.message || `The app answered ${reply.status}.`,
      lost: false,
    };
  } catch {
    return { id: null, problem: "The app does not answer. Is it still running?", lost: true };
  }
}

/** @param {string} [status] */
export function stopStream(status = "Stopped.") {
  if (source) finish(status, "stopped");
}

/**
 * Show texts that were generated earlier.
 *
 * @param {string} prompt
 * @param {FinishedText[]} texts
 * @param {Pick<protocol.DoneEvent, "written"> | null} [done]
 * @param {number | null} [requested] coordinate
 */
export function replayTexts(prompt, texts, done = null, requested = null) {
  waiting = null;
  clearColumns(prompt);
  for (const column of columns())
    column.hidden = !texts.some(({ row }) => row === column.dataset.row);
  for (const text of texts) showText(text);
  if (done) showReadBack(done, requested);
}
