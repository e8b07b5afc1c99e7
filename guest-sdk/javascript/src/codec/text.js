// Codecs of text, JSON and opaque bytes.

import { bytesOfText, textOfBytes } from "../bytes.js";
import { inWords, ItemRefusal, Refusal } from "../errors.js";
import { checkString, decodeText, decodeTexts, encodeTexts } from "../utf8.js";
import { Codec } from "./codec.js";

const utf8Parts = {
  decode: (bytes, at, length) => decodeText(bytes.text.substring(at, at + length)),
  decodeMany(bytes, ats, lengths, kept) {
    const text = bytes.text;
    for (let i = 0, count = ats.length; i < count; i++) {
      const at = ats[i];
      kept[i] = text.substring(at, at + lengths[i]);
    }
    return decodeTexts(kept);
  },
  texts: encodeTexts,
};

/** Text: a string. */
export const utf8 = new Codec("utf8", false, { ...utf8Parts, keep: checkString });

/** One JSON value, compact: whatever `JSON.parse` gives. Integers beyond 2^53 lose digits there. */
export const json = new Codec("json", true, {
  ...utf8Parts,
  keep(value) {
    let text;
    try {
      text = JSON.stringify(value);
    } catch (error) {
      throw new Refusal(`can't be written as JSON: ${inWords(error)}`);
    }
    if (text === undefined) throw new Refusal(`can't be written as JSON: ${typeof value}`);
    return text;
  },
  thaw(text) {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new Refusal(`not the JSON that is expected: ${error.message}`);
    }
  },
});

/** `json` with a type, for TypeScript. */
export function jsonOf() {
  return json;
}

/** The same bytes as `json`, as their text. */
export const jsonText = new Codec("json", true, { ...utf8Parts, keep: checkJson, thaw: checkJson });

function checkJson(text) {
  checkString(text);
  json.thaw(text);
  return text;
}

/** Opaque bytes: a Uint8Array, which the operator may keep and change. */
export const bytes = new Codec("bytes", true, {
  decode: (bytes, at, length) => bytes.text.substring(at, at + length),
  keep(value) {
    if (!(value instanceof Uint8Array)) throw new ItemRefusal(0, `not bytes: a Uint8Array is expected, not ${typeof value}`);
    return textOfBytes(value);
  },
  thaw: bytesOfText,
  texts: (kept) => kept,
});
