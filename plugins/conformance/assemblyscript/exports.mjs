// Gives the exports the contract's names, which no identifier can be: `asc` runs this when it has compiled (`transform` in asconfig.json).

const OPERATOR = "weir:operator/operator@0.1.0#";
const NAMES = { describe: "describe", open: "open", process: "process", onTimers: "on-timers", finish: "finish", migrate: "migrate" };

export function afterCompile(module) {
  for (const [name, exported] of Object.entries(NAMES)) {
    module.removeExport(name);
    module.addFunctionExport(`assembly/weir/${name}`, OPERATOR + exported);
    module.addFunctionExport("assembly/abi/post", `cabi_post_${OPERATOR}${exported}`);
  }
  module.removeExport("post");
  module.removeExport("abort");
}
