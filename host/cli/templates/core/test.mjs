// Tests of the built module in Node.js, on a host made of a few maps: weir plugin build . && node --test

import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeHost, bytes, text, u64 } from "./weir-sdk/fake-host.mjs";

const number = (value) => new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0, true);

/// Runs the records in calls of every size, and compares what is emitted.
async function check(name, records, expected) {
  for (const size of [1, 2, records.length]) {
    const host = await FakeHost.load(new URL("build/plugin.wasm", import.meta.url));
    host.open(name);
    const emitted = [];
    for (let at = 0; at < records.length; at += size) emitted.push(...host.process(records.slice(at, at + size)));
    assert.deepEqual(emitted.map(({ key, value }) => [text(key), Number(number(value))]), expected);
  }
}

test("a line becomes its words", () =>
  check(
    "tokenize",
    ["The dog\tthe fox", ""].map((line) => ({ value: bytes(line) })),
    [["the", 1], ["dog", 1], ["the", 1], ["fox", 1]],
  ));

test("a word is counted under its own key", () =>
  check(
    "count",
    [["the", 1], ["dog", 1], ["the", 2]].map(([key, n]) => ({ key, value: u64(n) })),
    [["the", 1], ["dog", 1], ["the", 3]],
  ));
