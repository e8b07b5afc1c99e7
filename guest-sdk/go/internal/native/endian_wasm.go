// The byte order in plugins.

package native

// Wasm is little-endian, so a constant leaves the other way out of plugins.
const littleEndian = true
