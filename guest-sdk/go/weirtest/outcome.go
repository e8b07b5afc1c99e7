// What a harness can be asked for after a run.

package weirtest

import (
	"testing"

	"weir"
	"weir/internal/native"
)

// Records gives everything emitted so far, as a Record reads it.
func Records[T any](h *Harness, as weir.Record[T]) []T {
	h.t.Helper()
	var records []T
	for rows := native.ReadRows(h.outcome.rows); rows.Next(); {
		record, err := weir.ReadRow(as, &rows.Row)
		if err != nil {
			h.t.Fatalf("the output is not what is asked for: %v", err)
		}
		records = append(records, record)
	}
	return records
}

// Timestamps gives the event times of everything emitted so far; the smallest int64 where there is none.
func (h *Harness) Timestamps() []int64 {
	var timestamps []int64
	for rows := native.ReadRows(h.outcome.rows); rows.Next(); {
		timestamps = append(timestamps, rows.Row.Timestamp)
	}
	return timestamps
}

// Failures gives what was refused so far.
func (h *Harness) Failures() []Failure { return h.outcome.failures }

// Log gives what was logged so far, by calls that were not refused.
func (h *Harness) Log() []LogLine { return h.outcome.log }

// Counter gives the sum of a counter so far.
func (h *Harness) Counter(name string) uint64 { return h.outcome.counts[name] }

// ForgetOutput forgets what was emitted, refused, logged and counted; state and time stay.
func (h *Harness) ForgetOutput() *Harness {
	h.outcome.rows, h.outcome.failures, h.outcome.log, h.outcome.counts = nil, nil, nil, map[string]uint64{}
	return h
}

// Snapshot gives the state as of the last Process.
func (h *Harness) Snapshot() Snapshot { return h.outcome.state.clone() }

// Restore replaces all state, and goes on with a new instance. A state of an older schema version is migrated, as a host does when the operator's plugin is
// replaced: take the snapshot with a harness of the old operator and restore it into one of the new. States that the operator doesn't declare are kept.
func (h *Harness) Restore(snapshot Snapshot) *Harness {
	h.t.Helper()
	if why := h.TryRestore(snapshot); why != "" {
		h.t.Fatalf("the snapshot can't be restored: %s", why)
	}
	return h
}

// TryRestore is Restore for snapshots that can't be restored: it says why.
func (h *Harness) TryRestore(snapshot Snapshot) (why string) {
	h.t.Helper()
	operator := h.open()
	adopted, err := snapshot.adopted(h.about.States, operator)
	if err != nil {
		return err.Error()
	}
	h.outcome.state, h.operator = adopted, operator
	return ""
}

// Value gives a key's value in a value state, if it has one.
func Value[V any](h *Harness, state string, codec weir.Codec[V], key any) (value V, ok bool) {
	h.t.Helper()
	bytes := h.outcome.state.value(state, h.key(key))
	if bytes == nil {
		return value, false
	}
	return load(h.t, codec, bytes), true
}

// Items gives a key's items in a list state.
func Items[V any](h *Harness, state string, codec weir.Codec[V], key any) (items []V) {
	h.t.Helper()
	entries := h.outcome.state.entries[address{state, h.key(key)}]
	for _, subKey := range sortedKeys(entries) {
		if subKey != "" {
			items = append(items, load(h.t, codec, entries[subKey]))
		}
	}
	return items
}

// Entries gives a key's entries in a map state, in order of the bytes of their sub-keys.
func Entries[K, V any](h *Harness, state string, subKeys weir.Codec[K], values weir.Codec[V], key any) (pairs []weir.Pair[K, V]) {
	h.t.Helper()
	entries := h.outcome.state.entries[address{state, h.key(key)}]
	for _, subKey := range sortedKeys(entries) {
		pairs = append(pairs, weir.Pair[K, V]{Key: load(h.t, subKeys, []byte(subKey)), Value: load(h.t, values, entries[subKey])})
	}
	return pairs
}

// RawEntries gives a key's entries in a list or map state as bytes, by sub-key.
func RawEntries(h *Harness, state string, key any) map[string][]byte {
	h.t.Helper()
	return h.outcome.state.clone().entries[address{state, h.key(key)}]
}

func (h *Harness) key(key any) string {
	h.t.Helper()
	return string(h.bytes(h.about.Inputs[0].KeyCodec, key))
}

func load[V any](t testing.TB, codec weir.Codec[V], bytes []byte) V {
	t.Helper()
	value, err := codec.Decode(bytes)
	if err != nil {
		t.Fatalf("the state is not what is asked for: %v", err)
	}
	return value
}
