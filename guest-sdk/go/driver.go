// Runs a call over an author's functions: rows are decoded, states are lent, output and changes are handed to the host.

package weir

import (
	"fmt"
	"unsafe"

	"weir/internal/native"
)

const brokenRows = "the records of this call are cut off: a row is longer than the bytes that hold it"

// stateless is an open operator without state. All kinds run as a flatMap does: a call less for the one that is called most.
type stateless[In, Out any] struct {
	in      recordCodec[In]
	flatMap FlatMapFunc[In, Out]
	out     *Collector[Out]
	shared  *shared
}

// Process runs one call.
func (s *stateless[In, Out]) Process(call *native.Call, services native.Services) (failure *native.Failure) {
	if failure := checkInput(call); failure != nil {
		return failure
	}
	shared, done := s.shared, false
	shared.begin(call, services)
	defer shared.end(&done, &failure)
	s.out.out.begin()
	failure = s.records(call)
	if failure == nil {
		s.out.out.flush()
		shared.count()
	}
	done = true
	return failure
}

func (s *stateless[In, Out]) records(call *native.Call) *native.Failure {
	shared, out := s.shared, &s.out.out
	isText := s.in.shape.key == formNone && (s.in.shape.value == formText || s.in.shape.value == formTextBytes)
	rows := native.ReadRows(call.Records)
	row := &rows.Row
	out.row = row
	for rows.Next() {
		shared.row++
		out.timestamp = row.Timestamp
		var record In
		var err error
		if from := unsafe.Pointer(unsafe.SliceData(row.Value)); isText && native.ValidText(from, len(row.Value)) {
			setText(unsafe.Pointer(&record), row.Value, s.in.shape.value)
		} else {
			record, err = s.in.read(row)
		}
		if err == nil {
			err = s.flatMap(record, s.out)
		}
		if err == nil {
			err = shared.failure
		}
		if err != nil {
			return shared.refused(err)
		}
	}
	shared.row = native.NoRow
	if rows.Broken {
		return refuseCall(brokenRows)
	}
	return nil
}

// Migrate refuses: there is no state.
func (s *stateless[In, Out]) Migrate(state string, fromVersion uint32, values native.Column) (native.Column, *native.Failure) {
	return migrate(nil, state, fromVersion, values)
}

// keyed is an open operator with state per key.
type keyed[K, In, Out any] struct {
	process    ProcessFunc[K, In, Out]
	key        Codec[K]
	value      Codec[In]
	out        *Collector[Out]
	ctx        *KeyedContext
	states     []stateCells
	migrations []migrations
	shared     *shared
	// keys has the decoded keys of the call by slot, kept for its room.
	keys []slotKey[K]
}

type slotKey[K any] struct {
	key   K
	known bool
}

// Process runs one call.
func (k *keyed[K, In, Out]) Process(call *native.Call, services native.Services) (failure *native.Failure) {
	if failure := checkInput(call); failure != nil {
		return failure
	}
	shared, done := k.shared, false
	shared.begin(call, services)
	defer shared.end(&done, &failure)
	k.out.out.begin()
	for number, state := range k.states {
		var column native.Column
		if number < len(call.Values) {
			column = call.Values[number]
		}
		state.begin(column)
	}
	failure = k.records(call)
	if failure == nil {
		k.out.out.flush()
		for _, state := range k.states {
			state.flush()
		}
		if shared.failure != nil {
			failure = refuseCall(shared.failure.Error())
		} else {
			shared.count()
		}
	}
	done = true
	return failure
}

func (k *keyed[K, In, Out]) records(call *native.Call) *native.Failure {
	shared, out := k.shared, k.out
	clear(k.keys)
	k.keys = k.keys[:0]
	rows := native.ReadRows(call.Records)
	for rows.Next() {
		shared.row++
		if shared.row >= len(call.Slots) {
			return refuseCall("the call has fewer slots than records")
		}
		slot := call.Slots[shared.row]
		if int(slot) >= len(call.Slots) {
			return refuseCall("the call has a slot that is beyond its records")
		}
		out.out.timestamp = rows.Row.Timestamp
		shared.slot = slot
		err := k.record(&rows.Row, slot)
		if err == nil {
			err = shared.failure
		}
		if err != nil {
			return shared.refused(err)
		}
	}
	shared.slot, shared.row = noSlot, native.NoRow
	if rows.Broken {
		return refuseCall(brokenRows)
	}
	return nil
}

func (k *keyed[K, In, Out]) record(row *native.Row, slot uint32) error {
	for int(slot) >= len(k.keys) {
		k.keys = append(k.keys, slotKey[K]{})
	}
	at := &k.keys[slot]
	if !at.known {
		if !row.HasKey {
			return errNoKey
		}
		key, err := k.key.read(row.Key)
		if err != nil {
			return inKey(err)
		}
		// A key that can be written to is decoded anew for each record: what one does to it, the next must not see.
		at.key, at.known = key, k.key.form != formOther
	}
	value, err := k.value.read(row.Value)
	if err != nil {
		return err
	}
	return k.process(at.key, value, k.ctx, k.out)
}

// Migrate brings values of an older schema version to the current one.
func (k *keyed[K, In, Out]) Migrate(state string, fromVersion uint32, values native.Column) (native.Column, *native.Failure) {
	return migrate(k.migrations, state, fromVersion, values)
}

func checkInput(call *native.Call) *native.Failure {
	if call.Input == 0 {
		return nil
	}
	return refuseCall(fmt.Sprintf("there is no input %d", call.Input))
}
