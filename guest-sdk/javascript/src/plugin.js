// A plugin: its functions by name, what it says of itself, and how a function is opened.

import { OpenContext } from "./context.js";
import { Call } from "./driver.js";
import { inWords, Refusal } from "./errors.js";
import { migrate } from "./migration.js";
import { Operator } from "./operator.js";

const SDK = "javascript weir-guest 0.1.0";

/** Names the functions of a plugin: `export default plugin({ name, version, functions })`. */
export function plugin({ name, version = "0.1.0", functions }) {
  if (typeof name !== "string" || name === "") throw new TypeError("plugin: `name` is missing");
  for (const [function_, operator] of Object.entries(functions)) {
    if (!(operator instanceof Operator)) throw new TypeError(`plugin: \`${function_}\` is not made by map, filter, flatMap or keyedProcess`);
  }
  return new Plugin(name, String(version), new Map(Object.entries(functions)));
}

export class Plugin {
  constructor(name, version, functions) {
    this.name = name;
    this.version = version;
    this.functions = functions;
  }

  /** What the contract calls the plugin's description. The states of a function are learned by opening it without configuration. */
  describe() {
    const functions = [...this.functions].map(([name, operator]) => describe(name, operator));
    return { name: this.name, version: this.version, sdk: SDK, functions };
  }

  /** Opens a function. Throws a `Refusal` when it can't be. */
  open(name, config, subtask) {
    const operator = this.functions.get(name);
    if (operator === undefined) throw new Refusal(`this plugin has no function \`${name}\`; it has ${[...this.functions.keys()].join(", ")}`);
    const call = new Call();
    const opened = new OpenContext(config, subtask, call);
    let handler;
    try {
      handler = operator.open(opened);
    } catch (error) {
      throw new Refusal([...opened.refusals, inWords(error)].join("; "));
    }
    check(operator, opened, handler);
    if (opened.refusals.length > 0) throw new Refusal(opened.refusals.join("; "));
    const run = new operator.Run(operator, handler, opened);
    return {
      states: opened.states,
      process: (request, host) => run.process(request, host),
      migrate: (state, fromVersion, values) => migrate(opened.states, state, fromVersion, values),
    };
  }
}

function check(operator, opened, handler) {
  if (operator.kind === "stateless" && opened.states.length > 0) {
    opened.refuse(`state \`${opened.states[0].state.name}\` is declared by an operator without keys: use keyedProcess`);
  }
  if (typeof handler !== "function" && opened.refusals.length === 0) {
    opened.refuse(`\`open\` must return the function that handles a record, not ${handler === null ? "null" : typeof handler}`);
  }
}

/** An operator that refuses to open without configuration has declared its states all the same. */
function describe(name, operator) {
  const opened = new OpenContext([], { uid: "", index: 0, parallelism: 1, maxParallelism: 1 }, new Call());
  try {
    operator.open(opened);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
  const { key, value } = operator.input;
  const output = operator.output;
  return {
    name,
    doc: operator.doc.trim(),
    kind: operator.kind,
    inputs: [{ name: "in", keyCodec: key === null ? "any" : key.name, valueCodec: value.name }],
    outputs: [{ name: "out", keyCodec: output.key === null ? "none" : output.key.name, valueCodec: output.value.name }],
    states: operator.kind === "keyed" ? opened.states.map(({ descriptor }) => descriptor) : [],
  };
}
