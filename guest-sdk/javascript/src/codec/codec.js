// What a codec is: how values become bytes and are read again, one at a time and a batch at a time.
//
// Between a value and its bytes there is the *kept* form, which nobody can change: what waits for the end of a call, in the output and in states. Of
// numbers and strings it is the value itself; of JSON it is the JSON text, of bytes a text of one character a byte.

import { bytesOfText } from "../bytes.js";
import { Refusal } from "../errors.js";

export class Codec {
  /**
   * `thaws`: whether the kept form is another than the value. `parts`:
   * `decode(bytes, at, length)` reads the kept form; `keep(value)` makes it and refuses what has no bytes; `thaw(kept)` gives the value;
   * `texts(kept)` gives the texts of the bytes of many. For a codec that doesn't thaw, `texts` refuses what has no bytes, by an `ItemRefusal`.
   */
  constructor(name, thaws, parts) {
    this.name = name;
    this.thaws = thaws;
    this.decode = parts.decode;
    this.keep = parts.keep;
    this.thaw = parts.thaw ?? ((kept) => kept);
    this.texts = parts.texts;
    this.decodeMany = parts.decodeMany ?? decodeOneByOne;
    this.pack = parts.pack ?? packTexts;
    /** The length of all values; undefined: they differ. */
    this.bytes = parts.bytes;
    Object.freeze(this);
  }

  /** The bytes of a value, as text. */
  text(value) {
    return this.texts([this.keep(value)])[0];
  }

  /** The value of bytes. */
  value(bytes) {
    return this.thaw(this.decode(bytes, 0, bytes.bytes.length));
  }
}

/** Reads as many as are good before the first that isn't: into `kept`. The reason is what `decode` of that one throws. */
function decodeOneByOne(bytes, ats, lengths, kept) {
  const count = ats.length;
  let i = 0;
  try {
    for (; i < count; i++) kept[i] = this.decode(bytes, ats[i], lengths[i]);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
  return i;
}

/** The bytes of many kept values as the contract's column. */
function packTexts(kept) {
  const texts = this.texts(kept);
  return { lengths: texts.map((text) => text.length), data: bytesOfText(texts.join("")) };
}
