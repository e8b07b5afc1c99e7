// One value a key.

package weir

import (
	"errors"

	"weir/internal/native"
)

// ValueState is one value a key.
type ValueState[V any] struct {
	codec   Codec[V]
	address stateAddress
	// cells has the values of one call, by slot.
	cells []valueCell[V]
	// data has the host's bytes.
	data []byte
	// What is written back, kept for its room.
	slots  []uint32
	column native.Column
}

type valueCell[V any] struct {
	// value is decoded, of codecs whose values can't be changed in place. Others are decoded at each Get and encoded at each Set: what one does to a value
	// that one was given, the next record must not see.
	value V
	// encoded is set by Set, of these others.
	encoded []byte
	// start and length are where the host's value lies in data.
	start, length uint32
	status        cellStatus
}

type cellStatus uint8

const (
	// cellUnread hasn't been looked at yet.
	cellUnread cellStatus = iota
	cellAbsent
	cellPresent
	// From here on changed by this call.
	cellDeleted
	cellSet
)

// NewValueState declares a state of one value a key, when an operator opens. The name is the state's address for ever.
// The schema is a codec, or says more (see MigrateTo).
func NewValueState[V any](ctx *OpenContext, name string, schema Schema[V], options ...StateOption) *ValueState[V] {
	state := &ValueState[V]{codec: schema.schema().codec}
	state.address = declare(ctx, name, native.Value, schema.schema(), options)
	ctx.states = append(ctx.states, state)
	return state
}

// Get gives the key's value, if it has one.
func (s *ValueState[V]) Get() (value V, ok bool) {
	cell := s.cell()
	if cell == nil {
		return value, false
	}
	switch cell.status {
	case cellPresent:
		return cell.value, true
	case cellSet:
		if s.codec.form != formOther && s.codec.form != formBytes && s.codec.form != formTextBytes {
			return cell.value, true
		}
		return s.load(cell.encoded)
	case cellUnread:
		return s.first(cell)
	default:
		return value, false
	}
}

// GetOr gives the key's value, or a default where it has none.
func (s *ValueState[V]) GetOr(otherwise V) V {
	if value, ok := s.Get(); ok {
		return value
	}
	return otherwise
}

// Set sets the key's value.
func (s *ValueState[V]) Set(value V) {
	cell := s.cell()
	if cell == nil {
		return
	}
	switch s.codec.form {
	case formOther, formBytes, formTextBytes:
		encoded, err := s.codec.Encode([]byte{}, value)
		if err != nil {
			s.address.refuse(err)
			return
		}
		cell.encoded = encoded
	default:
		cell.value = value
	}
	cell.status = cellSet
}

// Clear deletes the key's value.
func (s *ValueState[V]) Clear() {
	if cell := s.cell(); cell != nil {
		cell.status = cellDeleted
	}
}

// cell is that of the current slot; without one the record is refused.
func (s *ValueState[V]) cell() *valueCell[V] {
	slot := s.address.shared.slot
	if uint64(slot) < uint64(len(s.cells)) {
		return &s.cells[slot]
	}
	s.noCell()
	return nil
}

//go:noinline
func (s *ValueState[V]) noCell() {
	s.address.refuse(errors.New("there is no value of the key: either no record is being processed, or the host passed none"))
}

// first reads the host's value for the first time.
func (s *ValueState[V]) first(cell *valueCell[V]) (value V, ok bool) {
	end := uint64(cell.start) + uint64(cell.length)
	if end > uint64(len(s.data)) {
		s.address.refuse(errors.New("the host's values are cut off"))
		return value, false
	}
	value, ok = s.load(s.data[cell.start:end:end])
	if ok && s.codec.form != formOther {
		cell.value, cell.status = value, cellPresent
	}
	return value, ok
}

func (s *ValueState[V]) load(bytes []byte) (value V, ok bool) {
	value, err := s.codec.read(bytes)
	if err != nil {
		s.address.refuse(err)
		return value, false
	}
	return value, true
}

func (s *ValueState[V]) begin(column native.Column) {
	count := len(column.Lengths)
	// What the last call has left is let go of, also beyond the cells of this one.
	clear(s.cells)
	if cap(s.cells) < count {
		s.cells = make([]valueCell[V], count, max(count, 2*cap(s.cells)))
	}
	s.cells, s.data = s.cells[:count], column.Data
	start := uint32(0)
	for i, length := range column.Lengths {
		if length == native.Missing {
			s.cells[i].status = cellAbsent
			continue
		}
		s.cells[i].start, s.cells[i].length = start, length
		start += length
	}
}

func (s *ValueState[V]) flush() {
	s.slots = s.slots[:0]
	s.column.Reset()
	for slot := range s.cells {
		switch cell := &s.cells[slot]; cell.status {
		case cellDeleted:
			s.column.Push(nil)
		case cellSet:
			if err := s.pushCell(cell); err != nil {
				s.address.refuse(err)
				return
			}
		default:
			continue
		}
		s.slots = append(s.slots, uint32(slot))
	}
	if len(s.slots) > 0 {
		s.address.shared.services.Put(s.address.number, s.slots, s.column)
	}
}

func (s *ValueState[V]) pushCell(cell *valueCell[V]) (err error) {
	column := &s.column
	if cell.encoded != nil {
		column.Push(cell.encoded)
		return nil
	}
	before := len(column.Data)
	if column.Data, err = s.codec.Encode(column.Data, cell.value); err == nil {
		column.Lengths = append(column.Lengths, uint32(len(column.Data)-before))
	}
	return err
}
