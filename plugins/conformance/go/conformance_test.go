// Every function of the conformance plugin, natively.

package main

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"weir"
	"weir/weirtest"
)

// row is a record that is pushed, or comes out; a nil key is none.
type row struct{ key, value any }

// check runs records through a function at every batch size and compares what comes out, and the messages of what is refused.
func check[T any](t *testing.T, function string, config weirtest.Config, out weir.Record[T], records []row, expected []T, refused ...string) {
	t.Helper()
	h := weirtest.New(t, function, config)
	for _, record := range records {
		if record.key == nil {
			h.PushValue(record.value)
		} else {
			h.Push(record.key, record.value)
		}
	}
	h.ProcessAtEveryBatchSize()
	if got := weirtest.Records(h, out); !reflect.DeepEqual(got, expected) && len(got)+len(expected) > 0 {
		t.Errorf("%s emits  %v\ninstead of %v", function, got, expected)
	}
	var messages []string
	for _, failure := range h.Failures() {
		messages = append(messages, failure.Message)
	}
	if !reflect.DeepEqual(messages, refused) {
		t.Errorf("%s refuses %q\ninstead of  %q", function, messages, refused)
	}
}

func values(values ...any) (rows []row) {
	for _, value := range values {
		rows = append(rows, row{nil, value})
	}
	return rows
}

func TestStatelessFunctions(t *testing.T) {
	check(t, "reverse", nil, weir.UTF8, values("", "abc", "aé漢😀"), []string{"", "cba", "😀漢éa"})
	check(t, "even", nil, weir.U64, append(values(2, 3, uint64(math.MaxUint64-1)), row{"key", 4}), []uint64{2, math.MaxUint64 - 1, 4})
	check(t, "tokenize", nil, weir.KV(weir.UTF8, weir.U64), values("", " \t", "To be,\vOR\x00 not Äb"), []countPair{
		{Key: "to", Value: 1}, {Key: "be,", Value: 1}, {Key: "or\x00", Value: 1}, {Key: "not", Value: 1}, {Key: "Äb", Value: 1},
	})
	check(t, "strict", nil, weir.UTF8, values("a", "bad", "b", "throw", "double", "c"), []string{"a", "b", "c"},
		"bad record: bad", "panic: thrown on purpose (stateless.go:71)", "refused after emitting")
	check(t, "greet", weirtest.Config{"greeting": "hello"}, weir.UTF8, values("you"), []string{"hello you"})
	greet, err := weir.Exported().Function("greet")
	if why := weirtest.OpenError(greet, nil); err != nil || why != "greeting is missing" {
		t.Error(err, why)
	}
}

func TestValuesPassAsTheyAre(t *testing.T) {
	check(t, "pass-bytes", nil, weir.Bytes, values([]byte{}, []byte{0, 255}), [][]byte{{}, {0, 255}})
	check(t, "pass-utf8", nil, weir.UTF8, values("", "ä"), []string{"", "ä"})
	check(t, "pass-u32", nil, weir.U32, values(0, math.MaxUint32, "abc"), []uint32{0, math.MaxUint32}, "not u32-le: 3 bytes instead of 4")
	check(t, "pass-u64", nil, weir.U64, values(0, uint64(math.MaxUint64)), []uint64{0, math.MaxUint64})
	check(t, "pass-i32", nil, weir.I32, values(math.MinInt32, math.MaxInt32), []int32{math.MinInt32, math.MaxInt32})
	check(t, "pass-i64", nil, weir.I64, values(math.MinInt64, math.MaxInt64), []int64{math.MinInt64, math.MaxInt64})
	check(t, "pass-f64", nil, weir.F64, values(1e308, 0.1), []float64{1e308, 0.1})
	check(t, "pass-f64", nil, weir.Bytes, values(math.Copysign(0, -1)), [][]byte{{0, 0, 0, 0, 0, 0, 0, 0x80}})
	check(t, "pass-bool", nil, weir.Bool, values(true, false, []byte{2}), []bool{true, false}, "not bool: one byte, 0 or 1, is expected")
}

