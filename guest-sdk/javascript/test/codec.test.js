// The codecs: bytes as those of the other languages' SDKs, and what they refuse.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as weir from "../index.js";
import { Bytes, bytesOfText, isAscii, textOfBytes } from "../src/bytes.js";
import { decodeTexts, encodeTexts } from "../src/utf8.js";

const { bool, bytes, f64, i32, i64, i64Big, json, jsonText, u32, u64, u64Big, utf8 } = weir;

/** A value has these bytes, and they read back as the value. */
function check(codec, name, value, expected) {
  assert.equal(codec.name, name);
  assert.deepEqual([...bytesOfText(codec.text(value))], expected);
  assert.deepEqual(codec.value(new Bytes(Uint8Array.from(expected))), value);
  if (codec.isInteger && codec.quickText) assert.equal(codec.quickText(value), codec.text(value));
  const { lengths, data } = codec.pack([codec.keep(value), codec.keep(value)]);
  assert.deepEqual([lengths, [...data]], [[expected.length, expected.length], [...expected, ...expected]]);
}

test("values have the bytes of their codec and survive the round trip", () => {
  check(utf8, "utf8", "Straße", [83, 116, 114, 97, 195, 159, 101]);
  check(utf8, "utf8", "", []);
  check(bytes, "bytes", Uint8Array.of(0, 255), [0, 255]);
  check(u32, "u32-le", 2 ** 32 - 1, [255, 255, 255, 255]);
  check(i32, "i32-le", -2, [254, 255, 255, 255]);
  check(u64, "u64-le", 1, [1, 0, 0, 0, 0, 0, 0, 0]);
  check(u64, "u64-le", 70000, [112, 17, 1, 0, 0, 0, 0, 0]);
  check(u64, "u64-le", 2 ** 32 - 1, [255, 255, 255, 255, 0, 0, 0, 0]);
  check(u64, "u64-le", Number.MAX_SAFE_INTEGER, [255, 255, 255, 255, 255, 255, 31, 0]);
  check(i64, "i64-le", -2, [254, 255, 255, 255, 255, 255, 255, 255]);
  check(i64, "i64-le", -(2 ** 40), [0, 0, 0, 0, 0, 255, 255, 255]);
  check(u64Big, "u64-le", 2n ** 64n - 1n, Array(8).fill(255));
  check(i64Big, "i64-le", -(2n ** 63n), [0, 0, 0, 0, 0, 0, 0, 128]);
  check(f64, "f64-le", -0, [0, 0, 0, 0, 0, 0, 0, 128]);
  check(bool, "bool", true, [1]);
  check(json, "json", { a: [1, null, "é"] }, [...new TextEncoder().encode('{"a":[1,null,"é"]}')]);
  check(jsonText, "json", '{"b":1.0}', [...new TextEncoder().encode('{"b":1.0}')]);
});

test("bytes that are not of the codec are refused, never replaced or rounded", () => {
  const refused = (codec, raw, message) => assert.throws(() => codec.value(new Bytes(Uint8Array.from(raw))), { name: "Refusal", message });
  refused(u64, [1, 2, 3], "not u64-le: 3 bytes instead of 8");
  refused(u64, [0, 0, 0, 0, 0, 0, 32, 0], /9007199254740992 is beyond 2\^53 - 1; read it by the codec u64Big/);
  refused(i64, [0, 0, 0, 0, 0, 0, 0, 128], /-9223372036854775808 is beyond/);
  refused(bool, [2], "not bool: one byte, 0 or 1, is expected");
  refused(bool, [], "not bool: one byte, 0 or 1, is expected");
  refused(utf8, [97, 0xc3], "not UTF-8: invalid byte at index 1");
  refused(json, [91], /^not the JSON that is expected: /);
  refused(json, [0xff], /^not UTF-8/);
});

test("values that have no bytes in the codec are refused", () => {
  const refused = (codec, value, message) => assert.throws(() => codec.text(value), { name: "Refusal", message });
  for (const value of [-1, 0.5, 2 ** 53, NaN, "1", null, undefined, 1n]) refused(u64, value, /^not u64-le: an integer from 0 to 2\^53 - 1 is expected, not /);
  for (const value of ["a\ud800", "\udc00"]) refused(utf8, value, /half of a surrogate pair/);
  for (const value of [1, null, undefined, ["a"]]) refused(utf8, value, /^not utf8: a string is expected/);
  refused(u64Big, 2n ** 64n, /from 0 to 2\^64 - 1/);
  refused(i64Big, 1, /BigInt/);
  refused(bytes, "a", /Uint8Array/);
  refused(json, undefined, "can't be written as JSON: undefined");
  refused(jsonText, "{", /^not the JSON/);
  // Among others, as they are encoded.
  for (const value of [-1, 0.5, 2 ** 53, NaN, "1", null, undefined, 1n]) assert.throws(() => u64.texts([1, 2000, value]), { index: 2 });
});

/** Numbers from 0 on, below `limit`, the same in every run. */
function* random(seed) {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state >>> 8;
  }
}

test("random bytes are UTF-8 exactly when TextDecoder says so, and read the same", () => {
  const numbers = random(1);
  const next = (limit) => numbers.next().value % limit;
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const starts = [0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0x9f, 0xa0, 0x8f, 0x90, 0xbb];
  for (let round = 0; round < 20000; round++) {
    const raw = Uint8Array.from({ length: next(12) }, () => (next(3) === 0 ? next(256) : starts[next(starts.length)]));
    let expected;
    try {
      expected = decoder.decode(raw);
    } catch {
      expected = undefined;
    }
    const texts = [textOfBytes(raw)];
    const good = decodeTexts(texts);
    assert.equal(good === 1 ? texts[0] : undefined, expected, `bytes ${raw}`);
    if (expected === undefined) assert.throws(() => utf8.value(new Bytes(raw)), { name: "Refusal" });
  }
});

test("random strings are encoded as TextEncoder does, in batches of all sizes", () => {
  const numbers = random(2);
  const next = (limit) => numbers.next().value % limit;
  const points = [0x20, 0x61, 0x7f, 0x80, 0xe9, 0xff, 0x100, 0x7ff, 0x800, 0xffff, 0xfeff, 0x10000, 0x1f600, 0x10ffff];
  for (let round = 0; round < 300; round++) {
    const strings = Array.from({ length: next(100) }, () => {
      if (next(4) > 0) return "plain";
      return String.fromCodePoint(...Array.from({ length: next(20) }, () => points[next(points.length)]));
    });
    const texts = encodeTexts(strings);
    assert.deepEqual(texts.map((text) => [...bytesOfText(text)]), strings.map((string) => [...new TextEncoder().encode(string)]));
    const back = [...texts];
    assert.equal(decodeTexts(back), strings.length);
    assert.deepEqual(back, strings);
  }
});

test("ASCII is told from the rest wherever the other character is", () => {
  for (let length = 0; length < 80; length++) {
    assert.ok(isAscii("a".repeat(length)));
    for (let at = 0; at < length; at++) {
      for (const other of ["\x80", "\xff", "\u0100"]) assert.ok(!isAscii("a".repeat(at) + other + "a".repeat(length - at - 1)), `${length} ${at}`);
    }
  }
});
