// Where an operator puts its records. They wait as they were given, are encoded many at a time, and go to the host once per call.

import { bytesOfText, isAscii } from "./bytes.js";
import { Failure, ItemRefusal } from "./errors.js";
import { lengthText, NO_KEY, untimedText } from "./rows.js";

/** What has been encoded is handed to the host when it passes this size, and at the end of a call. */
const EMIT_BYTES = 1 << 20;
/** What is encoded at a time should have about this size: so the waiting records stay small. */
const ENCODE_BYTES = 1 << 16;
const WAITING_MIN = 16;
const WAITING_MAX = 16384;
/** Keys of fewer characters have their heads made beforehand. */
const SHORT_KEY = 256;
/** Engines limit how many arguments a function is called with. */
const ARGUMENTS_MAX = 4096;

class Collector {
  constructor(output, call) {
    this.output = output;
    this.call = call;
    this.limit = WAITING_MIN;
    this.begin();
  }

  /** A call begins: what a failed one has left behind is dropped. */
  begin() {
    this.clear();
    /** Of each row of the call: how many records waited before it. */
    this.starts = [];
    /** The row that the first waiting record belongs to. */
    this.firstRow = 0;
    this.parts = [];
    this.partBytes = 0;
  }

  /** Nothing waits. */
  clear() {
    this.waiting = [];
  }

  /** Forgets what the current row has collected. */
  dropRow() {
    const row = this.call.row;
    if (this.waiting.length > 0) this.waiting.length = row <= this.firstRow ? 0 : this.starts[row];
  }

  /** The row that waiting record `index` came from. */
  rowOf(index) {
    let row = this.call.row;
    while (row > this.firstRow && this.starts[row] > index) row--;
    return row;
  }

  /** Turns what waits into rows. */
  encode() {
    const records = this.waiting.length;
    if (records === 0) return;
    let text;
    try {
      text = this.call.rows.timed ? this.timedRows() : this.untimedRows();
    } catch (error) {
      if (!(error instanceof ItemRefusal)) throw error;
      throw new Failure(this.rowOf(error.index), error.message);
    }
    this.limit = Math.max(WAITING_MIN, Math.min(WAITING_MAX, this.limit * 4, Math.floor((ENCODE_BYTES * records) / text.length)));
    this.clear();
    this.firstRow = this.call.row;
    this.pass(text);
  }

  /** Puts rows, as a text, behind those that are there. */
  pass(text) {
    this.parts.push(text);
    this.partBytes += text.length;
    if (this.partBytes >= EMIT_BYTES) this.emit();
  }

  /** Hands everything to the host: the end of the call. */
  flush() {
    this.encode();
    this.emit();
  }

  emit() {
    if (this.partBytes > 0) this.call.host.emit(this.output, bytesOfText(this.parts.join("")));
    this.parts = [];
    this.partBytes = 0;
  }

  /** The timestamps of the waiting records as texts: those of their rows. */
  times() {
    const times = [];
    const { rows } = this.call;
    for (let row = this.firstRow; row <= this.call.row; row++) {
      const end = row === this.call.row ? this.waiting.length : this.starts[row + 1];
      const time = times.length < end ? rows.timestampText(row) : "";
      while (times.length < end) times.push(time);
    }
    return times;
  }
}

/** Takes records without a key. */
export class ValueCollector extends Collector {
  constructor(output, codec, call) {
    super(output, call);
    this.codec = codec;
    this.collect = codec.thaws ? this.collectKept : this.collect;
  }

  collect(value) {
    if (this.waiting.push(value) >= this.limit) this.encode();
  }

  /** Emits a record for each of `values`. */
  collectAll(values) {
    for (const value of values) this.collect(value);
  }

  /** As `collect`, for values that their owner may change before they are encoded. */
  collectKept(value) {
    if (this.waiting.push(this.codec.keep(value)) >= this.limit) this.encode();
  }

  untimedRows() {
    const pieces = [];
    for (const value of this.codec.texts(this.waiting)) pieces.push(NO_KEY, untimedText(value.length), value);
    return pieces.join("");
  }

  timedRows() {
    const values = this.codec.texts(this.waiting);
    const times = this.times();
    return values.map((value, i) => NO_KEY + lengthText(value.length) + times[i] + value).join("");
  }
}

/** Takes records with a key: their keys wait, and beside them their values. */
export class PairCollector extends Collector {
  constructor(output, keyCodec, codec, call) {
    super(output, call);
    this.keyCodec = keyCodec;
    this.codec = codec;
    this.collect = keyCodec.thaws || codec.thaws ? this.collectKept : this.collect;
    if (keyCodec.name === "utf8" && codec.bytes !== undefined) this.heads = new Heads(codec.bytes);
  }

