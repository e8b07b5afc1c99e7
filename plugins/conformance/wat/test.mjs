// The built module against the cases of the conformance functions: node --test test.mjs
import { checkAll } from "../core-cases.mjs";

await checkAll(new URL("build/plugin.wasm", import.meta.url), "wat weir-guest 0.1.0");
