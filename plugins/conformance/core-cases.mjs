// What the functions of a conformance plugin do, as data: `checkAll(path)` runs the cases of those that the core module has.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeHost, Refused, bytes, text, u64 } from "./fake-host.mjs";

const number = (value) => String(new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0, true));
const SHOW = { "u64-le": (value) => (value.length === 8 ? number(value) : "?"), bytes: (value) => Buffer.from(value).toString("hex") };
const READ = { "u64-le": (value) => (typeof value === "string" ? u64(value) : value), bytes: (value) => Buffer.from(value, "hex") };
const long = "Wort ".repeat(200_000).trimEnd();

// Inputs are values, or "key=value" of keyed functions; outputs are values, or "key=value" where records have keys.
// `refused`: the row that a call of all inputs refuses, and how the message begins.
const CASES = [
  { fn: "tokenize", input: ["To be, or NOT  to be", "", " \t\n\r\x0b\x0c ", "x"], output: ["to=1", "be,=1", "or=1", "not=1", "to=1", "be=1", "x=1"] },
  { fn: "tokenize", input: ["ÄÖ Straße\u00a0ÀB \u2003 🙂Z"], output: ["ÄÖ=1", "straße\u00a0Àb=1", "\u2003=1", "🙂z=1"] },
  { fn: "tokenize", input: [long], output: Array(200_000).fill("wort=1") },
  { fn: "tokenize", input: ["x".repeat(1_000_000)], output: ["x".repeat(1_000_000) + "=1"] },
  { fn: "tokenize", input: ["a", Buffer.from("b \xff c", "latin1")], refused: [1, "not UTF-8"] },
  ...["c0af", "eda080", "f4908080", "e282", "80", "f8888080", "e28261", "c3"].map((hex) => ({ fn: "tokenize", input: [Buffer.from("61".repeat(20) + hex, "hex")], refused: [0, "not UTF-8"] })),
  ...["c280", "dfbf", "e0a080", "ed9fbf", "ee8080", "f0908080", "f48fbfbf"].map((hex) => ({ fn: "tokenize", input: [Buffer.from(hex, "hex")], output: [Buffer.from(hex, "hex").toString() + "=1"] })),
  { fn: "count", input: ["a=1", "b=2", "a=3", "ä=18446744073709551615", "a=0"], output: ["a=1", "b=2", "a=4", "ä=18446744073709551615", "a=4"] },
  { fn: "count", input: [{ key: "a", value: u64(1) }, { key: "a", value: bytes("abc") }], refused: [1, "not u64-le: 3 bytes instead of 8"] },
  { fn: "count", input: [{ key: "a", value: u64(1) }, { value: u64(1) }], refused: [1, "the record has no key"] },
  { fn: "count", input: [{ key: Buffer.from([0xff]), value: u64(1) }], refused: [0, "the key is not UTF-8"] },
  { fn: "count", input: Array.from({ length: 100_000 }, (_, i) => `key ${i}=${i}`), output: Array.from({ length: 100_000 }, (_, i) => `key ${i}=${i}`) },
  { fn: "sum-1", input: ["a=1", "b=2", "a=3"], output: ["a=1", "b=2", "a=4"] },
  { fn: "reverse", input: ["abc", "", "äß🙂z"], output: ["cba", "", "z🙂ßä"] },
  { fn: "even", input: ["0", "1", "2", "18446744073709551614", "18446744073709551615"], output: ["0", "2", "18446744073709551614"] },
  { fn: "even", input: [bytes("")], refused: [0, "not u64-le: 0 bytes instead of 8"] },
  { fn: "pass-bytes", input: ["", "00ff80"], output: ["", "00ff80"] },
  { fn: "pass-utf8", input: ["", "Straße 🙂"], output: ["", "Straße 🙂"] },
  { fn: "pass-utf8", input: [Buffer.from([0x61, 0x80])], refused: [0, "not UTF-8"] },
  { fn: "pass-u64", input: ["0", "18446744073709551615"], output: ["0", "18446744073709551615"] },
  { fn: "strict", input: ["a", "b"], output: ["a", "b"] },
  { fn: "strict", input: ["a", "bad"], refused: [1, "bad record: bad"] },
  { fn: "strict", input: ["a", "b", "double"], refused: [2, "refused after emitting"] },
  { fn: "strict", input: ["a", "throw"], trap: "thrown on purpose" },
  { fn: "greet", config: { greeting: "Grüß Gott," }, input: ["Welt", ""], output: ["Grüß Gott, Welt", "Grüß Gott, "], counted: { greeted: 2n } },
  { fn: "greet", config: {}, openRefused: "greeting is missing" },
  {
    fn: "extract",
    input: ['{"user":{"name":"Ada"}}', '{"user":{"name":17}}', '{"user":{"name":true}}', '{"user":{"name":null}}', '{"user":{}}', '{"user":3}', "{}", '{"a":[1,{"user":{"name":"no"}}],"user":{"id":1,"name":"yes"}}'],
    output: ["Ada", "17", "true", "yes"],
  },
  { fn: "extract", config: { field: "näme" }, input: [' { "n\\u00e4me" : "a\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude42z" } '], output: ['a"\\/\b\f\n\r\té🙂z'] },
  { fn: "extract", config: { field: "a" }, input: ['{"a":-1.5e+3}', '{"a":1,"a":"last"}', '{"a":""}', '{"a":18446744073709551616}'], output: ["-1.5e+3", "last", "", "18446744073709551616"] },
  ...["", "{", "nope", '{"a":1', '{"a":01}', '{"a":1,}', '{"a" 1}', '{"a":"\\x"}', '{"a":"\n"}', "{} {}", '{"a":[1 2]}', '{"a":tru}', '{"a":1.}', '{"a":-}', '{"a":"\\ud800"}', '{1:2}', "[1,]"].map((line) => ({
    fn: "extract",
    input: ["{}", line],
    refused: [1, "not JSON"],
  })),
  { fn: "history", input: ["k=a", 'k=q"\\\n\u0001é', "l=b", "k=?", "k=#", "l=?"], output: ['k=["a","q\\"\\\\\\n\\u0001é"]', "k=2", 'l=["b"]'] },
  { fn: "history", input: ["k=?", "k=#", "k=a", "k=!", "k=?", "k=b", "k=?", "k=#"], output: ["k=[]", "k=0", "k=[]", 'k=["b"]', "k=1"] },
  { fn: "history", input: ["k=x", "k==a,b", "k=c", "k=?", "k==", "k=?", "k==,", "k=?"], output: ['k=["a","b","c"]', "k=[]", 'k=["",""]'] },
  { fn: "history", input: [...Array.from({ length: 600 }, (_, i) => `k=${i}`), "k=?"], output: [`k=${JSON.stringify(Array.from({ length: 600 }, (_, i) => `${i}`))}`] },
];

