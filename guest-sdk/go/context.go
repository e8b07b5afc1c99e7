// What an operator is given besides its records: configuration and states when it opens, time while it runs.

package weir

import (
	"fmt"
	"strconv"
	"time"

	"weir/internal/native"
)

// Subtask is for which of an operator's parallel instances a function is opened.
type Subtask = native.Subtask

// OpenContext is given to a function that opens an operator: configuration, the subtask, and the declaration of states and counters.
//
// Operators are also opened once without configuration, to learn which states there are: declare the same states whatever the configuration says, and
// refuse a bad configuration by Refusef, not by a panic.
type OpenContext struct {
	shared      *shared
	config      map[string]string
	subtask     Subtask
	descriptors []native.StateDescriptor
	migrations  []migrations
	states      []stateCells
	refusals    []string
	// describing says that this is only to learn the states: refusals don't count.
	describing bool
}

// Config gives the text of a configuration key, as the job says it: texts as they are, everything else as JSON.
func (c *OpenContext) Config(key string) (value string, ok bool) {
	value, ok = c.config[key]
	return value, ok
}

// ConfigOr gives the value of a configuration key, or a default where the job doesn't say it. A text that isn't a T refuses the configuration.
// Durations are as in time.ParseDuration.
func ConfigOr[T string | bool | int | int64 | uint64 | float64 | time.Duration](ctx *OpenContext, key string, otherwise T) T {
	text, ok := ctx.Config(key)
	if !ok {
		return otherwise
	}
	value := otherwise
	var err error
	switch to := any(&value).(type) {
	case *string:
		*to = text
	case *bool:
		*to, err = strconv.ParseBool(text)
	case *int:
		*to, err = strconv.Atoi(text)
	case *int64:
		*to, err = strconv.ParseInt(text, 10, 64)
	case *uint64:
		*to, err = strconv.ParseUint(text, 10, 64)
	case *float64:
		*to, err = strconv.ParseFloat(text, 64)
	case *time.Duration:
		*to, err = time.ParseDuration(text)
	}
	if err != nil {
		ctx.Refusef("config `%s` = `%s`: %v", key, text, err)
		return otherwise
	}
	return value
}

// Refusef refuses to open: the job doesn't start, and ends with this message. Go on and declare the states all the same.
func (c *OpenContext) Refusef(format string, arguments ...any) {
	c.refusals = append(c.refusals, fmt.Sprintf(format, arguments...))
}

// Subtask is the one that the operator is opened for.
func (c *OpenContext) Subtask() Subtask { return c.subtask }

// Counter declares a counter among the operator's metrics.
func (c *OpenContext) Counter(name string) *Counter {
	counter := &Counter{name: name}
	c.shared.counters = append(c.shared.counters, counter)
	return counter
}

// Counter is a counter among the operator's metrics. The host gets the sum of a call at its end.
type Counter struct {
	name  string
	added uint64
}

// Add adds to the counter. What a refused call has added doesn't count.
func (c *Counter) Add(add uint64) { c.added += add }

// KeyedContext is given to a keyed process with each record: time.
type KeyedContext struct {
	shared *shared
	out    *output
}

// Timestamp is the record's event time, milliseconds since the Unix epoch, if it has one.
func (c *KeyedContext) Timestamp() (ms int64, ok bool) {
	return c.out.timestamp, c.out.timestamp != native.NoTimestamp
}

// Watermark says that no record with an earlier event time is expected, in milliseconds since the Unix epoch, if there is one yet.
func (c *KeyedContext) Watermark() (ms int64, ok bool) { return c.shared.watermark() }

// ProcessingTime is the host's time for this call, milliseconds since the Unix epoch.
func (c *KeyedContext) ProcessingTime() (ms int64) { return c.shared.context.ProcessingTime }
