// Counts words: lines are split, and each word is counted under its own key.
package main

import (
	"strings"

	"weir"
)

var (
	line    = weir.UTF8
	counted = weir.KV(weir.UTF8, weir.U64)
)

func init() {
	weir.Export(weir.Plugin{
		Name:    "{{name}}",
		Version: "0.1.0",
		Functions: []weir.Function{
			weir.FlatMap("tokenize", line, counted, tokenize).Doc("Splits lines into lower-cased words, each with the number 1."),
			weir.KeyedProcess("count", weir.UTF8, weir.U64, counted, count).Doc("Adds up the numbers of each word and emits the sum so far."),
		},
	})
}

func main() {}

func tokenize(line string, out *weir.Collector[weir.Pair[string, uint64]]) error {
	for _, word := range strings.Fields(strings.ToLower(line)) {
		weir.Emit(out, word, uint64(1))
	}
	return nil
}

func count(ctx *weir.OpenContext) weir.ProcessFunc[string, uint64, weir.Pair[string, uint64]] {
	total := weir.NewValueState(ctx, "count", weir.U64)
	return func(word string, n uint64, _ *weir.KeyedContext, out *weir.Collector[weir.Pair[string, uint64]]) error {
		sum := total.GetOr(0) + n
		total.Set(sum)
		weir.Emit(out, word, sum)
		return nil
	}
}
