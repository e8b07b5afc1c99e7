// The job's log.

package weir

import (
	"fmt"

	"weir/internal/native"
)

// Level is the severity of a log message.
type Level = native.Level

// The levels.
const (
	// Trace is for whoever follows every step.
	Trace Level = iota
	// Debug is for whoever looks for a fault.
	Debug
	// Info is worth knowing.
	Info
	// Warn looks wrong and goes on.
	Warn
	// Error is wrong; if the call traps, it is shown as the reason.
	Error
)

// Log writes to the job's log, from anywhere. A call to the host: not for every record. What is printed to standard output and error is logged too.
func Log(level Level, message string) { native.Log(level, message) }

// Logf is Log with a format.
func Logf(level Level, format string, arguments ...any) {
	Log(level, fmt.Sprintf(format, arguments...))
}
