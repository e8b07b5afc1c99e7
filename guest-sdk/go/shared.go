// What an open operator, its states and its output share during a call.

package weir

import (
	"weir/internal/native"
)

// shared is one per open operator.
type shared struct {
	// services is the host during a call, else nil.
	services native.Services
	context  native.Context
	// slot is that of the record that is being processed; noSlot outside of one.
	slot uint32
	// row is the record that is being processed; native.NoRow outside of one.
	row      int
	failure  error
	counters []*Counter
}

// noSlot says that no record with a key is being processed.
const noSlot = ^uint32(0)

func newShared() *shared { return &shared{slot: noSlot, row: native.NoRow} }

// begin starts a call, and forgets what a failed one has left behind.
func (s *shared) begin(call *native.Call, services native.Services) {
	s.services, s.context, s.failure = services, call.Context, nil
	s.slot, s.row = noSlot, native.NoRow
	for _, counter := range s.counters {
		counter.added = 0
	}
}

// fail notes an error where the caller has no way to return it, such as state that can't be decoded. The first one counts; it refuses the record.
func (s *shared) fail(err error) {
	if s.failure == nil {
		s.failure = err
	}
}

// refused is the failure of the record that is being processed.
func (s *shared) refused(err error) *native.Failure {
	return &native.Failure{Row: s.row, Message: err.Error()}
}

func (s *shared) watermark() (ms int64, ok bool) {
	return s.context.Watermark, s.context.Watermark != native.NoTimestamp
}

// count hands the counters' sums to the host.
func (s *shared) count() {
	for _, counter := range s.counters {
		if counter.added != 0 {
			s.services.Count(counter.name, counter.added)
		}
	}
}

func refuseCall(message string) *native.Failure {
	return &native.Failure{Row: native.NoRow, Message: message}
}
