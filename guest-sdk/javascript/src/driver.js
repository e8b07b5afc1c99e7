// Runs a call over an author's operator: rows are decoded, states are lent, output and changes are handed to the host.
//
// What runs for each record, here and in the other files, takes properties by `const x = a.x`: QuickJS needs several times as long for `const { x } = a`.

import { Bytes } from "./bytes.js";
import { RecordContext } from "./context.js";
import { callFailure, Failure, inWords, Refusal } from "./errors.js";
import { HEADER_BYTES, Rows } from "./rows.js";

/** What an open operator, its states and its output share during a call. */
export class Call {
  constructor() {
    this.end();
  }

  begin({ records, watermark, processingTime }, host) {
    this.rows = new Rows(new Bytes(records));
    this.watermark = watermark;
    this.processingTime = processingTime;
    this.host = host;
  }

  /** Nothing of the call stays, not even its bytes. */
  end() {
    this.rows = undefined;
    this.host = undefined;
    this.watermark = -(2 ** 63);
    this.processingTime = 0;
    /** The record that is being processed, and the slot of its key; -1: none. */
    this.row = -1;
    this.slot = -1;
  }
}

/** An open operator. */
class Run {
  constructor(operator, handler, opened) {
    this.operator = operator;
    this.handler = handler;
    this.call = opened.call;
    this.out = operator.collector(opened.call);
    this.ctx = new RecordContext(opened.call);
    this.states = opened.states;
    this.counters = opened.counters;
  }

  /** One call of the contract: a `Failure` is thrown when it fails. */
  process(request, host) {
    const { call, out, states, counters } = this;
    if (request.input !== 0) throw callFailure(`there is no input ${request.input}`);
    try {
      out.begin();
      for (const counter of counters) counter.begin();
      states.forEach(({ state }, i) => state.begin(request.values[i] ?? { lengths: [], data: new Uint8Array(0) }));
      call.begin(request, host);
      this.records(request);
      out.flush();
      for (const { state } of states) state.flush(host);
      for (const counter of counters) counter.flush(host);
    } catch (error) {
      throw error instanceof Failure ? error : callFailure(inWords(error));
    } finally {
      call.end();
      out.begin();
      for (const { state } of states) state.end();
    }
  }

  records() {
    const { call, operator } = this;
    const { key, value } = operator.input;
    const { rows } = call;
    const values = [];
    const keys = [];
    let good = value.decodeMany(rows.bytes, rows.valueAt, rows.valueLengths, values);
    if (key !== null) {
      const missing = rows.keyLengths.indexOf(-1);
      const readable = missing === -1 ? rows.count : missing;
      const at = rows.at.slice(0, readable).map((from) => from + HEADER_BYTES);
      good = Math.min(good, key.decodeMany(rows.bytes, at, rows.keyLengths.slice(0, readable), keys));
    }
    this.guarded(() => this.each(values, keys, good, value.thaws ? value : null, key?.thaws ? key : null));
    if (good < rows.count) this.refuseRow(good);
  }

  /** Runs the author's code; what it throws refuses the row that it was at, unless an earlier row has emitted what can't be encoded. */
  guarded(run) {
    try {
      run();
    } catch (error) {
      if (error instanceof Failure) throw error;
      const { row } = this.call;
      this.out.dropRow();
      this.out.encode();
      throw new Failure(row, inWords(error));
    }
  }

  /** Refuses the first row that can't be decoded, with the reason. */
  refuseRow(row) {
    const { call, operator } = this;
    const { rows } = call;
    call.row = row;
    this.guarded(() => {
      this.out.starts[row] = this.out.waiting.length;
      const { key, value } = operator.input;
      if (key !== null) keyOf(rows, row, key);
      value.decode(rows.bytes, rows.valueAt[row], rows.valueLengths[row]);
      throw new Refusal("the record can't be decoded");
    });
  }
}

/** The key of a row in its kept form. */
function keyOf(rows, row, codec) {
  const length = rows.keyLengths[row];
  if (length === -1) throw new Refusal("the record has no key");
  try {
    return codec.decode(rows.bytes, rows.at[row] + HEADER_BYTES, length);
  } catch (error) {
    throw error instanceof Refusal ? new Refusal(`the key is ${error.message}`) : error;
  }
}

/** The value of a codec whose kept form is another; of a key the refusal says so. */
function thawKey(codec, kept) {
  try {
    return codec.thaw(kept);
  } catch (error) {
    throw error instanceof Refusal ? new Refusal(`the key is ${error.message}`) : error;
  }
}

/** The records for `each`: values, or pairs of key and value. */
function recordAt(values, keys, i, thawsValue, thawsKey) {
  const value = thawsValue === null ? values[i] : thawsValue.thaw(values[i]);
  return [thawsKey === null ? keys[i] : thawKey(thawsKey, keys[i]), value];
}

