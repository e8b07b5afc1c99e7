// Rows and columns: what is written reads back, at every length, and what is cut off is noticed.

package native

import (
	"bytes"
	"testing"
	"unsafe"
)

func TestRowsReadBackAtEveryLength(t *testing.T) {
	filler := bytes.Repeat([]byte("0123456789"), 40)
	var rows []byte
	for length := range 300 {
		rows = AppendRow(rows, length%3 > 0, filler[:length], filler[length%7:], int64(length)-5)
	}
	reader, count := ReadRows(rows), 0
	for ; reader.Next(); count++ {
		row, key := reader.Row, filler[:count]
		if count%3 == 0 {
			key = nil
		}
		if row.HasKey != (count%3 > 0) || !bytes.Equal(row.Key, key) || !bytes.Equal(row.Value, filler[count%7:]) || row.Timestamp != int64(count)-5 {
			t.Fatalf("row %d reads back as %+v", count, row)
		}
	}
	if count != 300 || reader.Broken {
		t.Fatalf("%d rows are read, broken: %v", count, reader.Broken)
	}
}

func TestRowsThatAreCutOffAreBroken(t *testing.T) {
	rows := AppendRow(AppendRow(nil, true, []byte("key"), []byte("value"), 1), false, nil, []byte("more"), 2)
	first := RowHeaderBytes + 8
	for length := 1; length < len(rows); length++ {
		reader, count := ReadRows(rows[:length]), 0
		for reader.Next() {
			count++
		}
		if whole := length / first; count != min(whole, 1) || reader.Broken != (length != first) {
			t.Errorf("of %d bytes %d rows are read, broken: %v", length, count, reader.Broken)
		}
	}
}

func TestItemsReadBackAndWhatTheDataLacksIsMissing(t *testing.T) {
	var column Column
	for _, item := range [][]byte{{}, []byte("ab"), nil, {}, []byte("c")} {
		column.Push(item)
	}
	column.PushText("text")
	check := func(expected ...[]byte) {
		t.Helper()
		for i, item := range column.Items() {
			if !bytes.Equal(item, expected[i]) || (item == nil) != (expected[i] == nil) {
				t.Errorf("item %d is %q instead of %q", i, item, expected[i])
			}
		}
	}
	check([]byte{}, []byte("ab"), nil, []byte{}, []byte("c"), []byte("text"))
	column.Data = column.Data[:3]
	check([]byte{}, []byte("ab"), nil, []byte{}, []byte("c"), nil)
	if items := (Column{Lengths: []uint32{0}}).Items(); items[0] == nil {
		t.Error("an empty item without data is missing")
	}
}

func TestTextIsCheckedAtEveryLength(t *testing.T) {
	for length := range 40 {
		text := bytes.Repeat([]byte("a"), length)
		if !ValidText(unsafe.Pointer(unsafe.SliceData(text)), length) {
			t.Errorf("%d letters are no text", length)
		}
		for at := range length {
			text[at] = 0xff
			if ValidText(unsafe.Pointer(&text[0]), length) {
				t.Errorf("a byte 0xff at %d of %d is not seen", at, length)
			}
			text[at] = 'a'
		}
	}
}
