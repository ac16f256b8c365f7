/** Entry of the app's scripts. Modules run after all of Dash's own scripts, which are classic ones; the renderer is
 *  started here and not by Dash, so that it never runs before its callbacks are registered. */

import { registerCallbacks } from "./callbacks.js";
import "./ui/callback_errors.js";
import "./ui/cards.js";
import "./ui/keys.js";

registerCallbacks();
new window.DashRenderer();
