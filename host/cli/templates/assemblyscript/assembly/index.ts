// Counts words: lines are split, and each word is counted under its own key.

import { Buffer } from "./abi";
import { isSpace, lowerAscii } from "./text";
import { Func, Port, Row, State, VALUE, definePlugin, emit, getU64, setU64 } from "./weir";

export { abort, describe, finish, migrate, onTimers, open, process } from "./weir";
export { cabi_realloc, post } from "./abi";

const lines = new Port("any", "utf8");
const words = new Port("utf8", "u64-le");

/** Room for a number and a line, kept from record to record. */
const number = heap.alloc(8);
const scratch = new Buffer();

function tokenize(row: Row): void {
  scratch.length = 0;
  const line = scratch.add(row.valueLength);
  lowerAscii(line, row.value, row.valueLength);
  store<u64>(number, 1);
  const end = line + row.valueLength;
  for (let at = line; at < end; at++) {
    const from = at;
    while (at < end && !isSpace(load<u8>(at))) at++;
    if (at > from) emit(from, <u32>(at - from), number, 8);
  }
}

function count(row: Row): void {
  const total = getU64(0) + row.u64;
  setU64(0, total);
  store<u64>(number, total);
  emit(row.key, row.keyLength, number, 8);
}

// At the end: what it names must be there already.
definePlugin("{{name}}", "0.1.0", [
  new Func("tokenize", "Splits lines into lower-cased words, each with the number 1.", lines, words, tokenize),
  new Func("count", "Adds up the numbers of each word and emits the sum so far.", words, words, count, (): void => {}, [new State("count", VALUE, "u64-le")]),
]);
