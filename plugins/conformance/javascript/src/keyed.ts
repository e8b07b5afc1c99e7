// Functions with state per key. Sums may go beyond 2^53, so that they are counted with BigInt.

import { bool, f64, i64Big, json, jsonOf, jsonText, keyedProcess, Refusal, u64, u64Big, utf8 } from "weir-guest";

export const count = keyedProcess({
  doc: "Adds up the numbers of each key and emits the sum so far.",
  key: utf8,
  in: u64Big,
  out: [utf8, u64Big],
  open(ctx) {
    const count = ctx.valueState("count", u64Big);
    return (key, number, out) => {
      const total = (count.get() ?? 0n) + number;
      count.set(total);
      out.collect(key, total);
    };
  },
});

export const history = keyedProcess({
  doc: "Keeps all values of a key; ?, #, ! and = ask for them, count, clear and replace them.",
  key: utf8,
  in: utf8,
  out: [utf8, jsonOf<string[] | number>()],
  open(ctx) {
    const items = ctx.listState("items", utf8);
    return (key, value, out) => {
      if (value === "?") out.collect(key, items.items());
      else if (value === "#") out.collect(key, items.length);
      else if (value === "!") items.clear();
      else if (value === "=") items.set([]);
      else if (value.startsWith("=")) items.set(value.slice(1).split(","));
      else items.add(value);
    };
  },
});

interface Entry {
  add?: string;
  amount?: number;
  remove?: string;
  list?: boolean;
  clear?: boolean;
}

export const ledger = keyedProcess({
  doc: "Keeps amounts by name for each key.",
  key: utf8,
  in: jsonOf<Entry>(),
  out: [utf8, jsonText],
  open(ctx) {
    const amounts = ctx.mapState("amounts", utf8, i64Big);
    return (key, entry, out) => {
      if (entry.add !== undefined) {
        const amount = (amounts.get(entry.add) ?? 0n) + BigInt(entry.amount ?? 0);
        amounts.set(entry.add, amount);
        out.collect(key, String(amount));
      } else if (entry.remove !== undefined) {
        const wasThere = amounts.has(entry.remove);
        amounts.delete(entry.remove);
        out.collect(key, String(wasThere));
      } else if (entry.list === true) {
        // Not by an object: it would put names such as "10" first.
        const entries = Array.from(amounts.entries(), ([name, amount]) => `${JSON.stringify(name)}:${amount}`);
        out.collect(key, `{${entries.join(",")}}`);
      } else if (entry.clear === true) {
        amounts.clear();
      } else {
        throw new Refusal("neither add, remove, list nor clear");
      }
    };
  },
});

export const last = keyedProcess({
  doc: "Emits the value before each value of a key, if it came within a second.",
  key: utf8,
  in: json,
  out: [utf8, json],
  open(ctx) {
    const last = ctx.valueState("last", json, { ttl: 1000 });
    return (key, value, out) => {
      out.collect(key, last.get() ?? null);
      last.set(value);
    };
  },
});

export const sum1 = keyedProcess({
  doc: "The running sum of each key, version 1: an integer.",
  key: utf8,
  in: u64Big,
  out: [utf8, u64Big],
  open(ctx) {
    const sum = ctx.valueState("sum", u64Big);
    return (key, number, out) => {
      const total = (sum.get() ?? 0n) + number;
      sum.set(total);
      out.collect(key, total);
    };
  },
});

export const sum2 = keyedProcess({
  doc: "The running sum of each key, version 2: a float.",
  key: utf8,
  in: u64Big,
  out: [utf8, f64],
  open(ctx) {
    const sum = ctx.valueState("sum", f64, { version: 2, older: [{ version: 1, codec: u64Big, next: toFloat }] });
    return (key, number, out) => {
      const total = (sum.get() ?? 0) + Number(number);
      sum.set(total);
      out.collect(key, total);
    };
  },
});

function toFloat(sum: bigint): number {
  if (sum === 13n) throw new Refusal("13 is unlucky");
  return Number(sum);
}

export const clear = keyedProcess({
  doc: "As count, but 0 clears.",
  key: utf8,
  in: u64Big,
  out: [utf8, u64Big],
  open(ctx) {
    const count = ctx.valueState("count", u64Big);
    return (key, number, out) => {
      const total = number === 0n ? 0n : (count.get() ?? 0n) + number;
      if (number === 0n) count.clear();
      else count.set(total);
      out.collect(key, total);
    };
  },
});

export const distinct = keyedProcess({
  doc: "Emits how many different values a key has had, whenever there is a new one.",
  key: utf8,
  in: utf8,
  out: [utf8, u64],
  open(ctx) {
    const seen = ctx.mapState("seen", utf8, bool);
    const count = ctx.valueState("count", u64);
    return (key, value, out) => {
      if (seen.has(value)) return;
      seen.set(value, true);
      const total = (count.get() ?? 0) + 1;
      count.set(total);
      out.collect(key, total);
    };
  },
});
