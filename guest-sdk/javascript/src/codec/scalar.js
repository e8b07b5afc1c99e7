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
 * A codec of `width` bytes. `read(view, at)` reads a value, and `get` is the method of a DataView that does, if there is one; `holds(value)` says whether it
 * is one; `fill(values)` gives the bytes of many in a typed array; `expected` says what a value is.
 */
function scalar(name, width, { hasMinusZero = false, read, get, holds, fill, expected, decodeMany, texts }) {
  const refused = (value, i) => new ItemRefusal(i, `not ${name}: ${expected} is expected, not ${shown(value)}`);
  const bytesOf = (values) => {
    const { buffer } = fill(values);
    return new Uint8Array(buffer);
  };
  const manyTexts = (values) => {
    const count = values.length;
    for (let i = 0; i < count; i++) if (!holds(values[i])) throw refused(values[i], i);
    const all = textOfBytes(bytesOf(values));
    const texts = [];
    for (let at = 0, end = count * width; at < end; at += width) texts.push(all.substring(at, at + width));
    return texts;
  };
  const getMany = (bytes, ats, lengths, kept) => {
    const view = bytes.view;
    const count = ats.length;
    for (let i = 0; i < count; i++) {
      if (lengths[i] !== width) return i;
      kept[i] = view[get](ats[i], true);
    }
    return count;
  };
  return new Codec(name, false, {
    decode(bytes, at, length) {
      if (length !== width) throw name === "bool" ? notBool() : new Refusal(`not ${name}: ${length} bytes instead of ${width}`);
      return read === undefined ? bytes.view[get](at, true) : read(bytes.view, at);
    },
    decodeMany: decodeMany ?? (get === undefined ? undefined : getMany),
    keep(value) {
      if (!holds(value)) throw refused(value, 0);
      // Integers have no minus zero.
      return value === 0 && !hasMinusZero ? 0 : value;
    },
    texts: texts === undefined ? manyTexts : (values) => texts(values, manyTexts),
    bytes: width,
    // What is kept is a value.
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
  get: "getUint32",
  holds: (value) => typeof value === "number" && value >>> 0 === value,
  fill: (values) => new Uint32Array(values),
  expected: "an integer from 0 to 2^32 - 1",
});

export const i32 = scalar("i32-le", 4, {
  get: "getInt32",
  holds: (value) => typeof value === "number" && (value | 0) === value,
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
  texts(values, manyTexts) {
    const texts = [];
    for (let i = 0, count = values.length; i < count; i++) {
      const value = values[i];
      const text = typeof value === "number" ? SMALL_TEXTS[value] : undefined;
      if (text === undefined) return manyTexts(values);
      texts.push(text);
    }
    return texts;
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
  get: "getBigUint64",
  holds: (value) => typeof value === "bigint" && BigInt.asUintN(64, value) === value,
  fill: (values) => new BigUint64Array(values),
  expected: "a BigInt from 0 to 2^64 - 1",
});

/** The same bytes as `i64`, all of them, as a BigInt. */
export const i64Big = scalar("i64-le", 8, {
  get: "getBigInt64",
  holds: (value) => typeof value === "bigint" && BigInt.asIntN(64, value) === value,
  fill: (values) => new BigInt64Array(values),
  expected: "a BigInt from -2^63 to 2^63 - 1",
});

export const f64 = scalar("f64-le", 8, {
  hasMinusZero: true,
  get: "getFloat64",
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
