// Short copies, fast checks of text, and numbers at any alignment: what every record goes through.

package native

import (
	"unicode/utf8"
	"unsafe"
)

// Longer copies go to the runtime: in Wasm that is a call out of the module, which only pays off on long runs.
const copyInlineBytesMax = 256

// Reserve makes room for so many more bytes.
func Reserve(to []byte, bytes int) []byte {
	if cap(to)-len(to) >= bytes {
		return to
	}
	return grown(to, bytes)
}

//go:noinline
func grown(to []byte, bytes int) []byte {
	larger := make([]byte, len(to), max(2*cap(to), len(to)+bytes, 1024))
	copy(larger, to)
	return larger
}

// AppendBytes appends bytes without the call out of the module that a built-in append is.
func AppendBytes(to, from []byte) []byte {
	at := len(to)
	to = Reserve(to, len(from))[:at+len(from)]
	if len(from) > 0 {
		CopyShort(unsafe.Pointer(&to[at]), unsafe.Pointer(unsafe.SliceData(from)), len(from))
	}
	return to
}

// CopyShort copies bytes by overlapping loads and stores. Both places have that many bytes, and they don't overlap.
func CopyShort(to, from unsafe.Pointer, bytes int) {
	switch {
	case bytes >= 8:
		if bytes > copyInlineBytesMax {
			copy(unsafe.Slice((*byte)(to), bytes), unsafe.Slice((*byte)(from), bytes))
			return
		}
		last := bytes - 8
		for at := 0; at < last; at += 8 {
			*(*uint64)(unsafe.Add(to, at)) = *(*uint64)(unsafe.Add(from, at))
		}
		*(*uint64)(unsafe.Add(to, last)) = *(*uint64)(unsafe.Add(from, last))
	case bytes >= 4:
		last := bytes - 4
		*(*uint32)(to) = *(*uint32)(from)
		*(*uint32)(unsafe.Add(to, last)) = *(*uint32)(unsafe.Add(from, last))
	case bytes > 0:
		// One to three bytes: first, middle and last cover them all.
		first, middle, last := *(*byte)(from), *(*byte)(unsafe.Add(from, bytes/2)), *(*byte)(unsafe.Add(from, bytes-1))
		*(*byte)(to) = first
		*(*byte)(unsafe.Add(to, bytes/2)) = middle
		*(*byte)(unsafe.Add(to, bytes-1)) = last
	}
}

// ValidText says whether bytes are UTF-8. ASCII is recognized a word at a time.
func ValidText(from unsafe.Pointer, bytes int) bool {
	const high = 0x8080808080808080
	if bytes >= 8 {
		last := bytes - 8
		seen := *(*uint64)(unsafe.Add(from, last))
		for at := 0; at < last; at += 8 {
			seen |= *(*uint64)(unsafe.Add(from, at))
		}
		return seen&high == 0 || utf8.Valid(unsafe.Slice((*byte)(from), bytes))
	}
	seen := byte(0)
	for at := 0; at < bytes; at++ {
		seen |= *(*byte)(unsafe.Add(from, at))
	}
	return seen < utf8.RuneSelf || utf8.Valid(unsafe.Slice((*byte)(from), bytes))
}

// Load64 reads a little-endian number at any alignment.
func Load64(from unsafe.Pointer) uint64 {
	if littleEndian {
		return *(*uint64)(from)
	}
	return swapped64(*(*uint64)(from))
}

// Store64 writes a little-endian number at any alignment.
func Store64(to unsafe.Pointer, number uint64) {
	if littleEndian {
		*(*uint64)(to) = number
		return
	}
	*(*uint64)(to) = swapped64(number)
}

// Load32 is Load64 for four bytes.
func Load32(from unsafe.Pointer) uint32 {
	if littleEndian {
		return *(*uint32)(from)
	}
	return swapped32(*(*uint32)(from))
}

// Store32 is Store64 for four bytes.
func Store32(to unsafe.Pointer, number uint32) {
	if littleEndian {
		*(*uint32)(to) = number
		return
	}
	*(*uint32)(to) = swapped32(number)
}
