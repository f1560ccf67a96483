// Shows a PDF's pages as pictures, with their text for who cannot see them, and XML as text: each when it comes near.
import { main, pageAddress, texts } from "./api.js";

const COUNT = Number(main.dataset.pages), IS_XML = main.dataset.kind === "xml", CHUNK = 20, NEAR = "400px";
const list = document.getElementById("pages"), more = document.getElementById("more");
let shown = 0;

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    if (IS_XML) loadPart(entry.target);
    else load(entry.target);
  }
}, { rootMargin: NEAR });

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function failed(place, sentence, again) {
  const retry = element("button", { type: "button", className: "plain", textContent: texts.retry });
  retry.addEventListener("click", again);
  place.replaceChildren(element("p", { textContent: sentence }), retry);
}

function load(figure) {
  const number = Number(figure.dataset.page), sheet = figure.querySelector(".sheet");
  const image = element("img", { alt: texts.page.replace("%s", number), src: pageAddress(number, "png") });
  image.addEventListener("load", () => sheet.replaceChildren(image));
  image.addEventListener("error", () => failed(sheet, texts.page_failed.replace("%s", number), () => load(figure)));
}

async function loadPart(figure) {
  const number = Number(figure.dataset.page), place = figure.querySelector(".part");
  try {
    const response = await fetch(pageAddress(number, "txt"));
    if (!response.ok) throw new Error(response.status);
    const label = texts.part.replace("%s", number);
    const text = element("pre", { className: "xml-text", tabIndex: 0, textContent: await response.text() });
    text.setAttribute("role", "region");
    text.setAttribute("aria-label", label);
    place.replaceChildren(text);
  } catch {
    failed(place, texts.part_failed.replace("%s", number), () => loadPart(figure));
  }
}

async function readText(number, place) {
  const response = await fetch(pageAddress(number, "txt"));
  place.textContent = (response.ok && (await response.text()).trim()) || texts.page_empty;
}

function sheetOf(number) {
  const text = element("pre", { className: "page-text", tabIndex: 0 });
  const details = element("details", {}, element("summary", { textContent: texts.page_text.replace("%s", number) }), text);
  details.addEventListener("toggle", () => readText(number, text), { once: true });
  return [element("div", { className: "sheet" }), details];
}

function append() {
  const until = Math.min(COUNT, shown + CHUNK);
  while (shown < until) {
    shown += 1;
    const label = (IS_XML ? texts.part : texts.page).replace("%s", `${shown} / ${COUNT}`);
    const content = IS_XML ? [element("div", { className: "part" })] : sheetOf(shown);
    const figure = element("figure", {}, element("figcaption", { textContent: label }), ...content);
    figure.dataset.page = shown;
    list.append(figure);
    observer.observe(figure);
  }
  more.hidden = shown >= COUNT;
}

export function showPages() {
  more.addEventListener("click", append);
  append();
}
