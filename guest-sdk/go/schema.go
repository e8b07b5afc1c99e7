// What can be said of a state besides its name and codec: how long it lives, and what it was before.

package weir

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"weir/internal/native"
)

// Schema says how the values of a state are read and written, and what they were in older versions of the operator. A Codec is a Schema: version 1.
type Schema[V any] interface {
	schema() schemaOf[V]
}

type schemaOf[V any] struct {
	codec   Codec[V]
	version uint32
	// older has the versions before, oldest first.
	older []olderOf[V]
}

// olderOf reads values of an older version as what they are now.
type olderOf[V any] struct {
	version uint32
	read    func(bytes []byte) (V, error)
}

func (c Codec[V]) schema() schemaOf[V]    { return schemaOf[V]{codec: c, version: 1} }
func (s schemaOf[V]) schema() schemaOf[V] { return s }

// Version is a codec at a version other than 1, from which on there is nothing to migrate.
func Version[V any](version uint32, codec Codec[V]) Schema[V] {
	return schemaOf[V]{codec: codec, version: version}
}

// MigrateTo says that from schema version `version` on values are of `codec`, and how a value of the version before becomes one; of map and list states,
// the value of an entry. Steps follow each other: MigrateTo(MigrateTo(U64, 2, F64, step), 3, UTF8, another) brings values of version 1 through both.
//
// The step sees the value and nothing else, and gives the same result for the same value. When it refuses, the job's policy decides: it stops and names
// the key, or sets the value aside.
func MigrateTo[Old, New any](older Schema[Old], version uint32, codec Codec[New], step func(old Old) (New, error)) Schema[New] {
	before := older.schema()
	after := schemaOf[New]{codec: codec, version: version}
	before.older = append(before.older[:len(before.older):len(before.older)], olderOf[Old]{before.version, before.codec.Decode})
	for _, old := range before.older {
		after.older = append(after.older, olderOf[New]{old.version, func(bytes []byte) (value New, err error) {
			from, err := old.read(bytes)
			if err != nil {
				return value, err
			}
			return step(from)
		}})
	}
	return after
}

// StateOption is something else that can be said of a state.
type StateOption func(*native.StateDescriptor)

// TTL says that entries expire this long after they were last written.
func TTL(ttl time.Duration) StateOption {
	return func(state *native.StateDescriptor) { state.TTLMs = uint64(max(ttl.Milliseconds(), 0)) }
}

// declare adds a state to the operator that is being opened.
func declare[V any](ctx *OpenContext, name string, kind native.StateKind, schema schemaOf[V], options []StateOption) stateAddress {
	state := native.StateDescriptor{Name: name, Kind: kind, ValueCodec: schema.codec.name, SchemaVersion: schema.version}
	for _, option := range options {
		option(&state)
	}
	if name == "" {
		ctx.Refusef("a state has no name")
	}
	for _, other := range ctx.descriptors {
		if other.Name == name {
			ctx.Refusef("state `%s` is declared twice", name)
		}
	}
	ctx.checkVersions(name, schema.versions())
	number := len(ctx.descriptors)
	ctx.descriptors = append(ctx.descriptors, state)
	ctx.migrations = append(ctx.migrations, schema.migrations(name))
	return stateAddress{number: uint32(number), name: name, shared: ctx.shared}
}

func (s schemaOf[V]) versions() []uint32 {
	var versions []uint32
	for _, older := range s.older {
		versions = append(versions, older.version)
	}
	return append(versions, s.version)
}

// checkVersions refuses versions that don't rise: each must be migrated in one way, to the current one.
func (c *OpenContext) checkVersions(state string, versions []uint32) {
	for i := 1; i < len(versions); i++ {
		if versions[i-1] >= versions[i] {
			c.Refusef("state `%s`: its schema versions are %s, but each MigrateTo must lead to a newer version than the one before", state, listed(versions))
			return
		}
	}
}

// migrations is what is known of the older versions of one state.
type migrations struct {
	state   string
	version uint32
	older   []migration
}

// migration appends a value of an older version as it is now.
type migration struct {
	fromVersion uint32
	item        func(to, old []byte) ([]byte, error)
}

func (s schemaOf[V]) migrations(state string) migrations {
	all := migrations{state: state, version: s.version}
	for _, older := range s.older {
		all.older = append(all.older, migration{older.version, func(to, old []byte) ([]byte, error) {
			value, err := older.read(old)
			if err != nil {
				return to, err
			}
			return s.codec.Encode(to, value)
		}})
	}
	return all
}

// migrate brings the values of one of these states to its current version.
func migrate(all []migrations, state string, fromVersion uint32, values native.Column) (migrated native.Column, failure *native.Failure) {
	found, err := findMigration(all, state, fromVersion)
	if err != nil {
		return migrated, refuseCall(err.Error())
	}
	row, done := native.NoRow, false
	defer func() {
		if !done {
			if cause := recover(); cause != nil {
				failure = &native.Failure{Row: row, Message: panicMessage(cause)}
			} else {
				exiting()
			}
		}
	}()
	for i, value := range values.Items() {
		row = i
		if value == nil {
			if values.Lengths[i] != native.Missing {
				done = true
				return migrated, refuseCall(fmt.Sprintf("the column of values is cut off at item %d", i))
			}
			migrated.Push(nil)
			continue
		}
		before := len(migrated.Data)
		data, err := found.item(migrated.Data, value)
		if err == nil && uint64(len(data)-before) >= math.MaxUint32 {
			err = errors.New("4 GiB or more")
		}
		if err != nil {
			done = true
			return migrated, &native.Failure{Row: i, Message: err.Error()}
		}
		migrated.Data = data
		migrated.Lengths = append(migrated.Lengths, uint32(len(data)-before))
	}
	done = true
	return migrated, nil
}

func findMigration(all []migrations, state string, fromVersion uint32) (*migration, error) {
	for _, known := range all {
		if known.state != state {
			continue
		}
		var versions []uint32
		for i := range known.older {
			if known.older[i].fromVersion == fromVersion {
				return &known.older[i], nil
			}
			versions = append(versions, known.older[i].fromVersion)
		}
		why := fmt.Sprintf("state `%s` has no migration from schema version %d: this function keeps version %d", state, fromVersion, known.version)
		if len(versions) > 0 {
			why += " and can read " + listed(versions)
		}
		return nil, errors.New(why)
	}
	return nil, fmt.Errorf("this function has no state `%s`", state)
}

func listed(versions []uint32) string {
	texts := make([]string, len(versions))
	for i, version := range versions {
		texts[i] = fmt.Sprint(version)
	}
	return strings.Join(texts, ", ")
}
