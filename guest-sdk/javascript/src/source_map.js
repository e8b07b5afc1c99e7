// From a place in the bundle to the author's own line, by the source map that the build leaves in the bundle.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** `file:line` of the source for a line and a column of the bundle, both from 1; undefined without a map. */
export function originalPlace(line, column) {
  const map = globalThis.weirSourceMap;
  if (map === undefined) return undefined;
  // Source and line are differences to the segment before, over all lines.
  let source = 0;
  let sourceLine = 0;
  let found;
  const lines = map.mappings.split(";");
  for (let i = 0; i < line && i < lines.length; i++) {
    let at = 0;
    for (const segment of lines[i].split(",")) {
      const [columns, sources, sourceLines] = numbers(segment);
      if (sources === undefined) continue;
      at += columns;
      source += sources;
      sourceLine += sourceLines;
      if (i === line - 1 && (found === undefined || at < column)) found = [source, sourceLine];
    }
  }
  if (found === undefined) return undefined;
  return `${map.sources[found[0]].replace(/^.*[\\/]/, "")}:${found[1] + 1}`;
}

/** The numbers of one segment: base 64, five bits a digit, the lowest bit is the sign. */
function numbers(segment) {
  const all = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    all.push(value & 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return all;
}
