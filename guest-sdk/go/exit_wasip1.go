// What a plugin does when an author's function ends the goroutine of its call.

package weir

import "os"

// exiting says why, and traps: the runtime would only say that no goroutine is left.
func exiting() {
	Log(Error, "runtime.Goexit was called, which ends the call: return an error instead")
	os.Exit(2)
}
