// The codecs, by the names that operators use.

export { Codec } from "./codec.js";
export { bool, f64, i32, i64, i64Big, u32, u64, u64Big } from "./scalar.js";
export { bytes, json, jsonOf, jsonText, utf8 } from "./text.js";
