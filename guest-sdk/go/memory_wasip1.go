// Memory that the host writes to: what cabi_realloc hands out.

package weir

import (
	"strings"
	"unsafe"
)

const (
	// Requests share blocks of this size.
	blockBytes = 256 << 10
	// Larger requests have a block of their own.
	shareBytesMax = 64 << 10
)

// hostMemory hands out each piece of memory once: strings that point into it never change, and the garbage collector takes a block when nothing does any more.
var hostMemory struct {
	block []byte
	used  int
	// held keeps the blocks of a call alive: until they are lifted, only numbers point to them.
	held [][]byte
}

// early is what the WASI adapter gets for its own state, twice 64 KiB: it asks while the Go runtime starts and can't allocate yet.
var early struct {
	memory [256 << 10]byte
	used   uint32
	over   bool
}

// empty is where empty lists lie.
var empty [8]byte

func init() { early.over = true }

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldBytes, align, bytes uint32) unsafe.Pointer {
	if !early.over {
		at := (early.used + align - 1) &^ (align - 1)
		early.used = at + bytes
		return unsafe.Pointer(&early.memory[at : at+bytes : at+bytes][0])
	}
	if bytes == 0 {
		return unsafe.Pointer(&empty)
	}
	to := hostAlloc(int(align), int(bytes))
	if oldBytes > 0 {
		copy(unsafe.Slice((*byte)(to), bytes), unsafe.Slice((*byte)(old), oldBytes))
	}
	return to
}

func hostAlloc(align, bytes int) unsafe.Pointer {
	m := &hostMemory
	if bytes > shareBytesMax {
		own := unzeroed(bytes)
		m.held = append(m.held, own)
		return unsafe.Pointer(unsafe.SliceData(own))
	}
	at := (m.used + align - 1) &^ (align - 1)
	if at+bytes > len(m.block) {
		m.held = append(m.held, m.block)
		m.block, at = unzeroed(blockBytes), 0
	}
	m.used = at + bytes
	return unsafe.Pointer(&m.block[at])
}

// unzeroed makes a block whose bytes are not cleared, because the host writes all that is read. It has no type, so it is aligned for any.
func unzeroed(bytes int) []byte {
	var builder strings.Builder
	builder.Grow(bytes)
	builder.WriteByte(0)
	return unsafe.Slice(unsafe.StringData(builder.String()), bytes)
}

// release lets go of the blocks of a call that has ended.
func release() {
	clear(hostMemory.held)
	hostMemory.held = hostMemory.held[:0]
}

// The contract's lists and strings, as they lie in memory.
type (
	wasmList   struct{ at, length uint32 }
	wasmColumn struct{ lengths, data wasmList }
)

func lift[T any](list wasmList) []T {
	if list.length == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Add(unsafe.Pointer(nil), list.at)), list.length)
}

func liftText(list wasmList) string {
	return unsafe.String(unsafe.SliceData(lift[byte](list)), list.length)
}

// lowered is written by lower, so that what is lowered can't lie on the stack, which moves when it grows.
var lowered unsafe.Pointer

// lower gives the address of a slice. Whoever calls it keeps the slice alive.
func lower[T any](items []T) wasmList {
	if len(items) == 0 {
		return wasmList{at: address(unsafe.Pointer(&empty))}
	}
	lowered = unsafe.Pointer(unsafe.SliceData(items))
	return wasmList{at: address(unsafe.Pointer(unsafe.SliceData(items))), length: uint32(len(items))}
}

func lowerText(text string) wasmList {
	return lower(unsafe.Slice(unsafe.StringData(text), len(text)))
}

func address(of unsafe.Pointer) uint32 { return uint32(uintptr(of)) }
