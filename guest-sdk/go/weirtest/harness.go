// Package weirtest tests operators without Wasm: a small host in memory that keeps the contract's rules.
//
// Input is queued and runs when asked. A call is a transaction, as with every host: a record that the operator refuses is set aside in Failures, the call
// runs again without it, and nothing of the failed call is seen.
package weirtest

import (
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"

	"weir"
	"weir/internal/native"
)

// batchSizes are those of ProcessAtEveryBatchSize.
var batchSizes = []int{1, 7, 1024, math.MaxInt}

// Config is an operator's configuration, as texts.
type Config map[string]string

// Harness runs one operator natively: the same code as in Wasm below the contract.
type Harness struct {
	t        testing.TB
	function weir.Function
	about    native.FunctionDescription
	config   Config
	queue    []item
	// timestamp is that of the records that are pushed next.
	timestamp int64
	pushed    int
	operator  native.Operator
	outcome   outcome
}

// Failure is a record that was refused.
type Failure struct {
	// Record is its place among all that were pushed, from 0; -1: a call as a whole, whose records are all lost.
	Record int
	// Message says why.
	Message string
}

// LogLine is a message in the log.
type LogLine struct {
	Level   weir.Level
	Message string
}

type itemKind int

const (
	recordItem itemKind = iota
	watermarkItem
	processingTimeItem
	newInstanceItem
)

// item is what is in the queue.
type item struct {
	kind itemKind
	// number is a record's place, or a time.
	number int64
	row    []byte
}

// outcome is everything that an operator has done.
type outcome struct {
	rows     []byte
	failures []Failure
	state    Snapshot
	log      []LogLine
	counts   map[string]uint64
	context  native.Context
}

// New is a harness for a function of the plugin that the package under test exports, by its name.
func New(t testing.TB, function string, config ...Config) *Harness {
	t.Helper()
	plugin := weir.Exported()
	if plugin == nil {
		t.Fatal("no plugin is exported: call weir.Export in an init function, or use NewFunction")
	}
	found, err := plugin.Function(function)
	if err != nil {
		t.Fatal(err)
	}
	return NewFunction(t, found, config...)
}

// NewFunction is a harness for a function that need not be exported.
func NewFunction(t testing.TB, function weir.Function, config ...Config) *Harness {
	t.Helper()
	h := &Harness{t: t, function: function, about: function.Describe(), config: Config{}, timestamp: native.NoTimestamp}
	for _, some := range config {
		for key, value := range some {
			h.config[key] = value
		}
	}
	h.outcome = outcome{state: emptySnapshot(h.about.States), counts: map[string]uint64{}}
	h.outcome.context.Watermark = native.NoTimestamp
	h.operator = h.open()
	return h
}

// OpenError gives the message with which a function refuses a configuration, empty if it opens.
func OpenError(function weir.Function, config Config) string {
	if _, err := function.Open(config, weir.Subtask{Parallelism: 1, MaxParallelism: 128}); err != nil {
		return err.Error()
	}
	return ""
}

func (h *Harness) open() native.Operator {
	h.t.Helper()
	operator, err := h.function.Open(h.config, weir.Subtask{UID: h.about.Name, Parallelism: 1, MaxParallelism: 128})
	if err != nil {
		h.t.Fatalf("the operator refuses to open: %v", err)
	}
	return operator
}

// Push queues a record with a key. Key and value are Go values, which are written by the codecs of the function's input: an int may stand for any number.
// A []byte is taken as the bytes themselves, and so is a string where the codec isn't one of texts: that is how to push what can't be decoded.
func (h *Harness) Push(key, value any) *Harness {
	h.t.Helper()
	input := h.about.Inputs[0]
	return h.push(true, h.bytes(input.KeyCodec, key), h.bytes(input.ValueCodec, value))
}

// PushValue queues a record without a key.
func (h *Harness) PushValue(value any) *Harness {
	h.t.Helper()
	return h.push(false, nil, h.bytes(h.about.Inputs[0].ValueCodec, value))
}

func (h *Harness) push(hasKey bool, key, value []byte) *Harness {
	row := native.AppendRow(nil, hasKey, key, value, h.timestamp)
	h.queue = append(h.queue, item{recordItem, int64(h.pushed), row})
	h.pushed++
	return h
}

// Timestamp is the event time of the records that are pushed from now on, milliseconds since the Unix epoch.
func (h *Harness) Timestamp(ms int64) *Harness {
	h.timestamp = ms
	return h
}

// Watermark queues a watermark, milliseconds since the Unix epoch. It ends a batch.
func (h *Harness) Watermark(ms int64) *Harness { return h.event(watermarkItem, ms) }

// ProcessingTime queues a change of the host's time, milliseconds since the Unix epoch. It ends a batch.
func (h *Harness) ProcessingTime(ms int64) *Harness { return h.event(processingTimeItem, ms) }