export class FlatMapRun extends Run {
  each(values, keys, count, thawsValue, thawsKey) {
    const { call, handler, out, ctx } = this;
    const { starts } = out;
    const paired = this.operator.input.key !== null;
    const plain = !paired && thawsValue === null;
    for (let i = 0; i < count; i++) {
      call.row = i;
      starts[i] = out.waiting.length;
      handler(plain ? values[i] : paired ? recordAt(values, keys, i, thawsValue, thawsKey) : thawsValue.thaw(values[i]), out, ctx);
    }
  }
}

export class MapRun extends Run {
  each(values, keys, count, thawsValue, thawsKey) {
    const { call, handler, out, ctx } = this;
    const { starts } = out;
    const paired = this.operator.input.key !== null;
    const pairs = this.operator.output.key !== null;
    const plain = !paired && thawsValue === null;
    for (let i = 0; i < count; i++) {
      call.row = i;
      starts[i] = out.waiting.length;
      const record = plain ? values[i] : paired ? recordAt(values, keys, i, thawsValue, thawsKey) : thawsValue.thaw(values[i]);
      const mapped = handler(record, ctx);
      if (!pairs) out.collect(mapped);
      else if (Array.isArray(mapped) && mapped.length === 2) out.collect(mapped[0], mapped[1]);
      else throw new Refusal("a map to records with keys returns [key, value]");
    }
  }
}

export class FilterRun extends Run {
  each(values, keys, count, thawsValue, thawsKey) {
    const { call, handler, out, ctx } = this;
    const { rows } = call;
    const paired = this.operator.input.key !== null;
    const plain = !paired && thawsValue === null;
    for (let i = 0; i < count; i++) {
      call.row = i;
      const record = plain ? values[i] : paired ? recordAt(values, keys, i, thawsValue, thawsKey) : thawsValue.thaw(values[i]);
      if (handler(record, ctx)) out.pass(rows.text(i, paired));
    }
  }
}

export class KeyedRun extends Run {
  /** A key is read once, for all its records in the call. */
  records({ slots }) {
    const { call, operator } = this;
    const { key, value } = operator.input;
    const { rows } = call;
    if (slots.length < rows.count) throw callFailure("the call has fewer slots than records");
    const values = [];
    let good = value.decodeMany(rows.bytes, rows.valueAt, rows.valueLengths, values);
    const { first, areInOrder } = firstRows(slots, rows.count);
    const inOrder = [];
    const ats = [];
    const lengths = [];
    for (let i = 0, count = first.length; i < count; i++) {
      const row = first[i];
      const length = rows.keyLengths[row];
      if (length === -1) break;
      ats.push(rows.at[row] + HEADER_BYTES);
      lengths.push(length);
    }
    const goodKeys = key.decodeMany(rows.bytes, ats, lengths, inOrder);
    if (goodKeys < first.length) good = Math.min(good, first[goodKeys]);
    const keys = areInOrder ? inOrder : bySlot(inOrder, first, slots);
    this.guarded(() => this.each(slots, values, keys, good, value.thaws ? value : null, key.thaws ? key : null));
    if (good < rows.count) this.refuseRow(good);
  }

  each(slots, values, keys, count, thawsValue, thawsKey) {
    const { call, handler, out, ctx } = this;
    const { starts } = out;
    const plain = thawsValue === null && thawsKey === null;
    for (let i = 0; i < count; i++) {
      const slot = slots[i];
      call.row = i;
      call.slot = slot;
      starts[i] = out.waiting.length;
      if (plain) {
        handler(keys[slot], values[i], out, ctx);
        continue;
      }
      const key = thawsKey === null ? keys[slot] : thawKey(thawsKey, keys[slot]);
      handler(key, thawsValue === null ? values[i] : thawsValue.thaw(values[i]), out, ctx);
    }
    call.slot = -1;
  }
}

/** The first row of each slot, in order of rows; and whether the slots are in that order, too, as hosts mostly number them. */
function firstRows(slots, count) {
  const first = [];
  const seen = [];
  let areInOrder = true;
  for (let i = 0; i < count; i++) {
    const slot = slots[i];
    if (seen[slot]) continue;
    if (slot >= count) throw callFailure("the call has a slot that is beyond its records");
    if (slot !== first.length) areInOrder = false;
    seen[slot] = true;
    first.push(i);
  }
  return { first, areInOrder };
}

/** Keys by slot, from keys in the order of their first rows. */
function bySlot(inOrder, first, slots) {
  const keys = [];
  inOrder.forEach((key, i) => {
    keys[slots[first[i]]] = key;
  });
  return keys;
}
