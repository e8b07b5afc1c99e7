// Memory that the host writes to: what cabi_realloc hands out.
//
// While the host asks for memory, nothing may be asked of the host, and the Go runtime asks for the time whenever it allocates. So the room for the next
// call is allocated ahead, and where it isn't enough, memory comes from below the runtime's allocator.

package weir

import (
	"strings"
	"unsafe"
)

const (
	blockBytesMin = 256 << 10
	// A call that needs more than this is not prepared for: it gets its memory from the overflow each time.
	blockBytesMax = 16 << 20
	// A block has room for so many calls of the largest size of late.
	callsPerBlock = 4
)

// hostMemory hands out each piece of a block once: strings that point into it never change, and the garbage collector takes a block when nothing points
// to it any more. Addresses are plain numbers here, because pointers can't be stored while the host asks.
var hostMemory struct {
	// block is what base and size are about.
	block      []byte
	base, size uint32
	used       uint32
	// asked is what this call has asked for so far, and peak what calls of late have.
	asked, peak uint32
	// overflow is used again by each call: what lies there is copied when it is lifted.
	overflow struct{ base, size, used uint32 }
}

// early is what the WASI adapter gets for its own state, twice 64 KiB: it asks while the Go runtime starts.
var early struct {
	memory [256 << 10]byte
	used   uint32
	over   bool
}

// empty is where empty lists lie.
var empty [8]byte

func init() {
	early.over = true
	reserve()
}

// sbrk takes memory from below the runtime's allocator, for good. The linker allows it by -checklinkname=0.
//
//go:linkname sbrk runtime.sbrk
func sbrk(bytes uintptr) unsafe.Pointer

//go:wasmexport cabi_realloc
//go:nosplit
func cabiRealloc(old unsafe.Pointer, oldBytes, align, bytes uint32) unsafe.Pointer {
	if !early.over {
		at := (early.used + align - 1) &^ (align - 1)
		if at+bytes > uint32(len(early.memory)) {
			return nil
		}
		early.used = at + bytes
		return unsafe.Add(unsafe.Pointer(&early.memory), at)
	}
	if bytes == 0 {
		return unsafe.Pointer(&empty)
	}
	m := &hostMemory
	m.asked += bytes + 8
	at := (m.used + align - 1) &^ (align - 1)
	var to unsafe.Pointer
	if at <= m.size && bytes <= m.size-at {
		m.used = at + bytes
		to = unsafe.Add(unsafe.Pointer(nil), m.base+at)
	} else {
		to = overflow(align, bytes)
	}
	if oldBytes > 0 {
		copy(unsafe.Slice((*byte)(to), bytes), unsafe.Slice((*byte)(old), oldBytes))
	}
	return to
}

//go:nosplit
func overflow(align, bytes uint32) unsafe.Pointer {
	o := &hostMemory.overflow
	at := (o.used + align - 1) &^ (align - 1)
	if at > o.size || bytes > o.size-at {
		// A piece that is left behind is at most half of the next one.
		size := max(bytes, 2*o.size, blockBytesMin)
		base := sbrk(uintptr(size))
		if base == nil {
			// The host refuses the null address, and says so.
			return nil
		}
		o.base, o.size, at = uint32(uintptr(base)), size, 0
	}
	o.used = at + bytes
	return unsafe.Add(unsafe.Pointer(nil), o.base+at)
}

// reserve makes a new block unless there is room for one more call. It is called when the host may be asked: before functions that give lists, and after
// each call.
func reserve() {
	m := &hostMemory
	room := min(m.peak, blockBytesMax/callsPerBlock)
	if m.size-m.used >= max(room, blockBytesMin/callsPerBlock) {
		return
	}
	m.block = unzeroed(int(max(callsPerBlock*room, blockBytesMin)))
	m.base, m.size, m.used = address(unsafe.Pointer(unsafe.SliceData(m.block))), uint32(len(m.block)), 0
}

// release ends a call: the overflow is free again, and there is room for the next call.
func release() {
	m := &hostMemory
	m.peak = max(m.asked, m.peak-m.peak/16)
	m.asked, m.overflow.used = 0, 0
	reserve()
}

// unzeroed makes a block whose bytes are not cleared, because the host writes all that is read. It has no type, so it is aligned for any.
func unzeroed(bytes int) []byte {
	var builder strings.Builder
	builder.Grow(bytes)
	builder.WriteByte(0)
	return unsafe.Slice(unsafe.StringData(builder.String()), bytes)
}

// The contract's lists, strings and columns, as they lie in memory.
type (
	wasmList   struct{ at, length uint32 }
	wasmColumn struct{ lengths, data wasmList }
)

// lift makes a slice of what the host has written since the last reserve.
func lift[T any](list wasmList) []T {
	if list.length == 0 {
		return nil
	}
	there := unsafe.Slice((*T)(unsafe.Add(unsafe.Pointer(nil), list.at)), list.length)
	if m := &hostMemory; list.at >= m.base && list.at-m.base < m.size {
		return there
	}
	return append([]T(nil), there...)
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
	return wasmList{at: address(lowered), length: uint32(len(items))}
}

func lowerText(text string) wasmList {
	return lower(unsafe.Slice(unsafe.StringData(text), len(text)))
}

func address(of unsafe.Pointer) uint32 { return uint32(uintptr(of)) }
