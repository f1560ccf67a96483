// Ways to the card, all on the BeIDConnect wire: the browser extension, or the demo card's agent on this machine.
import { main, sleep } from "./api.js";
import { commonName } from "./certificate.js";

const AGENT = main.dataset.agent, LANGUAGE = main.dataset.language;
const EXTENSION_WAIT = 1000, EXTENSION_LOOK = 50, MAC = "0123456789ABCDEF".repeat(2);
const SECONDS = { VERSION: 5, USERCERTS: 20, CERTCHAIN: 20, SIGN: 150 };
const WINDOW = "fts-card", WINDOW_FEATURES = "popup,width=460,height=600";
const ABSENT = ["timeout", "technical_error"];

/** A failure of the card: `result` as on the wire, or "no_software" where nothing answers; `raw` as it came. */
export class CardError extends Error {
  constructor(raw) {
    super(raw);
    this.raw = raw;
    this.result = ABSENT.includes(raw) ? "no_software" : raw;
  }
}

function checked(answer) {
  if (answer?.result !== "OK") throw new CardError(answer?.result ?? "general_error");
  return answer;
}

class Extension {
  #api = new window.EIDChromeExt();

  /** Wait for an answer; the interface itself has no limit of time. */
  async #call(operation, promise) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => {
        this.#api.suspend?.();
        reject(new CardError(operation === "SIGN" ? "pin_timeout" : "timeout"));
      }, SECONDS[operation] * 1000);
    });
    try {
      return checked(await Promise.race([promise, late]));
    } catch (error) {
      throw error instanceof CardError ? error : new CardError(error?.result ?? "technical_error");
    } finally {
      clearTimeout(timer);
    }
  }

  version() { return this.#call("VERSION", this.#api.getVersion()); }
  certificates() { return this.#call("USERCERTS", this.#api.getUserCertificates(LANGUAGE, MAC, "NONREPUDIATION")); }
  chain(cert) { return this.#call("CERTCHAIN", this.#api.getUserCertificateChain(LANGUAGE, MAC, cert)); }
  sign(cert, algo, digest) { return this.#call("SIGN", this.#api.sign(LANGUAGE, MAC, cert, algo, digest, null)); }
  openWindow() { return true; }
  closeWindow() {}
}

class Agent {
  windowAddress = `${AGENT}/window?lang=${LANGUAGE}`;
  #window = null;

  async #call(message) {
    let answer;
    try {
      const response = await fetch(`${AGENT}/message`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ correlationId: crypto.randomUUID(), language: LANGUAGE, ...message }),
        signal: AbortSignal.timeout(SECONDS[message.operation] * 1000),
      });
      if (!response.ok) throw new TypeError(String(response.status));
      answer = await response.json();
    } catch {
      throw new CardError("timeout");
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
  openWindow() {
    this.#window = window.open(this.windowAddress, WINDOW, WINDOW_FEATURES);
    return this.#window !== null;
  }

  closeWindow() { this.#window?.close(); }
}

/** Find a way to the card; null where this computer has none. */
export async function findTransport() {
  for (let waited = 0; waited <= EXTENSION_WAIT; waited += EXTENSION_LOOK) {
    if (typeof window.EIDChromeExt === "function") return new Extension();
    await sleep(EXTENSION_LOOK);
  }
  return AGENT ? new Agent() : null;
}

/** Return the cards that can sign: certificate, the name in it and the reader's name. */
export async function readCards(transport) {
  const readers = (await transport.certificates()).Readers;
  const cards = (Array.isArray(readers) ? readers : []).flatMap((reader) => (reader.certificates ?? []).map(
    (certificate) => ({ certificate, name: commonName(certificate), reader: String(reader.ReaderName ?? "") }),
  ));
  if (cards.length === 0) throw new CardError("no_card");
  return cards;
}

/** Return the issuers' certificates of a card, its own issuer first; none where the card does not give them. */
export async function readChain(transport, certificate) {
  try {
    const { rootCA, subCA } = (await transport.chain(certificate)).certificateChain ?? {};
    return [subCA ?? [], rootCA].flat().filter(Boolean);
  } catch (error) {
    if (error instanceof CardError) return [];
    throw error;
  }
}
