// A list a key, laid out as sub-keys: the length, a little-endian u64, under the empty sub-key; item i under i as eight bytes, big-endian, so that
// items are in order. Appending writes the item and the length, whatever the list holds already.

import { u64 } from "../codec/index.js";
import { SubKeys } from "./sub_keys.js";

/** Items are asked for in pages of this many. */
const PAGE_ITEMS = 256;
/** The sub-key of a list's length. */
const LENGTH = "";

/** A list a key. Declared by `ctx.listState`. */
export class ListState {
  #cells;

  constructor(number, name, codec, call) {
    this.name = name;
    this.codec = codec;
    this.#cells = new SubKeys(number, name, codec, call);
  }

  /** The number of items. */
  get length() {
    const text = this.#cells.text(LENGTH);
    return text === null ? 0 : this.#cells.read(u64, text);
  }

  /** Appends an item. */
  add(item) {
    const text = this.#cells.write(this.codec, item);
    const length = this.length;
    this.#cells.put(indexText(length), text);
    this.#cells.put(LENGTH, u64.text(length + 1));
  }

  /** Item `index`, from 0, or undefined. */
  get(index) {
    const text = this.#cells.text(indexText(index));
    return text === null ? undefined : this.#cells.read(this.codec, text);
  }

  /** All items, in order. */
  items() {
    const items = [];
    for (const [, text] of this.#cells.scan(LENGTH, PAGE_ITEMS)) items.push(this.#cells.read(this.codec, text));
    if (items.length !== this.length) throw this.#cells.refusal(`${items.length} items are there and ${this.length} are expected`);
    return items;
  }

  /** Replaces all items. */
  set(items) {
    this.clear();
    for (const item of items) this.add(item);
  }

  /** Deletes all items. */
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
}

/** The index as eight bytes, big-endian. */
function indexText(index) {
  return [...u64.text(index)].reverse().join("");
}
