// The contract's exports over a plugin, and its imports as the host's services: the only file that needs the engine.
// The build makes an entry of it: `import { component } from "weir-guest/component"; export const operator = component(plugin);`

import log from "weir:log/log@0.1.0";
import output from "weir:output/output@0.1.0";
import state from "weir:state/keyed@0.1.0";

import { consoleOver } from "./src/console.js";
import { Failure, inWords } from "./src/errors.js";

// Modules run once at build time, where there is no host yet; what they log is shown when a host is there.
let isRunning = false;
const early = [];

globalThis.console = consoleOver((level, text) => {
  if (isRunning) log.log(level, text.toWellFormed());
  else early.push([level, text.toWellFormed()]);
});

const host = {
  emit: (port, rows) => output.emit(port, rows),
  put: (number, slots, values) => state.put(number, slots, values),
  getSub: (number, slots, subKeys) => state.getSub(number, slots, subKeys),
  putSub: (number, slots, subKeys, values) => state.putSub(number, slots, subKeys, values),
  scan: (number, slot, after, limit) => state.scan(number, slot, after, limit),
  clear: (number, slots) => state.clear(number, slots),
  log: (level, text) => log.log(level, text.toWellFormed()),
  count: (name, add) => log.count(name, add),
};

function begin() {
  if (isRunning) return;
  isRunning = true;
  for (const [level, text] of early.splice(0)) log.log(level, text);
}

/** Anything thrown as the contract's failure. */
function contractFailure(error) {
  const row = error instanceof Failure ? error.row : null;
  return { row, message: (error instanceof Failure ? error.message : inWords(error)).toWellFormed() };
}

/** The exports of `weir:operator/operator` for a plugin. */
export function component(plugin) {
  let open;
  const withOpen = (call) => {
    begin();
    try {
      if (open === undefined) throw new Failure(null, "this instance is not open: no function to call");
      return call(open);
    } catch (error) {
      throw contractFailure(error);
    }
  };
  return {
    describe() {
      begin();
      try {
        return plugin.describe();
      } catch (error) {
        // A trap carries no words: the host shows the last error of the log.
        log.log("error", inWords(error).toWellFormed());
        throw error;
      }
    },
    open(name, config, subtask) {
      begin();
      try {
        open = plugin.open(name, config, subtask);
      } catch (error) {
        throw inWords(error).toWellFormed();
      }
    },
    process(input, records, keys, { watermark, processingTime }) {
      withOpen((run) => run.process({ input, records, slots: keys.slots, values: keys.values, watermark, processingTime }, host));
    },
    onTimers() {
      throw { row: null, message: "weir-guest 0.1.0 has no timers, and this plugin has set none" };
    },
    finish() {
      withOpen(() => {});
    },
    migrate: (name, fromVersion, values) => withOpen((run) => run.migrate(name, fromVersion, values)),
  };
}
