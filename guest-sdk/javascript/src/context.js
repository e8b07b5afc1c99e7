// What an operator is given besides its records: configuration and states when it opens, time and log while it runs.

import { Refusal } from "./errors.js";
import { ListState } from "./state/list.js";
import { MapState } from "./state/map.js";
import { checkOptions } from "./state/options.js";
import { ValueState } from "./state/value.js";

/** Given to `open`. */
export class OpenContext {
  #config;

  constructor(config, subtask, call) {
    this.#config = new Map(config);
    this.subtask = subtask;
    this.call = call;
    this.states = [];
    this.counters = [];
    this.refusals = [];
  }

  /** The text of a configuration key as the job says it: texts as they are, everything else as JSON; undefined where it says nothing. */
  config(key) {
    return this.#config.get(key);
  }

  /** The value of a configuration key, read as what `otherwise` is: a string, a number, a boolean, or else JSON. */
  configOr(key, otherwise) {
    const text = this.#config.get(key);
    if (text === undefined) return otherwise;
    const value = parsed(text, typeof otherwise);
    if (value !== undefined) return value;
    this.refuse(`config \`${key}\` = \`${text}\`: not a ${typeof otherwise === "object" ? "JSON value" : typeof otherwise}`);
    return otherwise;
  }

  /** Refuses to open: the job ends with this message. */
  refuse(message) {
    this.refusals.push(String(message));
  }

  valueState(name, codec, options) {
    return this.#declare(new ValueState(this.states.length, name, codec, this.call), "value", options);
  }

  listState(name, codec, options) {
    return this.#declare(new ListState(this.states.length, name, codec, this.call), "list", options);
  }

  mapState(name, keyCodec, codec, options) {
    return this.#declare(new MapState(this.states.length, name, keyCodec, codec, this.call), "map", options);
  }

  counter(name) {
    const counter = new Counter(name);
    this.counters.push(counter);
    return counter;
  }

  #declare(state, kind, options = {}) {
    if (state.name === "" || this.states.some((other) => other.state.name === state.name)) {
      this.refuse(`state \`${state.name}\` is declared twice, or has no name`);
    }
    const { version, ttl, older, why } = checkOptions(options);
    if (why !== undefined) this.refuse(`state \`${state.name}\`: ${why}`);
    const descriptor = { name: state.name, kind, valueCodec: state.codec.name, schemaVersion: version, ttl };
    this.states.push({ state, descriptor, older });
    return state;
  }
}

function parsed(text, type) {
  if (type === "string") return text;
  if (type === "boolean") return text === "true" ? true : text === "false" ? false : undefined;
  if (type === "number") return text.trim() === "" || Number.isNaN(Number(text)) ? undefined : Number(text);
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A counter among the operator's metrics. The host gets the sum of a call at its end. */
export class Counter {
  #added = 0;

  constructor(name) {
    this.name = name;
  }

  add(number = 1) {
    if (!Number.isSafeInteger(number) || number < 0) throw new Refusal(`counter \`${this.name}\`: ${number} is not an integer from 0 on`);
    this.#added += number;
  }

  begin() {
    this.#added = 0;
  }

  flush(host) {
    if (this.#added > 0) host.count(this.name, this.#added);
    this.#added = 0;
  }
}

/** Given to an operator with each record: time, and the log. */
export class RecordContext {
  #call;

  constructor(call) {
    this.#call = call;
  }

  /** The record's event time, milliseconds since the Unix epoch; null: it has none. */
  get timestamp() {
    const row = this.#call.row;
    return row >= 0 ? this.#call.rows.timestamp(row) : null;
  }

  /** No record with an earlier event time is expected; null before the first watermark. */
  get watermark() {
    const watermark = this.#call.watermark;
    return watermark <= -(2 ** 63) ? null : watermark;
  }

  /** The host's time for this call, milliseconds since the Unix epoch. */
  get processingTime() {
    return this.#call.processingTime;
  }

  /** Writes to the job's log. A call to the host: not for every record. */
  log(level, message) {
    this.#call.host?.log(level, String(message));
  }
}
