// List states, laid out as weir's SDKs do, so that operators of any language read them: the length, a little-endian u64, under the empty sub-key;
// item i under i as eight bytes, big-endian.

import { Buffer, Column, MISSING, callMemory, hostClear, hostGetSub, hostPutSub, hostScan } from "./abi";
import { Row, refuse } from "./weir";
import { copyBytes } from "./text";

/** Items are asked for in pages of this many. */
const PAGE_ITEMS: u32 = 256;
const UNREADABLE: u64 = u64.MAX_VALUE;

/** An item that the host hasn't been given yet. */
class Item {
  constructor(public slot: u32, public index: u64, public at: usize, public length: u32, public clears: u32) {}
}

/** One list state during a call: the lists of all its keys. */
export class ListState {
  private lengths: u64[] = [];
  private dirty: bool[] = [];
  private cleared: bool[] = [];
  /** How often a list was cleared: items that were added before are void. */
  private clears: u32[] = [];
  private added: Item[] = [];

  constructor(private state: i32, private name: string, private row: Row) {}

  /** Asks for the lengths of all lists at once: a call to the host costs as much as handling ten records. */
  begin(keys: u32): void {
    if (keys == 0) return;
    const slots = callMemory(keys * 4);
    const subKeys = callMemory(keys * 4);
    memory.fill(subKeys, 0, keys * 4);
    for (let slot: u32 = 0; slot < keys; slot++) store<u32>(slots + slot * 4, slot);
    const found = callMemory(16);
    hostGetSub(this.state, slots, keys, subKeys, keys, subKeys, 0, found);
    let data = load<usize>(found, 8);
    for (let slot: u32 = 0; slot < keys; slot++) {
      const length = load<u32>(load<usize>(found) + slot * 4);
      this.lengths.push(length == MISSING ? 0 : length == 8 ? load<u64>(data) : UNREADABLE);
      if (length != MISSING) data += length;
      this.dirty.push(false);
      this.cleared.push(false);
      this.clears.push(0);
    }
  }

  get length(): u64 {
    const found = this.lengths[this.row.slot];
    if (found != UNREADABLE) return found;
    refuse("state `" + this.name + "`: its length is not u64-le");
    return 0;
  }

  /** Appends bytes. */
  add(from: usize, length: u32): void {
    const slot = this.row.slot;
    const index = this.length;
    const at = callMemory(length);
    copyBytes(at, from, length);
    this.added.push(new Item(slot, index, at, length, this.clears[slot]));
    this.lengths[slot] = index + 1;
    this.dirty[slot] = true;
  }

  clear(): void {
    const slot = this.row.slot;
    this.lengths[slot] = 0;
    this.dirty[slot] = false;
    this.cleared[slot] = true;
    this.clears[slot]++;
  }

  /** All items as texts, this call's included. */
  texts(): string[] {
    this.flush();
    const all: string[] = [];
    // The first sub-key after the empty one, where the length is, is item 0.
    const after = callMemory(8);
    const page = callMemory(36);
    let afterLength: u32 = 0;
    while (true) {
      hostScan(this.state, this.row.slot, 1, after, afterLength, PAGE_ITEMS, page);
      const count = load<u32>(page, 20);
      let data = load<usize>(page, 24);
      for (let i: u32 = 0; i < count; i++) {
        const length = load<u32>(load<usize>(page, 16) + i * 4);
        all.push(String.UTF8.decodeUnsafe(data, length));
        data += length;
      }
      if (load<u8>(page, 32) == 0 || count == 0) break;
      store<u64>(after, bswap<u64>(all.length - 1));
      afterLength = 8;
    }
    const expected = this.length;
    if (<u64>all.length != expected) refuse("state `" + this.name + "`: " + all.length.toString() + " items are there and " + expected.toString() + " are expected");
    return all;
  }

  /** Hands all changes to the host: one `clear` and one `put-sub`. */
  flush(): void {
    const cleared = new Buffer();
    const slots = new Buffer();
    const keys = new Column();
    const values = new Column();
    for (let i = 0; i < this.added.length; i++) {
      const item = this.added[i];
      if (item.clears != this.clears[item.slot]) continue;
      slots.addU32(item.slot);
      store<u64>(keys.add(8), bswap<u64>(item.index));
      copyBytes(values.add(item.length), item.at, item.length);
    }
    this.added = [];
    for (let slot = 0; slot < this.lengths.length; slot++) {
      if (this.cleared[slot]) cleared.addU32(slot);
      this.cleared[slot] = false;
      if (!this.dirty[slot]) continue;
      this.dirty[slot] = false;
      slots.addU32(slot);
      keys.add(0);
      store<u64>(values.add(8), this.lengths[slot]);
    }
    if (cleared.length > 0) hostClear(this.state, cleared.from, <u32>(cleared.length / 4));
    const count = values.count;
    if (count > 0) hostPutSub(this.state, slots.from, count, keys.lengths.from, count, keys.data.from, keys.data.length, values.lengths.from, count, values.data.from, values.data.length);
    cleared.free();
    slots.free();
    keys.free();
    values.free();
  }
}