/// Runs the cases of the functions that the module at `path` has.
export async function checkAll(path, sdk) {
  const described = (await FakeHost.load(path)).describe();
  test("the description says who made it, and its ports have names", () => {
    assert.deepEqual([described.name, described.version, described.sdk], ["conformance", "0.1.0", sdk]);
    for (const { inputs, outputs } of described.functions) assert.deepEqual([inputs[0].name, outputs[0].name], ["in", "out"]);
  });
  test("a function that isn't there is refused", async () => {
    const host = await FakeHost.load(path);
    assert.throws(() => host.open("nope"), Refused);
  });
  for (const one of CASES.filter(({ fn }) => described.functions.some(({ name }) => name === fn))) {
    const shown = `${one.fn} of ${JSON.stringify(one.input ?? one.config).slice(0, 60)}`;
    // A fake host's transaction copies all state: too slow for very many calls.
    for (const batch of one.input?.length > 5_000 ? [2048, 1_000_000] : [1, 3, 2048, 1_000_000]) test(`${shown}, ${batch} at a time`, () => check(path, one, batch));
  }
}

async function check(path, { fn, config = {}, input, output, refused, trap, openRefused, counted }, batch) {
  const host = await FakeHost.load(path);
  if (openRefused) return assert.throws(() => host.open(fn, config), { message: openRefused });
  host.open(fn, config);
  const records = input.map((item, i) => ({ ...recordOf(item, host.fn), timestamp: BigInt(i) }));
  if (refused) return checkRefusal(host, records, ...refused);
  if (trap) {
    assert.throws(() => host.process(records), WebAssembly.RuntimeError);
    return assert.match(host.logged.at(-1), new RegExp(`^error: .*${trap}`));
  }
  let emitted = [];
  for (let at = 0; at < records.length; at += batch) emitted = emitted.concat(host.process(records.slice(at, at + batch)));
  host.process([]);
  host.finish();
  assert.deepEqual(emitted.map((record) => show(record, host.fn.outputs[0])), output);
  for (const { timestamp } of emitted) assert.ok(timestamp !== undefined && timestamp < input.length);
  if (counted) assert.deepEqual(host.counters, counted);
  if (host.fn.states.length === 0) return;
  checkBatching(host, fn, Math.ceil(records.length / batch));
}

// What a refused call has done is void, and the rest goes through without the record.
function checkRefusal(host, records, row, message) {
  assert.throws(
    () => host.process(records),
    (error) => error instanceof Refused && error.row === row && error.message.startsWith(message),
  );
  assert.deepEqual(host.states.map((state) => state.size).filter(Boolean), []);
  const good = records.filter((_, i) => i !== row);
  const first = host.process(good).map((record) => record.timestamp);
  assert.ok(first.every((timestamp) => timestamp !== BigInt(row)));
}

function checkBatching(host, fn, calls) {
  if (fn !== "history") assert.ok((host.calls.put ?? 0) <= calls, `${host.calls.put} puts in ${calls} calls`);
  assert.throws(() => host.migrate(host.fn.states[0].name, 0, []), Refused);
}

function recordOf(item, { kind, inputs: [{ value: codec }] }) {
  const read = READ[codec] ?? bytes;
  if (item.value !== undefined) return item;
  if (kind === "stateless") return { value: read(item) };
  const at = item.indexOf("=");
  return { key: item.slice(0, at), value: read(item.slice(at + 1)) };
}

function show({ key, value }, port) {
  const shown = (SHOW[port.value] ?? text)(value);
  assert.equal(key === undefined, port.key === "none");
  return key === undefined ? shown : `${text(key)}=${shown}`;
}
