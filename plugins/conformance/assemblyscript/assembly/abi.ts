// The contract in the canonical ABI, by hand: the host's functions, and memory for what passes the boundary.
//
// A parameter is flattened into numbers: a string or a list is a pointer and a length, a record is its fields one after another. A result of
// more than one number is a pointer to where it lies in memory.

// @ts-ignore: decorator
@external("weir:output/output@0.1.0", "emit")
export declare function hostEmit(output: u32, rows: usize, rowsLength: usize): void;
// @ts-ignore: decorator
@external("weir:log/log@0.1.0", "log")
export declare function hostLog(level: u32, message: usize, messageLength: usize): void;
// @ts-ignore: decorator
@external("weir:log/log@0.1.0", "count")
export declare function hostCount(name: usize, nameLength: usize, add: u64): void;
// A column (lengths and data) is four numbers. A result that is a column is written to `to`.
// @ts-ignore: decorator
@external("weir:state/keyed@0.1.0", "put")
export declare function hostPut(state: u32, slots: usize, count: u32, lengths: usize, lengthsCount: u32, data: usize, dataLength: usize): void;
// @ts-ignore: decorator
@external("weir:state/keyed@0.1.0", "get-sub")
export declare function hostGetSub(state: u32, slots: usize, count: u32, keyLengths: usize, keysCount: u32, keys: usize, keysLength: usize, to: usize): void;
// @ts-ignore: decorator
@external("weir:state/keyed@0.1.0", "put-sub")
export declare function hostPutSub(state: u32, slots: usize, count: u32, keyLengths: usize, keysCount: u32, keys: usize, keysLength: usize, lengths: usize, lengthsCount: u32, data: usize, dataLength: usize): void;
// @ts-ignore: decorator
@external("weir:state/keyed@0.1.0", "scan")
export declare function hostScan(state: u32, slot: u32, hasAfter: u32, after: usize, afterLength: usize, limit: u32, to: usize): void;
// @ts-ignore: decorator
@external("weir:state/keyed@0.1.0", "clear")
export declare function hostClear(state: u32, slots: usize, count: u32): void;

/** A length in a column: the item is missing. */
export const MISSING: u32 = 0xffff_ffff;

/** The newest piece of memory of the call; each begins with the one before. */
let newest: usize = 0;

/** Memory for the rest of the call. Never zero, also where no byte is asked for. */
export function callMemory(length: usize): usize {
  // 16 bytes keep what follows aligned.
  const block = heap.alloc(length + 16);
  store<usize>(block, newest);
  newest = block;
  return block + 16;
}

/** The host asks for room for the lists that it passes. It never makes one longer that it has passed before. */
export function cabi_realloc(_old: usize, _oldLength: usize, _align: usize, length: usize): usize {
  return callMemory(length);
}

/** The host has read the result: the call's memory is free. */
export function post(_result: usize): void {
  while (newest != 0) {
    const block = newest;
    newest = load<usize>(block);
    heap.free(block);
  }
}

/** Writes pointer and length of a text to `at`. */
export function storeText(at: usize, text: string): void {
  const length = String.UTF8.byteLength(text);
  const bytes = callMemory(length);
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, bytes);
  store<usize>(at, bytes);
  store<usize>(at, length, 4);
}

/** Bytes that are written one after another, kept from call to call for their room. */
export class Buffer {
  from: usize = heap.alloc(4096);
  length: usize = 0;
  private room: usize = 4096;

  /** Adds `length` bytes, to be written by the caller, and says where. */
  @inline
  add(length: usize): usize {
    const at = this.length;
    this.length = at + length;
    if (this.length > this.room) this.grow();
    return this.from + at;
  }

  free(): void {
    heap.free(this.from);
  }

  private grow(): void {
    this.room = this.length + this.length / 2;
    this.from = heap.realloc(this.from, this.room);
  }

  addU32(value: u32): void {
    store<u32>(this.add(4), value);
  }

  addText(text: string): void {
    const length = String.UTF8.byteLength(text);
    String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, this.add(length));
  }
}

/** A column that is being written. */
export class Column {
  lengths: Buffer = new Buffer();
  data: Buffer = new Buffer();

  get count(): u32 {
    return <u32>(this.lengths.length / 4);
  }

  free(): void {
    this.lengths.free();
    this.data.free();
  }

  /** Adds an item of `length` bytes, to be written by the caller, and says where. */
  add(length: u32): usize {
    this.lengths.addU32(length);
    return this.data.add(length);
  }
}
