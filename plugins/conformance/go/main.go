// The conformance plugin in Go: the functions that every language's SDK implements, exactly alike.
package main

import "weir"

func init() {
	weir.Export(weir.Plugin{
		Name:    "conformance",
		Version: "0.1.0",
		Functions: []weir.Function{
			weir.Map("reverse", weir.UTF8, weir.UTF8, reverse),
			weir.Filter("even", weir.U64, even),
			weir.FlatMapWith("tokenize", weir.Text, weir.KV(weir.Text, weir.U64), tokenize),
			weir.FlatMapWith("extract", weir.UTF8, weir.UTF8, extract),
			pass("pass-bytes", weir.Bytes),
			pass("pass-utf8", weir.UTF8),
			pass("pass-u32", weir.U32),
			pass("pass-u64", weir.U64),
			pass("pass-i32", weir.I32),
			pass("pass-i64", weir.I64),
			pass("pass-f64", weir.F64),
			pass("pass-bool", weir.Bool),
			weir.FlatMap("strict", weir.UTF8, weir.UTF8, strict),
			weir.MapWith("greet", weir.UTF8, weir.UTF8, greet),
			weir.FlatMap("times", weir.UTF8, weir.JSON[moment](), times),
			weir.KeyedProcess("count", weir.UTF8, weir.U64, counted, count),
			weir.KeyedProcess("history", weir.UTF8, weir.UTF8, weir.KV(weir.UTF8, weir.JSON[any]()), history),
			weir.KeyedProcess("ledger", weir.UTF8, weir.JSON[entry](), weir.KV(weir.UTF8, weir.JSON[any]()), ledger),
			weir.KeyedProcess("last", weir.UTF8, raw, weir.KV(weir.UTF8, raw), last),
			weir.KeyedProcess("sum-1", weir.UTF8, weir.U64, counted, sum1),
			weir.KeyedProcess("sum-2", weir.UTF8, weir.U64, weir.KV(weir.UTF8, weir.F64), sum2),
			weir.KeyedProcess("clear", weir.UTF8, weir.U64, counted, clearing),
			weir.KeyedProcess("distinct", weir.UTF8, weir.UTF8, counted, distinct),
		},
	})
}

func main() {}
