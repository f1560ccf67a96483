// Ways to the card, all on the BeIDConnect wire: the browser extension, or the demo card's agent on this machine.
import { main, sleep } from "./api.js";

const AGENT = main.dataset.agent, LANGUAGE = main.dataset.language;
const EXTENSION_WAIT = 1000, EXTENSION_LOOK = 50, AGENT_SECONDS = 150, MAC = "0123456789ABCDEF".repeat(2);
const WINDOW = "popup,width=460,height=600";

/** A failure of the card: `result` as on the wire. */
export class CardError extends Error {
  constructor(result) {
    super(result);
    this.result = result;
  }
}

function checked(answer) {
  if (answer?.result !== "OK") throw new CardError(answer?.result ?? "general_error");
  return answer;
}

class Extension {
  #api = new window.EIDChromeExt();

  async #call(promise) {
    try {
      return checked(await promise);
    } catch (error) {
      if (error instanceof CardError) throw error;
      throw new CardError(error?.result === "timeout" ? "no_software" : error?.result ?? "no_software");
    }
  }

  version() { return this.#call(this.#api.getVersion()); }
  certificates() { return this.#call(this.#api.getUserCertificates(LANGUAGE, MAC, "NONREPUDIATION")); }
  chain(cert) { return this.#call(this.#api.getUserCertificateChain(LANGUAGE, MAC, cert)); }
  sign(cert, algorithm, digest) { return this.#call(this.#api.sign(LANGUAGE, MAC, cert, algorithm, digest, null)); }
  openWindow() { return true; }
}

class Agent {
  async #call(message) {
    let answer;
    try {
      const response = await fetch(`${AGENT}/message`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ correlationId: crypto.randomUUID(), language: LANGUAGE, ...message }),
        signal: AbortSignal.timeout(AGENT_SECONDS * 1000),
      });
      if (!response.ok) throw new TypeError(String(response.status));
      answer = await response.json();
    } catch {
      throw new CardError("no_software");
    }
    return checked(answer);
  }

  version() { return this.#call({ operation: "VERSION" }); }
  certificates() { return this.#call({ operation: "USERCERTS", keyusage: "NONREPUDIATION" }); }
  chain(cert) { return this.#call({ operation: "CERTCHAIN", cert }); }

  sign(cert, algo, digest) {
    return this.#call({ operation: "SIGN", cert, algo, digest, pin: null, documentName: main.dataset.document });
  }

  /** Open the agent's own window for the PIN; it must happen inside the click. */
  openWindow() { return window.open(`${AGENT}/window?lang=${LANGUAGE}`, "fts-card", WINDOW) !== null; }
}

/** Find a way to the card; null where this computer has none. */
export async function findTransport() {
  for (let waited = 0; waited <= EXTENSION_WAIT; waited += EXTENSION_LOOK) {
    if (typeof window.EIDChromeExt === "function") return new Extension();
    await sleep(EXTENSION_LOOK);
  }
  return AGENT ? new Agent() : null;
}

/** Return the certificate that can sign, with its issuers. */
export async function readCard(transport) {
  await transport.version();
  const readers = (await transport.certificates()).Readers;
  const certificate = (Array.isArray(readers) ? readers : []).flatMap((reader) => reader.certificates ?? [])[0];
  if (!certificate) throw new CardError("no_card");
  let chain = [];
  try {
    const { rootCA, subCA } = (await transport.chain(certificate)).certificateChain;
    chain = [...subCA, rootCA].filter(Boolean);
  } catch (error) {
    if (!(error instanceof CardError)) throw error;
  }
  return { certificate, chain };
}
