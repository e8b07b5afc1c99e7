// The contract's exports over the exported plugin.

package weir

import (
	"fmt"
	"os"
	"unsafe"

	"weir/internal/native"
)

// open is the operator of this instance: it serves one function of one subtask.
var open native.Operator

// The contract's results, as they lie in memory.
type (
	// wasmFailure is the error of a result whose values are aligned to four bytes.
	wasmFailure struct {
		hasRow  uint32
		row     uint32
		message wasmList
	}
	openResult struct {
		isError uint32
		message wasmList
	}
	callResult struct {
		isError uint32
		failure wasmFailure
	}
	migrateResult struct {
		isError uint32
		// payload is a wasmColumn or a wasmFailure; both are of four words.
		payload [4]uint32
	}
)

// answer is where the host reads results, and what they point to, until the next call.
var answer struct {
	open    openResult
	call    callResult
	migrate migrateResult
	text    string
	column  native.Column
}

//go:wasmexport weir:operator/operator@0.1.0#describe
func exportDescribe() unsafe.Pointer {
	if exported == nil {
		die("the plugin exports nothing: call weir.Export in an init function")
	}
	defer func() {
		if cause := recover(); cause != nil {
			die("while functions are opened to be described: " + panicMessage(cause))
		}
	}()
	return lowerPlugin(exported.Describe())
}

//go:wasmexport weir:operator/operator@0.1.0#open
func exportOpen(function, functionLength, config, configLength, uid, uidLength, index, parallelism, maxParallelism uint32) unsafe.Pointer {
	settings := map[string]string{}
	for _, setting := range lift[[2]wasmList](wasmList{config, configLength}) {
		settings[liftText(setting[0])] = liftText(setting[1])
	}
	subtask := Subtask{UID: liftText(wasmList{uid, uidLength}), Index: index, Parallelism: parallelism, MaxParallelism: maxParallelism}
	answer.open, answer.text = openResult{}, ""
	if err := openExported(liftText(wasmList{function, functionLength}), settings, subtask); err != nil {
		answer.text = err.Error()
		answer.open = openResult{isError: 1, message: lowerText(answer.text)}
	}
	release()
	return unsafe.Pointer(&answer.open)
}

func openExported(name string, config map[string]string, subtask Subtask) error {
	if exported == nil {
		return fmt.Errorf("the plugin exports nothing: call weir.Export in an init function")
	}
	function, err := exported.Function(name)
	if err == nil {
		open, err = function.Open(config, subtask)
	}
	return err
}

//go:wasmexport weir:operator/operator@0.1.0#process
func exportProcess(input, records, recordsLength, slots, slotsLength, values, valuesLength uint32, watermark, processingTime int64) unsafe.Pointer {
	columns := lift[wasmColumn](wasmList{values, valuesLength})
	call := native.Call{
		Input:   input,
		Records: lift[byte](wasmList{records, recordsLength}),
		Slots:   lift[uint32](wasmList{slots, slotsLength}),
		Values:  make([]native.Column, len(columns)),
		Context: native.Context{Watermark: watermark, ProcessingTime: processingTime},
	}
	for i, column := range columns {
		call.Values[i] = liftColumn(column)
	}
	failure := refuseCall(notOpen)
	if open != nil {
		failure = open.Process(&call, imports{})
	}
	return answered(failure)
}

const notOpen = "this instance is not open: no function to call"

//go:wasmexport weir:operator/operator@0.1.0#on-timers
func exportOnTimers(eventTime, timers, timersLength, slots, slotsLength, values, valuesLength uint32, watermark, processingTime int64) unsafe.Pointer {
	return answered(refuseCall("weir-guest 0.1.0 has no timers, and this plugin has set none"))
}

//go:wasmexport weir:operator/operator@0.1.0#finish
func exportFinish(watermark, processingTime int64) unsafe.Pointer {
	if open == nil {
		return answered(refuseCall(notOpen))
	}
	return answered(nil)
}

//go:wasmexport weir:operator/operator@0.1.0#migrate
func exportMigrate(state, stateLength, fromVersion, lengths, lengthsLength, data, dataLength uint32) unsafe.Pointer {
	values := liftColumn(wasmColumn{wasmList{lengths, lengthsLength}, wasmList{data, dataLength}})
	failure := refuseCall(notOpen)
	if open != nil {
		answer.column, failure = open.Migrate(liftText(wasmList{state, stateLength}), fromVersion, values)
	}
	if failure != nil {
		answer.migrate.isError = 1
		*(*wasmFailure)(unsafe.Pointer(&answer.migrate.payload)) = lowerFailure(failure)
	} else {
		answer.migrate.isError = 0
		*(*wasmColumn)(unsafe.Pointer(&answer.migrate.payload)) = lowerColumn(answer.column)
	}
	release()
	return unsafe.Pointer(&answer.migrate)
}

// answered is the result of a call that gives nothing but a failure.
func answered(failure *native.Failure) unsafe.Pointer {
	answer.call = callResult{}
	if failure != nil {
		answer.call = callResult{isError: 1, failure: lowerFailure(failure)}
	}
	release()
	return unsafe.Pointer(&answer.call)
}

func lowerFailure(failure *native.Failure) wasmFailure {
	answer.text = failure.Message
	lowered := wasmFailure{message: lowerText(answer.text)}
	if failure.Row != native.NoRow {
		lowered.hasRow, lowered.row = 1, uint32(failure.Row)
	}
	return lowered
}

// die traps, with a message that the host finds.
func die(message string) {
	Log(Error, message)
	os.Exit(2)
}

func pointer[T any](to *T) uint32 { return address(unsafe.Pointer(to)) }
