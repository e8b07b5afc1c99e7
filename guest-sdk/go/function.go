// The kinds of operators: functions of a plugin, made of an author's Go functions.

package weir

import (
	"errors"
	"strings"

	"weir/internal/native"
)

// MapFunc gives one record for a record. An error refuses the record.
type MapFunc[In, Out any] func(record In) (Out, error)

// FilterFunc says whether a record passes. What passes is the record as it came, byte for byte. An error refuses the record.
type FilterFunc[In any] func(record In) (bool, error)

// FlatMapFunc hands any number of records for a record to out. An error refuses the record, and what it has collected is void.
type FlatMapFunc[In, Out any] func(record In, out *Collector[Out]) error

// ProcessFunc handles one record of a key, with state. An error refuses the record, and what it has collected and written to states is void.
type ProcessFunc[K, In, Out any] func(key K, value In, ctx *KeyedContext, out *Collector[Out]) error

// Function is one function of a plugin: what a job names as an operator's function.
type Function struct {
	name, doc     string
	kind          native.FunctionKind
	input, output native.Port
	// open makes the operator, once the context has been filled.
	open func(ctx *OpenContext) native.Operator
}

// Doc says what the function does, for a person.
func (f Function) Doc(text string) Function {
	f.doc = text
	return f
}

// Map is a function that gives one record for each record.
func Map[In, Out any](name string, in Record[In], out Record[Out], f MapFunc[In, Out]) Function {
	return MapWith(name, in, out, func(*OpenContext) MapFunc[In, Out] { return f })
}

// MapWith is Map for an operator that has something to do when it opens, such as reading its configuration.
func MapWith[In, Out any](name string, in Record[In], out Record[Out], open func(ctx *OpenContext) MapFunc[In, Out]) Function {
	return statelessFunction(name, in, out, func(ctx *OpenContext) FlatMapFunc[In, Out] {
		f := open(ctx)
		return func(record In, out *Collector[Out]) error {
			mapped, err := f(record)
			if err != nil {
				return err
			}
			out.Collect(mapped)
			return nil
		}
	})
}

// Filter is a function that lets some records pass. With an input without a key, records pass without the key that they may have had; take KV to keep it.
func Filter[In any](name string, in Record[In], f FilterFunc[In]) Function {
	return FilterWith(name, in, func(*OpenContext) FilterFunc[In] { return f })
}

// FilterWith is Filter for an operator that has something to do when it opens.
func FilterWith[In any](name string, in Record[In], open func(ctx *OpenContext) FilterFunc[In]) Function {
	return statelessFunction(name, in, in, func(ctx *OpenContext) FlatMapFunc[In, In] {
		f := open(ctx)
		return func(record In, out *Collector[In]) error {
			passes, err := f(record)
			if err == nil && passes {
				out.out.pass()
			}
			return err
		}
	})
}

// FlatMap is a function that gives any number of records for each record.
func FlatMap[In, Out any](name string, in Record[In], out Record[Out], f FlatMapFunc[In, Out]) Function {
	return FlatMapWith(name, in, out, func(*OpenContext) FlatMapFunc[In, Out] { return f })
}

// FlatMapWith is FlatMap for an operator that has something to do when it opens.
func FlatMapWith[In, Out any](name string, in Record[In], out Record[Out], open func(ctx *OpenContext) FlatMapFunc[In, Out]) Function {
	return statelessFunction(name, in, out, open)
}

// KeyedProcess is a function with state per key: its input is exchanged by key. Open declares the states and gives what is done with each record.
// Keep nothing between calls but configuration: the host makes a new instance whenever it likes.
func KeyedProcess[K, In, Out any](
	name string, key Codec[K], in Codec[In], out Record[Out], open func(ctx *OpenContext) ProcessFunc[K, In, Out],
) Function {
	record := out.record()
	return Function{
		name:   name,
		kind:   native.Keyed,
		input:  native.Port{Name: "in", KeyCodec: key.name, ValueCodec: in.name},
		output: outputPort(record),
		open: func(ctx *OpenContext) native.Operator {
			out := newCollector(record, ctx.shared)
			process := open(ctx)
			return &keyed[K, In, Out]{
				process: process, key: key, value: in, out: out, ctx: &KeyedContext{shared: ctx.shared, out: &out.out},
				states: ctx.states, migrations: ctx.migrations, shared: ctx.shared,
			}
		},
	}
}

func statelessFunction[In, Out any](
	name string, in Record[In], out Record[Out], open func(ctx *OpenContext) FlatMapFunc[In, Out],
) Function {
	input, output := in.record(), out.record()
	port := native.Port{Name: "in", KeyCodec: input.keyName, ValueCodec: input.valueName}
	if port.KeyCodec == "" {
		port.KeyCodec = "any"
	}
	return Function{
		name:   name,
		kind:   native.Stateless,
		input:  port,
		output: outputPort(output),
		open: func(ctx *OpenContext) native.Operator {
			flatMap := open(ctx)
			if len(ctx.descriptors) > 0 {
				ctx.Refusef("state `%s` is declared by an operator without keys: use KeyedProcess", ctx.descriptors[0].Name)
			}
			return &stateless[In, Out]{in: input, flatMap: flatMap, out: newCollector(output, ctx.shared), shared: ctx.shared}
		},
	}
}

func outputPort[T any](record recordCodec[T]) native.Port {
	port := native.Port{Name: "out", KeyCodec: record.keyName, ValueCodec: record.valueName}
	if port.KeyCodec == "" {
		port.KeyCodec = "none"
	}
	return port
}

// Describe is for the host and package weirtest: what the function says of itself. Its states are learned by opening it without configuration.
func (f Function) Describe() native.FunctionDescription {
	// An operator that refuses to open without configuration has declared its states all the same.
	ctx := &OpenContext{shared: newShared(), subtask: Subtask{Parallelism: 1, MaxParallelism: 1}, describing: true}
	f.open(ctx)
	states := ctx.descriptors
	if f.kind == native.Stateless {
		states = nil
	}
	return native.FunctionDescription{
		Name: f.name, Doc: strings.TrimSpace(f.doc), Kind: f.kind,
		Inputs: []native.Port{f.input}, Outputs: []native.Port{f.output}, States: states,
	}
}

// Open is for the host and package weirtest: the function for one subtask. The error says why the operator refuses its configuration.
func (f Function) Open(config map[string]string, subtask Subtask) (operator native.Operator, err error) {
	ctx, done := &OpenContext{shared: newShared(), config: config, subtask: subtask}, false
	defer func() {
		if !done {
			if cause := recover(); cause != nil {
				operator, err = nil, errors.New(panicMessage(cause))
			} else {
				exiting()
			}
		}
	}()
	operator = f.open(ctx)
	done = true
	if len(ctx.refusals) > 0 {
		return nil, errors.New(strings.Join(ctx.refusals, "; "))
	}
	return operator, nil
}
