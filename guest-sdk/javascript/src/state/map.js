// A map a key. The first look at an entry in a call asks the host; changes go back together at the end of the call.

import { SubKeys } from "./sub_keys.js";

/** Entries are asked for in pages of this many. */
const PAGE_ENTRIES = 256;

/** A map a key. Declared by `ctx.mapState`. */
export class MapState {
  #cells;

  constructor(number, name, keyCodec, codec, call) {
    this.name = name;
    this.keyCodec = keyCodec;
    this.codec = codec;
    this.#cells = new SubKeys(number, name, codec, call);
  }

  /** The value of an entry, or undefined. */
  get(subKey) {
    const text = this.#cells.text(this.#text(subKey));
    return text === null ? undefined : this.#cells.read(this.codec, text);
  }

  /** Whether there is such an entry. */
  has(subKey) {
    return this.#cells.text(this.#text(subKey)) !== null;
  }

  /** Sets an entry. */
  set(subKey, value) {
    const text = this.#cells.write(this.codec, value);
    this.#cells.put(this.#text(subKey), text);
  }

  /** Deletes an entry. */
  delete(subKey) {
    this.#cells.put(this.#text(subKey), null);
  }

  /** The key's entries as pairs, in order of the bytes of their sub-keys, fetched a page at a time. */
  *entries() {
    for (const [subKey, text] of this.#cells.scan(null, PAGE_ENTRIES)) {
      yield [this.#cells.read(this.keyCodec, subKey), this.#cells.read(this.codec, text)];
    }
  }

  /** Deletes all entries of the key. */
  clear() {
    this.#cells.clear();
  }

  begin() {
    this.#cells.begin();
  }

  flush(host) {
    this.#cells.flush(host);
  }

  end() {
    this.#cells.end();
  }

  #text(subKey) {
    return this.#cells.write(this.keyCodec, subKey);
  }
}
