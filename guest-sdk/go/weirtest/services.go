// The services of one call in the harness: everything is staged, and a breach of the contract ends the test.

package weirtest

import (
	"slices"
	"testing"

	"weir"
	"weir/internal/native"
)

// callServices is what one call has staged.
type callServices struct {
	t      testing.TB
	states []native.StateDescriptor
	// keys has the key of each slot.
	keys []string
	// state is as it will be when the call returns without failure.
	state  Snapshot
	rows   []byte
	log    []LogLine
	counts map[string]uint64
}

// address is the state and the key that a service is asked for.
func (s *callServices) address(state, slot uint32, isValue bool) address {
	s.t.Helper()
	if int(state) >= len(s.states) {
		s.t.Fatalf("the operator used state %d, which it doesn't declare", state)
	}
	if (s.states[state].Kind == native.Value) != isValue {
		s.t.Fatalf("the operator used state `%s` as another kind of state", s.states[state].Name)
	}
	if int(slot) >= len(s.keys) {
		s.t.Fatalf("the operator used slot %d, which this call doesn't have", slot)
	}
	return address{s.states[state].Name, s.keys[slot]}
}

func (s *callServices) Emit(output uint32, rows []byte) {
	if output != 0 {
		s.t.Fatalf("the operator emitted to output %d, which it doesn't declare", output)
	}
	reader := native.ReadRows(rows)
	for reader.Next() {
	}
	if reader.Broken {
		s.t.Fatal("the operator emitted rows whose lengths don't add up")
	}
	s.rows = append(s.rows, rows...)
}

func (s *callServices) Put(state uint32, slots []uint32, values native.Column) {
	for i, value := range values.Items() {
		s.state.setValue(s.address(state, slots[i], true), slices.Clone(value))
	}
}

func (s *callServices) GetSub(state uint32, slots []uint32, subKeys native.Column) (found native.Column) {
	for i, subKey := range subKeys.Items() {
		found.Push(s.state.entries[s.address(state, slots[i], false)][string(subKey)])
	}
	return found
}

func (s *callServices) PutSub(state uint32, slots []uint32, subKeys, values native.Column) {
	items := values.Items()
	for i, subKey := range subKeys.Items() {
		if subKey == nil {
			s.t.Fatal("the operator put a missing sub-key")
		}
		s.state.setEntry(s.address(state, slots[i], false), string(subKey), slices.Clone(items[i]))
	}
}

func (s *callServices) Scan(state, slot uint32, after []byte, limit uint32) (page native.Page) {
	entries := s.state.entries[s.address(state, slot, false)]
	for _, subKey := range sortedKeys(entries) {
		if after != nil && subKey <= string(after) {
			continue
		}
		if len(page.SubKeys.Lengths) == int(limit) {
			page.More = true
			break
		}
		page.SubKeys.Push([]byte(subKey))
		page.Values.Push(entries[subKey])
	}
	return page
}

func (s *callServices) Clear(state uint32, slots []uint32) {
	for _, slot := range slots {
		delete(s.state.entries, s.address(state, slot, false))
	}
}

func (s *callServices) Log(level weir.Level, message string) {
	s.log = append(s.log, LogLine{level, message})
}

func (s *callServices) Count(name string, add uint64) { s.counts[name] += add }
