// Keeps looking which cards are in the readers, shows it, and knows with which one the signer signs.
import { sleep, texts } from "./api.js";
import { CardError, findTransport, readCards } from "./card.js";

const LOOK = 2000, LOOK_AGAIN = 3000;
const part = (id) => document.getElementById(id);
const status = part("card"), choice = part("cards");

export class Reader {
  /** Way to the card; null while none was found. */
  transport = null;
  /** The card with which the signer signs; null while there is none, or none was chosen. */
  chosen = null;
  #cards = [];
  #shown = "";
  #reading = Promise.resolve();
  #isPaused = false;
  #isStopped = false;
  #changed;
  #report;

  /** `changed` hears that another card is chosen, or none; `report` hears the results that are no success. */
  constructor(changed, report) {
    this.#changed = changed;
    this.#report = report;
  }

  /** Leave the card alone while it signs; resolves when nothing of the reader is under way. */
  async pause() {
    this.#isPaused = true;
    await this.#reading;
  }

  resume() { this.#isPaused = false; }

  stop() { this.#isStopped = true; }

  /** Forget the card: it has to be read again before it can sign. */
  forget() {
    this.#cards = [];
    this.#shown = "";
    this.#choose(null);
  }

  async watch() {
    while (!this.#isStopped) {
      if (!this.#isPaused && !document.hidden) {
        this.#reading = this.#look();
        await this.#reading;
      }
      await sleep(this.#cards.length ? LOOK_AGAIN : LOOK);
    }
  }

  async #look() {
    let cards = [], failure = "";
    try {
      const isNew = this.transport === null;
      this.transport ??= await findTransport();
      if (this.transport === null) throw new CardError("no_software");
      if (isNew) await this.transport.version();
      cards = await readCards(this.transport);
    } catch (error) {
      if (!(error instanceof CardError)) throw error;
      failure = error.result;
      if (failure !== this.#shown && !this.#isPaused) this.#report(error.raw);
      if (failure === "no_software") this.transport = null;
    }
    if (!this.#isPaused && !this.#isStopped) this.#show(cards, failure);
  }

  #show(cards, failure) {
    const now = failure || cards.map((card) => card.certificate).join();
    if (now === this.#shown) return;
    this.#shown = now;
    this.#cards = cards;
    this.#offer(cards.length > 1 ? cards : []);
    if (failure) status.textContent = texts[failure] ?? texts.card_failed;
    else if (cards.length > 1) status.textContent = texts.cards_found;
    this.#choose(cards.length === 1 ? cards[0] : null);
  }

  #offer(cards) {
    choice.hidden = cards.length === 0;
    choice.querySelectorAll("label").forEach((label) => label.remove());
    for (const card of cards) {
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "card" });
      input.addEventListener("change", () => this.#choose(card));
      const label = document.createElement("label");
      label.append(input, ` ${card.name || texts.name_unknown} (${card.reader})`);
      choice.append(label);
    }
  }

  #choose(card) {
    if (card) {
      const name = Object.assign(document.createElement("strong"), { textContent: card.name || texts.name_unknown });
      status.replaceChildren(`${texts.signs_as} `, name);
    }
    const isOther = card?.certificate !== this.chosen?.certificate;
    this.chosen = card;
    if (isOther) this.#changed();
  }
}
