// Functions without state.

package main

import (
	"errors"
	"slices"
	"unicode/utf8"

	"weir"
)

func reverse(text string) (string, error) {
	reversed := make([]byte, 0, len(text))
	for rest := text; rest != ""; {
		_, size := utf8.DecodeLastRuneInString(rest)
		reversed = append(reversed, rest[len(rest)-size:]...)
		rest = rest[:len(rest)-size]
	}
	return string(reversed), nil
}

func even(number uint64) (bool, error) { return number%2 == 0, nil }

// lower has the lower-case letter of A to Z, 0 for white space, and every other byte as it is.
var lower = func() (table [256]byte) {
	for b := range table {
		table[b] = byte(b)
		if b >= 'A' && b <= 'Z' {
			table[b] += 'a' - 'A'
		}
	}
	for _, b := range " \t\n\r\v\f" {
		table[b] = 0
	}
	return table
}()

func tokenize(*weir.OpenContext) weir.FlatMapFunc[[]byte, weir.Pair[[]byte, uint64]] {
	var scratch []byte
	return func(line []byte, out *weir.Collector[weir.Pair[[]byte, uint64]]) error {
		word := slices.Grow(scratch[:0], len(line))[:len(line)]
		scratch = word
		length := 0
		for _, b := range line {
			// A zero byte is no white space, though the table says so.
			if low := lower[b]; low != 0 || b == 0 {
				word[length] = low
				length++
			} else if length > 0 {
				weir.Emit(out, word[:length], 1)
				length = 0
			}
		}
		if length > 0 {
			weir.Emit(out, word[:length], 1)
		}
		return nil
	}
}

func pass[T any](name string, codec weir.Codec[T]) weir.Function {
	return weir.Map(name, codec, codec, func(value T) (T, error) { return value, nil })
}

func strict(text string, out *weir.Collector[string]) error {
	switch text {
	case "bad":
		return errors.New("bad record: " + text)
	case "throw":
		panic("thrown on purpose")
	case "double":
		out.Collect(text)
		return errors.New("refused after emitting")
	}
	out.Collect(text)
	return nil
}

func greet(ctx *weir.OpenContext) weir.MapFunc[string, string] {
	greeting, ok := ctx.Config("greeting")
	if !ok {
		ctx.Refusef("greeting is missing")
	}
	greeted := ctx.Counter("greeted")
	return func(name string) (string, error) {
		greeted.Add(1)
		return greeting + " " + name, nil
	}
}

// moment is what the function times emits; null where there is no time.
type moment struct {
	Timestamp *int64 `json:"timestamp"`
	Watermark *int64 `json:"watermark"`
	Time      int64  `json:"time"`
}

func times(_ string, out *weir.Collector[moment]) error {
	now := moment{Time: out.ProcessingTime()}
	if ms, ok := out.Timestamp(); ok {
		now.Timestamp = &ms
	}
	if ms, ok := out.Watermark(); ok {
		now.Watermark = &ms
	}
	out.Collect(now)
	return nil
}
