// The log, where no call is at hand.

package native

import (
	"fmt"
	"os"
)

// Log is where messages go that are logged without a call at hand: the component sets it once, a harness for each of its calls.
var Log = Print

// Print writes a message to standard error.
func Print(_ Level, message string) { fmt.Fprintln(os.Stderr, message) }
