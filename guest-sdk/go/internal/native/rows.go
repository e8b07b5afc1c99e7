// Records as they cross the boundary: rows back to back in one buffer, in the contract's layout.

package native

import "unsafe"

const (
	// RowHeaderBytes is what lies before a row's key.
	RowHeaderBytes = 16
	// NoKey is the key length of a record without a key.
	NoKey = ^uint32(0)
	// NoTimestamp is the timestamp of a record without event time.
	NoTimestamp = -1 << 63
)

// Row is one record, lying in the buffer of its call.
type Row struct {
	Key, Value []byte
	HasKey     bool
	Timestamp  int64
	// Bytes is the whole row, header included.
	Bytes []byte
}

// RowReader reads rows one after another.
type RowReader struct {
	Row  Row
	rest []byte
	// Broken is set where a row is longer than the bytes that hold it.
	Broken bool
}

// ReadRows reads rows from their start.
func ReadRows(rows []byte) RowReader {
	return RowReader{rest: rows}
}

// Next moves to the next row, if there is one.
func (r *RowReader) Next() bool {
	rest := r.rest
	if len(rest) < RowHeaderBytes {
		r.Broken = len(rest) > 0
		return false
	}
	head := unsafe.Pointer(unsafe.SliceData(rest))
	lengths := Load64(head)
	keyBytes, valueBytes := int(uint32(lengths)), int(lengths>>32)
	hasKey := uint32(lengths) != NoKey
	if !hasKey {
		keyBytes = 0
	}
	if keyBytes > len(rest)-RowHeaderBytes || valueBytes > len(rest)-RowHeaderBytes-keyBytes {
		r.Broken = true
		return false
	}
	end := RowHeaderBytes + keyBytes + valueBytes
	r.Row.HasKey = hasKey
	r.Row.Timestamp = int64(Load64(unsafe.Add(head, 8)))
	// The capacities end where the pieces end: an append to one can't write into the next.
	r.Row.Key = rest[RowHeaderBytes : RowHeaderBytes+keyBytes : RowHeaderBytes+keyBytes]
	r.Row.Value = rest[RowHeaderBytes+keyBytes : end : end]
	r.Row.Bytes = rest[:end:end]
	r.rest = rest[end:]
	return true
}

// AppendRow appends a record as a row.
func AppendRow(rows []byte, hasKey bool, key, value []byte, timestamp int64) []byte {
	keyLength := uint32(len(key))
	if !hasKey {
		keyLength, key = NoKey, nil
	}
	rows = Reserve(rows, RowHeaderBytes+len(key)+len(value))
	at := len(rows)
	rows = rows[:at+RowHeaderBytes]
	head := unsafe.Pointer(&rows[at])
	Store64(head, uint64(keyLength)|uint64(len(value))<<32)
	Store64(unsafe.Add(head, 8), uint64(timestamp))
	return AppendBytes(AppendBytes(rows, key), value)
}
