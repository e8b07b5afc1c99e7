// What an operator is written with: functions, records, states, failures; and how a call goes over its records.

import { Buffer, Column, MISSING, callMemory, hostCount, hostEmit, hostLog, hostPut, storeText } from "./abi";
import { ListState } from "./list";
import { copyBytes, validUtf8 } from "./text";

/** Keys and values of an input or an output, by the names of their codecs. */
export class Port {
  constructor(public key: string, public value: string) {}
}

export const VALUE: u8 = 0;
export const LIST: u8 = 1;

export class State {
  constructor(public name: string, public kind: u8, public codec: string, public schemaVersion: u32 = 1) {}
}

/** One function of the plugin. It is keyed if its input's key has a codec. An operator names its states by their place in the list. */
export class Func {
  constructor(
    public name: string,
    public doc: string,
    public input: Port,
    public output: Port,
    public process: (row: Row) => void,
    public open: () => void = (): void => {},
    public states: State[] = [],
  ) {}

  get keyed(): bool {
    return this.input.key != "any";
  }
}

class Plugin {
  constructor(public name: string, public version: string, public functions: Func[]) {}
}

/** The record that is being processed. Its bytes lie in memory until the call is over. */
export class Row {
  number: u32 = 0;
  slot: u32 = 0;
  key: usize = 0;
  keyLength: u32 = 0;
  value: usize = 0;
  valueLength: u32 = 0;
  timestamp: i64 = 0;

  /** The value of a function whose input is `utf8`. */
  get text(): string {
    return String.UTF8.decodeUnsafe(this.value, this.valueLength);
  }

  /** The value of a function whose input is `u64-le`. */
  get u64(): u64 {
    return load<u64>(this.value);
  }
}

const NO_KEY: u32 = 0xffff_ffff;
/** Output is handed to the host in pieces of about this size, and at the end of a call. */
const EMIT_BYTES: usize = 1 << 20;

let plugin = new Plugin("", "", []);
let opened: Func | null = null;
let failure: string | null = null;
let configuration = new Map<string, string>();
const row = new Row();
const output = new Buffer();
const lists: ListState[] = [];
// Of each value state its cells: see `beginCall`.
const cells: usize[] = [];
let keys: u32 = 0;
let counterName: string = "";
let counted: u64 = 0;
/** Room for `open`'s and `process`'s results. */
const result = heap.alloc(32);

// ---- For operators ----

/** Says what the plugin is: once, where the module begins. */
export function definePlugin(name: string, version: string, functions: Func[]): void {
  plugin = new Plugin(name, version, functions);
}

/** Refuses the record, or in `open` the configuration. The operator should return then. */
export function refuse(message: string): void {
  if (failure === null) failure = message;
}

/** The text of a key under `config` in the job. */
export function config(key: string): string | null {
  return configuration.has(key) ? configuration.get(key) : null;
}

/** Emits bytes, with the timestamp of the record that is being processed. A key of zero: none. */
export function emit(key: usize, keyLength: u32, value: usize, valueLength: u32): void {
  const at = output.add(16 + keyLength + valueLength);
  store<u32>(at, key == 0 ? NO_KEY : keyLength);
  store<u32>(at, valueLength, 4);
  store<i64>(at, row.timestamp, 8);
  copyBytes(at + 16, key, keyLength);
  copyBytes(at + 16 + keyLength, value, valueLength);
  if (output.length >= EMIT_BYTES) flushOutput();
}

/** Emits a text, with the key of the record if there is one in the output. */
export function emitText(row: Row, text: string): void {
  const bytes = String.UTF8.encode(text);
  const keyed = (opened as Func).output.key != "none";
  emit(keyed ? row.key : 0, keyed ? row.keyLength : 0, changetype<usize>(bytes), bytes.byteLength);
}

/** Adds to the operator's counter: the host is told the sum at the end of the call. */
export function count(name: string, add: u64): void {
  counterName = name;
  counted += add;
}

/** Writes to the job's log: a call to the host, so not for every record. Levels: trace 0, debug, info, warn, error 4. */
export function log(level: u32, message: string): void {
  const text = callMemory(8);
  storeText(text, message);
  hostLog(level, load<usize>(text), load<u32>(text, 4));
}

// What a cell says of a value.
const ABSENT: u32 = 0;
const THERE: u32 = 1;
const WRONG_LENGTH: u32 = 2;
const CHANGED: u32 = 3;

/** The key's number in a value state; 0 where there is none. */
export function getU64(state: i32): u64 {
  const cell = cells[state] + row.slot * 16;
  if (load<u32>(cell) == WRONG_LENGTH) refuse("state `" + (opened as Func).states[state].name + "`: not u64-le");
  return load<u64>(cell, 8);
}