  clear() {
    super.clear();
    /** The values of the first waiting keys; that of all further ones is `shared`. */
    this.values = [];
    this.shared = undefined;
  }

  dropRow() {
    super.dropRow();
    if (this.values.length > this.waiting.length) this.values.length = this.waiting.length;
  }

  collect(key, value) {
    const waiting = this.waiting;
    const values = this.values;
    if (values.length !== waiting.length) this.fill();
    values.push(value);
    if (waiting.push(key) >= this.limit) this.encode();
  }

  /** Emits a record with `value` under each of `keys`: faster than `collect` for each. */
  collectAll(keys, value) {
    const all = Array.isArray(keys) ? keys : [...keys];
    if (this.collect === this.collectKept) {
      for (const key of all) this.collectKept(key, value);
      return;
    }
    const waiting = this.waiting;
    // Zero equals minus zero, which has other bytes.
    if ((value !== this.shared || value === 0) && this.values.length !== waiting.length) this.fill();
    this.shared = value;
    if (all.length <= ARGUMENTS_MAX) waiting.push.apply(waiting, all);
    else for (const key of all) waiting.push(key);
    if (waiting.length >= this.limit) this.encode();
  }

  /** As `collect`, for keys or values that their owner may change before they are encoded. */
  collectKept(key, value) {
    const kept = this.codec.thaws ? this.codec.keep(value) : value;
    this.waiting.push(this.keyCodec.thaws ? this.keyCodec.keep(key) : key);
    if (this.values.push(kept) >= this.limit) this.encode();
  }

  /** Puts the shared value beside each key that waits without one. */
  fill() {
    const values = this.values;
    const shared = this.shared;
    for (let missing = this.waiting.length - values.length; missing > 0; missing--) values.push(shared);
  }

  untimedRows() {
    const fast = this.heads === undefined ? undefined : this.asciiRows();
    if (fast !== undefined) return fast;
    const { keys, values } = this.texts();
    const pieces = [];
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      const value = values[i];
      pieces.push(lengthText(key.length), untimedText(value.length), key, value);
    }
    return pieces.join("");
  }

  timedRows() {
    const { keys, values } = this.texts();
    const times = this.times();
    return keys.map((key, i) => lengthText(key.length) + lengthText(values[i].length) + times[i] + key + values[i]).join("");
  }

  texts() {
    this.fill();
    let keys;
    try {
      keys = this.keyCodec.texts(this.waiting);
    } catch (error) {
      // The first record that can't be encoded is refused, be it for its key or its value.
      if (error instanceof ItemRefusal) this.codec.texts(this.values.slice(0, error.index));
      throw error;
    }
    return { keys, values: this.codec.texts(this.values) };
  }

  /** The rows of values of fixed width under ASCII keys, the most common ones, in one pass; undefined where something else is among them. */
  asciiRows() {
    const keys = this.waiting;
    // An array would be joined to a text, too, and could even have its length.
    if (!keys.every(isText) || !isAscii(keys.join(""))) return undefined;
    try {
      if (this.values.length === 0) return this.sharedRows(this.codec.texts([this.shared])[0]);
      this.fill();
      return this.pairRows(this.codec.texts(this.values));
    } catch {
      // A value has no bytes: the slower way says which.
      return undefined;
    }
  }

  pairRows(values) {
    const keys = this.waiting;
    const heads = this.heads;
    const of = heads.of;
    const pieces = [];
    for (let i = 0, count = keys.length; i < count; i++) {
      const key = keys[i];
      pieces.push(of[key.length] ?? heads.make(key.length), key, values[i]);
    }
    return pieces.join("");
  }

  sharedRows(value) {
    const keys = this.waiting;
    const heads = this.heads;
    // The value of a row is the same text as what the next row's head follows: a piece less.
    const after = heads.after(value);
    const pieces = [];
    for (let i = 0, count = keys.length; i < count; i++) {
      const key = keys[i];
      pieces.push(after[key.length] ?? value + heads.make(key.length), key);
    }
    pieces[0] = pieces[0].substring(value.length);
    pieces.push(value);
    return pieces.join("");
  }
}

const isText = (key) => typeof key === "string";

/** What comes before keys in rows without event time whose values have `valueBytes`, by the length of the key; made beforehand for short ones. */
class Heads {
  constructor(valueBytes) {
    this.valueBytes = valueBytes;
    this.of = Array.from({ length: SHORT_KEY }, (_, length) => this.make(length));
  }

  make(length) {
    return lengthText(length) + untimedText(this.valueBytes);
  }

  /** The same, each behind the text of the value before it. */
  after(text) {
    if (this.afterText !== text) {
      this.afterText = text;
      this.afterHeads = this.of.map((head) => text + head);
    }
    return this.afterHeads;
  }
}
