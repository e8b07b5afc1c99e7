// A panic in an author's function becomes a failure that says what and where.

package weir

import (
	"fmt"
	"path"
	"runtime"
	"strings"

	"weir/internal/native"
)

// end is deferred around a call: it turns a panic into the failure of the record that is being processed, and lets go of the host.
func (s *shared) end(done *bool, failure **native.Failure) {
	if !*done {
		// Without a cause, runtime.Goexit has ended the goroutine, and nothing can keep it alive.
		if cause := recover(); cause != nil {
			*failure = &native.Failure{Row: s.row, Message: panicMessage(cause)}
		} else {
			exiting()
		}
	}
	s.services, s.slot, s.row = nil, noSlot, native.NoRow
}

// panicMessage is called while a panic is being recovered from.
func panicMessage(cause any) string {
	message := "panic: " + causeText(cause)
	if place := panicPlace(); place != "" {
		message += " (" + place + ")"
	}
	return message
}

func causeText(cause any) (text string) {
	// The cause's own methods may panic in turn.
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a %T, which can't be printed", cause)
		}
	}()
	switch cause := cause.(type) {
	case error:
		return cause.Error()
	case fmt.Stringer:
		return cause.String()
	default:
		return fmt.Sprint(cause)
	}
}

// panicPlace is file and line of the innermost call in the author's own package main, or else of the innermost call that isn't the runtime's.
func panicPlace() string {
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers[:])])
	place, panicked := "", false
	for {
		frame, more := frames.Next()
		switch name := frame.Function; {
		case name == "runtime.gopanic":
			panicked = true
		case !panicked || strings.HasPrefix(name, "runtime."):
		case strings.HasPrefix(name, "weir.(*stateless[") || strings.HasPrefix(name, "weir.(*keyed["):
			return place
		case strings.HasPrefix(name, "main."):
			return position(frame)
		case place == "" && !strings.HasPrefix(name, "weir."):
			place = position(frame)
		}
		if !more {
			return place
		}
	}
}

func position(frame runtime.Frame) string {
	return fmt.Sprintf("%s:%d", path.Base(frame.File), frame.Line)
}
