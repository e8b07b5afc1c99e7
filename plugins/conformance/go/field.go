// Finds one field in a line of JSON and checks the whole line, without making values of the rest.

package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"unsafe"
)

// depthMax is how deep values may be nested, as in encoding/json.
const depthMax = 10_000

// field is a path into objects. It is kept for its room: one at a time.
type field struct {
	path []string
	line string
	// from and to are where the value lies that was found last.
	from, to int
}

func newField(path []string) *field { return &field{path: path} }

var errEnd = errors.New("unexpected end")

// text gives the field of a line as text. Objects, arrays, null and what isn't there are not found.
func (f *field) text(line string) (text string, found bool, err error) {
	f.line, f.from, f.to = line, 0, 0
	end, err := f.value(f.space(0), 0, 0)
	if err != nil {
		return "", false, err
	}
	if end = f.space(end); end < len(line) {
		return "", false, f.unexpected(end)
	}
	return written(line[f.from:f.to])
}

// written is the text of a value that is known to be JSON.
func written(value string) (text string, found bool, err error) {
	if value == "" || value == "null" || value[0] == '{' || value[0] == '[' {
		return "", false, nil
	}
	if value[0] == '"' {
		for i := range len(value) {
			if value[i] == '\\' {
				return unquoted(value)
			}
		}
		return value[1 : len(value)-1], true, nil
	}
	for i := range len(value) {
		if b := value[i]; b == '.' || b == 'e' && value[0] != 't' && value[0] != 'f' || b == 'E' {
			number, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return value, true, nil
			}
			short, err := json.Marshal(number)
			return string(short), true, err
		}
	}
	return value, true, nil
}

// unquoted is apart, because what is given to encoding/json lies on the heap.
func unquoted(value string) (text string, found bool, err error) {
	err = json.Unmarshal([]byte(value), &text)
	return text, true, err
}

// value checks the value that starts at i and gives its end. Of an object at the first `matched` parts of the path, the next part is looked for; beyond the
// path's end, matched is -1.
func (f *field) value(i, matched, depth int) (end int, err error) {
	if i >= len(f.line) {
		return i, errEnd
	}
	if depth > depthMax {
		return i, errors.New("it is nested too deep")
	}
	switch b := f.line[i]; {
	case b == '"':
		return f.str(i)
	case b == '{':
		return f.object(i, matched, depth)
	case b == '[':
		return f.array(i, depth)
	case b == '-' || b >= '0' && b <= '9':
		return f.number(i)
	case b == 't':
		return f.word(i, "true")
	case b == 'f':
		return f.word(i, "false")
	case b == 'n':
		return f.word(i, "null")
	}
	return i, f.unexpected(i)
}

func (f *field) object(i, matched, depth int) (end int, err error) {
	if i = f.space(i + 1); i < len(f.line) && f.line[i] == '}' {
		return i + 1, nil
	}
	for {
		if i >= len(f.line) {
			return i, errEnd
		}
		if f.line[i] != '"' {
			return i, f.unexpected(i)
		}
		key := i
		if i, err = f.str(i); err != nil {
			return i, err
		}
		under := -1
		if matched >= 0 && f.isKey(f.line[key:i], f.path[matched]) {
			under = matched + 1
			// Of a key that is there twice, the last counts.
			f.from, f.to = 0, 0
		}
		if i = f.space(i); i >= len(f.line) {
			return i, errEnd
		}
		if f.line[i] != ':' {
			return i, f.unexpected(i)
		}
		i = f.space(i + 1)
		start, last := i, under == len(f.path)
		if last {
			under = -1
		}
		if i, err = f.value(i, under, depth+1); err != nil {
			return i, err
		}
		if last {
			f.from, f.to = start, i
		}
		if i = f.space(i); i >= len(f.line) {
			return i, errEnd
		}
		if f.line[i] == '}' {
			return i + 1, nil
		}
		if f.line[i] != ',' {
			return i, f.unexpected(i)
		}
		i = f.space(i + 1)
	}
}

