// One value a key. The values of a call come with it, are decoded when they are looked at, and go back together at its end.

import { Bytes } from "../bytes.js";
import { Refusal } from "../errors.js";
import { isMissing, MISSING } from "./sub_keys.js";

/** Of a value that nobody has looked at yet. */
const UNREAD = Symbol("unread");

/** One value a key. Declared by `ctx.valueState`. */
export class ValueState {
  constructor(number, name, codec, call) {
    this.number = number;
    this.name = name;
    this.codec = codec;
    this.call = call;
    this.end();
  }

  /** The key's value, or undefined. */
  get() {
    const kept = this.cells[this.call.slot];
    if (kept === UNREAD || kept === undefined || kept === null) return this.#look(kept);
    return this.codec.thaws ? this.#thaw(kept) : kept;
  }

  /** Sets the key's value. */
  set(value) {
    let kept;
    try {
      kept = this.codec.keep(value);
    } catch (error) {
      throw error instanceof Refusal ? this.#refusal(error.message) : error;
    }
    this.#put(kept);
  }

  /** Deletes the key's value. */
  clear() {
    this.#put(null);
  }

  /** Sets what `change` makes of the key's value; undefined deletes it. Returns the new value. */
  update(change) {
    const value = change(this.get());
    if (value === undefined) this.clear();
    else this.set(value);
    return value;
  }

  begin(column) {
    const count = column.lengths.length;
    /** By slot: the kept form, null where there is no value. */
    this.cells = new Array(count).fill(column.data.length === 0 && !column.lengths.includes(0) ? null : UNREAD);
    /** The slots that have changed, each once, and by slot whether it has. */
    this.changed = [];
    this.hasChanged = [];
    this.column = column;
    this.bytes = undefined;
    this.starts = undefined;
  }

  /** Hands what has changed to the host. */
  flush(host) {
    if (this.changed.length === 0) return;
    const cells = this.cells;
    // Typed arrays are sorted as numbers, in native code.
    const slots = Array.from(Uint32Array.from(this.changed).sort());
    const present = [];
    for (let i = 0, count = slots.length; i < count; i++) {
      const kept = cells[slots[i]];
      if (kept !== null) present.push(kept);
    }
    const packed = this.codec.pack(present);
    if (present.length < slots.length) {
      let next = 0;
      packed.lengths = slots.map((slot) => (cells[slot] === null ? MISSING : packed.lengths[next++]));
    }
    host.put(this.number, slots, packed);
  }

  /** The call is over: nothing of it stays. */
  end() {
    this.begin({ lengths: [], data: new Uint8Array(0) });
  }

  #put(kept) {
    const slot = this.call.slot;
    if (slot < 0 || slot >= this.cells.length) throw this.#noKey();
    this.cells[slot] = kept;
    if (this.hasChanged[slot]) return;
    this.hasChanged[slot] = true;
    this.changed.push(slot);
  }

  /** The value of a slot that has none, or that nobody has looked at yet. */
  #look(kept) {
    const slot = this.call.slot;
    if (kept === undefined) throw this.#noKey();
    if (kept === null) return undefined;
    if (this.starts === undefined) {
      this.#readAll();
      return this.get();
    }
    // It can't be read: so it says why.
    return this.#told(() => this.codec.thaw(this.codec.decode(this.bytes, this.starts[slot], this.column.lengths[slot])));
  }

  /** Reads all values that nobody has looked at, up to the first that can't be read. */
  #readAll() {
    const cells = this.cells;
    const lengths = this.column.lengths;
    const starts = [];
    const slots = [];
    const ats = [];
    const wanted = [];
    let at = 0;
    for (let slot = 0, count = lengths.length; slot < count; slot++) {
      const length = lengths[slot];
      starts[slot] = at;
      if (isMissing(length)) {
        if (cells[slot] === UNREAD) cells[slot] = null;
        continue;
      }
      if (cells[slot] === UNREAD) {
        slots.push(slot);
        ats.push(at);
        wanted.push(length);
      }
      at += length;
    }
    if (at > this.column.data.length) throw this.#refusal("the host's values are cut off");
    this.bytes = new Bytes(this.column.data);
    this.starts = starts;
    const read = [];
    const good = this.codec.decodeMany(this.bytes, ats, wanted, read);
    for (let i = 0; i < good; i++) cells[slots[i]] = read[i];
  }

  #thaw(kept) {
    return this.#told(() => this.codec.thaw(kept));
  }

  #told(read) {
    try {
      return read();
    } catch (error) {
      throw error instanceof Refusal ? this.#refusal(error.message) : error;
    }
  }

  #noKey() {
    return this.#refusal("no record is being processed, so there is no key");
  }

  #refusal(why) {
    return new Refusal(`state \`${this.name}\`: ${why}`);
  }
}
