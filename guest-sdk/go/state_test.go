// States of every kind: what they hold, how it lies in the store, and what the host is asked for.

package weir_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"weir"
	"weir/internal/native"
	"weir/weirtest"
)

type textPair = weir.Pair[string, string]

var texts = weir.KV(weir.UTF8, weir.UTF8)

// script is an operator that does what its records say, to a state of each kind.
var script = weir.KeyedProcess("script", weir.UTF8, weir.UTF8, texts, func(ctx *weir.OpenContext) weir.ProcessFunc[string, string, textPair] {
	number := weir.NewValueState(ctx, "number", weir.I64)
	bytes := weir.NewValueState(ctx, "bytes", weir.Bytes)
	tree := weir.NewValueState(ctx, "tree", weir.JSON[map[string]int]())
	list := weir.NewListState(ctx, "list", weir.UTF8)
	sums := weir.NewMapState(ctx, "sums", weir.UTF8, weir.U32)
	return func(key, command string, _ *weir.KeyedContext, out *weir.Collector[textPair]) error {
		say := func(values ...any) { weir.Emit(out, key, strings.TrimSpace(fmt.Sprintln(values...))) }
		verb, rest, _ := strings.Cut(command, " ")
		n, _ := strconv.Atoi(rest)
		switch verb {
		case "number":
			say(number.Get())
		case "set":
			number.Set(int64(n))
		case "unset":
			number.Clear()
		case "bytes":
			value, ok := bytes.Get()
			say(string(value), ok)
		case "set-bytes":
			scratch := []byte(rest)
			bytes.Set(scratch)
			clear(scratch)
		case "grow":
			// What is changed without Set must not be seen by the next record.
			value := tree.GetOr(map[string]int{})
			value[rest]++
			say(len(value))
			if rest == "kept" {
				tree.Set(value)
			}
			value["afterwards"] = 1
		case "add":
			list.Add(rest)
		case "list":
			item, ok := list.Get(1)
			say(list.Items(), list.Len(), item, ok)
		case "set-list":
			list.Set(strings.Fields(rest))
		case "put":
			value, _ := sums.Get(rest)
			sums.Put(rest, value+1)
		case "remove":
			sums.Remove(rest)
		case "sums":
			for subKey, sum := range sums.All() {
				say(subKey, sum, sums.Contains(subKey))
			}
		case "clear":
			list.Clear()
			sums.Clear()
		case "fail":
			number.Set(-1)
			list.Add("failed")
			sums.Put("failed", 1)
			return errors.New("refused")
		default:
			return errors.New("no such command")
		}
		return nil
	}
})

