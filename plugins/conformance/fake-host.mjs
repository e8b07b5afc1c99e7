// Runs the core module of a plugin in Node with a host made of a few maps: for unit tests of plugins whose language has no weir SDK.
//
// It passes calls through the canonical ABI as the component model does, and checks what a host checks: places, lengths, UTF-8.

import { readFile } from "node:fs/promises";

const MISSING = 0xffffffff;
const NO_TIMESTAMP = -(2n ** 63n);
const OPERATOR = "weir:operator/operator@0.1.0#";
const LEVELS = ["trace", "debug", "info", "warn", "error"];

/// What a plugin refuses: `row` is the record's number in the call, or null.
export class Refused extends Error {
  constructor(row, message) {
    super(message);
    this.row = row;
  }
}

export const text = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
export const bytes = (value) => (typeof value === "string" ? new TextEncoder().encode(value) : value);
export const u64 = (value) => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const id = (value) => Buffer.from(value).toString("latin1");
const unId = (value) => new Uint8Array(Buffer.from(value, "latin1"));

export class FakeHost {
  /// The log's lines, as "level: message".
  logged = [];
  /// Counters by name.
  counters = {};
  /// Of each state, by number: its values, or maps of entries, by key. Keys are strings of one character a byte.
  states = [];
  /// Calls of each of the host's functions.
  calls = {};

