// Warns about browsers and systems on which signing has not been tried; nobody is stopped (FTS-SIG-6).
const FAMILIES = /\b(?:Firefox|Chrome|HeadlessChrome|Chromium|Edg|Version\/[\d.]+ Safari)\b/;
const OTHERS = /\b(?:OPR|Opera|SamsungBrowser|UCBrowser|YaBrowser|MSIE|Trident|SeaMonkey)\b/;
const SYSTEMS = /Windows NT|Macintosh|Linux|CrOS/;

function isModern() {
  return typeof AbortSignal.any === "function" && typeof Array.prototype.toSorted === "function"
    && typeof HTMLDialogElement === "function";
}

export function warnOfUnknownBrowser() {
  const name = navigator.userAgent;
  const known = FAMILIES.test(name) && !OTHERS.test(name) && SYSTEMS.test(name);
  if (!known || !isModern()) document.getElementById("old").hidden = false;
}
