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
const BROKEN = "The connection broke. The text so far is kept; press Generate again.";

/** @type {EventSource | null} */
let source = null;
/** @type {StreamResult | null} */
let result = null;

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

/** @param {StreamEvent} event */
function receive(event) {
  if (!result) return;
  if (event.type === "start") result.start = event;
  else if (event.type === "token") part(event.row, "said")?.append(event.text);
  else if (event.type === "row_done") {
    result.texts.push(event);
    showText(event);
  } else if (event.type === "done") {
    result.done = event;
    showReadBack(event, result.start?.coordinate ?? null);
    finish("", false);
  } else if (event.type === "error") finish(event.message, true);
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
 * @param {boolean} failed
 */
function finish(status, failed) {
  source?.close();
  source = null;
  if (failed) {
    endColumns("interrupted");
    refreshHost();
  }
  setRunning(false);
  showStatus(status);
  find("steer-status")?.classList.toggle("bad", failed);
  setPanel("stream-store", { data: failed || !result?.start ? null : result });
}

/**
 * Request the texts and show them while they are generated.
 *
 * @param {string} api
 * @param {Record<string, unknown> & { prompt: string }} request
 */
export async function startStream(api, request) {
  stopStream("");
  clearColumns(request.prompt);
  setRunning(true);
  showStatus("asking the host…");
  setPanel("stream-store", { data: null });
  result = { steer_request: request, start: null, texts: [], done: null };
  const { id, problem } = await requestTicket(`${api}/steer`, request);
  if (!id) return finish(problem, true);
  showStatus("");
  source = new EventSource(`${api}/steer/${id}`);
  source.onmessage = ({ data }) => receive(JSON.parse(data));
  source.onerror = () => {
    if (source) finish(BROKEN, true);
  };
}

/**
 * @param {string} address
 * @param {object} request
 * @returns {Promise<{ id: string | null, problem: string }>}
 */
async function requestTicket(address, request) {
  try {
    const headers = { "Content-Type": "application/json" };
    const reply = await fetch(address, { method: "POST", headers, body: JSON.stringify(request) });
    const ticket = await reply.json();
    if (reply.ok) return { id: ticket.id, problem: "" };
    return { id: null, problem: ticket.message || `The app answered ${reply.status}.` };
  } catch {
    return { id: null, problem: "The app does not answer. Is it still running?" };
  }
}

/** @param {string} [status] */
export function stopStream(status = "Stopped.") {
  if (!source) return;
  endColumns("stopped");
  result = null;
  finish(status, false);
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
  clearColumns(prompt);
  for (const column of columns())
    column.hidden = !texts.some(({ row }) => row === column.dataset.row);
  for (const text of texts) showText(text);
  if (done) showReadBack(done, requested);
}
