// Functions without state.

import { flatMap, jsonOf, map, Refusal, u64, utf8 } from "weir-guest";

/** Printable ASCII only: such lines need less care. In QuickJS, an expression that is tried at one place takes half the time of one that is looked for. */
const PLAIN = /[ -~]*$/y;
const WHITE_SPACE = /[ \t\n\r\v\f]+/;

export const tokenize = flatMap({
  doc: "Splits lines at white space of ASCII into words with the number 1; A-Z become a-z.",
  in: utf8,
  out: [utf8, u64],
  each(line, out) {
    let words;
    PLAIN.lastIndex = 0;
    if (PLAIN.test(line)) words = line.toLowerCase().split(" ");
    else words = line.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()).split(WHITE_SPACE);
    out.collectAll(words.includes("") ? words.filter((word) => word !== "") : words, 1);
  },
});

export const extract = flatMap({
  doc: "Emits what lines of JSON have at the path in `field`.",
  in: utf8,
  out: utf8,
  open(ctx) {
    const path = ctx.configOr("field", "user.name").split(".");
    return (line, out) => {
      const found = at(path, parse(line));
      if (typeof found === "string") out.collect(found);
      else if (typeof found === "boolean") out.collect(String(found));
      else if (typeof found === "number") out.collect(numberText(found, path, line));
    };
  },
});

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new Refusal(`not JSON: ${(error as Error).message}`);
  }
}

function at(path: string[], value: unknown): unknown {
  for (const name of path) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** A number as JSON; an integer as it is written, also where it has more digits than a number holds. */
function numberText(number: number, path: string[], line: string): string {
  if (Number.isSafeInteger(number) && !Object.is(number, -0)) return String(number);
  const texts = JSON.parse(line, (_, value, context?: { source?: string }) => {
    return typeof value === "number" ? (context?.source ?? String(value)) : value;
  });
  const source = at(path, texts) as string;
  return /^-?\d+$/.test(source) ? source : JSON.stringify(number);
}

export const strict = flatMap({
  doc: "Emits records as they are, but for some words.",
  in: utf8,
  out: utf8,
  each(word, out) {
    if (word === "bad") throw new Refusal("bad record: bad");
    if (word === "throw") throw new Error("thrown on purpose");
    out.collect(word);
    if (word === "double") throw new Refusal("refused after emitting");
  },
});

export const greet = map({
  doc: "Puts the `greeting` before each record.",
  in: utf8,
  out: utf8,
  open(ctx) {
    const greeting = ctx.config("greeting");
    if (greeting === undefined) ctx.refuse("greeting is missing");
    const greeted = ctx.counter("greeted");
    return (name) => {
      greeted.add(1);
      return `${greeting} ${name}`;
    };
  },
});

export const times = flatMap({
  doc: "Emits the times of each record and its call.",
  in: utf8,
  out: jsonOf<{ timestamp: number | null; watermark: number | null; time: number }>(),
  each(_, out, ctx) {
    out.collect({ timestamp: ctx.timestamp, watermark: ctx.watermark, time: ctx.processingTime });
  },
});
