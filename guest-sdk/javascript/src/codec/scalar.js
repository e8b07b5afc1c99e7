// Codecs of fixed width: numbers, little-endian, and booleans.

import { textOfBytes } from "../bytes.js";
import { ItemRefusal, Refusal } from "../errors.js";
import { Codec } from "./codec.js";

const TWO_32 = 4294967296;
/** The upper half of 2^53, the first integer that a number may have rounded. */
const HIGH_UNSAFE = 0x200000;
/** The texts of small u64: most counts are. */
const SMALL_TEXTS = Array.from({ length: 1024 }, (_, value) => String.fromCharCode(value & 255, value >> 8) + "\0\0\0\0\0\0");

/**
 * A codec of `width` bytes. `read(view, at)` reads a value; `holds(value)` says whether it is one; `fill(values)` gives the bytes of many in a
 * typed array; `expected` says what a value is.
 */
function scalar(name, width, { read, holds, fill, expected, decodeMany, quickText }) {
  const refused = (value, i) => new ItemRefusal(i, `not ${name}: ${expected} is expected, not ${shown(value)}`);
  const bytesOf = (values) => {
    for (let i = 0; i < values.length; i++) if (!holds(values[i])) throw refused(values[i], i);
    const { buffer } = fill(values);
    return new Uint8Array(buffer);
  };
  const manyTexts = (values) => {
    const all = textOfBytes(bytesOf(values));
    return values.map((_, i) => all.substring(i * width, i * width + width));
  };
  return new Codec(name, false, {
    decode(bytes, at, length) {
      if (length !== width) throw name === "bool" ? notBool() : new Refusal(`not ${name}: ${length} bytes instead of ${width}`);
      return read(bytes.view, at);
    },
    decodeMany,
    keep(value) {
      if (!holds(value)) throw refused(value, 0);
      return value;
    },
    texts: manyTexts,
    bytes: width,
    quickText,
    pack: (values) => ({ lengths: new Array(values.length).fill(width), data: bytesOf(values) }),
  });
}

function shown(value) {
  return typeof value === "number" || typeof value === "bigint" ? String(value) : value === null ? "null" : typeof value;
}

/** Fills a typed array of 32-bit words with the halves of each integer. */
function halves(values) {
  const words = new Uint32Array(2 * values.length);
  for (let i = 0; i < values.length; i++) {
    words[2 * i] = values[i];
    words[2 * i + 1] = Math.floor(values[i] / TWO_32);
  }
  return words;
}

/** An integer of 64 bits as a number, refused where a number would round it. */
function safe(high, low, name) {
  const value = high * TWO_32 + low;
  if (!Number.isSafeInteger(value)) {
    const exact = (BigInt(high) << 32n) + BigInt(low);
    throw new Refusal(`not a ${name} that a number holds exactly: ${exact} is beyond 2^53 - 1; read it by the codec ${name.slice(0, 3)}Big`);
  }
  return value;
}

export const u32 = scalar("u32-le", 4, {
  read: (view, at) => view.getUint32(at, true),
  holds: (value) => value >>> 0 === value,
  fill: (values) => new Uint32Array(values),
  expected: "an integer from 0 to 2^32 - 1",
});

export const i32 = scalar("i32-le", 4, {
  read: (view, at) => view.getInt32(at, true),
  holds: (value) => (value | 0) === value,
  fill: (values) => new Int32Array(values),
  expected: "an integer from -2^31 to 2^31 - 1",
});

/** Numbers from 0 to 2^53 - 1: what is beyond is refused, never rounded. */
export const u64 = scalar("u64-le", 8, {
  read: (view, at) => safe(view.getUint32(at + 4, true), view.getUint32(at, true), "u64-le"),
  holds: (value) => Number.isSafeInteger(value) && value >= 0,
  fill: halves,
  expected: "an integer from 0 to 2^53 - 1",
  decodeMany(bytes, ats, lengths, kept) {
    const view = bytes.view;
    const count = ats.length;
    for (let i = 0; i < count; i++) {
      if (lengths[i] !== 8) return i;
      const at = ats[i];
      const high = view.getUint32(at + 4, true);
      if (high >= HIGH_UNSAFE) return i;
      kept[i] = high === 0 ? view.getUint32(at, true) : high * TWO_32 + view.getUint32(at, true);
    }
    return count;
  },
  quickText(value) {
    if (value >>> 0 !== value) return Number.isSafeInteger(value) && value >= 0 ? u64.texts([value])[0] : undefined;
    return SMALL_TEXTS[value] ?? String.fromCharCode(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24, 0, 0, 0, 0);
  },
});

/** Numbers from -(2^53 - 1) to 2^53 - 1: what is beyond is refused, never rounded. */
export const i64 = scalar("i64-le", 8, {
  read: (view, at) => safe(view.getInt32(at + 4, true), view.getUint32(at, true), "i64-le"),
  holds: Number.isSafeInteger,
  fill: halves,
  expected: "an integer from -(2^53 - 1) to 2^53 - 1",
});

/** The same bytes as `u64`, all of them, as a BigInt. */
export const u64Big = scalar("u64-le", 8, {
  read: (view, at) => view.getBigUint64(at, true),
  holds: (value) => typeof value === "bigint" && BigInt.asUintN(64, value) === value,
  fill: (values) => new BigUint64Array(values),
  expected: "a BigInt from 0 to 2^64 - 1",
});

/** The same bytes as `i64`, all of them, as a BigInt. */
export const i64Big = scalar("i64-le", 8, {
  read: (view, at) => view.getBigInt64(at, true),
  holds: (value) => typeof value === "bigint" && BigInt.asIntN(64, value) === value,
  fill: (values) => new BigInt64Array(values),
  expected: "a BigInt from -2^63 to 2^63 - 1",
});

export const f64 = scalar("f64-le", 8, {
  read: (view, at) => view.getFloat64(at, true),
  holds: (value) => typeof value === "number",
  fill: (values) => new Float64Array(values),
  expected: "a number",
});

export const bool = scalar("bool", 1, {
  read(view, at) {
    const byte = view.getUint8(at);
    if (byte > 1) throw notBool();
    return byte === 1;
  },
  holds: (value) => typeof value === "boolean",
  fill: (values) => new Uint8Array(values.map(Number)),
  expected: "true or false",
});

function notBool() {
  return new Refusal("not bool: one byte, 0 or 1, is expected");
}
