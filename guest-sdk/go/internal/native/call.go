// Package native is the seam below the contract: what a call brings, what the host offers, and what an open operator is, free of any Wasm.
//
// Two callers run an operator through it: the component's exports, and the harness of package weirtest.
package native

// Call is one call of an operator.
type Call struct {
	// Input is the input port.
	Input uint32
	// Records are rows, back to back.
	Records []byte
	// Slots has the slot of each record's key, in order. Empty for stateless functions.
	Slots []uint32
	// Values has for each state, in order, the current values of a value state by slot; an empty column for other kinds.
	Values []Column
	// Context is the time of the call.
	Context Context
}

// Context is time as the host sees it for a call, milliseconds since the Unix epoch.
type Context struct {
	// Watermark is NoTimestamp before the first one.
	Watermark int64
	// ProcessingTime is the host's clock for this call.
	ProcessingTime int64
}

// Failure is what an operator refuses.
type Failure struct {
	// Row is the record of the call that is refused, from 0; NoRow: the call as a whole.
	Row int
	// Message says why, for a person.
	Message string
}

// NoRow says that a failure is about the call as a whole.
const NoRow = -1

// Page is a part of a map or list state's entries.
type Page struct {
	SubKeys, Values Column
	// More says whether there are entries after the last one.
	More bool
}

// Level is the severity of a log message, in the order of the contract.
type Level uint32

// Services is what the host offers during a call. All but the log is staged until the call returns without failure.
type Services interface {
	// Emit hands rows to an output port.
	Emit(output uint32, rows []byte)
	// Put has new values of a value state; a missing value deletes.
	Put(state uint32, slots []uint32, values Column)
	// GetSub gives the values of sub-key i of slot i.
	GetSub(state uint32, slots []uint32, subKeys Column) Column
	// PutSub has new values of sub-key i of slot i; a missing value deletes.
	PutSub(state uint32, slots []uint32, subKeys, values Column)
	// Scan gives at most limit entries of one key in order of sub-key, after a sub-key if after is not nil. It sees what this call has put.
	Scan(state, slot uint32, after []byte, limit uint32) Page
	// Clear deletes all sub-keys of these slots.
	Clear(state uint32, slots []uint32)
	// Log writes to the job's log.
	Log(level Level, message string)
	// Count adds to a counter among the operator's metrics.
	Count(name string, add uint64)
}

// Operator is one function of one subtask, open.
type Operator interface {
	// Process runs one call. After a failure, whatever the call handed to services is void; the operator can be called again.
	Process(call *Call, services Services) *Failure
	// Migrate brings values of a state, written by an older schema version, to the current one, item by item.
	Migrate(state string, fromVersion uint32, values Column) (Column, *Failure)
}
