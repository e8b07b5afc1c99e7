// Codecs: how the bytes of keys, values and states are read and written, and under which name the host compares them.

package weir

import (
	"errors"
	"fmt"
	"unicode/utf8"
	"unsafe"

	"weir/internal/native"
)

// Codec says how values of type T are read and written as bytes. Two connected ports must have codecs of the same name.
//
//	UTF8            utf8    string
//	Text            utf8    []byte
//	Bytes           bytes   []byte
//	U32 U64 I32 I64 u32-le… uint32, uint64, int32, int64
//	F64             f64-le  float64
//	Bool            bool    bool
//	JSON[T]()       json    T
//
// Strings and byte slices that an operator is given lie in the memory of their batch, which is never written again: they may be kept and cost no
// copy, but a piece that is kept holds on to its whole batch (see strings.Clone). Don't write to a slice that you were given.
type Codec[T any] struct {
	name string
	form form
	// Of formOther only.
	decode func(bytes []byte) (T, error)
	encode func(to []byte, value T) ([]byte, error)
}

// form is how a value lies in memory, which lets the hot paths go without a call per value.
type form uint8

const (
	formNone form = iota
	formText
	formTextBytes
	formBytes
	form64
	form32
	formBool
	formOther
)

// The codecs of simple types.
var (
	// UTF8 is text as a string.
	UTF8 = Codec[string]{name: "utf8", form: formText}
	// Text is text as bytes, for those who work on bytes: checked to be UTF-8, both ways.
	Text = Codec[[]byte]{name: "utf8", form: formTextBytes}
	// Bytes is opaque bytes.
	Bytes = Codec[[]byte]{name: "bytes", form: formBytes}
	// U32 is four bytes, little-endian, as all numbers.
	U32 = Codec[uint32]{name: "u32-le", form: form32}
	// U64 is eight bytes.
	U64 = Codec[uint64]{name: "u64-le", form: form64}
	// I32 is four bytes, two's complement.
	I32 = Codec[int32]{name: "i32-le", form: form32}
	// I64 is eight bytes, two's complement.
	I64 = Codec[int64]{name: "i64-le", form: form64}
	// F64 is eight bytes, IEEE 754.
	F64 = Codec[float64]{name: "f64-le", form: form64}
	// Bool is one byte, 0 or 1.
	Bool = Codec[bool]{name: "bool", form: formBool}
)

// NewCodec makes a codec of one's own. Encode appends to the bytes that it is given. Both must always give the same for the same.
func NewCodec[T any](name string, decode func(bytes []byte) (T, error), encode func(to []byte, value T) ([]byte, error)) Codec[T] {
	return Codec[T]{name: name, form: formOther, decode: decode, encode: encode}
}

// Name is what the host compares.
func (c Codec[T]) Name() string { return c.name }

// Decode reads a value.
func (c Codec[T]) Decode(bytes []byte) (T, error) { return c.read(bytes) }

// Encode appends the bytes of a value.
func (c Codec[T]) Encode(to []byte, value T) ([]byte, error) {
	if c.form == formOther {
		encoded, err := c.encode(to, value)
		if encoded == nil {
			encoded = []byte{}
		}
		return encoded, err
	}
	at, length, scratch := unsafe.Pointer(&value), 0, uint64(0)
	from, length, ok := encoded(c.form, at, &scratch)
	if !ok {
		return to, notText(at, c.form)
	}
	return native.AppendBytes(to, unsafe.Slice((*byte)(from), length)), nil
}

// read is Decode; the form says that T lies in memory as it is written to here.
func (c *Codec[T]) read(bytes []byte) (value T, err error) {
	from, to := unsafe.Pointer(unsafe.SliceData(bytes)), unsafe.Pointer(&value)
	switch c.form {
	case formText:
		if !native.ValidText(from, len(bytes)) {
			return value, invalidText(bytes)
		}
		setText(to, bytes, formText)
	case formTextBytes:
		if !native.ValidText(from, len(bytes)) {
			return value, invalidText(bytes)
		}
		*(*[]byte)(to) = bytes
	case formBytes:
		*(*[]byte)(to) = bytes
	case form64:
		if len(bytes) != 8 {
			return value, wrongLength(c.name, 8, len(bytes))
		}
		*(*uint64)(to) = native.Load64(from)
	case form32:
		if len(bytes) != 4 {
			return value, wrongLength(c.name, 4, len(bytes))
		}
		*(*uint32)(to) = native.Load32(from)
	case formBool:
		if len(bytes) != 1 || bytes[0] > 1 {
			return value, errNotBool
		}
		*(*bool)(to) = bytes[0] == 1
	default:
		return c.decode(bytes)
	}
	return value, nil
}

// setText makes the value at `to`, of one of the two forms of text, these bytes.
func setText(to unsafe.Pointer, bytes []byte, form form) {
	if form == formText {
		*(*string)(to) = unsafe.String(unsafe.SliceData(bytes), len(bytes))
	} else {
		*(*[]byte)(to) = bytes
	}
}

// encoded finds the bytes of the value of a direct form that lies at `value`. Numbers are brought into order in scratch.
func encoded(form form, value unsafe.Pointer, scratch *uint64) (from unsafe.Pointer, length int, ok bool) {
	switch form {
	case formText:
		text := *(*string)(value)
		from, length = unsafe.Pointer(unsafe.StringData(text)), len(text)
		return from, length, native.ValidText(from, length)
	case formTextBytes:
		text := *(*[]byte)(value)
		from, length = unsafe.Pointer(unsafe.SliceData(text)), len(text)
		return from, length, native.ValidText(from, length)
	case formBytes:
		bytes := *(*[]byte)(value)
		return unsafe.Pointer(unsafe.SliceData(bytes)), len(bytes), true
	case form64:
		native.Store64(unsafe.Pointer(scratch), *(*uint64)(value))
		return unsafe.Pointer(scratch), 8, true
	case form32:
		native.Store32(unsafe.Pointer(scratch), *(*uint32)(value))
		return unsafe.Pointer(scratch), 4, true
	default:
		return value, 1, true
	}
}

var errNotBool = errors.New("not bool: one byte, 0 or 1, is expected")

//go:noinline
func wrongLength(name string, expected, found int) error {
	return fmt.Errorf("not %s: %d bytes instead of %d", name, found, expected)
}

//go:noinline
func invalidText(bytes []byte) error {
	at := 0
	for at < len(bytes) {
		r, size := utf8.DecodeRune(bytes[at:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		at += size
	}
	return fmt.Errorf("not UTF-8: an invalid sequence of bytes from index %d", at)
}

// notText is the error of a text that can't be emitted.
//
//go:noinline
func notText(value unsafe.Pointer, form form) error {
	if form == formText {
		return invalidText([]byte(*(*string)(value)))
	}
	return invalidText(*(*[]byte)(value))
}
