// Codecs: round trips, and what is refused.

package weir_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"weir"
)

func TestValuesSurviveARoundTripAndBrokenBytesAreRefused(t *testing.T) {
	type visit struct {
		Page  string `json:"page"`
		Times []int  `json:"times"`
	}
	long := strings.Repeat("ä", 300)
	check(t, weir.UTF8, "utf8", "Straße", []byte("Straße"), []byte("a\xc3"), "not UTF-8: an invalid sequence of bytes from index 1")
	check(t, weir.UTF8, "utf8", long, []byte(long), []byte(strings.Repeat("a", 20)+"\xff"), "not UTF-8: an invalid sequence of bytes from index 20")
	check(t, weir.UTF8, "utf8", "", []byte{}, []byte{0xff}, "not UTF-8: an invalid sequence of bytes from index 0")
	check(t, weir.Text, "utf8", []byte("�"), []byte("�"), []byte("ok \xed\xa0\x80"), "not UTF-8: an invalid sequence of bytes from index 3")
	check(t, weir.Bytes, "bytes", []byte{0, 255}, []byte{0, 255}, nil, "")
	check(t, weir.U32, "u32-le", 7, []byte{7, 0, 0, 0}, []byte{7}, "not u32-le: 1 bytes instead of 4")
	check(t, weir.U64, "u64-le", 1<<56, []byte{0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 9), "not u64-le: 9 bytes instead of 8")
	check(t, weir.U64, "u64-le", math.MaxUint64, []byte("\xff\xff\xff\xff\xff\xff\xff\xff"), []byte{}, "not u64-le: 0 bytes instead of 8")
	check(t, weir.I32, "i32-le", -2, []byte{0xfe, 0xff, 0xff, 0xff}, make([]byte, 5), "not i32-le: 5 bytes instead of 4")
	check(t, weir.I64, "i64-le", math.MinInt64, []byte{0, 0, 0, 0, 0, 0, 0, 0x80}, make([]byte, 4), "not i64-le: 4 bytes instead of 8")
	check(t, weir.F64, "f64-le", math.Copysign(0, -1), []byte{0, 0, 0, 0, 0, 0, 0, 0x80}, make([]byte, 4), "not f64-le: 4 bytes instead of 8")
	check(t, weir.Bool, "bool", true, []byte{1}, []byte{2}, "not bool: one byte, 0 or 1, is expected")
	check(t, weir.JSON[visit](), "json", visit{"<a>", []int{1}}, []byte(`{"page":"<a>","times":[1]}`), []byte(`{"page":1}`), "not the JSON that is expected: ")
	check(t, weir.JSON[string](), "json", "\u2028\\u2029", []byte("\"\u2028\\\\u2029\""), []byte(`"`), "not the JSON that is expected: ")
}

// check encodes a value and decodes it again; broken bytes, if there are any, are refused with a message that begins so.
func check[T any](t *testing.T, codec weir.Codec[T], name string, value T, bytes, broken []byte, refusal string) {
	t.Helper()
	if codec.Name() != name {
		t.Errorf("the name is %s instead of %s", codec.Name(), name)
	}
	encoded, err := codec.Encode([]byte("before"), value)
	if err != nil || string(encoded) != "before"+string(bytes) {
		t.Errorf("%s: %v is encoded as %q, %v", name, value, encoded, err)
	}
	decoded, err := codec.Decode(bytes)
	if err != nil || !reflect.DeepEqual(decoded, value) {
		t.Errorf("%s: %q is decoded as %v, %v", name, bytes, decoded, err)
	}
	if broken == nil {
		return
	}
	if _, err := codec.Decode(broken); err == nil || !strings.HasPrefix(err.Error(), refusal) || refusal == "" {
		t.Errorf("%s: %q is refused with %v", name, broken, err)
	}
}

func TestWhatHasNoBytesIsRefused(t *testing.T) {
	if _, err := weir.UTF8.Encode(nil, "a\xff"); err == nil || err.Error() != "not UTF-8: an invalid sequence of bytes from index 1" {
		t.Error(err)
	}
	if _, err := weir.JSON[float64]().Encode(nil, math.Inf(1)); err == nil || !strings.HasPrefix(err.Error(), "can't be written as JSON: ") {
		t.Error(err)
	}
}

func TestACodecOfOnesOwnRoundTrips(t *testing.T) {
	upper := weir.NewCodec("upper", func(bytes []byte) (string, error) {
		if len(bytes) == 0 {
			return "", errors.New("nothing")
		}
		return strings.ToLower(string(bytes)), nil
	}, func(to []byte, value string) ([]byte, error) { return append(to, strings.ToUpper(value)...), nil })
	check(t, upper, "upper", "abc", []byte("ABC"), []byte{}, "nothing")
}
