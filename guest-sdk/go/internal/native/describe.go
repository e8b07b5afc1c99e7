// What a plugin says of itself: the contract's descriptions as plain types.

package native

// PluginDescription is what a plugin says of itself.
type PluginDescription struct {
	Name, Version, SDK string
	Functions          []FunctionDescription
}

// FunctionDescription is one function of a plugin.
type FunctionDescription struct {
	Name, Doc       string
	Kind            FunctionKind
	Inputs, Outputs []Port
	// States are in the order of their numbers.
	States []StateDescriptor
}

// FunctionKind says whether a function has keyed state.
type FunctionKind uint8

// The kinds of functions, in the order of the contract.
const (
	Stateless FunctionKind = iota
	Keyed
)

// Port is where records enter or leave a function.
type Port struct {
	// KeyCodec is "none" for an output without keys, "any" for an input that doesn't look at the key.
	Name, KeyCodec, ValueCodec string
}

// StateDescriptor is one state of a keyed function.
type StateDescriptor struct {
	Name          string
	Kind          StateKind
	ValueCodec    string
	SchemaVersion uint32
	// TTLMs is how long after the last write an entry expires; 0: never.
	TTLMs uint64
}

// StateKind is the shape of a state.
type StateKind uint8

// The shapes of states, in the order of the contract.
const (
	Value StateKind = iota
	List
	Map
)

// Subtask is for which of an operator's parallel instances a function is opened.
type Subtask struct {
	// UID is the operator's.
	UID string
	// Index is this subtask among its siblings, from 0.
	Index uint32
	// Parallelism is the number of siblings.
	Parallelism uint32
	// MaxParallelism is the number of key groups.
	MaxParallelism uint32
}
