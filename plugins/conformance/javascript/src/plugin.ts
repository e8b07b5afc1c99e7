// The functions that the SDK of every language has to make, in TypeScript: the plugin of the conformance tests.

import { bool, bytes, f64, filter, flatMap, i32, i64Big, map, plugin, u32, u64Big, utf8 } from "weir-guest";

import { clear, count, distinct, history, last, ledger, sum1, sum2 } from "./keyed.js";
import { extract, greet, strict, times, tokenize } from "./stateless.js";

export default plugin({
  name: "conformance",
  version: "0.1.0",
  functions: {
    reverse: map({ in: utf8, out: utf8, each: (text) => [...text].reverse().join("") }),
    even: filter({ in: u64Big, each: (number) => number % 2n === 0n }),
    tokenize,
    extract,
    "pass-bytes": map({ in: bytes, out: bytes, each: (value) => value }),
    "pass-utf8": map({ in: utf8, out: utf8, each: (value) => value }),
    "pass-u32": map({ in: u32, out: u32, each: (value) => value }),
    "pass-u64": map({ in: u64Big, out: u64Big, each: (value) => value }),
    "pass-i32": map({ in: i32, out: i32, each: (value) => value }),
    "pass-i64": map({ in: i64Big, out: i64Big, each: (value) => value }),
    "pass-f64": map({ in: f64, out: f64, each: (value) => value }),
    "pass-bool": map({ in: bool, out: bool, each: (value) => value }),
    strict,
    greet,
    times,
    count,
    history,
    ledger,
    last,
    "sum-1": sum1,
    "sum-2": sum2,
    clear,
    distinct,
  },
});
