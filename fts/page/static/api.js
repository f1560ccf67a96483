// Calls to the gateway, for one signing: the path of the page is its address.
const BASE = location.pathname.replace(/\/$/, "");
const PAUSES = [500, 1000, 2000, 4000];
const SECONDS = 40;

export const main = document.querySelector("main");
export const texts = JSON.parse(main.dataset.texts);

/** A refusal of the gateway: `code` as in its catalogue. */
export class Problem extends Error {
  constructor(members) {
    super(members.detail);
    Object.assign(this, { code: members.code, state: members.state, reference: members.reference });
  }
}

/** One sentence, with one way forward, for a problem's code. */
export function sentence(code = "OTHER") {
  const groups = ["REVOCATION", "TIMESTAMP", "CERTIFICATE", "DOCUMENT", "DIGEST", "XML", "ASIC"];
  const group = groups.find((name) => code.startsWith(name));
  const known = { DIGEST: "SIGNING_STATE", XML: "DOCUMENT", ASIC: "DOCUMENT" };
  return texts[`problem_${code}`] ?? texts[`problem_${known[group] ?? group}`] ?? texts.problem_OTHER;
}

async function answered(response) {
  if (response.ok) return response.status === 204 ? null : response.json();
  const unknown = { code: response.status >= 500 ? "OVERLOADED" : "OTHER", detail: String(response.status) };
  const members = await response.json().catch(() => unknown);
  throw new Problem(members);
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Call, again and again while the gateway cannot be reached; `offline(true|false)` hears of it. */
async function persistently(call, offline) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const answer = await answered(await call(AbortSignal.timeout(SECONDS * 1000)));
      offline(false);
      return answer;
    } catch (error) {
      if (error instanceof Problem && !["OVERLOADED", "INTERNAL_ERROR"].includes(error.code)) throw error;
      if (error instanceof Problem && error.code === "INTERNAL_ERROR" && attempt >= PAUSES.length) throw error;
      offline(true);
      await sleep(PAUSES[Math.min(attempt, PAUSES.length - 1)]);
    }
  }
}

const silent = () => {};

export function post(what, body, offline = silent) {
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return persistently((signal) => fetch(`${BASE}/${what}`, { ...init, signal }), offline);
}

export function getState(after, offline = silent) {
  return persistently((signal) => fetch(`${BASE}/state?after=${after}`, { signal }), offline);
}

export const pageAddress = (number, kind) => `${BASE}/pages/${number}.${kind}`;
