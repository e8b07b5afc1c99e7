// Counts words: lines are split, and each word is counted under its own key.

import { flatMap, keyedProcess, plugin, u64, utf8 } from "weir-guest";

const tokenize = flatMap({
  doc: "Splits lines into lower-cased words, each with the number 1.",
  in: utf8,
  out: [utf8, u64],
  each(line, out) {
    for (const word of line.toLowerCase().split(/\s+/)) {
      if (word !== "") out.collect(word, 1);
    }
  },
});

const count = keyedProcess({
  doc: "Adds up the numbers of each word and emits the sum so far.",
  key: utf8,
  in: u64,
  out: [utf8, u64],
  open(ctx) {
    const total = ctx.valueState("count", u64);
    return (word, n, out) => {
      const sum = (total.get() ?? 0) + n;
      total.set(sum);
      out.collect(word, sum);
    };
  },
});

export default plugin({ name: "{{name}}", version: "0.1.0", functions: { tokenize, count } });
