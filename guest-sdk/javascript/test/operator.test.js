// Operators of every kind through the harness: batching, states, failures.

import assert from "node:assert/strict";
import { test } from "node:test";

import { f64, filter, flatMap, i32, i64, json, keyedProcess, map, plugin, Refusal, u32, u64, u64Big, utf8 } from "../index.js";
import { Bytes } from "../src/bytes.js";
import { originalPlace } from "../src/source_map.js";
import { Harness } from "../testing.js";

const count = {
  key: utf8,
  in: u64,
  out: [utf8, u64],
  open(ctx) {
    const total = ctx.valueState("count", u64);
    return (key, number, out) => out.collect(key, total.update((before = 0) => before + number));
  },
};

const of = (operator) => plugin({ name: "test", functions: { it: operator } });
const harness = (operator, config) => new Harness(of(operator), "it", config);

test("a call has one put for each state and one emission, whatever its size", () => {
  const it = harness(keyedProcess(count));
  for (let i = 0; i < 3000; i++) it.push(`key ${i % 700}`, 1);
  it.process();
  assert.deepEqual(it.calls, { process: 1, emit: 1, put: 1 });
  assert.equal(it.records().length, 3000);
  assert.equal(it.value("count", "key 0"), 5);
});

test("entries are asked for once and written together", () => {
  const open = (ctx) => {
    const entries = ctx.mapState("entries", utf8, i64);
    const items = ctx.listState("items", utf8);
    return (key, value) => {
      entries.set(value, (entries.get(value) ?? 0) - 1);
      items.add(value);
    };
  };
  const it = harness(keyedProcess({ key: utf8, in: utf8, out: utf8, open }));
  for (let i = 0; i < 100; i++) it.push("k", `é${i % 3}`);
  it.process();
  assert.deepEqual(it.calls, { process: 1, getSub: 4, putSub: 2 });
  assert.deepEqual(it.entries("entries", "k"), [["é0", -34], ["é1", -33], ["é2", -33]]);
  assert.equal(it.items("items", "k").length, 100);
});

test("more than a megabyte is emitted in pieces", () => {
  const it = harness(flatMap({ in: utf8, out: utf8, each: (text, out) => out.collectAll(Array(40).fill(text.repeat(10000))) }));
  it.push("0123456789").push("é").process();
  assert.equal(it.records().length, 80);
  assert.ok(it.calls.emit > 1 && it.calls.emit < 10, `${it.calls.emit}`);
});

test("the record that emits what can't be encoded is refused, also when a later one throws", () => {
  const each = (text, out) => {
    if (text === "throw") throw new TypeError("no");
    out.collect(text, text === "bad" ? -1 : text === "worse" ? "1" : 1);
  };
  const it = harness(flatMap({ in: utf8, out: [utf8, u64], each }));
  for (const text of ["a", "bad", "b", "throw", "worse", "ü"]) it.push(text);
  it.processAtEveryBatchSize();
  assert.deepEqual(it.records(), [["a", 1], ["b", 1], ["ü", 1]]);
  const failures = it.failures();
  assert.deepEqual(failures.map(({ record }) => record), [1, 3, 4]);
  assert.match(failures[0].message, /^not u64-le: .*, not -1$/);
  assert.match(failures[1].message, /^TypeError: no \(operator\.test\.js:\d+\)$/);
  assert.match(failures[2].message, /^not u64-le: .*, not string$/);
});

test("keys that are no strings are refused, not written as text", () => {
  const asText = { length: 1, toString: () => "a" };
  const withTheirLength = [["a", ""], [null, 5], new String("abc"), { length: 3, toString: () => "abc" }, ["a"], []];
  for (const key of [5, null, undefined, ["ab", "c"], asText, () => 1, new Uint8Array(1), Symbol("s"), ...withTheirLength]) {
    for (const emit of [(out) => out.collect(key, 1), (out) => out.collectAll([key], 1), (out) => out.collectAll(["a", "bc", key], 1)]) {
      const it = harness(flatMap({ in: utf8, out: [utf8, u64], each: (_, out) => emit(out) }));
      it.push("a").process();
      assert.match(it.failures()[0]?.message ?? "", /^not utf8: a string is expected/, typeof key);
    }
  }
});