func (f *field) array(i, depth int) (end int, err error) {
	if i = f.space(i + 1); i < len(f.line) && f.line[i] == ']' {
		return i + 1, nil
	}
	for {
		if i, err = f.value(i, -1, depth+1); err != nil {
			return i, err
		}
		if i = f.space(i); i >= len(f.line) {
			return i, errEnd
		}
		if f.line[i] == ']' {
			return i + 1, nil
		}
		if f.line[i] != ',' {
			return i, f.unexpected(i)
		}
		i = f.space(i + 1)
	}
}

// plain has the bytes that mean nothing but themselves in a string.
var plain = func() (table [256]bool) {
	for b := range table {
		table[b] = b >= ' ' && b != '"' && b != '\\'
	}
	return table
}()

// plainEnd gives the index of the first byte from i on that isn't plain. It looks at eight bytes at a time: a branch a byte would be most of the work.
func plainEnd(line string, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(line); i += 8 {
		// The eight bytes are within the line. A Wasm machine has the first one lowest.
		word := binary.LittleEndian.Uint64(unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(line)), i)), 8))
		quote, backslash := word^'"'*ones, word^'\\'*ones
		if found := ((quote-ones)&^quote | (backslash-ones)&^backslash | (word-' '*ones)&^word) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(line) && plain[line[i]] {
		i++
	}
	return i
}

// str checks the string that starts at i.
func (f *field) str(i int) (end int, err error) {
	line := f.line
	for i = plainEnd(line, i+1); i < len(line); i = plainEnd(line, i+1) {
		switch b := line[i]; {
		case b == '"':
			return i + 1, nil
		case b < ' ':
			return i, f.unexpected(i)
		case b == '\\':
			if i++; i >= len(line) {
				return i, errEnd
			}
			switch line[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					if i++; i >= len(line) {
						return i, errEnd
					}
					if b := line[i] | 0x20; (b < '0' || b > '9') && (b < 'a' || b > 'f') {
						return i, f.unexpected(i)
					}
				}
			default:
				return i, f.unexpected(i)
			}
		}
	}
	return i, errEnd
}

func (f *field) number(i int) (end int, err error) {
	if f.line[i] == '-' {
		i++
	}
	if i < len(f.line) && f.line[i] == '0' {
		i++
	} else if i, err = f.digits(i); err != nil {
		return i, err
	}
	if i < len(f.line) && f.line[i] == '.' {
		if i, err = f.digits(i + 1); err != nil {
			return i, err
		}
	}
	if i < len(f.line) && f.line[i]|0x20 == 'e' {
		if i++; i < len(f.line) && (f.line[i] == '+' || f.line[i] == '-') {
			i++
		}
		return f.digits(i)
	}
	return i, nil
}

// digits passes at least one digit.
func (f *field) digits(i int) (end int, err error) {
	start := i
	for i < len(f.line) && f.line[i] >= '0' && f.line[i] <= '9' {
		i++
	}
	switch {
	case i > start:
		return i, nil
	case i >= len(f.line):
		return i, errEnd
	}
	return i, f.unexpected(i)
}

func (f *field) word(i int, word string) (end int, err error) {
	if end = i + len(word); end > len(f.line) {
		return i, errEnd
	}
	if f.line[i:end] != word {
		return i, f.unexpected(i)
	}
	return end, nil
}

func (f *field) space(i int) int {
	for i < len(f.line) && f.line[i] <= ' ' && (f.line[i] == ' ' || f.line[i] == '\t' || f.line[i] == '\n' || f.line[i] == '\r') {
		i++
	}
	return i
}

// isKey says whether a string that is known to be JSON means this text.
func (f *field) isKey(quoted, text string) bool {
	if quoted[1:len(quoted)-1] == text {
		return true
	}
	for i := range len(quoted) {
		if quoted[i] == '\\' {
			var key string
			return json.Unmarshal([]byte(quoted), &key) == nil && key == text
		}
	}
	return false
}

func (f *field) unexpected(i int) error {
	return fmt.Errorf("unexpected %q at index %d", f.line[i], i)
}
