// Reads the subject's common name from a certificate (X.509, DER), to show who is about to sign. The gateway checks the
// certificate; here it is only shown, so whatever is not plain DER gives no name at all.
const COMMON_NAME = "550403", LONGEST_NAME = 200;
const SEQUENCE = 0x30, SET = 0x31, VERSION = 0xa0;
const DECODERS = { 0x0c: "utf-8", 0x13: "ascii", 0x14: "latin1", 0x1e: "utf-16be" };
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Return tag and content of the element at an octet; lengths are definite and minimal (X.690, 10.1). */
function read(bytes, at, end) {
  const first = bytes[at + 1];
  let length = first, start = at + 2;
  if (at + 2 > end) throw new RangeError("truncated");
  if (first >= 0x80) {
    const count = first - 0x80;
    if (count < 1 || count > 3 || start + count > end) throw new RangeError("length");
    length = bytes.subarray(start, start + count).reduce((sum, octet) => sum * 256 + octet, 0);
    if (length < 0x80 || bytes[start] === 0) throw new RangeError("length");
    start += count;
  }
  if (start + length > end) throw new RangeError("truncated");
  return { tag: bytes[at], start, end: start + length };
}

function children(bytes, element, ...tags) {
  if (!tags.includes(element?.tag)) throw new RangeError("tag");
  const found = [];
  for (let at = element.start; at < element.end; at = found.at(-1).end) found.push(read(bytes, at, element.end));
  return found;
}

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

function text(bytes, value) {
  const decoder = DECODERS[value?.tag];
  if (decoder === undefined) throw new RangeError("string type");
  const decoded = new TextDecoder(decoder, { fatal: true }).decode(bytes.subarray(value.start, value.end));
  return decoded.replace(UNSEEN, "").trim().slice(0, LONGEST_NAME);
}

/** Return the common name, or an empty text where there is none that can be read. */
export function commonName(base64) {
  try {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const [body] = children(bytes, read(bytes, 0, bytes.length), SEQUENCE);
    const fields = children(bytes, body, SEQUENCE);
    const subject = fields[fields[0]?.tag === VERSION ? 5 : 4];
    for (const set of children(bytes, subject, SEQUENCE)) {
      for (const attribute of children(bytes, set, SET)) {
        const [type, value] = children(bytes, attribute, SEQUENCE);
        if (hex(bytes.subarray(type.start, type.end)) === COMMON_NAME) return text(bytes, value);
      }
    }
  } catch {
    return "";
  }
  return "";
}
