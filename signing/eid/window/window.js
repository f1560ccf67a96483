// The PIN window: asks its own agent what to show, and gives the PIN to nobody else.
const page = document.documentElement.dataset;
const texts = JSON.parse(page.texts);
const part = (id) => document.getElementById(id);
const form = part("form"), pin = part("pin"), fault = part("fault"), status = part("status");
const outcomes = {
  OK: "done", pin_2_attempts_left: "wrong2", pin_1_attempt_left: "wrong1", card_blocked: "blocked",
  cancel: "cancelled", pin_timeout: "cancelled",
};
const CLOSE_AFTER = 1200, PAUSE = 1000;
let request = null, closing = null;

function show(news) {
  request = news.request;
  clearTimeout(closing);
  form.hidden = request === null;
  pin.value = "";
  fault.textContent = "";
  if (request !== null) {
    part("origin").textContent = news.origin;
    part("document").textContent = news.document;
    part("digest").textContent = news.digest;
    part("card").textContent = news.card;
    part("attempts").textContent = news.attempts ?? "";
    part("attempts-row").hidden = news.attempts === null;
    part("attempts-row").className = news.attempts === 1 ? "last" : "";
    status.textContent = "";
    pin.focus();
  } else if (news.result !== null) {
    status.textContent = texts[outcomes[news.result] ?? "failed"];
    if (news.result === "OK" || news.result === "cancel") closing = setTimeout(() => window.close(), CLOSE_AFTER);
  } else if (news.attempts === 0) {
    status.textContent = texts.blocked;
  } else if (!status.dataset.working) {
    status.textContent = texts.waiting;
  }
  delete status.dataset.working;
}

async function post(path, body) {
  const sent = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  try {
    await fetch(path, sent);
    return true;
  } catch {
    return false;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!/^[0-9]{4,12}$/.test(pin.value)) {
    fault.textContent = texts.length;
    pin.focus();
    return;
  }
  const given = pin.value;
  pin.value = "";
  form.hidden = true;
  status.textContent = texts.working;
  status.dataset.working = "yes";
  if (!(await post("/window/pin", { request, pin: given }))) status.textContent = texts.lost;
});

async function cancel() {
  if (request !== null) await post("/window/cancel", { request });
}

part("cancel").addEventListener("click", cancel);
document.addEventListener("keydown", (event) => { if (event.key === "Escape") cancel(); });

addEventListener("pagehide", () => {
  if (request !== null) navigator.sendBeacon("/window/leave", JSON.stringify({ request, window: page.window }));
});

let known = 0;
for (;;) {
  try {
    const answer = await fetch(`/window/next?known=${known}`);
    if (!answer.ok) throw new Error(String(answer.status));
    const news = await answer.json();
    if (news.version !== known) show(news);
    known = news.version;
  } catch {
    form.hidden = true;
    status.textContent = texts.lost;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    known = 0;
  }
}
