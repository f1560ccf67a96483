// Reads the subject's common name from a certificate (X.509, DER), to show who is about to sign.
const COMMON_NAME = "550403";

function read(bytes, at) {
  let length = bytes[at + 1], start = at + 2;
  if (length & 0x80) {
    const count = length & 0x7f;
    length = 0;
    for (let i = 0; i < count; i += 1) length = length * 256 + bytes[start + i];
    start += count;
  }
  if (start + length > bytes.length) throw new RangeError("truncated");
  return { tag: bytes[at], start, end: start + length };
}

function children(bytes, element) {
  const found = [];
  for (let at = element.start; at < element.end; at = found.at(-1).end) found.push(read(bytes, at));
  return found;
}

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

/** Return the common name, or an empty text where there is none. */
export function commonName(base64) {
  try {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const [body] = children(bytes, read(bytes, 0));
    const fields = children(bytes, body);
    const subject = fields[fields[0].tag === 0xa0 ? 5 : 4];
    for (const set of children(bytes, subject)) {
      for (const attribute of children(bytes, set)) {
        const [type, value] = children(bytes, attribute);
        if (hex(bytes.subarray(type.start, type.end)) !== COMMON_NAME) continue;
        const octets = bytes.subarray(value.start, value.end);
        return new TextDecoder(value.tag === 0x1e ? "utf-16be" : "utf-8").decode(octets);
      }
    }
  } catch {
    return "";
  }
  return "";
}
