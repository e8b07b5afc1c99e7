// Operators of every kind over the harness: what they emit, what they refuse.

package weir_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/weirtest"
)

type pair = weir.Pair[string, uint64]

func kv(key string, value uint64) pair { return pair{Key: key, Value: value} }

var (
	upper = weir.Map("upper", weir.UTF8, weir.UTF8, func(text string) (string, error) { return strings.ToUpper(text), nil })
	long  = weir.Filter("long", weir.UTF8, func(text string) (bool, error) { return len(text) > 3, nil })
	words = weir.FlatMap("words", weir.UTF8, weir.KV(weir.UTF8, weir.U64), func(line string, out *weir.Collector[pair]) error {
		for word := range strings.FieldsSeq(line) {
			weir.Emit(out, word, uint64(len(word)))
		}
		return nil
	})
	keyedLong = weir.Filter("keyed-long", weir.KV(weir.UTF8, weir.UTF8), func(r weir.Pair[string, string]) (bool, error) {
		return len(r.Key)+len(r.Value) > 3, nil
	})
	refusing = weir.FlatMap("refusing", weir.UTF8, weir.UTF8, func(text string, out *weir.Collector[string]) error {
		out.Collect(text)
		switch text {
		case "error":
			return errors.New("refused")
		case "panic":
			panic("on purpose")
		case "error value":
			panic(fmt.Errorf("a panic of %d", 1))
		case "index":
			out.Collect(text[len(text)+1:])
		case "broken":
			out.Collect("\xff")
		}
		return nil
	})
)

func TestOperatorsEmitAndRefuse(t *testing.T) {
	type texts = []string
	upperTests := weirtest.NewFunction(t, upper).PushValue("a").Push("key", "ß").PushValue([]byte{0xff}).ProcessAtEveryBatchSize()
	expect(t, weirtest.Records(upperTests, weir.UTF8), texts{"A", strings.ToUpper("ß")})
	failures(t, upperTests, weirtest.Failure{Record: 2, Message: "not UTF-8: an invalid sequence of bytes from index 0"})

	wordTests := weirtest.NewFunction(t, words).Timestamp(7).PushValue("to be  or").PushValue("").ProcessAtEveryBatchSize()
	expect(t, weirtest.Records(wordTests, weir.KV(weir.UTF8, weir.U64)), []pair{kv("to", 2), kv("be", 2), kv("or", 2)})
	expect(t, wordTests.Timestamps(), []int64{7, 7, 7})
	failures(t, wordTests)

	filtered := weirtest.NewFunction(t, long).Push("key", "long enough").PushValue("no").ProcessAtEveryBatchSize()
	expect(t, weirtest.Records(filtered, weir.UTF8), texts{"long enough"})

	keyed := weirtest.NewFunction(t, keyedLong).Push("key", "v").Push("k", "v").PushValue("long enough").ProcessAtEveryBatchSize()
	expect(t, weirtest.Records(keyed, weir.KV(weir.UTF8, weir.UTF8)), []weir.Pair[string, string]{{Key: "key", Value: "v"}})
	failures(t, keyed, weirtest.Failure{Record: 2, Message: "the record has no key"})
}

func TestWhatARefusedRecordHasEmittedIsVoid(t *testing.T) {
	h := weirtest.NewFunction(t, refusing)
	for _, text := range []string{"a", "error", "b", "panic", "error value", "index", "broken", "c"} {
		h.PushValue(text)
	}
	h.ProcessAtEveryBatchSize()
	expect(t, weirtest.Records(h, weir.UTF8), []string{"a", "b", "c"})
	expected := []string{
		"refused", "panic: on purpose (operators_test.go:39)", "panic: a panic of 1 (operators_test.go:41)",
		"panic: runtime error: slice bounds out of range [6:5] (operators_test.go:43)", "not UTF-8: an invalid sequence of bytes from index 0",
	}
	for i, record := range []int{1, 3, 4, 5, 6} {
		expect(t, h.Failures()[i], weirtest.Failure{Record: record, Message: expected[i]})
	}
}