/** Sets it. Later records of the key in this call see it; the host is told at the call's end. */
export function setU64(state: i32, value: u64): void {
  const cell = cells[state] + row.slot * 16;
  store<u32>(cell, CHANGED);
  store<u64>(cell, value, 8);
}

/** A list state. */
export function list(state: i32): ListState {
  return lists[state];
}

// ---- A call ----

function flushOutput(): void {
  if (output.length > 0) hostEmit(0, output.from, output.length);
  output.length = 0;
}

/** A cell of 16 bytes for each key and state: what is known of the value, and the value. */
function beginCall(func: Func, slots: usize, records: u32, values: usize): void {
  // Slots number the distinct keys of the call.
  keys = 0;
  for (let i: u32 = 0; i < records; i++) keys = max(keys, load<u32>(slots + i * 4) + 1);
  cells.length = 0;
  lists.length = 0;
  for (let state = 0; state < func.states.length; state++) {
    const made = callMemory(keys * 16);
    memory.fill(made, 0, keys * 16);
    cells.push(made);
    lists.push(new ListState(state, func.states[state].name, row));
    if (func.states[state].kind == LIST) lists[state].begin(keys);
    else readColumn(made, values + state * 16);
  }
}

function readColumn(cells: usize, column: usize): void {
  const lengths = load<usize>(column);
  let data = load<usize>(column, 8);
  for (let slot: u32 = 0; slot < keys; slot++) {
    const cell = cells + slot * 16;
    const length = load<u32>(lengths + slot * 4);
    if (length == MISSING) continue;
    store<u32>(cell, length == 8 ? THERE : WRONG_LENGTH);
    if (length == 8) store<u64>(cell, load<u64>(data), 8);
    data += length;
  }
}

/** Hands what the call has changed of a value state to the host, at once. */
function flushState(state: i32): void {
  const slots = new Buffer();
  const values = new Column();
  for (let slot: u32 = 0; slot < keys; slot++) {
    const cell = cells[state] + slot * 16;
    if (load<u32>(cell) != CHANGED) continue;
    slots.addU32(slot);
    store<u64>(values.add(8), load<u64>(cell, 8));
  }
  if (values.count > 0) hostPut(state, slots.from, values.count, values.lengths.from, values.count, values.data.from, values.data.length);
  slots.free();
  values.free();
}

// What is looked at before an operator sees a value.
const ANY_BYTES: u32 = 0;
const UTF8: u32 = 1;
const U64: u32 = 2;

function checkOf(codec: string): u32 {
  return codec == "u64-le" ? U64 : codec == "utf8" || codec == "json" ? UTF8 : ANY_BYTES;
}

/** Refuses bytes that are not of the codec. */
function check(what: u32, at: usize, length: u32, prefix: string): void {
  if (what == U64 && length != 8) refuse(prefix + "not u64-le: " + length.toString() + " bytes instead of 8");
  if (what != UTF8) return;
  const valid = validUtf8(at, length);
  if (valid != length) refuse(prefix + "not UTF-8: invalid from index " + valid.toString());
}

/** Goes over the records, up to one that is refused; answers whether all were whole. */
function run(func: Func, rows: usize, end: usize, slots: usize): bool {
  const keyed = func.keyed;
  const keyCheck = checkOf(func.input.key);
  const valueCheck = checkOf(func.input.value);
  const process = func.process;
  const seen = callMemory(keys);
  memory.fill(seen, 0, keys);
  for (let at = rows; at < end; row.number++) {
    if (end - at < 16) return false;
    row.keyLength = load<u32>(at);
    row.key = row.keyLength == NO_KEY ? 0 : at + 16;
    if (row.key == 0) row.keyLength = 0;
    row.valueLength = load<u32>(at, 4);
    row.timestamp = load<i64>(at, 8);
    if (<u64>row.keyLength + <u64>row.valueLength > <u64>(end - at - 16)) return false;
    row.value = at + 16 + row.keyLength;
    at = row.value + row.valueLength;
    if (keyed) {
      row.slot = load<u32>(slots + row.number * 4);
      if (row.key == 0) refuse("the record has no key");
      // A key is looked at once, for all its records in the call.
      else if (load<u8>(seen + row.slot) == 0) check(keyCheck, row.key, row.keyLength, "the key is ");
      store<u8>(seen + row.slot, 1);
    }
    check(valueCheck, row.value, row.valueLength, "");
    if (failure === null) process(row);
    if (failure !== null) return true;
  }
  return true;
}

// ---- The contract's exports; `exports.mjs` gives them their names ----