func TestFieldsAreExtracted(t *testing.T) {
	for line, expected := range map[string]string{
		`{"user":{"name":"Ann"}}`: "=Ann", `{"user":{"name":""}}`: "=", ` {"a":[1,{}],"user":{"x":null,"name":"a\"\u00e9\n"}} `: "=a\"é\n",
		`{"user":{"name":12345678901234567890}}`: "=12345678901234567890", `{"user":{"name":1.50}}`: "=1.5", `{"user":{"name":-2e1}}`: "=-20",
		`{"user":{"name":true}}`: "=true", `{"user":{"name":false}}`: "=false", `{"user":{"name":null}}`: "", `{"user":{"name":{}}}`: "", `{}`: "", `[]`: "",
		`{"user":[{"name":"x"}]}`: "", `{"name":"x"}`: "", `{"user":{"name":"a"},"user":{"name":"b"}}`: "=b", `{"user":{"name":"a"},"user":1}`: "",
		`{"us\u0065r":{"name":"x"}}`: "=x", `{"x":{"user":{"name":"x"}}}`: "", `{"user":{"name":{"user":{"name":"x"}}}}`: "",
		"": "unexpected end", `{`: "unexpected end", `{"a":1,}`: `unexpected '}' at index 7`, `{"a" 1}`: `unexpected '1' at index 5`,
		`{"a":01}`: `unexpected '1' at index 6`, `{"a":1.}`: `unexpected '}' at index 7`, `{"a":"` + "\x01" + `"}`: `unexpected '\x01' at index 6`,
		`{"a":"\x"}`: `unexpected 'x' at index 7`, `{"a":"\u12g4"}`: `unexpected 'g' at index 10`, `{"a":tru}`: `unexpected 't' at index 5`, `{} x`: `unexpected 'x' at index 3`,
		`{"a":[1 2]}`: `unexpected '2' at index 8`, `{a:1}`: `unexpected 'a' at index 1`, `{"a":"x`: "unexpected end", `not JSON`: "unexpected 'n' at index 0",
		strings.Repeat("[", 10_002): "it is nested too deep", strings.Repeat(`{"user":`, 10_002): "it is nested too deep",
	} {
		valid := json.Valid([]byte(line))
		switch text, found := strings.CutPrefix(expected, "="); {
		case found && valid:
			check(t, "extract", nil, weir.UTF8, values(line), []string{text})
		case expected == "" && valid:
			check(t, "extract", nil, weir.UTF8, values(line), nil)
		case valid:
			t.Errorf("%s is JSON", line)
		default:
			check(t, "extract", nil, weir.UTF8, values(line), nil, "not JSON: "+expected)
		}
	}
	check(t, "extract", weirtest.Config{"field": "a.b.c"}, weir.UTF8, values(`{"a":{"b":{"d":1,"c":0},"c":1},"b":2}`), []string{"0"})
}

// FuzzField compares the scanner with encoding/json.
func FuzzField(f *testing.F) {
	for _, line := range []string{`{"user":{"name":"x\u00e9"}}`, `{"a":[1,2.5e-3,true,null,"\\"],"user":{"name":-0}}`, `{"user":{}}`, `[]`} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		_, found, err := newField([]string{"user", "name"}).text(line)
		if (err == nil) != json.Valid([]byte(line)) {
			t.Fatalf("%q: %v", line, err)
		}
		var whole map[string]json.RawMessage
		if found && json.Unmarshal([]byte(line), &whole) != nil {
			t.Fatalf("%q: found in what is no object", line)
		}
	})
}

func TestTimesAreThoseOfTheCall(t *testing.T) {
	h := weirtest.New(t, "times").PushValue("a").Timestamp(-7).Watermark(5).ProcessingTime(9).PushValue("b").ProcessAtEveryBatchSize()
	got := weirtest.Records(h, weir.UTF8)
	expected := []string{`{"timestamp":null,"watermark":null,"time":0}`, `{"timestamp":-7,"watermark":5,"time":9}`}
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("%q", got)
	}
}

