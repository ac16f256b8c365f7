/** The prompt as the model reads it, token by token: template tokens muted, steered tokens marked. */

import { find, html } from "../ui/dom.js";

/** @param {protocol.PromptToken} token */
function tokenNode({ text, steered, special }) {
  const kinds = ["token", steered ? "steered" : "", special ? "special" : ""].filter(Boolean);
  return html(steered ? "mark" : "span", { class: kinds.join(" ") }, text.replace(/\n/g, "↵"));
}

/**
 * Append the prompt to the bands.
 *
 * @param {protocol.PromptToken[]} tokens
 */
export function showPrompt(tokens) {
  const box = find("bands");
  if (!box) return;
  const steered = tokens.filter((token) => token.steered).length;
  const where = steered === 1 ? "the marked token" : `the ${steered} marked tokens`;
  const intro = `The prompt as the model reads it, steered at ${where}:`;
  const nodes = [html("span", { class: "muted" }, intro), " ", ...tokens.map(tokenNode)];
  box.append(html("p", { class: "as-read small" }, nodes));
}
