// State of older schema versions: what is migrated, and what is refused.

package weir_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"weir"
	"weir/internal/native"
	"weir/weirtest"
)

// keeper keeps the last value in states of all three kinds, which have this schema.
func keeper[V any](codec weir.Codec[V], schema weir.Schema[V], options ...weir.StateOption) weir.Function {
	out := weir.KV(weir.UTF8, codec)
	return weir.KeyedProcess("keeper", weir.UTF8, codec, out, func(ctx *weir.OpenContext) weir.ProcessFunc[string, V, weir.Pair[string, V]] {
		last := weir.NewValueState(ctx, "last", schema, options...)
		all := weir.NewListState(ctx, "all", schema)
		by := weir.NewMapState(ctx, "by", weir.U32, schema)
		return func(key string, value V, _ *weir.KeyedContext, out *weir.Collector[weir.Pair[string, V]]) error {
			last.Set(value)
			all.Add(value)
			by.Put(7, value)
			weir.Emit(out, key, value)
			return nil
		}
	})
}

var (
	version2 = weir.MigrateTo(weir.U64, 2, weir.F64, func(old uint64) (float64, error) {
		if old == 13 {
			return 0, errors.New("13 is unlucky")
		}
		if old == 14 {
			panic("14 too")
		}
		return float64(old) / 2, nil
	})
	version4 = weir.MigrateTo(version2, 4, weir.UTF8, func(old float64) (string, error) { return fmt.Sprint("was ", old), nil })
)

func TestValuesOfAllStatesGoThroughAllSteps(t *testing.T) {
	one := weirtest.NewFunction(t, keeper(weir.U64, weir.U64)).Push("k", 4).Push("k", 5).Process(2)
	two := weirtest.NewFunction(t, keeper(weir.F64, version2)).Restore(one.Snapshot())
	four := weirtest.NewFunction(t, keeper(weir.UTF8, version4))
	for _, from := range []*weirtest.Harness{one, two} {
		four.Restore(from.Snapshot())
		last, _ := weirtest.Value(four, "last", weir.UTF8, "k")
		expect(t, last, "was 2.5")
		expect(t, weirtest.Items(four, "all", weir.UTF8, "k"), []string{"was 2", "was 2.5"})
		expect(t, weirtest.Entries(four, "by", weir.U32, weir.UTF8, "k"), []weir.Pair[uint32, string]{{Key: 7, Value: "was 2.5"}})
	}
	four.Push("k", "new").Process(1)
	expect(t, weirtest.Items(four, "all", weir.UTF8, "k"), []string{"was 2", "was 2.5", "new"})
}

func TestWhatCantBeMigratedIsRefused(t *testing.T) {
	operator, err := keeper(weir.UTF8, version4).Open(nil, weir.Subtask{})
	if err != nil {
		t.Fatal(err)
	}
	column := func(values ...uint64) (column native.Column) {
		column.Push(nil)
		for _, value := range values {
			bytes, _ := weir.U64.Encode(nil, value)
			column.Push(bytes)
		}
		return column
	}
	cut := column(1)
	cut.Data = cut.Data[:7]
	for _, test := range []struct {
		state    string
		version  uint32
		values   native.Column
		expected string
	}{
		{"last", 1, column(4, 6), "[<nil> was 2 was 3]"},
		{"all", 1, native.Column{}, "[]"},
		{"last", 1, column(4, 13), "2: 13 is unlucky"},
		{"by", 1, column(14), "1: panic: 14 too (migration_test.go:39)"},
		{"last", 1, native.Column{Lengths: []uint32{1}, Data: []byte{1}}, "0: not u64-le: 1 bytes instead of 8"},
		{"last", 1, cut, "-1: the column of values is cut off at item 1"},
		{"last", 3, native.Column{}, "-1: state `last` has no migration from schema version 3: this function keeps version 4 and can read 1, 2"},
		{"none", 1, native.Column{}, "-1: this function has no state `none`"},
	} {
		migrated, failure := operator.Migrate(test.state, test.version, test.values)
		items := []any{}
		for _, item := range migrated.Items() {
			if item == nil {
				items = append(items, nil)
			} else {
				items = append(items, string(item))
			}
		}
		got := fmt.Sprint(items)
		if failure != nil {
			got = fmt.Sprintf("%d: %s", failure.Row, failure.Message)
		}
		expect(t, got, test.expected)
	}
	one := weirtest.NewFunction(t, keeper(weir.U64, weir.U64)).Push("k", 13).Process(1)
	why := weirtest.NewFunction(t, keeper(weir.F64, version2)).TryRestore(one.Snapshot())
	expect(t, why, "state `last` of key `k`, schema version 1: 13 is unlucky")
	why = weirtest.NewFunction(t, keeper(weir.F64, weir.F64)).TryRestore(one.Snapshot())
	expect(t, why, "state `last` is u64-le in it and f64-le here, both as schema version 1: raise the version")
}

func TestDeclarationsAreDescribedAndChecked(t *testing.T) {
	states := keeper(weir.UTF8, version4, weir.TTL(time.Minute)).Describe().States
	expect(t, states, []native.StateDescriptor{
		{Name: "last", Kind: native.Value, ValueCodec: "utf8", SchemaVersion: 4, TTLMs: 60_000},
		{Name: "all", Kind: native.List, ValueCodec: "utf8", SchemaVersion: 4},
		{Name: "by", Kind: native.Map, ValueCodec: "utf8", SchemaVersion: 4},
	})
	expect(t, keeper(weir.U64, weir.Version(3, weir.U64)).Describe().States[0].SchemaVersion, 3)
	falling := weir.MigrateTo(version2, 2, weir.F64, func(old float64) (float64, error) { return old, nil })
	why := "its schema versions are 1, 2, 2, but each MigrateTo must lead to a newer version than the one before"
	expect(t, weirtest.OpenError(keeper(weir.F64, falling), nil), "state `last`: "+why+"; state `all`: "+why+"; state `by`: "+why)
	stateful := weir.MapWith("stateful", weir.UTF8, weir.UTF8, func(ctx *weir.OpenContext) weir.MapFunc[string, string] {
		weir.NewValueState(ctx, "x", weir.UTF8)
		weir.NewValueState(ctx, "x", weir.UTF8)
		return nil
	})
	expect(t, weirtest.OpenError(stateful, nil), "state `x` is declared twice; state `x` is declared by an operator without keys: use KeyedProcess")
	failing := weir.MapWith("failing", weir.UTF8, weir.UTF8, func(ctx *weir.OpenContext) weir.MapFunc[string, string] { panic("in open") })
	expect(t, weirtest.OpenError(failing, nil), "panic: in open (migration_test.go:130)")
	expect(t, upper.Doc(" Upper case.\n").Describe(), native.FunctionDescription{
		Name: "upper", Doc: "Upper case.", Inputs: []native.Port{{Name: "in", KeyCodec: "any", ValueCodec: "utf8"}},
		Outputs: []native.Port{{Name: "out", KeyCodec: "none", ValueCodec: "utf8"}},
	})
}
