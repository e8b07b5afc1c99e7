// A list a key.

package weir

import (
	"encoding/binary"
	"fmt"

	"weir/internal/native"
)

// Items and entries are asked for in pages of this many.
const pageEntries = 256

// lengthKey is the sub-key of a list's length.
var lengthKey = []byte{}

// ListState is a list a key.
//
// It is laid out as sub-keys, as in every SDK: the length, u64-le, under the empty sub-key; item i under i as eight bytes, big-endian.
// Appending writes the item and the length, whatever the list holds already.
type ListState[V any] struct {
	codec Codec[V]
	items subKeys
}

// NewListState declares a state of one list a key.
func NewListState[V any](ctx *OpenContext, name string, schema Schema[V], options ...StateOption) *ListState[V] {
	address := declare(ctx, name, native.List, schema.schema(), options)
	state := &ListState[V]{codec: schema.schema().codec, items: subKeys{stateAddress: address, slots: map[uint32]*subSlot{}}}
	ctx.states = append(ctx.states, &state.items)
	return state
}

// Len is the number of items.
func (s *ListState[V]) Len() int {
	bytes := s.items.get(lengthKey)
	if bytes == nil {
		return 0
	}
	length, err := U64.read(bytes)
	if err != nil {
		s.items.refuse(err)
	}
	return int(length)
}

// Add appends an item.
func (s *ListState[V]) Add(item V) {
	encoded, err := s.codec.Encode([]byte{}, item)
	if err != nil {
		s.items.refuse(err)
		return
	}
	length := uint64(s.Len())
	s.items.put(binary.BigEndian.AppendUint64(nil, length), encoded)
	s.items.put(lengthKey, binary.LittleEndian.AppendUint64(nil, length+1))
}

// Get gives item `index`, from 0, if there is one.
func (s *ListState[V]) Get(index int) (item V, ok bool) {
	if index < 0 {
		return item, false
	}
	return s.load(s.items.get(binary.BigEndian.AppendUint64(nil, uint64(index))))
}

// Items gives all items, in order.
func (s *ListState[V]) Items() []V {
	var items []V
	for after, more := lengthKey, true; more; {
		var subKeys, values [][]byte
		subKeys, values, more = s.items.scan(after, pageEntries)
		for i, value := range values {
			item, ok := s.load(value)
			if !ok {
				return items
			}
			items, after = append(items, item), subKeys[i]
		}
	}
	if expected := s.Len(); len(items) != expected {
		s.items.refuse(fmt.Errorf("%d items are there and %d are expected", len(items), expected))
	}
	return items
}

// Set replaces all items.
func (s *ListState[V]) Set(items []V) {
	s.Clear()
	for _, item := range items {
		s.Add(item)
	}
}

// Clear deletes all items.
func (s *ListState[V]) Clear() { s.items.clear() }

func (s *ListState[V]) load(bytes []byte) (item V, ok bool) {
	return loadEntry(&s.items, &s.codec, bytes)
}

// loadEntry decodes an entry's value, nil for none.
func loadEntry[V any](of *subKeys, codec *Codec[V], bytes []byte) (value V, ok bool) {
	if bytes == nil {
		return value, false
	}
	value, err := codec.read(bytes)
	if err != nil {
		of.refuse(err)
		return value, false
	}
	return value, true
}
