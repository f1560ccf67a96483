// The signing: follows the gateway's state all the time, and does what the signer decides.
import { Problem, getState, main, post, sentence, sleep, texts } from "./api.js";
import { CardError, findTransport, readCard } from "./card.js";
import { commonName } from "./certificate.js";
import { showPages } from "./preview.js";
import { atStep, showEnd, showSteps } from "./progress.js";

const part = (id) => document.getElementById(id);
const sign = part("sign"), decline = part("decline"), message = part("message"), card = part("card");
const ENDS = ["completed", "declined", "cancelled", "failed", "expired"];
const CARD_LOOK = 2000;
const REPORTED = /^[A-Za-z0-9_]{1,64}$/;

let current = { state: main.dataset.state, version: 0, problem: null };
let waiting = [];
let transport = null, holder = null, prepared = null, working = false;

function offline(is) {
  part("connection").textContent = is ? texts.offline : "";
}

function complain(text) {
  message.textContent = text;
  message.hidden = text === "";
}

function enable() {
  sign.disabled = working || holder === null;
  decline.disabled = current.state === "finishing";
}

/** Resolve with the next state that is one of these, or an end. */
function reached(...states) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (![...states, ...ENDS].includes(current.state)) return false;
      resolve(current);
      return true;
    };
    if (!look()) waiting.push({ look, reject });
  });
}

async function follow() {
  for (;;) {
    try {
      current = await getState(current.version, offline);
    } catch (error) {
      stop(error);
      return;
    }
    if (current.state === "finishing" || current.step) atStep(current.step ?? "timestamp");
    waiting = waiting.filter((one) => !one.look());
    enable();
    if (ENDS.includes(current.state)) {
      showEnd(current);
      return;
    }
  }
}

function stop(error) {
  part("work").hidden = false;
  card.hidden = sign.hidden = decline.hidden = true;
  complain(sentence(error instanceof Problem ? error.code : "OTHER"));
  for (const one of waiting) one.reject(error);
}

async function lookForCard() {
  transport = await findTransport();
  for (let last = ""; holder === null; ) {
    let result = "no_software";
    try {
      if (transport === null) throw new CardError(result);
      holder = await readCard(transport);
      card.textContent = `${texts.signs_as} `;
      card.append(Object.assign(document.createElement("strong"), { textContent: commonName(holder.certificate) }));
      enable();
      return;
    } catch (error) {
      if (!(error instanceof CardError)) throw error;
      result = error.result;
    }
    if (result !== last) {
      card.textContent = texts[result] ?? texts.card_failed;
      report(result);
      last = result;
    }
    await sleep(CARD_LOOK);
    transport ??= await findTransport();
  }
}

function report(result) {
  if (REPORTED.test(result)) post("card-problem", { result }).catch(() => {});
}

async function prepare() {
  if (prepared !== null && prepared.digest === current.digest && current.state === "prepared") return prepared;
  const { version } = await post("certificate", holder, offline);
  let state;
  do state = await reached("opened", "prepared");
  while (state.version < version && !ENDS.includes(state.state) && (await sleep(20), true));
  if (state.state === "opened") throw new Problem(state.problem ?? { code: "OTHER", detail: "" });
  prepared = state;
  return state;
}

async function signNow() {
  if (!transport.openWindow()) {
    complain(texts.popup_blocked);
    return;
  }
  working = true;
  sign.textContent = texts.sign;
  enable();
  complain("");
  showSteps();
  atStep("prepare");
  try {
    const { digest, digest_algorithm: algorithm, state } = await prepare();
    if (ENDS.includes(state)) return;
    atStep("pin");
    const { signature } = await transport.sign(holder.certificate, algorithm, digest);
    atStep("timestamp");
    await post("signature", { digest, signature }, offline);
    await reached();
  } catch (error) {
    part("progress").hidden = true;
    if (error instanceof CardError) {
      report(error.result);
      complain(texts[error.result] ?? texts.card_failed);
      if (["no_software", "no_reader", "no_card"].includes(error.result)) {
        holder = null;
        lookForCard();
      }
    } else if (!ENDS.includes(current.state)) {
      complain(sentence(error instanceof Problem ? error.code : "OTHER"));
    }
    sign.textContent = texts.retry;
    sign.focus();
  } finally {
    working = false;
    enable();
  }
}

sign.addEventListener("click", signNow);
decline.addEventListener("click", () => part("confirm").showModal());
part("confirm-no").addEventListener("click", () => part("confirm").close());
part("confirm-yes").addEventListener("click", async () => {
  part("confirm").close();
  try {
    await post("decline", {}, offline);
  } catch (error) {
    complain(sentence(error instanceof Problem ? error.code : "OTHER"));
  }
});

showPages();
if (current.state === "finishing") {
  showSteps();
  atStep("timestamp");
}
follow();
if (!ENDS.includes(current.state) && current.state !== "finishing") lookForCard();
