// Tests of operators without Wasm: a small host in memory that keeps the contract's rules.

import { isDeepStrictEqual } from "node:util";

import { Bytes, bytesOfText } from "./src/bytes.js";
import { Failure } from "./src/errors.js";
import { lengthText, NO_KEY, Rows } from "./src/rows.js";
import { addressOf, CallHost } from "./src/testing/host.js";
import { adopted, copyOf, emptyStore } from "./src/testing/store.js";
import { i64Big } from "./src/codec/index.js";

const BATCH_SIZES = [1, 7, 1024, Infinity];
const NO_WATERMARK = -(2 ** 63);

/** Runs one function of a plugin. Input is queued by `push`, and runs when asked. */
export class Harness {
  #plugin;
  #name;
  #config;
  #operator;
  #states;
  #queue = [];
  #pushed = 0;
  #timestamp = null;
  #open;
  #outcome;

  constructor(plugin, name, config = {}) {
    this.#plugin = plugin;
    this.#name = name;
    this.#config = Object.entries(config).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]);
    this.#operator = plugin.functions.get(name);
    this.#open = this.#opened();
    this.#states = plugin.describe().functions.find((one) => one.name === name).states;
    this.#outcome = { rows: "", failures: [], counts: {}, log: [], store: emptyStore(this.#states), watermark: NO_WATERMARK, time: 0 };
    /** How often each service of the host was called. */
    this.calls = {};
  }

