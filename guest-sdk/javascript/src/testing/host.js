// The host's services of one call in the harness: everything is staged, and a breach of the contract throws.

import { textOfBytes } from "../bytes.js";
import { Bytes } from "../bytes.js";
import { Rows } from "../rows.js";
import { columnTexts, textsColumn } from "../state/sub_keys.js";

/** What one call does to `store`, which is left as it is until `apply`. */
export class CallHost {
  constructor(states, keys, store, calls) {
    this.states = states;
    this.keys = keys;
    this.store = store;
    this.calls = calls;
    this.rows = "";
    this.values = new Map();
    this.entries = new Map();
    this.logged = [];
    this.counts = [];
  }

  emit(output, rows) {
    this.#called("emit");
    if (output !== 0) throw new Error(`the operator emitted to output ${output}, which it doesn't declare`);
    new Rows(new Bytes(rows));
    this.rows += textOfBytes(rows);
  }

  put(state, slots, values) {
    this.#called("put");
    const texts = columnTexts(values);
    if (texts.length !== slots.length) throw new Error("as many values as slots are expected");
    slots.forEach((slot, i) => this.values.set(this.#address(state, slot), texts[i]));
  }

  getSub(state, slots, subKeys) {
    this.#called("getSub");
    return textsColumn(columnTexts(subKeys).map((subKey, i) => this.#entries(state, slots[i]).get(subKey) ?? null));
  }

  putSub(state, slots, subKeys, values) {
    this.#called("putSub");
    const texts = columnTexts(values);
    columnTexts(subKeys).forEach((subKey, i) => {
      const entries = this.#entries(state, slots[i]);
      if (texts[i] === null) entries.delete(subKey);
      else entries.set(subKey, texts[i]);
    });
  }

  scan(state, slot, after, limit) {
    this.#called("scan");
    const from = after === null ? null : textOfBytes(after);
    const rest = [...this.#entries(state, slot)].filter(([subKey]) => from === null || subKey > from).sort(([a], [b]) => (a < b ? -1 : 1));
    const page = rest.slice(0, limit);
    return { subKeys: textsColumn(page.map(([subKey]) => subKey)), values: textsColumn(page.map(([, value]) => value)), more: rest.length > limit };
  }

  clear(state, slots) {
    this.#called("clear");
    for (const slot of slots) this.#entries(state, slot).clear();
  }

  log(level, message) {
    this.logged.push({ level, message });
  }

  count(name, add) {
    this.#called("count");
    this.counts.push([name, add]);
  }

  /** The call returned ok. */
  apply() {
    for (const [address, text] of this.values) {
      if (text === null) this.store.values.delete(address);
      else this.store.values.set(address, text);
    }
    for (const [address, entries] of this.entries) {
      if (entries.size === 0) this.store.entries.delete(address);
      else this.store.entries.set(address, entries);
    }
  }

  #called(name) {
    this.calls[name] = (this.calls[name] ?? 0) + 1;
  }

  #address(state, slot) {
    if (this.states[state] === undefined) throw new Error(`the operator used state ${state}, which it doesn't declare`);
    if (this.keys[slot] === undefined) throw new Error(`the operator used slot ${slot}, which this call doesn't have`);
    return addressOf(this.states[state].name, this.keys[slot]);
  }

  #entries(state, slot) {
    const address = this.#address(state, slot);
    let entries = this.entries.get(address);
    if (entries === undefined) {
      entries = new Map(this.store.entries.get(address));
      this.entries.set(address, entries);
    }
    return entries;
  }
}

/** Where the state of a key, as text of its bytes, lies. */
export function addressOf(state, key) {
  return `${state}\n${key}`;
}
