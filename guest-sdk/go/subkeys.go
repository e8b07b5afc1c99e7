// Entries under sub-keys, the ground of list and map states: read from the host once a call, written back in one piece.

package weir

import (
	"slices"

	"weir/internal/native"
)

// subKeys has the sub-keys of one state during one call, as bytes.
type subKeys struct {
	stateAddress
	slots map[uint32]*subSlot
}

// subSlot is what is known of one key.
type subSlot struct {
	// cleared says that all that the host has is void.
	cleared bool
	// clearPending says that the host hasn't been told yet.
	clearPending bool
	entries      map[string]subEntry
}

type subEntry struct {
	// value is nil where there is no such entry.
	value []byte
	dirty bool
}

func (s *subKeys) begin(native.Column) { clear(s.slots) }

// get gives the value of a sub-key of the current key, nil if there is none.
func (s *subKeys) get(subKey []byte) []byte {
	slot, ok := s.current()
	if !ok {
		return nil
	}
	known := s.known(slot)
	if entry, ok := known.entries[string(subKey)]; ok {
		return entry.value
	}
	var value []byte
	if !known.cleared {
		value = s.fetch(slot, subKey)
	}
	known.entries[string(subKey)] = subEntry{value: value}
	return value
}

// put sets a sub-key of the current key; a nil value deletes it.
func (s *subKeys) put(subKey, value []byte) {
	if slot, ok := s.current(); ok {
		s.known(slot).entries[string(subKey)] = subEntry{value: value, dirty: true}
	}
}

// clear deletes all sub-keys of the current key.
func (s *subKeys) clear() {
	if slot, ok := s.current(); ok {
		known := s.known(slot)
		known.cleared, known.clearPending = true, true
		clear(known.entries)
	}
}

// scan gives at most limit entries of the current key after `after`, this call's changes included.
func (s *subKeys) scan(after []byte, limit uint32) (subKeys, values [][]byte, more bool) {
	slot, ok := s.current()
	if !ok {
		return nil, nil, false
	}
	s.flush()
	page := s.shared.services.Scan(s.number, slot, after, limit)
	subKeys, values = page.SubKeys.Items(), page.Values.Items()
	subKeys = subKeys[:min(len(subKeys), len(values))]
	return subKeys, values[:len(subKeys)], page.More && len(subKeys) > 0
}

// flush hands all changes to the host, in order of slot and sub-key.
func (s *subKeys) flush() {
	var cleared, changed []uint32
	var keys, values native.Column
	for _, number := range sortedKeys(s.slots) {
		slot := s.slots[number]
		if slot.clearPending {
			slot.clearPending = false
			cleared = append(cleared, number)
		}
		for _, key := range sortedKeys(slot.entries) {
			entry := slot.entries[key]
			if !entry.dirty {
				continue
			}
			slot.entries[key] = subEntry{value: entry.value}
			changed = append(changed, number)
			keys.PushText(key)
			values.Push(entry.value)
		}
	}
	if len(cleared) > 0 {
		s.shared.services.Clear(s.number, cleared)
	}
	if len(changed) > 0 {
		s.shared.services.PutSub(s.number, changed, keys, values)
	}
}

func (s *subKeys) known(slot uint32) *subSlot {
	known := s.slots[slot]
	if known == nil {
		known = &subSlot{entries: map[string]subEntry{}}
		s.slots[slot] = known
	}
	return known
}

func (s *subKeys) fetch(slot uint32, subKey []byte) []byte {
	wanted := native.Column{Lengths: []uint32{uint32(len(subKey))}, Data: subKey}
	found := s.shared.services.GetSub(s.number, []uint32{slot}, wanted).Items()
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

func sortedKeys[K uint32 | string, V any](of map[K]V) []K {
	keys := make([]K, 0, len(of))
	for key := range of {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