// NewInstance queues the loss of the instance, as after a trap: a new one goes on over the same state. It ends a batch.
func (h *Harness) NewInstance() *Harness { return h.event(newInstanceItem, 0) }

func (h *Harness) event(kind itemKind, number int64) *Harness {
	h.queue = append(h.queue, item{kind: kind, number: number})
	return h
}

// Process runs what is queued, in batches of at most so many records.
func (h *Harness) Process(batchSize int) *Harness {
	h.t.Helper()
	var batch []item
	queue := h.queue
	h.queue = nil
	for _, next := range queue {
		if next.kind == recordItem {
			if batch = append(batch, next); len(batch) < batchSize {
				continue
			}
		}
		h.run(batch)
		batch = nil
		switch next.kind {
		case watermarkItem:
			h.outcome.context.Watermark = next.number
		case processingTimeItem:
			h.outcome.context.ProcessingTime = next.number
		case newInstanceItem:
			h.operator = h.open()
		}
	}
	h.run(batch)
	return h
}

// ProcessAtEveryBatchSize runs what is queued at batch sizes 1, 7, 1024 and all at once, each from the same state with an instance of its own. The test fails
// when records, refusals, state, log or counters differ.
func (h *Harness) ProcessAtEveryBatchSize() *Harness {
	h.t.Helper()
	queue, before := h.queue, h.outcome
	var first outcome
	for i, size := range batchSizes {
		h.queue, h.outcome, h.operator = slices.Clone(queue), before.clone(), h.open()
		h.Process(size)
		if i == 0 {
			first = h.outcome
		} else if !reflect.DeepEqual(first, h.outcome) {
			h.t.Fatalf("the outcome differs between batch sizes 1 and %d:\n%+v\n%+v", size, first, h.outcome)
		}
	}
	return h
}

func (o outcome) clone() outcome {
	o.rows, o.failures, o.log = slices.Clone(o.rows), slices.Clone(o.failures), slices.Clone(o.log)
	o.state = o.state.clone()
	counts := map[string]uint64{}
	for name, count := range o.counts {
		counts[name] = count
	}
	o.counts = counts
	return o
}

// run is one batch: a call, and again without the refused record while there is one.
func (h *Harness) run(batch []item) {
	h.t.Helper()
	for len(batch) > 0 {
		failure := h.call(batch)
		if failure == nil {
			return
		}
		if failure.Row == native.NoRow {
			h.outcome.failures = append(h.outcome.failures, Failure{-1, failure.Message})
			return
		}
		if failure.Row < 0 || failure.Row >= len(batch) {
			h.t.Fatalf("the operator refused record %d of a call of %d records", failure.Row, len(batch))
		}
		h.outcome.failures = append(h.outcome.failures, Failure{int(batch[failure.Row].number), failure.Message})
		batch = slices.Delete(slices.Clone(batch), failure.Row, failure.Row+1)
	}
}

// calling is held during a call: weir.Log has no call at hand.
var calling sync.Mutex

func (h *Harness) call(batch []item) *native.Failure {
	h.t.Helper()
	var records []byte
	for _, record := range batch {
		records = append(records, record.row...)
	}
	call := native.Call{Records: records, Context: h.outcome.context}
	services := &callServices{t: h.t, states: h.about.States, state: h.outcome.state.clone(), counts: map[string]uint64{}}
	if h.about.Kind == native.Keyed {
		call.Slots, services.keys = numberKeys(records)
	}
	for _, state := range h.about.States {
		var column native.Column
		for _, key := range services.keys {
			if state.Kind == native.Value {
				column.Push(h.outcome.state.value(state.Name, key))
			}
		}
		call.Values = append(call.Values, column)
	}
	calling.Lock()
	defer calling.Unlock()
	native.Log = services.Log
	defer func() { native.Log = native.Print }()
	failure := h.operator.Process(&call, services)
	if failure == nil {
		h.outcome.rows = append(h.outcome.rows, services.rows...)
		h.outcome.state = services.state
		h.outcome.log = append(h.outcome.log, services.log...)
		for name, added := range services.counts {
			h.outcome.counts[name] += added
		}
	}
	return failure
}

// numberKeys gives the slot of each row's key, and the keys by slot. Rows without a key count as one key: the operator refuses them.
func numberKeys(records []byte) (slots []uint32, keys []string) {
	numbers := map[string]uint32{}
	for rows := native.ReadRows(records); rows.Next(); {
		key := string(rows.Row.Key)
		if _, ok := numbers[key]; !ok {
			numbers[key] = uint32(len(keys))
			keys = append(keys, key)
		}
		slots = append(slots, numbers[key])
	}
	return slots, keys
}
