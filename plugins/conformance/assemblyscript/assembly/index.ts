// The conformance plugin in AssemblyScript: functions that every language implements in the same way.

import { Buffer } from "./abi";
import { JsonReader, quoted } from "./json";
import { isSpace, lowerAscii, reverseUtf8 } from "./text";
import { Func, LIST, Port, Row, State, VALUE, config, count, definePlugin, emit, emitText, getU64, list, refuse, setU64 } from "./weir";

export { abort, describe, finish, migrate, onTimers, open, process } from "./weir";
export { cabi_realloc, post } from "./abi";

const lines = new Port("any", "utf8");
const texts = new Port("none", "utf8");
const numbers = new Port("any", "u64-le");
const words = new Port("utf8", "u64-le");
const sum: State[] = [new State("sum", VALUE, "u64-le")];

/** Room for numbers and texts that are emitted. */
const number = heap.alloc(8);
const scratch = new Buffer();

function room(length: u32): usize {
  scratch.length = 0;
  return scratch.add(length);
}

function tokenize(row: Row): void {
  const line = room(row.valueLength);
  lowerAscii(line, row.value, row.valueLength);
  store<u64>(number, 1);
  const end = line + row.valueLength;
  for (let at = line; at < end; at++) {
    const from = at;
    while (at < end && !isSpace(load<u8>(at))) at++;
    if (at > from) emit(from, <u32>(at - from), number, 8);
  }
}

/** `count` and `sum-1`. */
function add(row: Row): void {
  const total = getU64(0) + row.u64;
  setU64(0, total);
  store<u64>(number, total);
  emit(row.key, row.keyLength, number, 8);
}

function reverse(row: Row): void {
  const reversed = room(row.valueLength);
  reverseUtf8(reversed, row.value, row.valueLength);
  emit(0, 0, reversed, row.valueLength);
}

function even(row: Row): void {
  if ((row.u64 & 1) == 0) pass(row);
}

function pass(row: Row): void {
  emit(0, 0, row.value, row.valueLength);
}

/** Configuration, read when the function is opened. */
let reader = new JsonReader([]);
let greeting = "";

function openExtract(): void {
  const field = config("field");
  const names = (field === null ? "user.name" : field).split(".");
  const path: ArrayBuffer[] = [];
  for (let i = 0; i < names.length; i++) path.push(String.UTF8.encode(names[i]));
  reader = new JsonReader(path);
}

function extract(row: Row): void {
  if (!reader.read(row.value, row.valueLength)) return refuse("not JSON");
  if (reader.found) emit(0, 0, reader.text.from, <u32>reader.text.length);
}

function openGreet(): void {
  const configured = config("greeting");
  if (configured === null) return refuse("greeting is missing");
  greeting = configured as string;
}

function greet(row: Row): void {
  emitText(row, greeting + " " + row.text);
  count("greeted", 1);
}

function strict(row: Row): void {
  const text = row.text;
  if (text == "bad") return refuse("bad record: bad");
  if (text == "throw") throw new Error("thrown on purpose");
  emitText(row, text);
  if (text == "double") refuse("refused after emitting");
}

function history(row: Row): void {
  const items = list(0);
  const text = row.text;
  if (text == "?") {
    const all = items.texts();
    for (let i = 0; i < all.length; i++) all[i] = quoted(all[i]);
    emitText(row, "[" + all.join(",") + "]");
  } else if (text == "#") {
    emitText(row, items.length.toString());
  } else if (text == "!") {
    items.clear();
  } else if (text.startsWith("=")) {
    items.clear();
    if (text.length == 1) return;
    const parts = text.substring(1).split(",");
    for (let i = 0; i < parts.length; i++) {
      const bytes = String.UTF8.encode(parts[i]);
      items.add(changetype<usize>(bytes), bytes.byteLength);
    }
  } else {
    items.add(row.value, row.valueLength);
  }
}

// At the end: what it names must be there already.
definePlugin("conformance", "0.1.0", [
  new Func("reverse", "The text with its code points in reverse order.", lines, texts, reverse),
  new Func("even", "Keeps even numbers.", numbers, new Port("none", "u64-le"), even),
  new Func("tokenize", "Splits lines into lower-cased words, each with the number 1.", lines, words, tokenize),
  new Func("extract", "The text at the path `field` of a line of JSON.", lines, texts, extract, openExtract),
  new Func("pass-bytes", "Bytes as they came.", new Port("any", "bytes"), new Port("none", "bytes"), pass),
  new Func("pass-utf8", "Texts as they came.", lines, texts, pass),
  new Func("pass-u64", "Numbers as they came.", numbers, new Port("none", "u64-le"), pass),
  new Func("strict", "Refuses `bad`, throws at `throw`, refuses `double` after emitting it.", lines, texts, strict),
  new Func("greet", "Puts the configured greeting before a text.", lines, texts, greet, openGreet),
  new Func("count", "Adds up the numbers of each word and emits the sum so far.", words, words, add, (): void => {}, [new State("count", VALUE, "u64-le")]),
  new Func("sum-1", "The running sum of each key.", words, words, add, (): void => {}, sum),
  new Func("history", "A list of texts for each key.", new Port("utf8", "utf8"), new Port("utf8", "json"), history, (): void => {}, [new State("items", LIST, "utf8")]),
]);
