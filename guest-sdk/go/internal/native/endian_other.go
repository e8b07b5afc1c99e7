//go:build !wasm

// The byte order in tests.

package native

import "encoding/binary"

// Tests may run on a machine of either order.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1
