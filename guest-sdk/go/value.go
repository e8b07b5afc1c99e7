// One value a key.

package weir

import (
	"errors"
	"unsafe"

	"weir/internal/native"
)

// ValueState is one value a key.
type ValueState[V any] struct {
	codec   Codec[V]
	address stateAddress
	// cached says that values can't be changed in place and are kept decoded. Others are decoded at each Get and encoded at each Set: what one does to a
	// value that one was given, the next record must not see.
	cached bool
	// cells has the values of one call, by slot.
	cells []valueCell[V]
	// data has the host's bytes.
	data []byte
	// What is written back, kept for its room.
	slots  []uint32
	column native.Column
}

type valueCell[V any] struct {
	// value is there if `decoded` says so.
	value V
	// encoded is set by Set, where values aren't cached.
	encoded []byte
	// start and length are where the host's value lies in data.
	start, length uint32
	status        cellStatus
	decoded       bool
}

type cellStatus uint8

const (
	// cellUnread hasn't been looked at yet.
	cellUnread cellStatus = iota
	// cellClean is as the host has it.
	cellClean
	// From here on changed by this call.
	cellDeleted
	cellSet
)

// NewValueState declares a state of one value a key, when an operator opens. The name is the state's address for ever.
// The schema is a codec, or says more (see MigrateTo).
func NewValueState[V any](ctx *OpenContext, name string, schema Schema[V], options ...StateOption) *ValueState[V] {
	state := &ValueState[V]{codec: schema.schema().codec}
	switch state.codec.form {
	case formOther, formBytes, formTextBytes:
	default:
		state.cached = true
	}
	state.address = declare(ctx, name, native.Value, schema.schema(), options)
	ctx.states = append(ctx.states, state)
	return state
}

// Get gives the key's value, if it has one.
func (s *ValueState[V]) Get() (value V, ok bool) {
	if slot := s.address.shared.slot; uint64(slot) < uint64(len(s.cells)) && s.cells[slot].decoded {
		return s.cells[slot].value, true
	}
	return s.getOther()
}

func (s *ValueState[V]) getOther() (value V, ok bool) {
	cell := s.cell()
	switch {
	case cell == nil:
		return value, false
	case cell.status == cellSet:
		return s.load(cell.encoded)
	case cell.status == cellUnread:
		return s.first(cell)
	}
	return value, false
}

// GetOr gives the key's value, or a default where it has none.
func (s *ValueState[V]) GetOr(otherwise V) V {
	if slot := s.address.shared.slot; uint64(slot) < uint64(len(s.cells)) && s.cells[slot].decoded {
		return s.cells[slot].value
	}
	if value, ok := s.getOther(); ok {
		return value
	}
	return otherwise
}

// Set sets the key's value.
func (s *ValueState[V]) Set(value V) {
	if slot := s.address.shared.slot; uint64(slot) < uint64(len(s.cells)) && s.cached {
		cell := &s.cells[slot]
		cell.value, cell.decoded, cell.status = value, true, cellSet
		return
	}
	s.setOther(value)
}

func (s *ValueState[V]) setOther(value V) {
	cell := s.cell()
	if cell == nil {
		return
	}
	encoded, err := s.codec.Encode([]byte{}, value)
	if err != nil {
		s.address.refuse(err)
		return
	}
	cell.encoded, cell.status = encoded, cellSet
}

// Clear deletes the key's value.
func (s *ValueState[V]) Clear() {
	if cell := s.cell(); cell != nil {
		cell.decoded, cell.status = false, cellDeleted
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
	if ok && s.cached {
		cell.value, cell.decoded, cell.status = value, true, cellClean
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
	start, is64 := uint32(0), s.codec.form == form64
	for i, length := range column.Lengths {
		if length == native.Missing {
			s.cells[i].status = cellClean
			continue
		}
		cell := &s.cells[i]
		cell.start, cell.length = start, length
		start += length
		if is64 && length == 8 && uint64(start) <= uint64(len(s.data)) {
			// Decoding it here is cheaper than finding out later whether it is.
			*(*uint64)(unsafe.Pointer(&cell.value)) = native.Load64(unsafe.Pointer(&s.data[start-8]))
			cell.decoded, cell.status = true, cellClean
		}
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
	if s.codec.form == form64 {
		at := len(column.Data)
		column.Data = native.Reserve(column.Data, 8)[:at+8]
		native.Store64(unsafe.Pointer(&column.Data[at]), *(*uint64)(unsafe.Pointer(&cell.value)))
		column.Lengths = append(column.Lengths, 8)
		return nil
	}
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
