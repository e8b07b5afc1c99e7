// The function that takes one field out of a line of JSON.

package main

import (
	"fmt"
	"strings"

	"weir"
)

func extract(ctx *weir.OpenContext) weir.FlatMapFunc[string, string] {
	path := strings.Split(weir.ConfigOr(ctx, "field", "user.name"), ".")
	field := newField(path)
	return func(line string, out *weir.Collector[string]) error {
		text, found, err := field.text(line)
		if err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		if found {
			out.Collect(text)
		}
		return nil
	}
}
