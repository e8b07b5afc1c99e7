// Typed state per key: handles that an operator declares when it opens and uses while it processes a record of the key.
//
// A handle always means the key of the record that is being processed. State comes from the host with each call and goes back at its end in one
// piece; nothing is kept in between. Outside of a record there is no key: reads give nothing and writes refuse the record.

package weir

import (
	"errors"
	"fmt"

	"weir/internal/native"
)

// stateCells is what the driver does with every state of an operator.
type stateCells interface {
	// begin forgets the last call. The column holds the values of a value state.
	begin(column native.Column)
	// flush hands all changes to the host.
	flush()
}

// stateAddress is what all kinds of states have in common.
type stateAddress struct {
	number uint32
	name   string
	shared *shared
}

var errNoKeyedRecord = errors.New("no record is being processed, so there is no key")

// refuse refuses the record that is being processed.
func (s *stateAddress) refuse(err error) {
	s.shared.fail(fmt.Errorf("state `%s`: %w", s.name, err))
}

// current is the slot of the record that is being processed.
func (s *stateAddress) current() (slot uint32, ok bool) {
	if s.shared.slot == noSlot {
		s.refuse(errNoKeyedRecord)
		return noSlot, false
	}
	return s.shared.slot, true
}
