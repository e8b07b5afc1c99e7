#!/usr/bin/env node
// Makes a component of a project: `node build.js PROJECT --wit WIT -o OUT.wasm [--stub-wasi]`. The project's `main`, in JavaScript or TypeScript, is
// bundled by its esbuild, and its componentize-qjs puts the bundle and QuickJS into a component. `weir plugin build` calls it.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ENTRY = (main, component) => `import { component } from ${JSON.stringify(component)};
import plugin from ${JSON.stringify(main)};
export const operator = component(plugin);
`;

class Problem extends Error {}

function build() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { wit: { type: "string" }, output: { type: "string", short: "o" }, "stub-wasi": { type: "boolean" } },
  });
  if (positionals.length !== 1 || values.wit === undefined || values.output === undefined) {
    throw new Problem("usage: build.js PROJECT --wit WIT -o OUT.wasm [--stub-wasi]");
  }
  const project = resolve(positionals[0]);
  const folder = join(project, "build", "weir");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const bundle = bundled(project, folder, mainOf(project));
  const options = ["--wit", worldWithoutTimers(resolve(values.wit), folder), "--world", "plugin", "--js", bundle, "--sync", "--output", resolve(values.output)];
  run(project, "componentize-qjs", values["stub-wasi"] ? [...options, "--stub-wasi"] : options);
}

/** The project's entry module. */
function mainOf(project) {
  const file = join(project, "package.json");
  if (!existsSync(file)) throw new Problem(`${file} is missing`);
  const { main } = JSON.parse(readFileSync(file, "utf8"));
  if (main === undefined) throw new Problem(`${file} has no "main": the module that exports the plugin as its default`);
  if (!existsSync(join(project, main))) throw new Problem(`${join(project, main)}, the "main" of package.json, is missing`);
  return join(project, main);
}

/** One module of the project and all that it imports, with its source map as a value at the end: errors name the author's own lines. */
function bundled(project, folder, main) {
  const entry = join(folder, "entry.js");
  const out = join(folder, "plugin.js");
  const component = join(dirname(fileURLToPath(import.meta.url)), "component.js");
  const path = (to) => `./${relative(folder, to).replaceAll("\\", "/")}`;
  writeFileSync(entry, ENTRY(path(main), path(component)));
  const format = ["--bundle", "--format=esm", "--platform=neutral", "--main-fields=module,main", "--target=es2023", "--external:weir:*"];
  run(project, "esbuild", [entry, ...format, "--sourcemap=external", "--sources-content=false", "--log-level=warning", `--outfile=${out}`]);
  const { sources, mappings } = JSON.parse(readFileSync(`${out}.map`, "utf8"));
  writeFileSync(out, `${readFileSync(out, "utf8")}globalThis.weirSourceMap = ${JSON.stringify({ sources, mappings })};\n`);
  return out;
}

/** The contract as this SDK uses it: a component imports all of its world, and the host has no timers yet. */
function worldWithoutTimers(wit, folder) {
  const copy = join(folder, "wit");
  cpSync(wit, copy, { recursive: true });
  const world = join(copy, "world.wit");
  writeFileSync(world, readFileSync(world, "utf8").replace(/^.*import weir:timers.*\n/m, ""));
  return copy;
}

/** Runs a tool of the project. */
function run(project, tool, options) {
  const { file, isScript } = find(project, tool);
  try {
    execFileSync(isScript ? process.execPath : file, isScript ? [file, ...options] : options, { cwd: project, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    throw new Problem(`${tool} failed:\n${error.stdout ?? ""}${error.stderr ?? ""}`.trimEnd());
  }
}

/** A tool's program: that of the project's own package. */
function find(project, tool) {
  const require = createRequire(join(project, "package.json"));
  let manifest;
  try {
    manifest = packageOf(require, tool);
  } catch {
    throw new Problem(`${tool} is not installed in ${project}: run \`npm install\` there; package.json must have it under "devDependencies"`);
  }
  const { bin } = JSON.parse(readFileSync(manifest, "utf8"));
  const file = join(dirname(manifest), typeof bin === "string" ? bin : bin[tool]);
  return { file, isScript: readFileSync(file).subarray(0, 2).toString() === "#!" };
}

/** The package.json of a package that the project has. */
function packageOf(require, name) {
  for (const path of require.resolve.paths(name)) {
    const manifest = join(path, name, "package.json");
    if (existsSync(manifest)) return manifest;
  }
  throw new Problem(name);
}


try {
  build();
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
