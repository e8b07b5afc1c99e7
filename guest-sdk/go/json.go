// The codec of any type that encoding/json knows.

package weir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// JSON is the codec of T as one JSON value, compact, without HTML escapes. Fields and tags are those of encoding/json;
// json.RawMessage takes any value as it is written.
func JSON[T any]() Codec[T] {
	return NewCodec("json", decodeJSON[T], encodeJSON[T])
}

func decodeJSON[T any](from []byte) (value T, err error) {
	// encoding/json would put U+FFFD in place of what is no text.
	if !utf8.Valid(from) {
		return value, errors.New("not the JSON that is expected: it is not UTF-8")
	}
	if err := json.Unmarshal(from, &value); err != nil {
		return value, fmt.Errorf("not the JSON that is expected: %w", err)
	}
	return value, nil
}

func encodeJSON[T any](to []byte, value T) ([]byte, error) {
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return to, fmt.Errorf("can't be written as JSON: %w", err)
	}
	// The encoder ends with a line feed.
	return appendPlain(to, bytes.TrimSuffix(written.Bytes(), []byte("\n"))), nil
}

// appendPlain appends JSON with U+2028 and U+2029 as themselves: encoding/json escapes them for the sake of JavaScript, other languages' SDKs don't.
func appendPlain(to, from []byte) []byte {
	if !bytes.Contains(from, []byte(`\u202`)) {
		return append(to, from...)
	}
	for len(from) > 0 {
		switch {
		case bytes.HasPrefix(from, []byte(`\u2028`)):
			to, from = append(to, "\u2028"...), from[6:]
		case bytes.HasPrefix(from, []byte(`\u2029`)):
			to, from = append(to, "\u2029"...), from[6:]
		case from[0] == '\\':
			// An escape takes at least two bytes; the second may be a backslash.
			to, from = append(to, from[:2]...), from[2:]
		default:
			to, from = append(to, from[0]), from[1:]
		}
	}
	return to
}