/** Ports, functions and the plugin, laid out in memory as the contract's records. */
export function describe(): usize {
  const functions = plugin.functions;
  const records = callMemory(44 * functions.length);
  for (let i = 0; i < functions.length; i++) describeFunction(records + 44 * i, functions[i]);
  const at = callMemory(32);
  storeText(at, plugin.name);
  storeText(at + 8, plugin.version);
  storeText(at + 16, "assemblyscript weir-guest 0.1.0");
  store<usize>(at, records, 24);
  store<u32>(at, functions.length, 28);
  return at;
}

function describeFunction(at: usize, func: Func): void {
  storeText(at, func.name);
  storeText(at + 8, func.doc);
  store<u8>(at, func.keyed ? 1 : 0, 16);
  store<usize>(at, describePort("in", func.input), 20);
  store<u32>(at, 1, 24);
  store<usize>(at, describePort("out", func.output), 28);
  store<u32>(at, 1, 32);
  const states = callMemory(32 * func.states.length);
  for (let i = 0; i < func.states.length; i++) {
    const state = func.states[i];
    const to = states + 32 * i;
    storeText(to, state.name);
    store<u8>(to, state.kind, 8);
    storeText(to + 12, state.codec);
    store<u32>(to, state.schemaVersion, 20);
    store<u64>(to, 0, 24);
  }
  store<usize>(at, states, 36);
  store<u32>(at, func.states.length, 40);
}

function describePort(name: string, port: Port): usize {
  const at = callMemory(24);
  storeText(at, name);
  storeText(at + 8, port.key);
  storeText(at + 16, port.value);
  return at;
}

/** function, config: list<tuple<string, string>>, subtask: { uid, index, parallelism, max-parallelism } -> result<_, string> */
export function open(name: usize, nameLength: usize, pairs: usize, count: u32, _uid: usize, _uidLength: usize, _index: u32, _of: u32, _max: u32): usize {
  failure = null;
  opened = null;
  const wanted = String.UTF8.decodeUnsafe(name, nameLength);
  configuration = new Map<string, string>();
  for (let i: u32 = 0; i < count; i++) {
    const at = pairs + 16 * i;
    configuration.set(String.UTF8.decodeUnsafe(load<usize>(at), load<u32>(at, 4)), String.UTF8.decodeUnsafe(load<usize>(at, 8), load<u32>(at, 12)));
  }
  for (let i = 0; i < plugin.functions.length; i++) if (plugin.functions[i].name == wanted) opened = plugin.functions[i];
  if (opened === null) refuse("this plugin has no function `" + wanted + "`");
  else (opened as Func).open();
  store<u8>(result, failure === null ? 0 : 1);
  if (failure !== null) storeText(result + 4, failure as string);
  return result;
}

/** input, rows, slots, values: a column for each state, watermark, processing time -> result<_, failure> */
export function process(input: u32, rows: usize, length: usize, slots: usize, records: u32, values: usize, _states: u32, _watermark: i64, _time: i64): usize {
  // Forgets what a failed call has left behind.
  failure = null;
  counted = 0;
  row.number = 0;
  output.length = 0;
  if (opened === null) return failed(false, "this instance is not open: no function to call");
  if (input != 0) return failed(false, "there is no input but 0");
  const func = opened as Func;
  if (func.keyed) beginCall(func, slots, records, values);
  if (!run(func, rows, rows + length, slots)) return failed(false, "the records of this call are cut off");
  if (failure !== null) return failed(true, failure as string);
  for (let state = 0; state < func.states.length; state++) {
    if (func.states[state].kind == LIST) lists[state].flush();
    else flushState(state);
  }
  flushOutput();
  if (counted > 0) {
    storeText(result, counterName);
    hostCount(load<usize>(result), load<u32>(result, 4), counted);
  }
  return finish(0, 0);
}

export function onTimers(_eventTime: u32, _rows: usize, _length: usize, _slots: usize, _records: u32, _values: usize, _states: u32, _watermark: i64, _time: i64): usize {
  return failed(false, "this plugin has no timers, and has set none");
}

export function finish(_watermark: i64, _time: i64): usize {
  store<u8>(result, 0);
  return result;
}

export function migrate(_state: usize, _stateLength: usize, _version: u32, _lengths: usize, _count: u32, _data: usize, _dataLength: usize): usize {
  return failed(false, "the states of this plugin have one version: there is no migration");
}

/** `failure { row, message }`; the row is the one that was processed last. */
function failed(ofRow: bool, message: string): usize {
  store<u8>(result, 1);
  store<u8>(result, ofRow ? 1 : 0, 4);
  store<u32>(result, row.number, 8);
  storeText(result + 12, message);
  return result;
}

/** What `throw` and the runtime's own checks end in. A trap carries no words: the host shows the last error of the log instead. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  log(4, (message === null ? "aborted" : message) + " (" + (file === null ? "?" : file) + ":" + line.toString() + ":" + column.toString() + ")");
  unreachable();
}