test("many at once are what they are one by one, in any mix, with times or without", () => {
  const words = ["", "a", "ab", "é", "x".repeat(255), "y".repeat(256), "z".repeat(300)];
  const plans = Array.from({ length: 60 }, (_, row) => {
    const random = (below) => ((row + 1) * 7919 + below * 104729) % below;
    const keys = Array.from({ length: [0, 1, 3, 40, 5000][random(5)] }, (_, i) => words[(row + i) % (row < 40 ? 3 : words.length)]);
    return { keys, value: [1, 1, 1, 2, -0, 0, -1][(row * 3) % 7], one: row % 4 === 0, fails: row % 13 === 5 };
  });
  const run = (timed, emit) => {
    const each = (text, out) => {
      const { keys, value, one, fails } = plans[Number(text)];
      if (one) out.collect("one", 3);
      emit(out, keys, value);
      if (fails) throw new Refusal("after its records");
    };
    const it = harness(flatMap({ in: utf8, out: [utf8, u64], each }));
    plans.forEach((_, row) => it.timestamp(timed && row % 2 === 0 ? row : null).push(String(row)));
    it.processAtEveryBatchSize();
    return [it.records(), it.failures()];
  };
  const zeros = harness(flatMap({ in: utf8, out: [utf8, f64], each: (text, out) => [0, -0, 0].forEach((zero) => out.collectAll([text], zero)) }));
  assert.deepEqual(zeros.push("a").processAtEveryBatchSize().records(), [["a", 0], ["a", -0], ["a", 0]]);
  for (const timed of [false, true]) {
    const expected = run(timed, (out, keys, value) => keys.forEach((key) => out.collect(key, value)));
    assert.ok(expected[0].length > 10000 && expected[1].length > 4);
    assert.deepEqual(run(timed, (out, keys, value) => out.collectAll(keys, value)), expected);
    assert.deepEqual(run(timed, (out, keys, value) => out.collectAll(keys.values(), value)), expected);
  }
});

test("what is emitted as a number and is none refuses its record alone", () => {
  for (const codec of [u32, i32, u64, i64, f64, u64Big]) {
    for (const bad of [Object.create(null), Symbol("s"), "1", null, codec === u64Big ? 1 : 1n]) {
      const good = codec === u64Big ? 1n : 1;
      const it = harness(flatMap({ in: utf8, out: [utf8, codec], each: (text, out) => out.collect(text, text === "bad" ? bad : good) }));
      it.push("a").push("bad").push("b").processAtEveryBatchSize();
      assert.deepEqual(it.records(), [["a", good], ["b", good]]);
      assert.deepEqual(it.failures().map(({ record }) => record), [1], `${codec.name} ${typeof bad}`);
    }
  }
});

test("the first record that can't be encoded is refused first, be it for its key or its value", () => {
  const it = harness(flatMap({ in: utf8, out: [utf8, u64], each: (text, out) => out.collect(text === "key" ? 5 : text, text === "value" ? -1 : 1) }));
  it.push("a").push("value").push("b").push("key").push("value").processAtEveryBatchSize();
  assert.deepEqual(it.failures().map(({ record }) => record), [1, 3, 4]);
});

test("bytes that can't be decoded refuse their record alone", () => {
  const it = harness(keyedProcess(count));
  const text = (value) => new TextEncoder().encode(value);
  it.push("a", 1).pushBytes(text("a"), text("x")).pushBytes(Uint8Array.of(0xff), new Uint8Array(8)).pushBytes(null, new Uint8Array(8)).push("b", 2);
  it.processAtEveryBatchSize();
  assert.deepEqual(it.records(), [["a", 1], ["b", 2]]);
  assert.deepEqual(it.failures().map(({ record, message }) => [record, message]), [
    [1, "not u64-le: 1 bytes instead of 8"],
    [2, "the key is not UTF-8: invalid byte at index 0"],
    [3, "the record has no key"],
  ]);
});

