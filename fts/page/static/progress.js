// What is under way, and how it ended.
import { main, sentence, texts } from "./api.js";

const part = (id) => document.getElementById(id);
const STEPS = ["prepare", "pin", "timestamp", "revocation", "archive", "check"];
const SECONDS = 20;

export function showSteps() {
  if (!part("progress").hidden) return;
  const items = STEPS.map((step) => {
    const item = document.createElement("li");
    item.id = `step-${step}`;
    item.textContent = texts[`step_${step}`];
    return item;
  });
  part("steps").replaceChildren(...items);
  part("progress").hidden = false;
}

/** Mark a step as under way, and those before it as done; a step never goes back. */
export function atStep(step) {
  const at = STEPS.indexOf(step);
  if (at < 0 || part("progress").hidden) return;
  STEPS.forEach((name, index) => {
    const item = part(`step-${name}`);
    const place = index < at ? "done" : index === at ? "now" : "";
    if (place) item.dataset.at = place;
    else delete item.dataset.at;
    item.setAttribute("aria-label", place ? `${texts[`step_${name}`]}: ${texts[`step_${place}`]}` : texts[`step_${name}`]);
  });
  part("now").textContent = texts[`step_${step}`];
}

const isWebAddress = (address) => /^https?:\/\//i.test(address ?? "");

/** Show how the signing ended; `isNews` leads back to the organisation, after a while that can be stopped. */
export function showEnd({ state, problem, return_url: address }, isNews) {
  for (const id of ["work", "progress", "connection"]) part(id).hidden = true;
  part("confirm").close();
  main.querySelector(".signature").dataset.end = state;
  part("end-heading").textContent = texts[`end_${state}`];
  part("end-text").textContent = problem ? sentence(problem.code) : texts[`end_${state}_text`] ?? sentence();
  part("end").hidden = false;
  part("end-heading").focus();
  part("return").hidden = !isWebAddress(address);
  if (part("return").hidden) return;
  part("return").href = address;
  if (!isNews) return;
  let left = SECONDS;
  const count = () => {
    part("countdown-text").textContent = texts.return_in.replace("%s", left);
    if (left === 0) location.assign(address);
    left -= 1;
  };
  const timer = setInterval(count, 1000);
  part("stay").addEventListener("click", () => {
    clearInterval(timer);
    part("countdown").hidden = true;
    part("return").focus();
  });
  count();
  part("countdown").hidden = false;
}
