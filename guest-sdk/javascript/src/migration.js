// The contract's `migrate`: values of older schema versions, brought to the current one.

import { Bytes } from "./bytes.js";
import { callFailure, Failure, inWords } from "./errors.js";
import { columnTexts, isMissing, textsColumn } from "./state/sub_keys.js";

/** Brings `values` of one of the declared `states` from an older version to the current one. */
export function migrate(states, name, fromVersion, values) {
  const found = states.find(({ state }) => state.name === name);
  if (found === undefined) throw callFailure(`this function has no state \`${name}\``);
  const { state, descriptor, older } = found;
  const first = older.findIndex((step) => step.version === fromVersion);
  if (first === -1) throw callFailure(noMigration(name, fromVersion, descriptor.schemaVersion, older));
  const bytes = values.lengths.reduce((sum, length) => (isMissing(length) ? sum : sum + length), 0);
  if (bytes > values.data.length) throw callFailure("the column of values is cut off");
  const steps = older.slice(first);
  const migrated = columnTexts(values).map((text, row) => {
    if (text === null) return null;
    try {
      let value = steps[0].codec.value(Bytes.ofText(text));
      steps.forEach((step, i) => {
        value = step.next(value);
        // What lies between two steps is a value of the next version's codec, as if it had been stored.
        if (i + 1 < steps.length) value = steps[i + 1].codec.value(Bytes.ofText(steps[i + 1].codec.text(value)));
      });
      return state.codec.text(value);
    } catch (error) {
      throw new Failure(row, inWords(error));
    }
  });
  return textsColumn(migrated);
}

function noMigration(name, fromVersion, version, older) {
  const why = `state \`${name}\` has no migration from schema version ${fromVersion}: this function keeps version ${version}`;
  return older.length === 0 ? why : `${why} and can read ${older.map((step) => step.version).join(", ")}`;
}