test("nothing of a failed call is left, in states, output or counters", () => {
  const open = (ctx) => {
    const value = ctx.valueState("value", json);
    const items = ctx.listState("items", u64);
    const counter = ctx.counter("seen");
    return (key, text, out) => {
      counter.add();
      value.set({ text });
      items.add(items.length);
      out.collect(text);
      if (text === "bad") throw new Refusal("bad");
    };
  };
  const it = harness(keyedProcess({ key: utf8, in: utf8, out: utf8, open }));
  it.push("k", "a").push("k", "bad").push("l", "bad").push("k", "b").processAtEveryBatchSize();
  assert.deepEqual(it.records(), ["a", "b"]);
  assert.deepEqual(it.value("value", "k"), { text: "b" });
  assert.deepEqual(it.items("items", "k"), [0, 1]);
  assert.equal(it.value("value", "l"), undefined);
  assert.equal(it.counter("seen"), 2);
});

test("a value that is changed after it was kept doesn't change what is kept", () => {
  const open = (ctx) => {
    const kept = ctx.valueState("kept", json);
    return (key, value, out) => {
      const object = kept.get() ?? { n: 0 };
      object.n += 1;
      out.collect(object);
      object.n += 10;
      if (value) kept.set(object);
      object.n += 100;
    };
  };
  const it = harness(keyedProcess({ key: utf8, in: u64, out: json, open }));
  it.push("k", 1).push("k", 0).push("k", 1).processAtEveryBatchSize();
  assert.deepEqual(it.records(), [{ n: 1 }, { n: 12 }, { n: 12 }]);
  assert.deepEqual(it.value("kept", "k"), { n: 22 });
});

test("values outside of a state's codec are refused where they are set", () => {
  const open = (ctx) => {
    const state = ctx.valueState("number", u64);
    return (key, value) => state.set(value === "bad" ? 0.5 : 1);
  };
  const it = harness(keyedProcess({ key: utf8, in: utf8, out: utf8, open }));
  it.push("k", "bad").push("k", "good").processAtEveryBatchSize();
  assert.match(it.failures()[0].message, /^state `number`: not u64-le/);
  assert.equal(it.value("number", "k"), 1);
});

test("filters pass rows as they came, and records get the time of theirs", () => {
  const keyed = harness(filter({ in: [utf8, u64], each: ([key, number]) => key !== "b" && number > 0 }));
  keyed.timestamp(-5).push("a", 1).push("b", 1).timestamp(null).push("a", 2).push("a", 0).processAtEveryBatchSize();
  assert.deepEqual(keyed.records(), [["a", 1], ["a", 2]]);
  assert.deepEqual(keyed.timestamps(), [-5, null]);
  const unkeyed = harness(filter({ in: u64, each: (number) => number > 1 }));
  unkeyed.timestamp(9).push("key", 1).push("key", 2).processAtEveryBatchSize();
  assert.deepEqual([unkeyed.records(), unkeyed.timestamps()], [[2], [9]]);
  const many = harness(flatMap({ in: u64, out: [utf8, u64], each: (n, out) => out.collectAll(Array(n).fill("w"), n) }));
  for (let n = 0; n < 40; n++) many.timestamp(n).push(n);
  many.processAtEveryBatchSize();
  assert.deepEqual(many.timestamps(), many.records().map(([, n]) => n));
});

test("long lists and maps are read page by page", () => {
  const open = (ctx) => {
    const items = ctx.listState("items", u64);
    return (key, n, out) => {
      if (n === 0) out.collect(items.items().length);
      else for (let i = 0; i < n; i++) items.add(i);
    };
  };
  const it = harness(keyedProcess({ key: utf8, in: u64, out: u64, open }));
  it.push("k", 700).push("k", 0).push("k", 1).push("k", 0).processAtEveryBatchSize();
  assert.deepEqual(it.records(), [700, 701]);
});

