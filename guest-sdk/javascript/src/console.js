// A `console` for QuickJS, which has none: what is written goes to the job's log.

const LEVELS = { trace: "trace", debug: "debug", log: "info", info: "info", warn: "warn", error: "error" };

/** A console over `log(level, text)`. */
export function consoleOver(log) {
  const console = {};
  for (const [method, level] of Object.entries(LEVELS)) console[method] = (...values) => log(level, values.map(shown).join(" "));
  console.assert = (holds, ...values) => {
    if (!holds) console.error("assertion failed:", ...values);
  };
  return console;
}

function shown(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}\n${value.stack ?? ""}`.trimEnd();
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