func TestStatesHoldWhatIsWritten(t *testing.T) {
	for name, test := range map[string][2]string{
		"a value":                  {"number,set 5,number,set -6,unset,number,set 7,number", "0 false|5 true|0 false|7 true"},
		"bytes are copied":         {"set-bytes ab,bytes,set-bytes ,bytes", "ab true|true"},
		"only Set changes a value": {"grow lost,grow kept,grow lost,grow kept", "1|1|2|1"},
		"a list":                   {"list,add a,add b c,list,set-list x y z,list,clear,list,add q,list", "[] 0  false|[a b c] 2 b c true|[x y z] 3 y true|[] 0  false|[q] 1  false"},
		"a map":                    {"put b,put a,put b,sums,remove b,sums,put b,clear,sums,put c,sums", "a 1 true|b 2 true|a 1 true|c 1 true"},
		"a refused record":         {"set 1,add a,put a,fail,number,list,sums", "1 true|[a] 1  false|a 1 true"},
	} {
		h := weirtest.NewFunction(t, script)
		for _, command := range strings.Split(test[0], ",") {
			h.Push("key", command).Push("other", "add x").NewInstance()
		}
		h.ProcessAtEveryBatchSize()
		said := []string{}
		for _, record := range weirtest.Records(h, texts) {
			said = append(said, record.Value)
		}
		if got := strings.Join(said, "|"); got != test[1] {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestLongListsAndMapsComeInPages(t *testing.T) {
	h := weirtest.NewFunction(t, script)
	for i := range 600 {
		h.Push("key", "add "+strconv.Itoa(i)).Push("key", fmt.Sprintf("put %04d", i))
	}
	h.Push("key", "list").Push("key", "sums").ProcessAtEveryBatchSize()
	records := weirtest.Records(h, texts)
	expect(t, len(records), 601)
	expect(t, strings.HasPrefix(records[0].Value, "[0 1 2 "), true)
	expect(t, strings.HasSuffix(records[0].Value, " 598 599] 600 1 true"), true)
	for i, record := range records[1:] {
		expect(t, record.Value, fmt.Sprintf("%04d 1 true", i))
	}
}

func TestTheLayoutIsThatOfEverySDK(t *testing.T) {
	h := weirtest.NewFunction(t, script).Push("k", "set 258").Push("k", "add a").Push("k", "add b").Push("k", "put ä").ProcessAtEveryBatchSize()
	expect(t, weirtest.RawEntries(h, "list", "k"), map[string][]byte{
		"": {2, 0, 0, 0, 0, 0, 0, 0}, "\x00\x00\x00\x00\x00\x00\x00\x00": []byte("a"), "\x00\x00\x00\x00\x00\x00\x00\x01": []byte("b"),
	})
	expect(t, weirtest.RawEntries(h, "sums", "k"), map[string][]byte{"ä": {1, 0, 0, 0}})
	number, ok := weirtest.Value(h, "number", weir.Bytes, "k")
	expect(t, string(number)+fmt.Sprint(ok), "\x02\x01\x00\x00\x00\x00\x00\x00true")
	expect(t, weirtest.Items(h, "list", weir.UTF8, "k"), []string{"a", "b"})
	entries := weirtest.Entries(h, "sums", weir.UTF8, weir.U32, "k")
	expect(t, entries, []weir.Pair[string, uint32]{{Key: "ä", Value: 1}})
	later := weirtest.NewFunction(t, script).Restore(h.Snapshot()).Push("k", "number").Push("k", "list").ProcessAtEveryBatchSize()
	expect(t, weirtest.Records(later, texts), []textPair{{Key: "k", Value: "258 true"}, {Key: "k", Value: "[a b] 2 b true"}})
}

// counting is a host that has nothing and notes what it is asked for.
type counting struct{ asked []string }

func (c *counting) note(format string, arguments ...any) {
	c.asked = append(c.asked, fmt.Sprintf(format, arguments...))
}
func (c *counting) Emit(uint32, []byte) { c.note("emit") }
func (c *counting) Put(state uint32, slots []uint32, _ native.Column) {
	c.note("put %d %v", state, slots)
}
func (c *counting) GetSub(state uint32, slots []uint32, keys native.Column) native.Column {
	c.note("get-sub %d %v %q", state, slots, keys.Data)
	return native.Column{Lengths: []uint32{native.Missing}}
}
func (c *counting) PutSub(state uint32, slots []uint32, keys, _ native.Column) {
	c.note("put-sub %d %v %q", state, slots, keys.Data)
}
func (c *counting) Scan(state, slot uint32, _ []byte, _ uint32) native.Page {
	c.note("scan %d %d", state, slot)
	return native.Page{}
}
func (c *counting) Clear(state uint32, slots []uint32) { c.note("clear %d %v", state, slots) }
func (c *counting) Log(native.Level, string)           { c.note("log") }
func (c *counting) Count(string, uint64)               { c.note("count") }

func TestTheHostIsAskedOnceACall(t *testing.T) {
	operator, err := script.Open(nil, weir.Subtask{})
	if err != nil {
		t.Fatal(err)
	}
	absent := native.Column{Lengths: []uint32{native.Missing, native.Missing}}
	call := native.Call{Values: []native.Column{absent, absent, absent, {}, {}}}
	for i, command := range []string{"set 1", "set 2", "number", "put a", "put b", "put a", "set 3", "put a", "number", "remove c"} {
		call.Records = native.AppendRow(call.Records, true, []byte{"kl"[i/6]}, []byte(command), 0)
		call.Slots = append(call.Slots, uint32(i/6))
	}
	for range 2 {
		host := &counting{}
		if failure := operator.Process(&call, host); failure != nil {
			t.Fatal(failure.Message)
		}
		expect(t, host.asked, []string{
			`get-sub 4 [0] "a"`, `get-sub 4 [0] "b"`, `get-sub 4 [1] "a"`, "emit", "put 0 [0 1]", `put-sub 4 [0 0 1 1] "abac"`,
		})
	}
}

func TestBrokenStateAndBrokenCallsAreRefused(t *testing.T) {
	operator, err := script.Open(nil, weir.Subtask{})
	if err != nil {
		t.Fatal(err)
	}
	row := native.AppendRow(native.AppendRow(nil, true, []byte("k"), []byte("set 1"), 0), true, []byte("k"), []byte("number"), 0)
	get := native.AppendRow(row, true, []byte("l"), []byte("number"), 0)
	for _, test := range []struct {
		call     native.Call
		expected native.Failure
	}{
		{native.Call{Input: 1}, native.Failure{Row: -1, Message: "there is no input 1"}},
		{native.Call{Records: row}, native.Failure{Row: -1, Message: "the call has fewer slots than records"}},
		{native.Call{Records: row, Slots: []uint32{2, 0}}, native.Failure{Row: -1, Message: "the call has a slot that is beyond its records"}},
		{
			native.Call{Records: row[:len(row)-1], Slots: []uint32{0, 0}, Values: []native.Column{{Lengths: []uint32{native.Missing}}}},
			native.Failure{Row: -1, Message: "the records of this call are cut off: a row is longer than the bytes that hold it"},
		},
		{native.Call{Records: row, Slots: []uint32{0, 0}}, native.Failure{
			Message: "state `number`: there is no value of the key: either no record is being processed, or the host passed none",
		}},
		{
			native.Call{Records: get, Slots: []uint32{0, 0, 1}, Values: []native.Column{{Lengths: []uint32{1, 3}, Data: []byte("1234")}}},
			native.Failure{Row: 2, Message: "state `number`: not i64-le: 3 bytes instead of 8"},
		},
		{
			native.Call{Records: get, Slots: []uint32{0, 0, 1}, Values: []native.Column{{Lengths: []uint32{1, 8}, Data: []byte("1234")}}},
			native.Failure{Row: 2, Message: "state `number`: the host's values are cut off"},
		},
	} {
		failure := operator.Process(&test.call, &counting{})
		if failure == nil || *failure != test.expected {
			t.Errorf("got      %+v\nexpected %+v", failure, test.expected)
		}
	}
}
