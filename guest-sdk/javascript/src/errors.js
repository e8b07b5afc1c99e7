// The error that refuses a record, and how any error is told to a person.

import { originalPlace } from "./source_map.js";

/** Refuses a record, or in `open` the configuration, with a message for people: no type and no place is added to it. */
export class Refusal extends Error {
  constructor(message) {
    super(message);
    this.name = "Refusal";
  }
}

/** One of many values can't be encoded: which one, and why. */
export class ItemRefusal extends Refusal {
  constructor(index, message) {
    super(message);
    this.index = index;
  }
}

/** What the contract calls a failure: the record's row in the call, or null for the call as a whole. */
export class Failure extends Error {
  constructor(row, message) {
    super(message);
    this.row = row;
  }
}

/** The failure of a call as a whole. */
export function callFailure(message) {
  return new Failure(null, message);
}

/** An error in words: a refusal's own message, or `TypeError: x is not a function (plugin.js:12)`. */
export function inWords(error) {
  if (error instanceof Refusal) return error.message;
  if (!(error instanceof Error)) return `thrown: ${safeText(error)}`;
  const place = placeOf(error.stack);
  const what = error.message === "" ? error.name : `${error.name}: ${error.message}`;
  return place === undefined ? what : `${what} (${place})`;
}

function safeText(value) {
  try {
    return typeof value === "object" ? (JSON.stringify(value) ?? String(value)) : String(value);
  } catch {
    return "a value that can't be shown";
  }
}

/** The first place that a stack names, as `file:line`. */
function placeOf(stack) {
  for (const line of String(stack ?? "").split("\n")) {
    const found = /\(?([^\s()]+):(\d+):(\d+)\)?\s*$/.exec(line);
    if (found === null || !/^\s*at /.test(line)) continue;
    const place = originalPlace(Number(found[2]), Number(found[3]));
    return place ?? `${found[1].replace(/^.*[\\/]/, "")}:${found[2]}`;
  }
  return undefined;
}
