// The contract's imports, as the services of a call.

package weir

import (
	"runtime"

	"weir/internal/native"
)

//go:wasmimport weir:output/output@0.1.0 emit
func importEmit(output, rows, rowsLength uint32)

//go:wasmimport weir:state/keyed@0.1.0 put
func importPut(state, slots, slotsLength, lengths, lengthsLength, data, dataLength uint32)

//go:wasmimport weir:state/keyed@0.1.0 get-sub
func importGetSub(state, slots, slotsLength, lengths, lengthsLength, data, dataLength, result uint32)

//go:wasmimport weir:state/keyed@0.1.0 put-sub
func importPutSub(state, slots, slotsLength, keyLengths, keyLengthsLength, keys, keysLength, lengths, lengthsLength, data, dataLength uint32)

//go:wasmimport weir:state/keyed@0.1.0 scan
func importScan(state, slot, isAfter, after, afterLength, limit, result uint32)

//go:wasmimport weir:state/keyed@0.1.0 clear
func importClear(state, slots, slotsLength uint32)

//go:wasmimport weir:log/log@0.1.0 log
func importLog(level, message, messageLength uint32)

//go:wasmimport weir:log/log@0.1.0 count
func importCount(name, nameLength uint32, add uint64)

func init() {
	native.Log = func(level native.Level, message string) { imports{}.Log(level, message) }
}

// imports is the host.
type imports struct{}

// wasmPage is the contract's page, as it lies in memory.
type wasmPage struct {
	subKeys, values wasmColumn
	more            bool
}

// results is where the host writes what its functions give. It is no local variable: a call from the host may move the stack.
var results struct {
	column wasmColumn
	page   wasmPage
}

func (imports) Emit(output uint32, rows []byte) {
	list := lower(rows)
	importEmit(output, list.at, list.length)
	runtime.KeepAlive(rows)
}

func (imports) Put(state uint32, slots []uint32, values native.Column) {
	at, column := lower(slots), lowerColumn(values)
	importPut(state, at.at, at.length, column.lengths.at, column.lengths.length, column.data.at, column.data.length)
	runtime.KeepAlive(slots)
	runtime.KeepAlive(values)
}

func (imports) GetSub(state uint32, slots []uint32, subKeys native.Column) native.Column {
	at, column := lower(slots), lowerColumn(subKeys)
	result := pointer(&results.column)
	reserve()
	importGetSub(state, at.at, at.length, column.lengths.at, column.lengths.length, column.data.at, column.data.length, result)
	runtime.KeepAlive(slots)
	runtime.KeepAlive(subKeys)
	return liftColumn(results.column)
}

func (imports) PutSub(state uint32, slots []uint32, subKeys, values native.Column) {
	at, keys, column := lower(slots), lowerColumn(subKeys), lowerColumn(values)
	importPutSub(
		state, at.at, at.length, keys.lengths.at, keys.lengths.length, keys.data.at, keys.data.length,
		column.lengths.at, column.lengths.length, column.data.at, column.data.length,
	)
	runtime.KeepAlive(slots)
	runtime.KeepAlive(subKeys)
	runtime.KeepAlive(values)
}

func (imports) Scan(state, slot uint32, after []byte, limit uint32) native.Page {
	isAfter, list := uint32(0), lower(after)
	if after != nil {
		isAfter = 1
	}
	reserve()
	importScan(state, slot, isAfter, list.at, list.length, limit, pointer(&results.page))
	runtime.KeepAlive(after)
	page := &results.page
	return native.Page{SubKeys: liftColumn(page.subKeys), Values: liftColumn(page.values), More: page.more}
}

func (imports) Clear(state uint32, slots []uint32) {
	list := lower(slots)
	importClear(state, list.at, list.length)
	runtime.KeepAlive(slots)
}

func (imports) Log(level native.Level, message string) {
	list := lowerText(message)
	importLog(uint32(level), list.at, list.length)
	runtime.KeepAlive(message)
}

func (imports) Count(name string, add uint64) {
	list := lowerText(name)
	importCount(list.at, list.length, add)
	runtime.KeepAlive(name)
}

func lowerColumn(column native.Column) wasmColumn {
	return wasmColumn{lengths: lower(column.Lengths), data: lower(column.Data)}
}

func liftColumn(column wasmColumn) native.Column {
	return native.Column{Lengths: lift[uint32](column.lengths), Data: lift[byte](column.data)}
}
