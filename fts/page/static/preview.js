// Shows the pages as pictures, each when it comes near the view, with its text for who cannot see it.
import { main, pageAddress, texts } from "./api.js";

const COUNT = Number(main.dataset.pages), CHUNK = 20, NEAR = "400px";
const list = document.getElementById("pages"), more = document.getElementById("more");
let shown = 0;

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    load(entry.target);
  }
}, { rootMargin: NEAR });

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function load(figure) {
  const number = Number(figure.dataset.page), sheet = figure.querySelector(".sheet");
  const image = element("img", { alt: texts.page.replace("%s", number), src: pageAddress(number, "png") });
  image.addEventListener("load", () => sheet.replaceChildren(image));
  image.addEventListener("error", () => {
    const retry = element("button", { type: "button", className: "plain", textContent: texts.retry });
    retry.addEventListener("click", () => load(figure));
    sheet.replaceChildren(element("p", { textContent: texts.page_failed.replace("%s", number) }), retry);
  });
}

async function readText(number, place) {
  const response = await fetch(pageAddress(number, "txt"));
  place.textContent = (response.ok && (await response.text()).trim()) || texts.page_empty;
}

function append() {
  const until = Math.min(COUNT, shown + CHUNK);
  while (shown < until) {
    shown += 1;
    const number = shown;
    const text = element("pre", { className: "page-text", tabIndex: 0 });
    const details = element("details", {}, element("summary", { textContent: texts.page_text.replace("%s", number) }), text);
    details.addEventListener("toggle", () => readText(number, text), { once: true });
    const caption = element("figcaption", { textContent: texts.page.replace("%s", `${number} / ${COUNT}`) });
    const figure = element("figure", {}, caption, element("div", { className: "sheet" }), details);
    figure.dataset.page = number;
    list.append(figure);
    observer.observe(figure);
  }
  more.hidden = shown >= COUNT;
}

export function showPages() {
  more.addEventListener("click", append);
  append();
}
