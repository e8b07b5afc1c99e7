// A map a key.

package weir

import (
	"iter"

	"weir/internal/native"
)

// MapState is a map a key.
//
// The first look at an entry in a call asks the host; changes go back together at the end of the call. Entries are in the order of the bytes of their
// sub-keys: texts and bytes as one expects, numbers not.
type MapState[K, V any] struct {
	key     Codec[K]
	codec   Codec[V]
	entries subKeys
}

// NewMapState declares a state of one map a key.
func NewMapState[K, V any](ctx *OpenContext, name string, key Codec[K], schema Schema[V], options ...StateOption) *MapState[K, V] {
	address := declare(ctx, name, native.Map, schema.schema(), options)
	entries := subKeys{stateAddress: address, slots: map[uint32]*subSlot{}}
	state := &MapState[K, V]{key: key, codec: schema.schema().codec, entries: entries}
	ctx.states = append(ctx.states, &state.entries)
	return state
}

// Get gives the value of an entry, if there is one.
func (s *MapState[K, V]) Get(key K) (value V, ok bool) {
	subKey, ok := s.subKey(key)
	if !ok {
		return value, false
	}
	return loadEntry(&s.entries, &s.codec, s.entries.get(subKey))
}

// Contains says whether there is such an entry.
func (s *MapState[K, V]) Contains(key K) bool {
	subKey, ok := s.subKey(key)
	return ok && s.entries.get(subKey) != nil
}

// Put sets an entry.
func (s *MapState[K, V]) Put(key K, value V) {
	subKey, ok := s.subKey(key)
	if !ok {
		return
	}
	encoded, err := s.codec.Encode([]byte{}, value)
	if err != nil {
		s.entries.refuse(err)
		return
	}
	s.entries.put(subKey, encoded)
}

// Remove deletes an entry.
func (s *MapState[K, V]) Remove(key K) {
	if subKey, ok := s.subKey(key); ok {
		s.entries.put(subKey, nil)
	}
}

// Clear deletes all entries of the key.
func (s *MapState[K, V]) Clear() { s.entries.clear() }

// All goes over the key's entries in order of the bytes of their sub-keys, fetched a page at a time.
func (s *MapState[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var after []byte
		for more := true; more; {
			var subKeys, values [][]byte
			subKeys, values, more = s.entries.scan(after, pageEntries)
			for i, subKey := range subKeys {
				key, ok := loadEntry(&s.entries, &s.key, subKey)
				if !ok {
					return
				}
				value, ok := loadEntry(&s.entries, &s.codec, values[i])
				if !ok || !yield(key, value) {
					return
				}
				after = subKey
			}
		}
	}
}

func (s *MapState[K, V]) subKey(key K) (bytes []byte, ok bool) {
	bytes, err := s.key.Encode([]byte{}, key)
	if err != nil {
		s.entries.refuse(err)
		return nil, false
	}
	return bytes, true
}