  #opened() {
    return this.#plugin.open(this.#name, this.#config, { uid: this.#name, index: 0, parallelism: 1, maxParallelism: 128 });
  }

  /** Queues a record: `push(value)`, or `push(key, value)`; encoded by the function's own codecs. */
  push(...record) {
    const value = record.at(-1);
    const { key, value: codec } = this.#operator.input;
    const keyText = record.length === 1 ? null : key === null ? String(record[0]) : key.text(record[0]);
    return this.pushText(keyText, codec.text(value));
  }

  /** Queues a record by its bytes; `key` may be null. */
  pushBytes(key, value) {
    return this.pushText(key === null ? null : new Bytes(key).text, new Bytes(value).text);
  }

  pushText(key, value) {
    const head = (key === null ? NO_KEY : lengthText(key.length)) + lengthText(value.length);
    const row = head + i64Big.text(BigInt(this.#timestamp ?? -(2n ** 63n))) + (key ?? "") + value;
    this.#queue.push({ index: this.#pushed++, key: key ?? "", row });
    return this;
  }

  /** The event time of the records that are pushed from now on; null: none. */
  timestamp(ms) {
    this.#timestamp = ms;
    return this;
  }

  /** Queues a watermark. It ends a batch, as the next two do. */
  watermark(ms) {
    this.#queue.push({ watermark: ms });
    return this;
  }

  /** Queues a change of the host's time. */
  processingTime(ms) {
    this.#queue.push({ time: ms });
    return this;
  }

  /** Queues the loss of the instance: a new one goes on over the same state. */
  newInstance() {
    this.#queue.push({ isNewInstance: true });
    return this;
  }

  /** Runs what is queued, in batches of at most `batchSize` records. */
  process(batchSize = Infinity) {
    let batch = [];
    const run = () => {
      this.#run(batch);
      batch = [];
    };
    for (const item of this.#queue.splice(0)) {
      if (item.row !== undefined) {
        batch.push(item);
        if (batch.length >= batchSize) run();
        continue;
      }
      run();
      if (item.watermark !== undefined) this.#outcome.watermark = item.watermark;
      if (item.time !== undefined) this.#outcome.time = item.time;
      if (item.isNewInstance) this.#open = undefined;
    }
    run();
    return this;
  }

  /** Runs what is queued at batch sizes 1, 7, 1024 and all at once, each from the same state, and throws where outcomes differ. */
  processAtEveryBatchSize() {
    const queue = this.#queue;
    const before = this.#copy(this.#outcome);
    let first;
    for (const batchSize of BATCH_SIZES) {
      this.#queue = [...queue];
      this.#outcome = this.#copy(before);
      this.#open = undefined;
      this.process(batchSize);
      first ??= this.#outcome;
      const { log, ...compared } = this.#outcome;
      const { log: firstLog, ...expected } = first;
      if (!isDeepStrictEqual(compared, expected)) throw new Error(`the outcome differs between batch sizes 1 and ${batchSize}`);
    }
    return this;
  }

  #copy(outcome) {
    return { ...outcome, failures: [...outcome.failures], counts: { ...outcome.counts }, log: [...outcome.log], store: copyOf(outcome.store) };
  }

  /** One batch: a call, and again without the refused record while there is one. */
  #run(batch) {
    while (batch.length > 0) {
      const failure = this.#call(batch);
      if (failure === undefined) return;
      const { row, message } = failure;
      if (row === null) {
        this.#outcome.failures.push({ record: null, message });
        return;
      }
      this.#outcome.failures.push({ record: batch[row].index, message });
      batch = batch.toSpliced(row, 1);
    }
  }

  #call(batch) {
    this.#open ??= this.#opened();
    const keyed = this.#operator.kind === "keyed";
    const keys = keyed ? [...new Set(batch.map(({ key }) => key))] : [];
    const numbers = new Map(keys.map((key, slot) => [key, slot]));
    const { store, watermark, time } = this.#outcome;
    const host = new CallHost(this.#states, keys, store, this.calls);
    const request = {
      input: 0,
      records: bytesOfText(batch.map(({ row }) => row).join("")),
      slots: keyed ? batch.map(({ key }) => numbers.get(key)) : [],
      values: this.#states.map((state) => this.#column(state, keys)),
      watermark,
      processingTime: time,
    };
    this.calls.process = (this.calls.process ?? 0) + 1;
    try {
      this.#open.process(request, host);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return error;
    }
    host.apply();
    this.#outcome.rows += host.rows;
    this.#outcome.log.push(...host.logged);
    for (const [name, add] of host.counts) this.#outcome.counts[name] = (this.#outcome.counts[name] ?? 0) + add;
    return undefined;
  }

  #column(state, keys) {
    if (state.kind !== "value") return { lengths: [], data: new Uint8Array(0) };
    const texts = keys.map((key) => this.#outcome.store.values.get(addressOf(state.name, key)) ?? null);
    // As QuickJS has it: the largest u32 is -1 there.
    return { lengths: texts.map((text) => text?.length ?? -1), data: bytesOfText(texts.join("")) };
  }

  /** Everything emitted so far: values, or pairs of key and value. */
  records() {
    const { key, value } = this.#operator.output;
    return this.#read((rows, row, keyBytes, valueBytes) => {
      return key === null ? value.value(valueBytes) : [key.value(keyBytes), value.value(valueBytes)];
    });
  }

  /** The timestamps of everything emitted so far. */
  timestamps() {
    return this.#read((rows, row) => rows.timestamp(row));
  }

  #read(one) {
    const rows = new Rows(new Bytes(bytesOfText(this.#outcome.rows)));
    const part = (at, length) => new Bytes(rows.bytes.bytes.slice(at, at + length));
    return rows.at.map((at, row) => {
      const keyLength = rows.keyLengths[row];
      return one(rows, row, keyLength === -1 ? null : part(at + 16, keyLength), part(rows.valueAt[row], rows.valueLengths[row]));
    });
  }

  /** What was refused so far: `record`, its place among all that were pushed, and `message`. */
  failures() {
    return [...this.#outcome.failures];
  }

  counter(name) {
    return this.#outcome.counts[name] ?? 0;
  }

  log() {
    return [...this.#outcome.log];
  }

  /** A key's value in a value state, or undefined. */
  value(state, key) {
    const text = this.#outcome.store.values.get(this.#address(state, key));
    return text === undefined ? undefined : this.#declared(state).codec.value(Bytes.ofText(text));
  }

  /** A key's items in a list state. */
  items(state, key) {
    const { codec } = this.#declared(state);
    return this.#sorted(state, key).filter(([subKey]) => subKey !== "").map(([, text]) => codec.value(Bytes.ofText(text)));
  }

  /** A key's entries in a map state, in order of the bytes of their sub-keys. */
  entries(state, key) {
    const { codec, keyCodec } = this.#declared(state);
    return this.#sorted(state, key).map(([subKey, text]) => [keyCodec.value(Bytes.ofText(subKey)), codec.value(Bytes.ofText(text))]);
  }

  #sorted(state, key) {
    return [...(this.#outcome.store.entries.get(this.#address(state, key)) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #address(state, key) {
    return addressOf(state, this.#operator.input.key.text(key));
  }

  #declared(name) {
    this.#open ??= this.#opened();
    const found = this.#open.states.find(({ state }) => state.name === name);
    if (found === undefined) throw new Error(`the function has no state \`${name}\``);
    return found.state;
  }

  /** The state as of the last `process`. */
  snapshot() {
    return copyOf(this.#outcome.store);
  }

  /** Replaces all state, migrates what an older version has written, and goes on with a new instance. */
  restore(snapshot) {
    const open = this.#opened();
    this.#outcome.store = adopted(snapshot, this.#states, (state, version, values) => open.migrate(state, version, values));
    this.#open = undefined;
    return this;
  }

  /** Forgets what was emitted, refused, logged and counted; state and time stay. */
  forgetOutput() {
    Object.assign(this.#outcome, { rows: "", failures: [], counts: {}, log: [] });
    return this;
  }
}
