// Functions with state per key.

package main

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"weir"
)

type (
	countPair = weir.Pair[string, uint64]
	jsonPair  = weir.Pair[string, any]
	rawPair   = weir.Pair[string, json.RawMessage]
)

var (
	counted = weir.KV(weir.UTF8, weir.U64)
	// raw is JSON as it is written.
	raw = weir.JSON[json.RawMessage]()
)

func count(ctx *weir.OpenContext) weir.ProcessFunc[string, uint64, countPair] {
	total := weir.NewValueState(ctx, "count", weir.U64)
	return func(key string, n uint64, _ *weir.KeyedContext, out *weir.Collector[countPair]) error {
		sum := total.GetOr(0) + n
		total.Set(sum)
		weir.Emit(out, key, sum)
		return nil
	}
}

func history(ctx *weir.OpenContext) weir.ProcessFunc[string, string, jsonPair] {
	items := weir.NewListState(ctx, "items", weir.UTF8)
	return func(key, value string, _ *weir.KeyedContext, out *weir.Collector[jsonPair]) error {
		replacement, replaces := strings.CutPrefix(value, "=")
		switch {
		case value == "?":
			// An empty list is [], not null.
			weir.Emit(out, key, any(append([]string{}, items.Items()...)))
		case value == "#":
			weir.Emit(out, key, any(items.Len()))
		case value == "!":
			items.Clear()
		case replaces && replacement == "":
			items.Set(nil)
		case replaces:
			items.Set(strings.Split(replacement, ","))
		default:
			items.Add(value)
		}
		return nil
	}
}

// entry is what the function ledger is asked for.
type entry struct {
	Add    *string `json:"add"`
	Amount int64   `json:"amount"`
	Remove *string `json:"remove"`
	List   bool    `json:"list"`
	Clear  bool    `json:"clear"`
}

func ledger(ctx *weir.OpenContext) weir.ProcessFunc[string, entry, jsonPair] {
	amounts := weir.NewMapState(ctx, "amounts", weir.UTF8, weir.I64)
	return func(key string, asked entry, _ *weir.KeyedContext, out *weir.Collector[jsonPair]) error {
		switch {
		case asked.Add != nil:
			amount, _ := amounts.Get(*asked.Add)
			amount += asked.Amount
			amounts.Put(*asked.Add, amount)
			weir.Emit(out, key, any(amount))
		case asked.Remove != nil:
			there := amounts.Contains(*asked.Remove)
			amounts.Remove(*asked.Remove)
			weir.Emit(out, key, any(there))
		case asked.List:
			// encoding/json writes maps in the order of the bytes of their keys, which is the state's.
			all := map[string]int64{}
			for name, amount := range amounts.All() {
				all[name] = amount
			}
			weir.Emit(out, key, any(all))
		case asked.Clear:
			amounts.Clear()
		default:
			return errors.New("nothing is asked for: add, remove, list or clear is expected")
		}
		return nil
	}
}

func last(ctx *weir.OpenContext) weir.ProcessFunc[string, json.RawMessage, rawPair] {
	previous := weir.NewValueState(ctx, "last", raw, weir.TTL(time.Second))
	return func(key string, value json.RawMessage, _ *weir.KeyedContext, out *weir.Collector[rawPair]) error {
		weir.Emit(out, key, previous.GetOr(json.RawMessage("null")))
		previous.Set(value)
		return nil
	}
}

func sum1(ctx *weir.OpenContext) weir.ProcessFunc[string, uint64, countPair] {
	total := weir.NewValueState(ctx, "sum", weir.U64)
	return func(key string, n uint64, _ *weir.KeyedContext, out *weir.Collector[countPair]) error {
		sum := total.GetOr(0) + n
		total.Set(sum)
		weir.Emit(out, key, sum)
		return nil
	}
}

func sum2(ctx *weir.OpenContext) weir.ProcessFunc[string, uint64, weir.Pair[string, float64]] {
	total := weir.NewValueState(ctx, "sum", weir.MigrateTo(weir.U64, 2, weir.F64, func(old uint64) (float64, error) {
		if old == 13 {
			return 0, errors.New("13 is unlucky")
		}
		return float64(old), nil
	}))
	return func(key string, n uint64, _ *weir.KeyedContext, out *weir.Collector[weir.Pair[string, float64]]) error {
		sum := total.GetOr(0) + float64(n)
		total.Set(sum)
		weir.Emit(out, key, sum)
		return nil
	}
}

func clearing(ctx *weir.OpenContext) weir.ProcessFunc[string, uint64, countPair] {
	total := weir.NewValueState(ctx, "count", weir.U64)
	return func(key string, n uint64, _ *weir.KeyedContext, out *weir.Collector[countPair]) error {
		if n == 0 {
			total.Clear()
			weir.Emit(out, key, 0)
			return nil
		}
		sum := total.GetOr(0) + n
		total.Set(sum)
		weir.Emit(out, key, sum)
		return nil
	}
}

func distinct(ctx *weir.OpenContext) weir.ProcessFunc[string, string, countPair] {
	seen := weir.NewMapState(ctx, "seen", weir.UTF8, weir.Bool)
	number := weir.NewValueState(ctx, "count", weir.U64)
	return func(key, value string, _ *weir.KeyedContext, out *weir.Collector[countPair]) error {
		if seen.Contains(value) {
			return nil
		}
		seen.Put(value, true)
		total := number.GetOr(0) + 1
		number.Set(total)
		weir.Emit(out, key, total)
		return nil
	}
}