  static async load(path, states = []) {
    const host = new FakeHost();
    host.states = states;
    const module = await WebAssembly.compile(await readFile(path));
    const { exports } = await WebAssembly.instantiate(module, host.#imports());
    host.exports = exports;
    return host;
  }

  // ---- The contract's exports ----

  describe() {
    return this.#call("describe", [], (at) => {
      const port = (it) => ({ name: this.#textAt(it), key: this.#textAt(it + 8), value: this.#textAt(it + 16) });
      const state = (it) => ({
        name: this.#textAt(it),
        kind: ["value", "list", "map"][this.#u8(it + 8)],
        codec: this.#textAt(it + 12),
        schemaVersion: this.#u32(it + 20),
        ttlMs: this.#view().getBigUint64(it + 24, true),
      });
      const fn = (it) => ({
        name: this.#textAt(it),
        doc: this.#textAt(it + 8),
        kind: ["stateless", "keyed"][this.#u8(it + 16)],
        inputs: this.#items(it + 20, 24, 4, port),
        outputs: this.#items(it + 28, 24, 4, port),
        states: this.#items(it + 36, 32, 8, state),
      });
      return { name: this.#textAt(at), version: this.#textAt(at + 8), sdk: this.#textAt(at + 16), functions: this.#items(at + 24, 44, 4, fn) };
    });
  }

  open(name, config = {}) {
    const pairs = Object.entries(config).map((pair) => pair.flatMap((part) => this.#list(bytes(part), 1)));
    const args = [...this.#list(bytes(name), 1), ...this.#list(Uint32Array.from(pairs.flat()), 4, pairs.length), ...this.#list(bytes("op"), 1), 0, 1, 128];
    this.#call("open", args, (at) => {
      if (this.#u8(at) === 1) throw new Refused(null, this.#textAt(at + 4));
    });
    this.fn = this.describe().functions.find((fn) => fn.name === name);
  }

  /// Processes records, [{key, value, timestamp}], in one call, and returns what was emitted.
  process(records, watermark = NO_TIMESTAMP, time = 0n) {
    const keyed = this.fn.kind === "keyed";
    const slotOf = new Map();
    if (keyed) for (const { key } of records) slotOf.set(id(bytes(key ?? "")), slotOf.get(id(bytes(key ?? ""))) ?? slotOf.size);
    this.keys = [...slotOf.keys()];
    this.emitted = [];
    // Values are never written to: copies of the maps are enough.
    const copy = (map) => new Map([...map].map(([key, value]) => [key, value instanceof Map ? copy(value) : value]));
    this.staged = this.states.map(copy);
    const counted = { ...this.counters };
    const slots = keyed ? records.map(({ key }) => slotOf.get(id(bytes(key ?? "")))) : [];
    const columns = this.fn.states.flatMap(({ kind }, state) =>
      this.#column(kind === "value" ? this.keys.map((key) => this.#stateOf(state).get(key)) : []),
    );
    const args = [0, ...this.#list(rowsOf(records), 1), ...this.#list(Uint32Array.from(slots), 4), ...this.#list(Uint32Array.from(columns), 4, columns.length / 4)];
    try {
      this.#call("process", [...args, watermark, time], (at) => this.#outcome(at));
    } catch (error) {
      this.counters = counted;
      throw error;
    }
    this.states = this.staged;
    return this.emitted;
  }

  finish() {
    this.#call("finish", [NO_TIMESTAMP, 0n], (at) => this.#outcome(at));
  }

  migrate(state, version, values) {
    const args = [...this.#list(bytes(state), 1), version, ...this.#column(values)];
    return this.#call("migrate", args, (at) => this.#outcome(at) ?? this.#columnAt(at + 4));
  }

  #call(name, args, read) {
    const at = this.exports[OPERATOR + name](...args);
    try {
      return read(at >>> 0);
    } finally {
      this.exports[`cabi_post_${OPERATOR}${name}`]?.(at);
    }
  }

  #outcome(at) {
    if (this.#u8(at) === 0) return;
    throw new Refused(this.#u8(at + 4) === 1 ? this.#u32(at + 8) : null, this.#textAt(at + 12));
  }

  // ---- The contract's imports ----

  #imports() {
    const imports = {
      "weir:output/output@0.1.0": { emit: (_output, at, length) => (this.emitted = this.emitted.concat(recordsOf(this.#bytes(at, length)))) },
      "weir:log/log@0.1.0": {
        log: (level, at, length) => this.logged.push(`${LEVELS[level]}: ${text(this.#bytes(at, length))}`),
        count: (at, length, add) => {
          const name = text(this.#bytes(at, length));
          this.counters[name] = (this.counters[name] ?? 0n) + add;
        },
      },
      "weir:state/keyed@0.1.0": {
        put: (state, slots, count, ...values) => this.#write(this.#stateOf(state), this.#keysAt(slots, count), this.#columnOf(values)),
        "get-sub": (state, slots, count, a, b, c, d, to) => {
          const subKeys = this.#columnOf([a, b, c, d]);
          this.#result(to, this.#column(this.#keysAt(slots, count).map((key, i) => this.#entries(state, key).get(id(subKeys[i])))));
        },
        "put-sub": (state, slots, count, ...columns) => {
          const [subKeys, values] = [this.#columnOf(columns.slice(0, 4)), this.#columnOf(columns.slice(4))];
          this.#keysAt(slots, count).forEach((key, i) => this.#write(this.#entries(state, key), [id(subKeys[i])], [values[i]]));
        },
        scan: (state, slot, hasAfter, at, length, limit, to) => {
          const after = hasAfter ? id(this.#bytes(at, length)) : null;
          const all = [...this.#entries(state, this.keys[slot])].filter(([key]) => after === null || key > after).sort(([a], [b]) => (a < b ? -1 : 1));
          const page = all.slice(0, limit);
          const columns = [...this.#column(page.map(([key]) => unId(key))), ...this.#column(page.map(([, value]) => value))];
          this.#result(to, columns);
          this.#view().setUint8(to + 32, page.length < all.length ? 1 : 0);
        },
        clear: (state, slots, count) => this.#keysAt(slots, count).forEach((key) => this.#stateOf(state).delete(key)),
      },
    };
    for (const functions of Object.values(imports)) {
      for (const [name, run] of Object.entries(functions)) {
        functions[name] = (...args) => {
          this.calls[name] = (this.calls[name] ?? 0) + 1;
          // Pointers are unsigned.
          return run(...args.map((arg) => (typeof arg === "number" ? arg >>> 0 : arg)));
        };
      }
    }
    return imports;
  }

  #stateOf(state) {
    return ((this.staged ?? this.states)[state] ??= new Map());
  }

  #entries(state, key) {
    const all = this.#stateOf(state);
    if (!all.has(key)) all.set(key, new Map());
    return all.get(key);
  }

  #write(to, keys, values) {
    if (keys.length !== values.length) throw new Error(`${keys.length} slots with ${values.length} values`);
    keys.forEach((key, i) => (values[i] === undefined ? to.delete(key) : to.set(key, values[i])));
  }

  // ---- Values in the module's memory ----

  #view() {
    return new DataView(this.exports.memory.buffer);
  }

  #u8(at) {
    return this.#view().getUint8(at);
  }

  #u32(at) {
    return this.#view().getUint32(at, true);
  }

  #bytes(at, length) {
    if (at + length > this.exports.memory.buffer.byteLength) throw new Error(`a list of ${length} bytes at ${at} ends beyond the memory`);
    return new Uint8Array(this.exports.memory.buffer, at, length).slice();
  }

  #textAt(at) {
    return text(this.#bytes(this.#u32(at), this.#u32(at + 4)));
  }

  #items(at, size, align, read) {
    const [from, count] = [this.#u32(at), this.#u32(at + 4)];
    if (from % align !== 0) throw new Error(`a list at ${from}, which is no multiple of ${align}`);
    return Array.from({ length: count }, (_, i) => read(from + i * size));
  }

  #keysAt(at, count) {
    return this.#items32(at, count).map((slot) => this.keys[slot]);
  }

  #items32(at, count) {
    if (at % 4 !== 0) throw new Error(`a list of u32 at ${at}`);
    return [...new Uint32Array(this.#bytes(at, count * 4).buffer)];
  }

  #columnAt(at) {
    return this.#columnOf([0, 4, 8, 12].map((offset) => this.#u32(at + offset)));
  }

  #columnOf([lengthsAt, count, dataAt, dataLength]) {
    const data = this.#bytes(dataAt, dataLength);
    let at = 0;
    const values = this.#items32(lengthsAt, count).map((length) => (length === MISSING ? undefined : data.slice(at, (at += length))));
    if (at !== dataLength) throw new Error(`a column of ${dataLength} bytes whose lengths add up to ${at}`);
    return values;
  }

  #result(to, words) {
    words.forEach((word, i) => this.#view().setUint32(to + i * 4, word, true));
  }

  /// Passes a list, as the host does: into memory that the module gives.
  #list(items, align, count = items.length) {
    const source = new Uint8Array(items.buffer, items.byteOffset, items.byteLength);
    const at = this.exports.cabi_realloc(0, 0, align, source.length) >>> 0;
    if (at % align !== 0 || at + source.length > this.exports.memory.buffer.byteLength) throw new Error(`cabi_realloc gave ${at}`);
    new Uint8Array(this.exports.memory.buffer).set(source, at);
    return [at, count];
  }

  #column(values) {
    const lengths = Uint32Array.from(values, (value) => value?.length ?? MISSING);
    return [...this.#list(lengths, 4), ...this.#list(Buffer.concat(values.filter(Boolean)), 1)];
  }
}

function rowsOf(records) {
  return Buffer.concat(
    records.flatMap(({ key, value, timestamp = NO_TIMESTAMP }) => {
      const header = Buffer.alloc(16);
      const [keyBytes, valueBytes] = [bytes(key ?? ""), bytes(value)];
      header.writeUInt32LE(key === undefined ? MISSING : keyBytes.length, 0);
      header.writeUInt32LE(valueBytes.length, 4);
      header.writeBigInt64LE(timestamp, 8);
      return [header, keyBytes, valueBytes];
    }),
  );
}

function recordsOf(rows) {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
  const records = [];
  for (let at = 0; at < rows.length; ) {
    const [keyLength, valueLength] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    const timestamp = view.getBigInt64(at + 8, true);
    const valueAt = at + 16 + (keyLength === MISSING ? 0 : keyLength);
    const record = { value: rows.slice(valueAt, valueAt + valueLength) };
    if (keyLength !== MISSING) record.key = rows.slice(at + 16, valueAt);
    if (timestamp !== NO_TIMESTAMP) record.timestamp = timestamp;
    records.push(record);
    at = valueAt + valueLength;
    if (at > rows.length) throw new Error("the emitted rows are cut off");
  }
  return records;
}
