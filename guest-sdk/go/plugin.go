// A plugin: its functions by name, and who made it.

package weir

import (
	"fmt"
	"path"
	"runtime/debug"
	"strings"

	"weir/internal/native"
)

const sdk = "go weir-guest 0.1.0"

// Plugin is what a component offers to jobs.
type Plugin struct {
	// Name is by default the last element of the module's path.
	Name string
	// Version is the plugin's own, by default 0.1.0.
	Version string
	// Functions are what jobs can name.
	Functions []Function
}

var exported *Plugin

// Export makes a plugin that of this program. Call it once, from an init function of package main, whose main stays empty.
func Export(plugin Plugin) {
	if exported != nil {
		panic("weir.Export is called twice: a program is one plugin")
	}
	names := map[string]bool{}
	for _, function := range plugin.Functions {
		if names[function.name] {
			panic(fmt.Sprintf("weir.Export: two functions have the name %q", function.name))
		}
		names[function.name] = true
	}
	if plugin.Name == "" {
		plugin.Name = moduleName()
	}
	if plugin.Version == "" {
		plugin.Version = "0.1.0"
	}
	exported = &plugin
}

// Exported is for package weirtest: the plugin that this program has exported, if it has.
func Exported() *Plugin { return exported }

func moduleName() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
		return path.Base(info.Main.Path)
	}
	return "plugin"
}

// Function finds a function by its name.
func (p *Plugin) Function(name string) (Function, error) {
	var names []string
	for _, function := range p.Functions {
		if function.name == name {
			return function, nil
		}
		names = append(names, function.name)
	}
	return Function{}, fmt.Errorf("plugin `%s` has no function `%s`; it has: %s", p.Name, name, strings.Join(names, ", "))
}

// Describe is for the host: what the plugin says of itself. The same on every call.
func (p *Plugin) Describe() native.PluginDescription {
	description := native.PluginDescription{Name: p.Name, Version: p.Version, SDK: sdk}
	for _, function := range p.Functions {
		description.Functions = append(description.Functions, function.Describe())
	}
	return description
}
