// State as the harness keeps it, and as another version of the operator goes on with it.

import { columnTexts, textsColumn } from "../state/sub_keys.js";


/** A store with nothing in it yet. */
export function emptyStore(states) {
  return { states: Object.fromEntries(states.map((state) => [state.name, state])), values: new Map(), entries: new Map() };
}

export function copyOf(store) {
  return {
    states: { ...store.states },
    values: new Map(store.values),
    entries: new Map([...store.entries].map(([address, entries]) => [address, new Map(entries)])),
  };
}

/** `store` as an operator goes on with it that declares `states`: older schema versions are migrated by `migrate`. */
export function adopted(store, states, migrate) {
  const next = copyOf(store);
  for (const state of states) {
    const written = store.states[state.name];
    if (written === undefined) continue;
    if (written.kind !== state.kind) throw new Error(`state \`${state.name}\` is another kind of state in the snapshot`);
    if (written.schemaVersion !== state.schemaVersion) migrateAll(next, state, written.schemaVersion, migrate);
    else if (written.valueCodec !== state.valueCodec) {
      throw new Error(`state \`${state.name}\` is ${written.valueCodec} in the snapshot and ${state.valueCodec} here: raise its version`);
    }
    next.states[state.name] = state;
  }
  return next;
}

function migrateAll(store, state, fromVersion, migrate) {
  const places = [];
  const isOf = (address) => address.startsWith(`${state.name}\n`);
  for (const address of store.values.keys()) if (isOf(address)) places.push([store.values, address]);
  for (const [address, entries] of store.entries) {
    if (!isOf(address)) continue;
    // The length of a list has no version.
    for (const subKey of entries.keys()) if (state.kind !== "list" || subKey !== "") places.push([entries, subKey]);
  }
  let migrated;
  try {
    migrated = columnTexts(migrate(state.name, fromVersion, textsColumn(places.map(([map, at]) => map.get(at)))));
  } catch (error) {
    throw new Error(`the snapshot can't be restored: state \`${state.name}\`, schema version ${fromVersion}: ${error.message}`);
  }
  places.forEach(([map, at], i) => map.set(at, migrated[i]));
}
