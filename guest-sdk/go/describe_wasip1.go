// The plugin's description, as it lies in memory.

package weir

import (
	"unsafe"

	"weir/internal/native"
)

type (
	wasmPlugin struct {
		name, version, sdk, functions wasmList
	}
	wasmFunction struct {
		name, doc               wasmList
		kind                    uint32
		inputs, outputs, states wasmList
	}
	wasmPort struct {
		name, keyCodec, valueCodec wasmList
	}
	wasmState struct {
		name          wasmList
		kind          uint32
		valueCodec    wasmList
		schemaVersion uint32
		ttlMs         uint64
	}
)

// described keeps what was lowered, until the next description.
var described struct {
	plugin native.PluginDescription
	root   wasmPlugin
	lists  []any
}

func lowerPlugin(plugin native.PluginDescription) unsafe.Pointer {
	described.plugin, described.lists = plugin, nil
	functions := make([]wasmFunction, len(plugin.Functions))
	for i, function := range plugin.Functions {
		functions[i] = wasmFunction{
			name: lowerText(function.Name), doc: lowerText(function.Doc), kind: uint32(function.Kind),
			inputs: lowerPorts(function.Inputs), outputs: lowerPorts(function.Outputs), states: lowerStates(function.States),
		}
	}
	described.root = wasmPlugin{lowerText(plugin.Name), lowerText(plugin.Version), lowerText(plugin.SDK), keep(functions)}
	return unsafe.Pointer(&described.root)
}

func lowerPorts(ports []native.Port) wasmList {
	lowered := make([]wasmPort, len(ports))
	for i, port := range ports {
		lowered[i] = wasmPort{lowerText(port.Name), lowerText(port.KeyCodec), lowerText(port.ValueCodec)}
	}
	return keep(lowered)
}

func lowerStates(states []native.StateDescriptor) wasmList {
	lowered := make([]wasmState, len(states))
	for i, state := range states {
		lowered[i] = wasmState{lowerText(state.Name), uint32(state.Kind), lowerText(state.ValueCodec), state.SchemaVersion, state.TTLMs}
	}
	return keep(lowered)
}

func keep[T any](list []T) wasmList {
	described.lists = append(described.lists, list)
	return lower(list)
}
