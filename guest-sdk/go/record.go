// What travels between operators: a value alone, or a value with a key.

package weir

import (
	"errors"
	"fmt"
	"unsafe"

	"weir/internal/native"
)

// Pair is a record with a key.
type Pair[K, V any] struct {
	Key   K
	Value V
}

// Record says how records are read and written: a Codec is a Record without a key, KV makes one with a key.
//
// An input without a key takes records of any key and doesn't see it.
type Record[T any] interface {
	record() recordCodec[T]
}

// KV is the Record of pairs.
func KV[K, V any](key Codec[K], value Codec[V]) Record[Pair[K, V]] {
	return pairRecord[K, V]{key, value}
}

type pairRecord[K, V any] struct {
	key   Codec[K]
	value Codec[V]
}

// recordCodec is what driver and collector need to know of a Record.
type recordCodec[T any] struct {
	// keyName is empty without keys.
	keyName, valueName string
	// shape is how T lies in memory if it is of direct forms.
	shape shape
	read  func(row *native.Row) (T, error)
	// write appends a record whose forms aren't direct.
	write func(rows []byte, record *T, timestamp int64) ([]byte, error)
}

// shape is where key and value lie in a record, and in which form.
type shape struct {
	key, value  form
	valueOffset uintptr
	// direct says that both forms can be written without a call to the codec.
	direct bool
	// textTo64 says that the key is text, and that the value has eight bytes.
	textTo64 bool
}

func (c Codec[T]) record() recordCodec[T] {
	return recordCodec[T]{
		valueName: c.name,
		shape:     shape{key: formNone, value: c.form, direct: c.form != formOther},
		read:      func(row *native.Row) (T, error) { return c.read(row.Value) },
		write: func(rows []byte, record *T, timestamp int64) ([]byte, error) {
			value, err := c.Encode(nil, *record)
			if err != nil {
				return rows, err
			}
			return native.AppendRow(rows, false, nil, value, timestamp), nil
		},
	}
}

func (p pairRecord[K, V]) record() recordCodec[Pair[K, V]] {
	var pair Pair[K, V]
	shape := shape{key: p.key.form, value: p.value.form, valueOffset: unsafe.Offsetof(pair.Value)}
	shape.direct = p.key.form != formOther && p.value.form != formOther
	shape.textTo64 = (p.key.form == formText || p.key.form == formTextBytes) && p.value.form == form64
	return recordCodec[Pair[K, V]]{
		keyName:   p.key.name,
		valueName: p.value.name,
		shape:     shape,
		read:      p.read,
		write:     p.write,
	}
}

func (p *pairRecord[K, V]) read(row *native.Row) (pair Pair[K, V], err error) {
	if !row.HasKey {
		return pair, errNoKey
	}
	if pair.Key, err = p.key.read(row.Key); err != nil {
		return pair, inKey(err)
	}
	pair.Value, err = p.value.read(row.Value)
	return pair, err
}

func (p *pairRecord[K, V]) write(rows []byte, pair *Pair[K, V], timestamp int64) ([]byte, error) {
	both, err := p.key.Encode(nil, pair.Key)
	if err != nil {
		return rows, inKey(err)
	}
	keyBytes := len(both)
	if both, err = p.value.Encode(both, pair.Value); err != nil {
		return rows, err
	}
	return native.AppendRow(rows, true, both[:keyBytes], both[keyBytes:], timestamp), nil
}

var errNoKey = errors.New("the record has no key")

func inKey(err error) error { return fmt.Errorf("the key is %w", err) }

// ReadRow is for package weirtest: a row as a Record reads it.
func ReadRow[T any](as Record[T], row *native.Row) (T, error) {
	codec := as.record()
	return codec.read(row)
}
