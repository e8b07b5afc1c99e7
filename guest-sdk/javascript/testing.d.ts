// The types of what `testing.js` offers.

import type { Plugin } from "./index.js";

/** State at one moment, for `restore`. */
export interface Snapshot {
  readonly states: object;
}

/** Runs one function of a plugin natively, over state in memory. Input is queued by `push`, and runs when asked. */
export class Harness {
  /** Throws when the function refuses the configuration. */
  constructor(plugin: Plugin, name: string, config?: Record<string, unknown>);
  /** How often each service of the host was called, and `process`. */
  readonly calls: Record<string, number>;
  push(value: unknown): this;
  push(key: unknown, value: unknown): this;
  pushBytes(key: Uint8Array | null, value: Uint8Array): this;
  timestamp(ms: number | null): this;
  watermark(ms: number): this;
  processingTime(ms: number): this;
  newInstance(): this;
  process(batchSize?: number): this;
  processAtEveryBatchSize(): this;
  records(): any[];
  timestamps(): (number | null)[];
  failures(): { record: number | null; message: string }[];
  counter(name: string): number;
  log(): { level: string; message: string }[];
  value(state: string, key: unknown): any;
  items(state: string, key: unknown): any[];
  entries(state: string, key: unknown): [any, any][];
  snapshot(): Snapshot;
  restore(snapshot: Snapshot): this;
  forgetOutput(): this;
}
