// What can be said of a state besides its name and codec: how long it lives, and what it was before.

/** The options with their defaults; `why`: they can't be. */
export function checkOptions({ version = 1, ttl = 0, older = [] }) {
  const versions = [...older.map((step) => step.version), version];
  let why;
  if (!versions.every((one) => Number.isInteger(one) && one >= 0 && one < 2 ** 32)) {
    why = `its schema versions are ${versions.join(", ")}, but they must be integers from 0 on`;
  } else if (!versions.every((one, i) => i === 0 || versions[i - 1] < one)) {
    why = `its schema versions are ${versions.join(", ")}, but each must be newer than the one before`;
  } else if (!Number.isSafeInteger(ttl) || ttl < 0) {
    why = `its ttl is ${ttl}, but milliseconds are expected: an integer from 0 on`;
  }
  return { version, ttl, older, why };
}