test("old values go through all steps to the current version", () => {
  const version = (number, codec, older) => {
    const open = (ctx) => {
      const state = ctx.valueState("value", codec, { version: number, older });
      const list = ctx.listState("list", codec, { version: number, older });
      return (key, value) => {
        state.set(value);
        list.add(value);
      };
    };
    return of(keyedProcess({ key: utf8, in: codec, out: utf8, open }));
  };
  const first = { version: 1, codec: u64, next: (n) => ({ n }) };
  const second = { version: 2, codec: json, next: ({ n }) => (n === 13 ? Math.undefined() : `${n}!`) };
  const old = new Harness(version(1, u64), "it").push("k", 7).process();
  const now = new Harness(version(3, utf8, [first, second]), "it").restore(old.snapshot());
  assert.equal(now.value("value", "k"), "7!");
  assert.deepEqual(now.items("list", "k"), ["7!"]);
  old.push("l", 13).process();
  assert.throws(() => now.restore(old.snapshot()), /TypeError: Math\.undefined is not a function/);
  const open = version(3, utf8, [first, second]).open("it", [], {});
  const none = { lengths: [], data: new Uint8Array(0) };
  assert.deepEqual(open.migrate("value", 1, none), none);
  assert.throws(() => open.migrate("value", 4, none), /no migration from schema version 4: this function keeps version 3 and can read 1, 2/);
  assert.deepEqual(open.migrate("value", 1, { lengths: [0xffffffff, 8], data: Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0) }).lengths, [-1, 2]);
});

test("what can't be opened says why", () => {
  const check = (operator, config, message) => assert.throws(() => harness(operator, config), { name: "Refusal", message });
  const open = (ctx) => {
    ctx.configOr("size", 1);
    return (value) => value;
  };
  check(map({ in: u64, out: u64, open }), { size: "x" }, "config `size` = `x`: not a number");
  check(map({ in: u64, out: u64, open: (ctx) => ctx.refuse("no") }), {}, "no");
  check(map({ in: u64, out: u64, open: () => 5 }), {}, /must return the function/);
  const stateful = (ctx) => {
    ctx.valueState("s", u64);
    return (value) => value;
  };
  check(map({ in: u64, out: u64, open: stateful }), {}, /use keyedProcess/);
  const twice = (ctx) => {
    ctx.valueState("s", u64, { version: 1, older: [{ version: 2, codec: u64, next: Number }] });
    ctx.listState("s", u64);
    return () => {};
  };
  check(keyedProcess({ key: utf8, in: u64, out: u64, open: twice }), {}, /each must be newer.*declared twice/);
});

test("a description has ports, states and versions", () => {
  const open = (ctx) => {
    ctx.valueState("a", u64, { ttl: 5, version: 2 });
    throw new Refusal("config is missing");
  };
  const it = keyedProcess({ doc: " Does. ", key: utf8, in: json, out: u64, open });
  assert.deepEqual(of(it).describe(), {
    name: "test",
    version: "0.1.0",
    sdk: "javascript weir-guest 0.1.0",
    functions: [
      {
        name: "it",
        doc: "Does.",
        kind: "keyed",
        inputs: [{ name: "in", keyCodec: "utf8", valueCodec: "json" }],
        outputs: [{ name: "out", keyCodec: "none", valueCodec: "u64-le" }],
        states: [{ name: "a", kind: "value", valueCodec: "u64-le", schemaVersion: 2, ttl: 5 }],
      },
    ],
  });
});

test("a call whose rows are cut off fails as a whole", () => {
  const run = of(map({ in: u64, out: u64, each: (n) => n })).open("it", [], {});
  const request = { input: 0, slots: [], values: [], watermark: 0, processingTime: 0 };
  for (const length of [1, 15, 16, 23]) {
    const records = Uint8Array.from({ length: 24 }, (_, i) => (i < 4 ? 255 : i === 4 ? 8 : 0)).slice(0, length);
    assert.throws(() => run.process({ ...request, records }, {}), { row: null, message: /cut off/ });
  }
  assert.ok(new Bytes(new Uint8Array(0)).text === "");
});

test("places in a bundle are told by its source map", () => {
  globalThis.weirSourceMap = { sources: ["../src/a.ts", "../src/b.ts"], mappings: "AAAA;AACA,IAAI;ACAJ,IAAM" };
  try {
    assert.deepEqual([originalPlace(1, 1), originalPlace(2, 9), originalPlace(3, 1), originalPlace(9, 1)], ["a.ts:1", "a.ts:2", "b.ts:2", undefined]);
  } finally {
    delete globalThis.weirSourceMap;
  }
});