func TestOutputPassesOneMebibyteInPieces(t *testing.T) {
	repeat := weir.FlatMap("repeat", weir.UTF8, weir.UTF8, func(text string, out *weir.Collector[string]) error {
		for range 3000 {
			out.Collect(text)
		}
		return nil
	})
	text := strings.Repeat("x", 1000)
	records := weirtest.Records(weirtest.NewFunction(t, repeat).PushValue(text).Process(1), weir.UTF8)
	if len(records) != 3000 || records[0] != text || records[2999] != text {
		t.Errorf("%d records", len(records))
	}
}

func TestConfigurationIsReadAndRefused(t *testing.T) {
	type config = weirtest.Config
	function := weir.MapWith("configured", weir.UTF8, weir.UTF8, func(ctx *weir.OpenContext) weir.MapFunc[string, string] {
		prefix, ok := ctx.Config("prefix")
		if !ok {
			ctx.Refusef("prefix is missing")
		}
		times := weir.ConfigOr(ctx, "times", 1)
		pause := weir.ConfigOr(ctx, "pause", time.Second)
		calls := ctx.Counter("calls")
		return func(text string) (string, error) {
			calls.Add(2)
			if text == "bad" {
				return "", errors.New("bad")
			}
			return fmt.Sprint(prefix, strings.Repeat(text, times), pause), nil
		}
	})
	for _, test := range []struct {
		config  config
		refused string
	}{
		{config{"prefix": ""}, ""},
		{nil, "prefix is missing"},
		{config{"times": "x"}, "prefix is missing; config `times` = `x`: strconv.Atoi: parsing \"x\": invalid syntax"},
		{config{"prefix": "", "pause": "1"}, "config `pause` = `1`: time: missing unit in duration \"1\""},
	} {
		expect(t, weirtest.OpenError(function, test.config), test.refused)
	}
	h := weirtest.NewFunction(t, function, config{"prefix": "> ", "times": "2", "pause": "5ms"})
	h.PushValue("a").PushValue("bad").PushValue("b").ProcessAtEveryBatchSize()
	expect(t, weirtest.Records(h, weir.UTF8), []string{"> aa5ms", "> bb5ms"})
	expect(t, h.Counter("calls"), 4)
}

func TestTimeAndLogReachOperators(t *testing.T) {
	function := weir.FlatMap("now", weir.UTF8, weir.UTF8, func(text string, out *weir.Collector[string]) error {
		timestamp, hasTimestamp := out.Timestamp()
		watermark, hasWatermark := out.Watermark()
		weir.Logf(weir.Warn, "saw %s", text)
		out.Collect(fmt.Sprint(timestamp*b(hasTimestamp), hasTimestamp, watermark*b(hasWatermark), hasWatermark, out.ProcessingTime()))
		return nil
	})
	h := weirtest.NewFunction(t, function).PushValue("a").Watermark(5).ProcessingTime(9).Timestamp(3).PushValue("b").ProcessAtEveryBatchSize()
	expect(t, weirtest.Records(h, weir.UTF8), []string{"0 false 0 false 0", "3 true 5 true 9"})
	expect(t, h.Log(), []weirtest.LogLine{{Level: weir.Warn, Message: "saw a"}, {Level: weir.Warn, Message: "saw b"}})
}

func b(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// expect compares.
func expect[T any](t *testing.T, got, expected T) {
	t.Helper()
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("got      %v\nexpected %v", got, expected)
	}
}

func failures(t *testing.T, h *weirtest.Harness, expected ...weirtest.Failure) {
	t.Helper()
	if len(h.Failures()) != len(expected) {
		t.Fatalf("refused: %v", h.Failures())
	}
	for i, failure := range h.Failures() {
		expect(t, failure, expected[i])
	}
}
