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
    this.#put(this.#keep(value));
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
    this.changed = new Set();
    this.column = column;
    this.bytes = undefined;
    this.starts = undefined;
  }

  /** Hands what has changed to the host. */
  flush(host) {
    if (this.changed.size === 0) return;
    const slots = [...this.changed].sort((a, b) => a - b);
    const present = slots.filter((slot) => this.cells[slot] !== null);
    const { lengths, data } = this.codec.pack(present.map((slot) => this.cells[slot]));
    if (present.length === slots.length) return host.put(this.number, slots, { lengths, data });
    let next = 0;
    const all = slots.map((slot) => (this.cells[slot] === null ? MISSING : lengths[next++]));
    host.put(this.number, slots, { lengths: all, data });
  }

  /** The call is over: nothing of it stays. */
  end() {
    this.begin({ lengths: [], data: new Uint8Array(0) });
  }

  #put(kept) {
    const slot = this.call.slot;
    if (slot < 0 || slot >= this.cells.length) throw this.#noKey();
    this.cells[slot] = kept;
    this.changed.add(slot);
  }

  #look(kept) {
    const slot = this.call.slot;
    if (kept === undefined) throw this.#noKey();
    if (kept === null) return undefined;
    const length = this.column.lengths[slot];
    if (isMissing(length)) {
      this.cells[slot] = null;
      return undefined;
    }
    this.bytes ??= new Bytes(this.column.data);
    const start = this.#start(slot);
    if (start + length > this.column.data.length) throw this.#refusal("the host's values are cut off");
    return this.#told(() => {
      const read = this.codec.decode(this.bytes, start, length);
      const value = this.codec.thaw(read);
      this.cells[slot] = read;
      return value;
    });
  }

  /** Where the value of a slot starts. */
  #start(slot) {
    if (this.starts === undefined) {
      let at = 0;
      this.starts = this.column.lengths.map((length) => {
        const start = at;
        if (!isMissing(length)) at += length;
        return start;
      });
    }
    return this.starts[slot];
  }

  #keep(value) {
    try {
      return this.codec.keep(value);
    } catch (error) {
      throw error instanceof Refusal ? this.#refusal(error.message) : error;
    }
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
