// Records as they cross the boundary: rows back to back in one buffer, in the contract's layout.

import { callFailure } from "./errors.js";

/** Bytes before a row's key. */
export const HEADER_BYTES = 16;
/** The timestamp of a record without event time, as the text of its bytes. */
export const NO_TIME = "\0\0\0\0\0\0\0\x80";
const TWO_32 = 4294967296;

/** Where the rows of a call, and what is in them, begin in its bytes. */
export class Rows {
  constructor(bytes) {
    this.bytes = bytes;
    /** Where each row starts. */
    this.at = [];
    /** The length of each key; -1: no key. */
    this.keyLengths = [];
    this.valueAt = [];
    this.valueLengths = [];
    /** Whether a record has event time. */
    this.timed = false;
    if (bytes.bytes.length > 0) this.#walk();
  }

  #walk() {
    const { bytes, at, keyLengths, valueAt, valueLengths } = this;
    const view = bytes.view;
    const end = bytes.bytes.length;
    let row = 0;
    let from = 0;
    while (from < end) {
      if (end - from < HEADER_BYTES) throw cutOff();
      const keyLength = view.getInt32(from, true);
      const valueLength = view.getInt32(from + 4, true);
      // As a double, no event time is -0, and nothing else is.
      if (1 / view.getFloat64(from + 8, true) !== -Infinity) this.timed = true;
      const value = from + HEADER_BYTES + (keyLength === -1 ? 0 : keyLength);
      if (keyLength < -1 || valueLength < 0 || value + valueLength > end) throw cutOff();
      at[row] = from;
      keyLengths[row] = keyLength;
      valueAt[row] = value;
      valueLengths[row] = valueLength;
      row++;
      from = value + valueLength;
    }
  }

  get count() {
    return this.at.length;
  }

  /** Event time in milliseconds since the Unix epoch, or null. */
  timestamp(row) {
    const view = this.bytes.view;
    const at = this.at[row] + 8;
    const high = view.getInt32(at + 4, true);
    const low = view.getUint32(at, true);
    return high === -0x80000000 && low === 0 ? null : high * TWO_32 + low;
  }

  /** The timestamp as the text of its bytes. */
  timestampText(row) {
    const at = this.at[row] + 8;
    return this.bytes.text.substring(at, at + 8);
  }

  /** The row as text, with its key or without. */
  text(row, withKey) {
    const text = this.bytes.text;
    const value = this.valueAt[row];
    const end = value + this.valueLengths[row];
    if (withKey || this.keyLengths[row] === -1) return text.substring(this.at[row], end);
    return NO_KEY + text.substring(this.at[row] + 4, this.at[row] + HEADER_BYTES) + text.substring(value, end);
  }
}

function cutOff() {
  return callFailure("the records of this call are cut off: a row is longer than the bytes that hold it");
}

/** The key length of a record without a key, as text. */
export const NO_KEY = "\xff\xff\xff\xff";

// Most lengths are small: their texts, alone and before the timestamp that says there is none.
const LENGTHS = Array.from({ length: 512 }, (_, length) => makeLength(length));
const LENGTHS_UNTIMED = LENGTHS.map((text) => text + NO_TIME);

/** A length as the text of its four bytes. */
export function lengthText(length) {
  return LENGTHS[length] ?? makeLength(length);
}

/** A value's length and that there is no event time. */
export function untimedText(length) {
  return LENGTHS_UNTIMED[length] ?? makeLength(length) + NO_TIME;
}

function makeLength(length) {
  return String.fromCharCode(length & 255, (length >> 8) & 255, (length >> 16) & 255, (length >> 24) & 255);
}
