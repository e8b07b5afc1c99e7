// State as the harness keeps it: by state name, key and sub-key.

package weirtest

import (
	"fmt"
	"maps"
	"slices"

	"weir/internal/native"
)

// address is a state and a key.
type address struct{ state, key string }

// Snapshot is the state of an operator at one moment, with the schema version of each state; for Restore. Its parts are never changed in place.
type Snapshot struct {
	states  map[string]native.StateDescriptor
	values  map[address][]byte
	entries map[address]map[string][]byte
}

func emptySnapshot(states []native.StateDescriptor) Snapshot {
	s := Snapshot{map[string]native.StateDescriptor{}, map[address][]byte{}, map[address]map[string][]byte{}}
	for _, state := range states {
		s.states[state.Name] = state
	}
	return s
}

// IsEmpty says whether no key has any state.
func (s Snapshot) IsEmpty() bool { return len(s.values) == 0 && len(s.entries) == 0 }

func (s Snapshot) clone() Snapshot {
	s.states, s.values, s.entries = maps.Clone(s.states), maps.Clone(s.values), maps.Clone(s.entries)
	for at, entries := range s.entries {
		s.entries[at] = maps.Clone(entries)
	}
	return s
}

func (s Snapshot) value(state, key string) []byte { return s.values[address{state, key}] }

func (s Snapshot) setValue(at address, value []byte) {
	if value == nil {
		delete(s.values, at)
		return
	}
	s.values[at] = value
}

func (s Snapshot) setEntry(at address, subKey string, value []byte) {
	entries := s.entries[at]
	if value == nil {
		if delete(entries, subKey); len(entries) == 0 {
			delete(s.entries, at)
		}
		return
	}
	if entries == nil {
		entries = map[string][]byte{}
		s.entries[at] = entries
	}
	entries[subKey] = value
}

// adopted is the snapshot as an operator that declares these states goes on with it.
func (s Snapshot) adopted(states []native.StateDescriptor, operator native.Operator) (Snapshot, error) {
	adopted := s.clone()
	for _, state := range states {
		written, ok := s.states[state.Name]
		adopted.states[state.Name] = state
		if !ok {
			continue
		}
		if written.Kind != state.Kind {
			return s, fmt.Errorf("state `%s` is another kind of state in it", state.Name)
		}
		if written.SchemaVersion != state.SchemaVersion {
			if err := adopted.migrate(state, written.SchemaVersion, operator); err != nil {
				return s, err
			}
		} else if written.ValueCodec != state.ValueCodec {
			return s, fmt.Errorf("state `%s` is %s in it and %s here, both as schema version %d: raise the version",
				state.Name, written.ValueCodec, state.ValueCodec, state.SchemaVersion)
		}
	}
	return adopted, nil
}

// migrate brings all values of a state to its current version, in one call.
func (s Snapshot) migrate(state native.StateDescriptor, fromVersion uint32, operator native.Operator) error {
	type place struct {
		at     address
		subKey string
	}
	var places []place
	var column native.Column
	for at, value := range s.values {
		if at.state == state.Name {
			places = append(places, place{at, ""})
			column.Push(value)
		}
	}
	for at, entries := range s.entries {
		for subKey, value := range entries {
			// The length of a list has no version.
			if at.state == state.Name && !(state.Kind == native.List && subKey == "") {
				places = append(places, place{at, subKey})
				column.Push(value)
			}
		}
	}
	migrated, failure := operator.Migrate(state.Name, fromVersion, column)
	if failure != nil {
		if failure.Row == native.NoRow {
			return fmt.Errorf("%s", failure.Message)
		}
		return fmt.Errorf("state `%s` of key `%s`, schema version %d: %s", state.Name, places[failure.Row].at.key, fromVersion, failure.Message)
	}
	items := migrated.Items()
	if len(items) != len(places) {
		return fmt.Errorf("state `%s` came back from its migration with values missing", state.Name)
	}
	for i, place := range places {
		if state.Kind == native.Value {
			s.setValue(place.at, items[i])
		} else {
			s.setEntry(place.at, place.subKey, items[i])
		}
	}
	return nil
}

func sortedKeys[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }
