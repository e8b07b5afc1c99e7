// Everything that an operator needs; it imports nothing of the engine, so that tests run in node.

export { Refusal } from "./src/errors.js";
export { bool, bytes, f64, i32, i64, i64Big, json, jsonOf, jsonText, u32, u64, u64Big, utf8 } from "./src/codec/index.js";
export { filter, flatMap, keyedProcess, map } from "./src/operator.js";
export { plugin } from "./src/plugin.js";
