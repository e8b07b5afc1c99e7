// Where an operator puts its records.

package weir

import (
	"unsafe"

	"weir/internal/native"
)

// Rows are handed to the host in pieces of about this size, and at the end of a call.
const emitBytes = 256 << 10

// Room for rows that is larger than this is not kept after a call.
const keepBytesMax = 2 * emitBytes

// Collector takes the records that an operator emits. They get the timestamp of the record that is being processed.
type Collector[T any] struct {
	record recordCodec[T]
	out    output
}

// output is the part of a collector that is the same for all types of records.
type output struct {
	shape     shape
	rows      []byte
	timestamp int64
	// row is the record that is being processed, of an operator without state.
	row    *native.Row
	shared *shared
}

func newCollector[T any](record recordCodec[T], shared *shared) *Collector[T] {
	return &Collector[T]{record: record, out: output{shape: record.shape, shared: shared}}
}

// Collect emits a record. A record that can't be encoded refuses the record that is being processed.
func (c *Collector[T]) Collect(record T) {
	if c.out.shape.direct {
		c.out.write(unsafe.Pointer(&record))
	} else {
		c.collectOther(record)
	}
}

// Emit emits a record with a key: short for out.Collect(Pair[K, V]{Key: key, Value: value}).
func Emit[K, V any](out *Collector[Pair[K, V]], key K, value V) {
	if out.out.shape.textTo64 {
		// The shape says that K begins as a string does, with address and length, and that V has eight bytes.
		out.out.writeTextTo64(*(*textHeader)(unsafe.Pointer(&key)), *(*uint64)(unsafe.Pointer(&value)))
	} else {
		out.Collect(Pair[K, V]{Key: key, Value: value})
	}
}

// textHeader is how a string and a slice of bytes begin.
type textHeader struct {
	at     unsafe.Pointer
	length int
}

// Timestamp is the event time of the record that is being processed, and of what it emits, in milliseconds since the Unix epoch, if it has one.
func (c *Collector[T]) Timestamp() (ms int64, ok bool) {
	return c.out.timestamp, c.out.timestamp != native.NoTimestamp
}

// Watermark says that no record with an earlier event time is expected, in milliseconds since the Unix epoch, if there is one yet.
func (c *Collector[T]) Watermark() (ms int64, ok bool) { return c.out.shared.watermark() }

// ProcessingTime is the host's time for this call, milliseconds since the Unix epoch.
func (c *Collector[T]) ProcessingTime() (ms int64) { return c.out.shared.context.ProcessingTime }

//go:noinline
func (c *Collector[T]) collectOther(record T) {
	rows, err := c.record.write(c.out.rows, &record, c.out.timestamp)
	if err != nil {
		c.out.shared.fail(err)
		return
	}
	c.out.rows = rows
	c.out.flushIfFull()
}

// write appends the record of direct forms that lies at `record`.
func (o *output) write(record unsafe.Pointer) {
	var keyScratch, valueScratch uint64
	var key unsafe.Pointer
	keyBytes, keyLength := 0, native.NoKey
	if o.shape.key != formNone {
		var ok bool
		if key, keyBytes, ok = encoded(o.shape.key, record, &keyScratch); !ok {
			o.shared.fail(inKey(notText(record, o.shape.key)))
			return
		}
		keyLength = uint32(keyBytes)
	}
	at := unsafe.Add(record, o.shape.valueOffset)
	value, valueBytes, ok := encoded(o.shape.value, at, &valueScratch)
	if !ok {
		o.shared.fail(notText(at, o.shape.value))
		return
	}
	start, bytes := len(o.rows), native.RowHeaderBytes+keyBytes+valueBytes
	o.rows = native.Reserve(o.rows, bytes)[:start+bytes]
	to := unsafe.Pointer(&o.rows[start])
	native.Store64(to, uint64(keyLength)|uint64(valueBytes)<<32)
	native.Store64(unsafe.Add(to, 8), uint64(o.timestamp))
	native.CopyShort(unsafe.Add(to, native.RowHeaderBytes), key, keyBytes)
	native.CopyShort(unsafe.Add(to, native.RowHeaderBytes+keyBytes), value, valueBytes)
	if len(o.rows) >= emitBytes {
		o.flush()
	}
}

// writeTextTo64 is write for the most frequent records: text as a key, and a number. Every call and every branch counts in Go's Wasm, so it checks the
// text while it copies it.
func (o *output) writeTextTo64(key textHeader, value uint64) {
	const high = 0x8080808080808080
	from, length := key.at, key.length
	start, bytes := len(o.rows), native.RowHeaderBytes+8+length
	if cap(o.rows)-start < bytes {
		o.rows = native.Reserve(o.rows, bytes)
	}
	head := unsafe.Add(unsafe.Pointer(unsafe.SliceData(o.rows)), start)
	native.Store64(head, uint64(length)|8<<32)
	native.Store64(unsafe.Add(head, 8), uint64(o.timestamp))
	to, seen := unsafe.Add(head, native.RowHeaderBytes), uint64(0)
	if length >= 8 {
		last := length - 8
		for at := 0; at < last; at += 8 {
			word := *(*uint64)(unsafe.Add(from, at))
			seen |= word
			*(*uint64)(unsafe.Add(to, at)) = word
		}
		word := *(*uint64)(unsafe.Add(from, last))
		seen |= word
		*(*uint64)(unsafe.Add(to, last)) = word
	} else if length >= 4 {
		first, last := *(*uint32)(from), *(*uint32)(unsafe.Add(from, length-4))
		seen = uint64(first | last)
		*(*uint32)(to) = first
		*(*uint32)(unsafe.Add(to, length-4)) = last
	} else if length > 0 {
		first, middle, last := *(*byte)(from), *(*byte)(unsafe.Add(from, length/2)), *(*byte)(unsafe.Add(from, length-1))
		seen = uint64(first | middle | last)
		*(*byte)(to) = first
		*(*byte)(unsafe.Add(to, length/2)) = middle
		*(*byte)(unsafe.Add(to, length-1)) = last
	}
	native.Store64(unsafe.Add(to, length), value)
	if seen&high != 0 && !native.ValidText(from, length) {
		o.shared.fail(inKey(invalidText(unsafe.Slice((*byte)(from), length))))
		return
	}
	o.rows = o.rows[:start+bytes]
	if start+bytes >= emitBytes {
		o.flush()
	}
}

// pass emits the row itself; without its key if the records of this output have none.
func (o *output) pass() {
	row := o.row
	if o.shape.key != formNone || !row.HasKey {
		o.rows = native.AppendBytes(o.rows, row.Bytes)
	} else {
		o.rows = native.AppendRow(o.rows, false, nil, row.Value, row.Timestamp)
	}
	o.flushIfFull()
}

// begin drops what a failed call has left behind.
func (o *output) begin() {
	if cap(o.rows) > keepBytesMax {
		o.rows = nil
	}
	o.rows = o.rows[:0]
}

func (o *output) flushIfFull() {
	if len(o.rows) >= emitBytes {
		o.flush()
	}
}

// flush hands the rows so far to the host.
func (o *output) flush() {
	if len(o.rows) > 0 {
		o.shared.services.Emit(0, o.rows)
	}
	o.rows = o.rows[:0]
}
