// UTF-8 to and from strings. Whole batches are looked at at once: what is ASCII, and most is, needs no more than cutting and joining texts of one
// character a byte; the rest goes through the engine's native `decodeURIComponent` and `encodeURIComponent`, which refuse what isn't UTF-8.

import { isAscii } from "./bytes.js";
import { ItemRefusal, Refusal } from "./errors.js";

/** So many texts are looked at together once it is known that some of them isn't ASCII. */
const GROUP = 32;
const ASCII = /^[\x00-\x7f]*$/;

/** The string for the text of its bytes. */
export function decodeText(text) {
  if (ASCII.test(text)) return text;
  try {
    return decodeURIComponent(escape(text));
  } catch {
    throw new Refusal(`not UTF-8: invalid byte at index ${validUpTo(text)}`);
  }
}

/** Turns texts of bytes into strings, in place. Returns how many are good before the first that isn't UTF-8. */
export function decodeTexts(texts) {
  const count = texts.length;
  if (isAscii(texts.join(""))) return count;
  for (let from = 0; from < count; from += GROUP) {
    const to = Math.min(from + GROUP, count);
    if (isAscii(texts.slice(from, to).join(""))) continue;
    for (let i = from; i < to; i++) {
      if (ASCII.test(texts[i])) continue;
      try {
        texts[i] = decodeURIComponent(escape(texts[i]));
      } catch {
        return i;
      }
    }
  }
  return count;
}

/** The strings as texts of their bytes: the same array if all are ASCII. Throws an `ItemRefusal` for what has no UTF-8. */
export function encodeTexts(strings) {
  const count = strings.length;
  for (let i = 0; i < count; i++) if (typeof strings[i] !== "string") throw notText(i, strings[i]);
  if (isAscii(strings.join(""))) return strings;
  const texts = strings.slice();
  for (let from = 0; from < count; from += GROUP) {
    const to = Math.min(from + GROUP, count);
    if (isAscii(texts.slice(from, to).join(""))) continue;
    for (let i = from; i < to; i++) texts[i] = encodeAt(texts[i], i);
  }
  return texts;
}

function encodeAt(string, i) {
  try {
    return unescape(encodeURIComponent(string));
  } catch {
    throw loneSurrogate(i);
  }
}

/** Refuses what is no string with UTF-8. */
export function checkString(value) {
  if (typeof value !== "string") throw notText(0, value);
  if (!value.isWellFormed()) throw loneSurrogate(0);
  return value;
}

function notText(i, value) {
  return new ItemRefusal(i, `not utf8: a string is expected, not ${value === null ? "null" : typeof value}`);
}

function loneSurrogate(i) {
  return new ItemRefusal(i, "not utf8: the string has half of a surrogate pair alone");
}

/** Where the first byte is that is no UTF-8. */
function validUpTo(text) {
  let at = 0;
  while (at < text.length) {
    const first = text.charCodeAt(at);
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    try {
      // A piece that is cut off, or too long, is refused as well.
      decodeURIComponent(escape(text.substring(at, at + length)));
    } catch {
      return at;
    }
    at += length;
  }
  return at;
}
