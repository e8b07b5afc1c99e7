// Bytes as text of one character a byte, which is how this SDK handles them: joining and cutting texts is native code in QuickJS, a loop over bytes is
// not. The way there and back is base64, for which the engine has native code too; elsewhere (in tests) it is done by loops.

const HAS_BASE64 = typeof Uint8Array.prototype.toBase64 === "function" && typeof Uint8Array.fromBase64 === "function";
const CHUNK = 8192;

/** The bytes as text, a character from 0 to 255 for each. */
export const textOfBytes = HAS_BASE64 ? (bytes) => atob(bytes.toBase64()) : textByLoop;

/** The bytes of such a text. Throws where a character is above 255. */
export const bytesOfText = HAS_BASE64 ? (text) => Uint8Array.fromBase64(btoa(text)) : bytesByLoop;

/** Whether all characters are below 128. */
export const isAscii = HAS_BASE64 ? isAsciiByWords : (text) => /^[\x00-\x7f]*$/.test(text);

function textByLoop(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += CHUNK) text += String.fromCharCode.apply(null, bytes.subarray(i, i + CHUNK));
  return text;
}

function bytesByLoop(text) {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 255) throw new RangeError("a character is above 255");
    bytes[i] = unit;
  }
  return bytes;
}

/** Four bytes at a time: in QuickJS that takes a third of the time of a regular expression. */
function isAsciiByWords(text) {
  let bytes;
  try {
    bytes = bytesOfText(text);
  } catch {
    return false;
  }
  let seen = 0;
  let i = bytes.length & ~31;
  for (const end = bytes.length; i < end; i++) seen |= bytes[i];
  if (seen & 0x80) return false;
  const words = new Int32Array(bytes.buffer, 0, (bytes.length & ~31) >> 2);
  for (let w = 0, end = words.length; w < end; w += 8) {
    seen |= words[w] | words[w + 1] | words[w + 2] | words[w + 3] | words[w + 4] | words[w + 5] | words[w + 6] | words[w + 7];
  }
  return (seen & 0x80808080) === 0;
}

/** Bytes that are read both as bytes and as text; each form is made when it is first asked for. */
export class Bytes {
  #bytes;
  #text;
  #view;

  constructor(bytes, text) {
    this.#bytes = bytes;
    this.#text = text;
  }

  static ofText(text) {
    return new Bytes(undefined, text);
  }

  get bytes() {
    return (this.#bytes ??= bytesOfText(this.#text));
  }

  get text() {
    return (this.#text ??= textOfBytes(this.#bytes));
  }

  get view() {
    const { buffer, byteOffset, byteLength } = this.bytes;
    return (this.#view ??= new DataView(buffer, byteOffset, byteLength));
  }
}
