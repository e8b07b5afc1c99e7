// The types of what `index.js` offers.

/** How values become bytes; `T` is what an operator is given and gives. */
export interface Codec<in out T> {
  /** The name that the host compares: two connected ports have the same. */
  readonly name: string;
  /** Only there for the compiler. */
  readonly "~type"?: (value: T) => T;
}

/** Text. */
export const utf8: Codec<string>;
/** Opaque bytes. */
export const bytes: Codec<Uint8Array>;
export const u32: Codec<number>;
export const i32: Codec<number>;
/** From 0 to 2^53 - 1: what is beyond is refused, never rounded. */
export const u64: Codec<number>;
/** From -(2^53 - 1) to 2^53 - 1: what is beyond is refused, never rounded. */
export const i64: Codec<number>;
/** The same bytes as `u64`, all of them. */
export const u64Big: Codec<bigint>;
/** The same bytes as `i64`, all of them. */
export const i64Big: Codec<bigint>;
export const f64: Codec<number>;
export const bool: Codec<boolean>;
/** One JSON value. Integers beyond 2^53 lose digits, as in `JSON.parse`. */
export const json: Codec<any>;
/** `json` with a type. Nothing checks that the JSON is of that type. */
export function jsonOf<T>(): Codec<T>;
/** The same bytes as `json`, as their text: neither digits nor the order of fields change. */
export const jsonText: Codec<string>;

/** The codec of records without a key, or those of key and value. */
export type Codecs = Codec<any> | readonly [Codec<any>, Codec<any>];

type TypeOf<C> = C extends Codec<infer T> ? T : never;

/** A record of these codecs: a value, or a pair of key and value. */
export type RecordOf<C extends Codecs> = C extends readonly [infer K, infer V] ? [key: TypeOf<K>, value: TypeOf<V>] : TypeOf<C>;

/** Takes the records that an operator emits. They get the timestamp of the record that is being processed. */
export interface Collector<C extends Codecs> {
  /** Emits a record: `collect(value)`, or `collect(key, value)`. */
  collect(...record: C extends readonly [infer K, infer V] ? [key: TypeOf<K>, value: TypeOf<V>] : [value: TypeOf<C>]): void;
  /** Emits a record for each of `values`; or, with the same `value`, under each of `keys`. Faster than `collect` for each. */
  collectAll(...records: C extends readonly [infer K, infer V] ? [keys: Iterable<TypeOf<K>>, value: TypeOf<V>] : [values: Iterable<TypeOf<C>>]): void;
}

export type Level = "trace" | "debug" | "info" | "warn" | "error";

/** Given with each record: time, and the log. */
export interface RecordContext {
  /** The record's event time, milliseconds since the Unix epoch; null: it has none. */
  readonly timestamp: number | null;
  /** No record with an earlier event time is expected; null before the first watermark. */
  readonly watermark: number | null;
  /** The host's time for this call, milliseconds since the Unix epoch. */
  readonly processingTime: number;
  /** Writes to the job's log. A call to the host: not for every record. */
  log(level: Level, message: string): void;
}

export type KeyedContext = RecordContext;

/** The subtask that an operator is opened for. */
export interface Subtask {
  readonly uid: string;
  readonly index: number;
  readonly parallelism: number;
  readonly maxParallelism: number;
}

/** Given to `open`: configuration, and the declaration of counters. It also runs once without configuration, for `describe`. */
export interface OpenContext {
  readonly subtask: Subtask;
  /** The text of a configuration key: texts as they are, everything else as JSON. */
  config(key: string): string | undefined;
  /** The value of a configuration key, read as what `otherwise` is; a text that isn't refuses the configuration. */
  configOr(key: string, otherwise: string): string;
  configOr(key: string, otherwise: number): number;
  configOr(key: string, otherwise: boolean): boolean;
  configOr<T>(key: string, otherwise: T): T;
  /** Refuses to open: the job ends with this message. */
  refuse(message: string): void;
  /** Declares a counter among the operator's metrics. */
  counter(name: string): Counter;
}

/** Given to `open` of a keyed operator: it declares states too, the same ones whatever the configuration says. */
export interface KeyedOpenContext extends OpenContext {
  valueState<T>(name: string, codec: Codec<T>, options?: StateOptions<T>): ValueState<T>;
  listState<T>(name: string, codec: Codec<T>, options?: StateOptions<T>): ListState<T>;
  mapState<K, T>(name: string, keyCodec: Codec<K>, codec: Codec<T>, options?: StateOptions<T>): MapState<K, T>;
}

export interface StateOptions<T> {
  /** Milliseconds after the last write at which an entry expires; 0, the default: never. */
  ttl?: number;
  /** The version of the value's layout; 1 by default. */
  version?: number;
  /** What the values were in older versions, oldest first: `next` leads to the next version, the last one to the current. */
  older?: readonly Older[];
}

export interface Older {
  version: number;
  codec: Codec<any>;
  /** The value of the next version. It sees nothing else, and always gives the same for the same. */
  next(value: any): any;
}

export interface Counter {
  /** Adds to the counter, 1 by default. What a refused call has added doesn't count. */
  add(number?: number): void;
}

export interface ValueState<T> {
  get(): T | undefined;
  set(value: T): void;
  clear(): void;
  /** Sets what `change` makes of the value; undefined deletes it. Returns the new value. */
  update<R extends T | undefined>(change: (value: T | undefined) => R): R;
}

export interface ListState<T> {
  readonly length: number;
  add(item: T): void;
  get(index: number): T | undefined;
  items(): T[];
  set(items: Iterable<T>): void;
  clear(): void;
}

export interface MapState<K, T> {
  get(key: K): T | undefined;
  has(key: K): boolean;
  set(key: K, value: T): void;
  delete(key: K): void;
  /** In order of the bytes of the keys. */
  entries(): Iterable<[K, T]>;
  clear(): void;
}

/** An operator, to be named in `plugin`. */
export interface Operator {
  readonly doc: string;
}

/** Either `each`, which handles a record, or `open`, which returns it. */
interface Options<In, Out, Context, Each> {
  doc?: string;
  in: In;
  out: Out;
  each?: Each;
  open?(ctx: Context): Each;
}

/** One record in, one record out. */
export function map<const In extends Codecs, const Out extends Codecs>(
  options: Options<In, Out, OpenContext, (record: RecordOf<In>, ctx: RecordContext) => RecordOf<Out>>,
): Operator;

/** Some records pass, as they came, key and all. */
export function filter<const In extends Codecs>(
  options: Omit<Options<In, never, OpenContext, (record: RecordOf<In>, ctx: RecordContext) => boolean>, "out">,
): Operator;

/** One record in, any number out. */
export function flatMap<const In extends Codecs, const Out extends Codecs>(
  options: Options<In, Out, OpenContext, (record: RecordOf<In>, out: Collector<Out>, ctx: RecordContext) => void>,
): Operator;

/** One record of a key in, any number out, with state per key. */
export function keyedProcess<K, V, const Out extends Codecs>(
  options: { key: Codec<K> } & Options<Codec<V>, Out, KeyedOpenContext, (key: K, value: V, out: Collector<Out>, ctx: KeyedContext) => void>,
): Operator;

/** The functions of a plugin by name. */
export interface Plugin {
  readonly name: string;
  readonly version: string;
}

export function plugin(options: { name: string; version?: string; functions: { [name: string]: Operator } }): Plugin;

/** Refuses a record, with a message for people: `throw new Refusal("…")`. */
export class Refusal extends Error {
  constructor(message: string);
}
