// Tests of the operators, without WebAssembly: npm test

import assert from "node:assert/strict";
import { test } from "node:test";

import { Harness } from "weir-guest/testing";

import plugin from "./plugin.ts";

test("a line becomes its words", () => {
  const harness = new Harness(plugin, "tokenize").push("The dog\tthe fox").push("").processAtEveryBatchSize();
  assert.deepEqual(harness.records(), [["the", 1], ["dog", 1], ["the", 1], ["fox", 1]]);
});

test("a word is counted under its own key", () => {
  const harness = new Harness(plugin, "count").push("the", 1).push("dog", 1).push("the", 2).processAtEveryBatchSize();
  assert.deepEqual(harness.records(), [["the", 1], ["dog", 1], ["the", 3]]);
});
