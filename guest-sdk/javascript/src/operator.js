// The kinds of operators: each function here makes one of what it is given, to be named in `plugin`.

import { PairCollector, ValueCollector } from "./collector.js";
import { FilterRun, FlatMapRun, KeyedRun, MapRun } from "./driver.js";
import { Codec } from "./codec/index.js";

/** One record in, one record out: `each(record, ctx)` returns it. */
export function map(options) {
  return new Operator("map", "stateless", MapRun, options, recordOf("map", "in", options.in), recordOf("map", "out", options.out));
}

/** Some records pass, as they came, key and all: those for which `each(record, ctx)` returns true. */
export function filter(options) {
  const record = recordOf("filter", "in", options.in);
  return new Operator("filter", "stateless", FilterRun, options, record, record);
}

/** One record in, any number out, by `out.collect(...)` in `each(record, out, ctx)`. */
export function flatMap(options) {
  return new Operator("flatMap", "stateless", FlatMapRun, options, recordOf("flatMap", "in", options.in), recordOf("flatMap", "out", options.out));
}

/** One record of a key in, any number out, with state per key: `open(ctx)` declares it and returns `(key, value, out, ctx) => …`. */
export function keyedProcess(options) {
  const kind = "keyedProcess";
  const record = { key: codecOf(kind, "key", options.key), value: codecOf(kind, "in", options.in) };
  return new Operator(kind, "keyed", KeyedRun, options, record, recordOf(kind, "out", options.out));
}

/** An operator that isn't open yet. */
export class Operator {
  constructor(name, kind, Run, options, input, output) {
    const { open, each, doc = "" } = options;
    if ((typeof open === "function") === (typeof each === "function")) {
      throw new TypeError(`${name}: give either \`each\`, a function that handles a record, or \`open\`, a function that returns it`);
    }
    this.name = name;
    this.kind = kind;
    this.Run = Run;
    this.doc = doc;
    this.open = open ?? (() => each);
    this.input = input;
    this.output = output;
  }

  /** Where this operator puts its records during `call`. */
  collector(call) {
    const { key, value } = this.output;
    return key === null ? new ValueCollector(0, value, call) : new PairCollector(0, key, value, call);
  }
}

/** The codecs of a record: one codec, or a pair for records with keys. */
function recordOf(operator, option, codecs) {
  if (!Array.isArray(codecs)) return { key: null, value: codecOf(operator, option, codecs) };
  if (codecs.length !== 2) throw new TypeError(`${operator}: \`${option}\` takes a codec, or two in brackets: of the key and of the value`);
  return { key: codecOf(operator, option, codecs[0]), value: codecOf(operator, option, codecs[1]) };
}

function codecOf(operator, option, codec) {
  if (codec instanceof Codec) return codec;
  throw new TypeError(`${operator}: \`${option}\` must be a codec, such as utf8 or u64`);
}
