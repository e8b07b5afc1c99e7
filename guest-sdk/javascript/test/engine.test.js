// All tests once more as QuickJS runs the SDK: over base64, with the ASCII check by words. Node has base64 of byte arrays from 25 on; it is put in here
// where it is missing, before anything of the SDK is loaded.

import assert from "node:assert/strict";
import { test } from "node:test";

let calls = 0;
Object.defineProperty(Uint8Array.prototype, "toBase64", {
  configurable: true,
  value() {
    calls++;
    return Buffer.from(this.buffer, this.byteOffset, this.byteLength).toString("base64");
  },
});
Object.defineProperty(Uint8Array, "fromBase64", {
  configurable: true,
  value(text) {
    calls++;
    return Uint8Array.from(Buffer.from(text, "base64"));
  },
});

const { bytesOfText, isAscii, textOfBytes } = await import("../src/bytes.js");

test("base64 is what these tests go through", () => {
  const before = calls;
  assert.equal(textOfBytes(Uint8Array.of(0, 255)), "\0\xff");
  assert.deepEqual(bytesOfText("\0\xff"), Uint8Array.of(0, 255));
  assert.ok(isAscii("a".repeat(40)));
  assert.equal(calls, before + 3);
});

test("all bytes survive the way to text and back, at many lengths and offsets", () => {
  const all = Uint8Array.from({ length: 600 }, (_, i) => i & 255);
  for (let from = 0; from < 9; from++) {
    for (let to = from; to < all.length; to += to < from + 70 ? 1 : 59) {
      const some = all.subarray(from, to);
      const text = textOfBytes(some);
      assert.equal(text, String.fromCharCode(...some));
      assert.deepEqual(bytesOfText(text), some.slice());
    }
  }
});

test("a character above 255 has no byte", () => {
  assert.throws(() => bytesOfText("a\u0100"));
});

test("the ASCII check by words says what looking at each character says, of all single bytes at all places", () => {
  for (let length = 1; length < 100; length++) {
    for (let at = 0; at < length; at++) {
      const code = (length * 31 + at * 7) & 255;
      const text = "~".repeat(at) + String.fromCharCode(code) + "\0".repeat(length - at - 1);
      assert.equal(isAscii(text), code < 128, `${length} ${at} ${code}`);
    }
  }
});

await import("./codec.test.js");
await import("./operator.test.js");
