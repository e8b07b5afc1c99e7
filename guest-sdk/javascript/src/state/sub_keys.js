// Entries under sub-keys, the ground of list and map states: read from the host once a call, written back in one piece. Sub-keys and values are texts
// of one character a byte, so the order of texts is the order of bytes.

import { Bytes, bytesOfText } from "../bytes.js";
import { Refusal } from "../errors.js";

/** The length that marks a missing item: the largest u32, which the bindings for QuickJS give, and take, as this. */
export const MISSING = -1;

export function isMissing(length) {
  return (length | 0) === MISSING;
}

/** The sub-keys of one state during one call. */
export class SubKeys {
  constructor(number, name, codec, call) {
    this.number = number;
    this.name = name;
    this.codec = codec;
    this.call = call;
    this.begin();
  }

  begin() {
    /** By slot: what is known of the key. */
    this.slots = new Map();
  }

  end() {
    this.begin();
  }

  /** The text of a sub-key's value, or null. */
  text(subKey) {
    const slot = this.#slot();
    const known = this.#known(slot);
    const entry = known.entries.get(subKey);
    if (entry !== undefined) return entry.text;
    const text = known.cleared ? null : this.#fetch(slot, subKey);
    known.entries.set(subKey, { text, dirty: false });
    return text;
  }

  /** Sets a sub-key, or deletes it by null. */
  put(subKey, text) {
    this.#known(this.#slot()).entries.set(subKey, { text, dirty: true });
  }

  /** Deletes all sub-keys of the key. */
  clear() {
    this.slots.set(this.#slot(), { cleared: true, clearIsPending: true, entries: new Map() });
  }

  /** Entries as pairs of texts, in order, a page at a time, this call's changes included. */
  *scan(after, limit) {
    for (;;) {
      const slot = this.#slot();
      this.flush(this.call.host);
      const page = this.call.host.scan(this.number, slot, after === null ? null : bytesOfText(after), limit);
      const subKeys = columnTexts(page.subKeys);
      const values = columnTexts(page.values);
      for (let i = 0; i < subKeys.length; i++) yield [subKeys[i], values[i]];
      if (!page.more || subKeys.length === 0) return;
      after = subKeys[subKeys.length - 1];
    }
  }

  /** Hands all changes to the host, in order of slot and sub-key. */
  flush(host) {
    const cleared = [];
    const changed = [];
    const subKeys = [];
    const values = [];
    for (const slot of [...this.slots.keys()].sort((a, b) => a - b)) {
      const known = this.slots.get(slot);
      if (known.clearIsPending) cleared.push(slot);
      known.clearIsPending = false;
      const dirty = [...known.entries].filter(([, entry]) => entry.dirty);
      for (const [subKey, entry] of dirty.sort(([a], [b]) => (a < b ? -1 : 1))) {
        entry.dirty = false;
        changed.push(slot);
        subKeys.push(subKey);
        values.push(entry.text);
      }
    }
    if (cleared.length > 0) host.clear(this.number, cleared);
    if (changed.length > 0) host.putSub(this.number, changed, textsColumn(subKeys), textsColumn(values));
  }

  /** What `codec` reads in a text. */
  read(codec, text) {
    return this.told(() => codec.value(Bytes.ofText(text)));
  }

  /** The text of a value. */
  write(codec, value) {
    return this.told(() => codec.text(value));
  }

  /** Runs `run`; its refusals name the state. */
  told(run) {
    try {
      return run();
    } catch (error) {
      throw error instanceof Refusal ? this.refusal(error.message) : error;
    }
  }

  refusal(why) {
    return new Refusal(`state \`${this.name}\`: ${why}`);
  }

  #slot() {
    const slot = this.call.slot;
    if (slot < 0) throw this.refusal("no record is being processed, so there is no key");
    return slot;
  }

  #known(slot) {
    let known = this.slots.get(slot);
    if (known === undefined) {
      known = { cleared: false, clearIsPending: false, entries: new Map() };
      this.slots.set(slot, known);
    }
    return known;
  }

  #fetch(slot, subKey) {
    const column = this.call.host.getSub(this.number, [slot], textsColumn([subKey]));
    return columnTexts(column)[0] ?? null;
  }
}

/** Texts as the contract's column; null: missing. */
export function textsColumn(texts) {
  return { lengths: texts.map((text) => (text === null ? MISSING : text.length)), data: bytesOfText(texts.join("")) };
}

/** The contract's column as texts; null: missing. */
export function columnTexts({ lengths, data }) {
  const all = new Bytes(data).text;
  let at = 0;
  return lengths.map((length) => {
    if (isMissing(length)) return null;
    at += length;
    return all.substring(at - length, at);
  });
}
