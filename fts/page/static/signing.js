// The signing: follows the gateway's state all the time, and does what the signer decides.
import { Problem, getState, main, post, sentence, sleep, texts } from "./api.js";
import { warnOfUnknownBrowser } from "./browser.js";
import { CardError, readChain } from "./card.js";
import { showPages } from "./preview.js";
import { atStep, showEnd, showSteps } from "./progress.js";
import { Reader } from "./reader.js";

const part = (id) => document.getElementById(id);
const sign = part("sign"), decline = part("decline"), message = part("message"), confirm = part("confirm");
const ENDS = ["completed", "declined", "cancelled", "failed", "expired"];
const GONE = ["no_software", "no_reader", "no_card"];
const REPORTED = /^[A-Za-z0-9_]{1,64}$/;

let current = { state: main.dataset.state, version: 0, problem: null };
let waiting = [];
let prepared = null, stopped = null;
let isWorking = false, isSent = false, isDeclining = false;

const reader = new Reader(cardChanged, report);

function offline(is) {
  part("connection").textContent = is ? texts.offline : "";
}

function complain(text) {
  message.textContent = text;
  message.hidden = text === "";
  part("open").hidden = true;
}

function enable() {
  sign.disabled = isWorking || reader.chosen === null;
  decline.disabled = isSent || current.state === "finishing";
}

function cardChanged() {
  if (reader.chosen !== null) complain("");
  enable();
}

function report(result) {
  if (REPORTED.test(result)) post("card-problem", { result }).catch(() => {});
}

/** Resolve with the next state that is one of these, or an end. */
function reached(...states) {
  if (stopped) throw stopped;
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
  for (let isNews = false; ; isNews = true) {
    try {
      current = await getState(current.version, offline);
    } catch (error) {
      stop(error);
      return;
    }
    if (current.state === "finishing") showFinishing();
    else if (current.step) atStep(current.step);
    waiting = waiting.filter((one) => !one.look());
    enable();
    if (ENDS.includes(current.state)) {
      reader.stop();
      showEnd(current, isNews);
      return;
    }
  }
}

/** The signer has done what there is to do: only the progress is left to see. */
function showFinishing() {
  reader.stop();
  showSteps();
  atStep(current.step ?? "timestamp");
  if (part("work").contains(document.activeElement)) part("progress-heading").focus();
  part("work").hidden = true;
}

function stop(error) {
  stopped = error;
  reader.stop();
  confirm.close();
  part("progress").hidden = true;
  part("work").hidden = false;
  part("card").hidden = part("cards").hidden = sign.hidden = decline.hidden = true;
  complain(sentence(error.code));
  for (const one of waiting) one.reject(error);
}

async function prepare({ certificate }) {
  const isReady = prepared?.certificate === certificate && prepared.digest === current.digest;
  if (isReady && current.state === "prepared") return current;
  const chain = await readChain(reader.transport, certificate);
  const { version } = await post("certificate", { certificate, chain }, offline);
  let state;
  do state = await reached("opened", "prepared");
  while (state.version < version && !ENDS.includes(state.state) && (await sleep(20), true));
  if (state.state === "opened") throw new Problem(state.problem ?? { code: "OTHER", detail: "" });
  prepared = { certificate, digest: state.digest };
  return state;
}

/** Resolve when no question whether to decline is open. */
function decided() {
  if (!confirm.open) return Promise.resolve();
  return new Promise((resolve) => confirm.addEventListener("close", resolve, { once: true }));
}

async function signOnce() {
  const card = reader.chosen;
  await reader.pause();
  const { digest, digest_algorithm: algorithm, state } = await prepare(card);
  if (ENDS.includes(state)) return;
  atStep("pin");
  const { signature } = await reader.transport.sign(card.certificate, algorithm, digest);
  await decided();
  if (isDeclining) return;
  isSent = true;
  enable();
  atStep("timestamp");
  await post("signature", { digest, signature }, offline);
  await reached();
}

function tell(error) {
  if (error instanceof CardError) {
    report(error.raw);
    if (GONE.includes(error.result)) reader.forget();
    complain(texts[error.result] ?? texts.card_failed);
    return;
  }
  reader.transport?.closeWindow();
  if (stopped === null && !ENDS.includes(current.state)) complain(sentence(error.code));
}

/** `isOpen`: the window for the PIN was opened by a link. */
async function signNow(isOpen) {
  if (!isOpen && !reader.transport.openWindow()) {
    complain(texts.popup_blocked);
    part("open-window").href = reader.transport.windowAddress;
    part("open").hidden = false;
    return;
  }
  isWorking = true;
  sign.textContent = texts.sign;
  enable();
  complain("");
  showSteps();
  atStep("prepare");
  part("progress-heading").focus();
  try {
    await signOnce();
  } catch (error) {
    tell(error);
    sign.textContent = texts.retry;
  } finally {
    isWorking = isSent = false;
    reader.resume();
    enable();
  }
  if (part("end").hidden && current.state !== "finishing") {
    part("progress").hidden = true;
    (sign.disabled ? part("signature-heading") : sign).focus();
  }
}

sign.addEventListener("click", () => signNow(false));
part("open-window").addEventListener("click", () => signNow(true));
decline.addEventListener("click", () => confirm.showModal());
part("confirm-no").addEventListener("click", () => confirm.close());
part("confirm-yes").addEventListener("click", async () => {
  isDeclining = true;
  confirm.close();
  try {
    await post("decline", {}, offline);
  } catch (error) {
    complain(sentence(error.code));
  } finally {
    isDeclining = false;
  }
});

warnOfUnknownBrowser();
showPages();
if (current.state === "finishing") showFinishing();
follow();
if (!ENDS.includes(current.state) && current.state !== "finishing") reader.watch();
