// Opens the session: the link's secret stands behind the #, where no server and no history keeps it.
import { Problem, getState, post, sentence, texts } from "./api.js";
import { warnOfUnknownBrowser } from "./browser.js";

const message = document.getElementById("message");
const secret = location.hash.slice(1);
history.replaceState(null, "", location.pathname + location.search);

function offline(is) {
  message.textContent = is ? texts.offline : texts.loading;
}

warnOfUnknownBrowser();
try {
  if (secret) await post("session", { secret }, offline);
  else await getState(0, offline);
  location.replace(location.pathname + location.search);
} catch (error) {
  const code = error instanceof Problem ? error.code : "OTHER";
  message.textContent = !secret && code === "SESSION_REQUIRED" ? texts.link_incomplete : sentence(code);
  message.className = "fault";
}
