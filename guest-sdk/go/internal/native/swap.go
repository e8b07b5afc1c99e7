// Numbers for machines of the other byte order.

package native

import "math/bits"

func swapped64(number uint64) uint64 { return bits.ReverseBytes64(number) }

func swapped32(number uint32) uint32 { return bits.ReverseBytes32(number) }