func TestKeyedFunctions(t *testing.T) {
	type text = weir.Pair[string, string]
	texts := weir.KV(weir.UTF8, weir.UTF8)
	check(t, "count", nil, counted, []row{{"a", 2}, {"b", 1}, {"a", 3}}, []countPair{{Key: "a", Value: 2}, {Key: "b", Value: 1}, {Key: "a", Value: 5}})
	check(t, "count", nil, counted, []row{{nil, 2}, {[]byte{0xff}, 1}}, nil,
		"the record has no key", "the key is not UTF-8: an invalid sequence of bytes from index 0")
	check(t, "clear", nil, counted, []row{{"a", 2}, {"a", 0}, {"a", 3}}, []countPair{{Key: "a", Value: 2}, {Key: "a", Value: 0}, {Key: "a", Value: 3}})
	check(t, "distinct", nil, counted, []row{{"a", "x"}, {"a", "x"}, {"b", "x"}, {"a", ""}}, []countPair{
		{Key: "a", Value: 1}, {Key: "b", Value: 1}, {Key: "a", Value: 2},
	})
	check(t, "history", nil, texts, []row{
		{"a", "?"}, {"a", "x<"}, {"b", "y"}, {"a", "#"}, {"a", "=p,q,"}, {"a", "?"}, {"a", "="}, {"a", "?"}, {"a", "z"}, {"a", "!"}, {"a", "#"}, {"b", "?"},
	}, []text{
		{Key: "a", Value: "[]"}, {Key: "a", Value: "1"}, {Key: "a", Value: `["p","q",""]`}, {Key: "a", Value: "[]"}, {Key: "a", Value: "0"}, {Key: "b", Value: `["y"]`},
	})
	raw := func(value string) []byte { return []byte(value) }
	check(t, "ledger", nil, texts, []row{
		{"a", raw(`{"add":"ä","amount":5}`)}, {"a", raw(`{"add":"b","amount":-7}`)}, {"a", raw(`{"add":"ä","amount":1}`)}, {"a", raw(`{"list":true}`)},
		{"a", raw(`{"remove":"b"}`)}, {"a", raw(`{"remove":"b"}`)}, {"a", raw(`{"clear":true}`)}, {"a", raw(`{"list":true}`)}, {"a", raw(`{}`)},
	}, []text{
		{Key: "a", Value: "5"}, {Key: "a", Value: "-7"}, {Key: "a", Value: "6"}, {Key: "a", Value: `{"b":-7,"ä":6}`}, {Key: "a", Value: "true"},
		{Key: "a", Value: "false"}, {Key: "a", Value: "{}"},
	}, "nothing is asked for: add, remove, list or clear is expected")
	check(t, "last", nil, texts, []row{{"a", raw(`{"x": 18446744073709551615}`)}, {"a", raw(`2`)}}, []text{
		{Key: "a", Value: "null"}, {Key: "a", Value: `{"x":18446744073709551615}`},
	})
}

func TestSumsAreMigrated(t *testing.T) {
	one := weirtest.New(t, "sum-1").Push("a", 2).Push("a", 5).Push("b", 13).Process(8)
	if why := weirtest.New(t, "sum-2").TryRestore(one.Snapshot()); why != "state `sum` of key `b`, schema version 1: 13 is unlucky" {
		t.Error(why)
	}
	one.Push("b", 1).Process(1)
	two := weirtest.New(t, "sum-2").Restore(one.Snapshot()).Push("a", 1).Push("b", 1).ProcessAtEveryBatchSize()
	expected := []weir.Pair[string, float64]{{Key: "a", Value: 8}, {Key: "b", Value: 15}}
	if got := weirtest.Records(two, weir.KV(weir.UTF8, weir.F64)); !reflect.DeepEqual(got, expected) {
		t.Error(got)
	}
}
