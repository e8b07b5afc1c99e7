// Every function of the conformance plugin, at every batch size.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Harness } from "weir-guest/testing";

import plugin from "../src/plugin.js";

type Input = unknown[];

function check(name: string, config: Record<string, unknown>, input: Input[], expected: unknown[], refused: [number, RegExp][] = []): Harness {
  const harness = new Harness(plugin, name, config);
  for (const record of input) harness.push(...(record as [unknown]));
  harness.processAtEveryBatchSize();
  assert.deepEqual(harness.records(), expected);
  const failures = harness.failures();
  assert.deepEqual(failures.map(({ record }) => record), refused.map(([record]) => record));
  failures.forEach(({ message }, i) => assert.match(message, refused[i]![1]));
  return harness;
}

test("text is reversed by code points", () => {
  check("reverse", {}, [["aé😀"], [""]], ["😀éa", ""]);
});

test("even numbers pass", () => {
  check("even", {}, [[1n], [2n], [2n ** 64n - 2n]], [2n, 2n ** 64n - 2n]);
});

test("lines are split at white space of ASCII, and A-Z alone become small", () => {
  const input = [["To be\tOR\x0b\x0cnot\r\n"], [""], ["ÄRGER\u00a0X İ"], [" a  b "]];
  const words = ["to", "be", "or", "not", "Ärger".replace("rger", "rger"), "x"];
  check("tokenize", {}, input, [...words.slice(0, 4), "Ärger\u00a0x", "İ", "a", "b"].map((word) => [word, 1]));
});

test("fields are taken out of JSON", () => {
  const line = '{"user":{"name":"Zoë","age":12345678901234567890,"ok":true,"none":null,"half":0.5}}';
  check("extract", {}, [[line], ["{}"], ["[1"], ["5"]], ["Zoë"], [[2, /^not JSON/]]);
  check("extract", { field: "user.ok" }, [[line]], ["true"]);
  check("extract", { field: "user.none" }, [[line]], []);
  check("extract", { field: "user.half" }, [[line]], ["0.5"]);
  check("extract", { field: "user.toString" }, [[line]], []);
});

test("codecs pass all their values", () => {
  check("pass-u64", {}, [[0n], [2n ** 64n - 1n]], [0n, 2n ** 64n - 1n]);
  check("pass-i64", {}, [[-(2n ** 63n)], [2n ** 63n - 1n]], [-(2n ** 63n), 2n ** 63n - 1n]);
  check("pass-u32", {}, [[0], [2 ** 32 - 1]], [0, 2 ** 32 - 1]);
  check("pass-i32", {}, [[-(2 ** 31)], [2 ** 31 - 1]], [-(2 ** 31), 2 ** 31 - 1]);
  check("pass-f64", {}, [[-0], [0], [1e308], [-Infinity]], [-0, 0, 1e308, -Infinity]);
  check("pass-bool", {}, [[true], [false]], [true, false]);
  check("pass-utf8", {}, [["\ufeffé\0"], [""]], ["\ufeffé\0", ""]);
  check("pass-bytes", {}, [[Uint8Array.of(0, 255)]], [Uint8Array.of(0, 255)]);
});

test("refused records leave nothing, and errors keep type, message and place", () => {
  const refused: [number, RegExp][] = [
    [1, /^bad record: bad$/],
    [2, /^Error: thrown on purpose \(stateless\.js:\d+\)$/],
    [3, /^refused after emitting$/],
  ];
  check("strict", {}, [["a"], ["bad"], ["throw"], ["double"], ["b"]], ["a", "b"], refused);
});

test("greetings are counted, and a missing one is refused", () => {
  const harness = check("greet", { greeting: "hello" }, [["a"], ["ö"]], ["hello a", "hello ö"]);
  assert.equal(harness.counter("greeted"), 2);
  assert.throws(() => new Harness(plugin, "greet"), /greeting is missing/);
});

test("times are those of the record and the call", () => {
  const harness = new Harness(plugin, "times");
  harness.push("a").timestamp(5).processingTime(7).watermark(3).push("b").process();
  assert.deepEqual(harness.records(), [
    { timestamp: null, watermark: null, time: 0 },
    { timestamp: 5, watermark: 3, time: 7 },
  ]);
  assert.deepEqual(harness.timestamps(), [null, 5]);
});

test("counts, clears and distinct values are those of the key", () => {
  check("count", {}, [["a", 1n], ["b", 2n], ["a", 3n]], [["a", 1n], ["b", 2n], ["a", 4n]]);
  check("clear", {}, [["a", 1n], ["a", 0n], ["a", 3n]], [["a", 1n], ["a", 0n], ["a", 3n]]);
  check("distinct", {}, [["a", "x"], ["a", "x"], ["a", "y"], ["b", "x"]], [["a", 1], ["a", 2], ["b", 1]]);
  check("last", {}, [["a", { n: 1 }], ["a", null], ["a", 2]], [["a", null], ["a", { n: 1 }], ["a", null]]);
});

test("a history is kept, counted, replaced and cleared", () => {
  const input = [["k", "x"], ["k", "y"], ["k", "?"], ["k", "#"], ["k", "=p,q,r"], ["k", "z"], ["k", "?"], ["k", "!"], ["k", "?"], ["k", "="]];
  check("history", {}, input, [["k", ["x", "y"]], ["k", 2], ["k", ["p", "q", "r", "z"]], ["k", []]]);
});

test("a ledger lists its names in order of their bytes", () => {
  const input = [["k", { add: "9", amount: 1 }], ["k", { add: "10", amount: -2 }], ["k", { remove: "x" }], ["k", { list: true }], ["k", { remove: "9" }]];
  const harness = check("ledger", {}, input, [["k", "1"], ["k", "-2"], ["k", "false"], ["k", '{"10":-2,"9":1}'], ["k", "true"]]);
  assert.deepEqual(harness.entries("amounts", "k"), [["10", -2n]]);
});

test("sums of version 1 become those of version 2, but for 13", () => {
  const old = check("sum-1", {}, [["a", 5n]], [["a", 5n]]);
  const now = new Harness(plugin, "sum-2").restore(old.snapshot()).push("a", 2n).process();
  assert.deepEqual(now.records(), [["a", 7]]);
  old.push("b", 13n).process();
  assert.throws(() => new Harness(plugin, "sum-2").restore(old.snapshot()), /13 is unlucky/);
});
