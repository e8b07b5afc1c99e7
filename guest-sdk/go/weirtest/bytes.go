// Go values as the bytes that a codec would write, by the codec's name.

package weirtest

import (
	"encoding/binary"
	"math"
	"reflect"

	"weir"
)

// bytes encodes what a test pushes.
func (h *Harness) bytes(codec string, value any) []byte {
	h.t.Helper()
	if bytes, ok := value.([]byte); ok {
		return bytes
	}
	if codec == "json" {
		bytes, err := weir.JSON[any]().Encode(nil, value)
		if err != nil {
			h.t.Fatalf("%#v: %v", value, err)
		}
		return bytes
	}
	of := reflect.ValueOf(value)
	if codec == "any" || codec == "none" {
		codec = natural(of.Kind())
	}
	switch {
	case of.Kind() == reflect.String:
		return []byte(of.String())
	case of.Kind() == reflect.Bool && codec == "bool":
		if of.Bool() {
			return []byte{1}
		}
		return []byte{0}
	case of.CanFloat() && codec == "f64-le":
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(of.Float()))
	case of.CanInt() && codec == "f64-le":
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(of.Int())))
	case of.CanInt() || of.CanUint():
		if bytes := number(codec, of); bytes != nil {
			return bytes
		}
	}
	h.t.Fatalf("%#v is no value of codec %s: push a value that is, or a []byte", value, codec)
	return nil
}

// natural is the codec of a key that the operator doesn't look at.
func natural(kind reflect.Kind) string {
	switch kind {
	case reflect.Bool:
		return "bool"
	case reflect.Float64, reflect.Float32:
		return "f64-le"
	default:
		return "u64-le"
	}
}

// number is an integer in a codec, nil where it doesn't fit.
func number(codec string, of reflect.Value) []byte {
	negative := of.CanInt() && of.Int() < 0
	bits := uint64(0)
	if of.CanInt() {
		bits = uint64(of.Int())
	} else {
		bits = of.Uint()
	}
	switch {
	case codec == "u64-le" && !negative, codec == "i64-le" && (negative || bits <= math.MaxInt64):
		return binary.LittleEndian.AppendUint64(nil, bits)
	case codec == "u32-le" && !negative && bits <= math.MaxUint32,
		codec == "i32-le" && int64(int32(bits)) == int64(bits) && (negative || bits <= math.MaxInt32):
		return binary.LittleEndian.AppendUint32(nil, uint32(bits))
	}
	return nil
}
