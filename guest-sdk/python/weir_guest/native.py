"""The seam below the contract: what a call brings, what the host offers, what a plugin says of itself, free of any Wasm."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

#: The length of an item that is missing.
MISSING = 0xFFFF_FFFF
#: The key length of a record without a key.
NO_KEY = 0xFFFF_FFFF
#: The timestamp of a record without event time, and the watermark before the first one.
NO_TIMESTAMP = -(1 << 63)


class Column:
    """Byte strings in one column: `lengths[i]` bytes of `data` each; MISSING: item i is missing."""

    __slots__ = ("lengths", "data")

    def __init__(self, lengths: list[int], data: bytes) -> None:
        self.lengths = lengths
        self.data = data


class AnyColumn(Protocol):
    """A column of ours or of the generated bindings."""

    lengths: list[int]
    data: bytes


def column_of(items: list[bytes | None]) -> Column:
    """The items as a column."""
    lengths = [MISSING if item is None else len(item) for item in items]
    return Column(lengths, b"".join([item for item in items if item is not None]))


def items_of(column: AnyColumn) -> list[bytes | None]:
    """The items of a column. One that the data is too short for, and all after it, are missing."""
    items: list[bytes | None] = []
    data, start, end = column.data, 0, len(column.data)
    for length in column.lengths:
        if length == MISSING or start + length > end:
            items.append(None)
        else:
            items.append(data[start : start + length])
            start += length
    return items


class Page(NamedTuple):
    """Some entries of one key; `more`: there are others after the last of them."""

    sub_keys: AnyColumn
    values: AnyColumn
    more: bool


class Level(Enum):
    """The severity of a log message."""

    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4


class Services(Protocol):
    """What the host offers during a call. All but the log is staged until the call returns ok."""

    def emit(self, output: int, rows: bytes) -> None: ...
    def put(self, state: int, slots: list[int], values: Column) -> None: ...
    def get_sub(self, state: int, slots: list[int], sub_keys: Column) -> AnyColumn: ...
    def put_sub(self, state: int, slots: list[int], sub_keys: Column, values: Column) -> None: ...
    def scan(self, state: int, slot: int, after: bytes | None, limit: int) -> Page: ...
    def clear(self, state: int, slots: list[int]) -> None: ...
    def log(self, level: Level, message: str) -> None: ...
    def count(self, name: str, add: int) -> None: ...


@dataclass
class Call:
    """One call of an operator."""

    records: bytes
    #: The slot of each record's key, in order. Empty for stateless functions.
    slots: list[int] = field(default_factory=list)
    #: For each state the current values of a value state by slot; an empty column for other kinds.
    values: list[AnyColumn] = field(default_factory=list)
    watermark: int = NO_TIMESTAMP
    processing_time: int = 0
    input: int = 0


class Failure(Exception):
    """What the operator refuses: the record `row` of the call, or with None the call as a whole."""

    def __init__(self, row: int | None, message: str) -> None:
        super().__init__(message)
        self.row = row
        self.message = message


@dataclass(frozen=True)
class Subtask:
    """The subtask that an operator is opened for; `index` is from 0."""

    uid: str = ""
    index: int = 0
    parallelism: int = 1
    max_parallelism: int = 128


class StateKind(Enum):
    """The shape of a state."""

    VALUE = 0
    LIST = 1
    MAP = 2


@dataclass(frozen=True)
class StateDescriptor:
    """One state of a keyed function: with the operator's UID and the key, its name is its address for ever."""

    name: str
    kind: StateKind
    value_codec: str
    schema_version: int = 1
    #: Milliseconds after the last write; 0: never expires.
    ttl_ms: int = 0


@dataclass(frozen=True)
class Port:
    """Where records enter or leave a function."""

    name: str
    key_codec: str
    value_codec: str


@dataclass(frozen=True)
class FunctionDescription:
    """One function of a plugin."""

    name: str
    doc: str
    keyed: bool
    input: Port
    output: Port
    states: list[StateDescriptor]


def split_rows(records: bytes) -> Iterator[tuple[bytes | None, bytes, int]]:
    """Key, value and timestamp of each row: plainly, where speed doesn't matter."""
    at = 0
    while at < len(records):
        key_length = int.from_bytes(records[at : at + 4], "little")
        value_length = int.from_bytes(records[at + 4 : at + 8], "little")
        timestamp = int.from_bytes(records[at + 8 : at + 16], "little", signed=True)
        at += 16
        key = None
        if key_length != NO_KEY:
            key = records[at : at + key_length]
            at += key_length
        yield key, records[at : at + value_length], timestamp
        at += value_length


def row_of(key: bytes | None, value: bytes, timestamp: int) -> bytes:
    """One row."""
    lengths = (NO_KEY if key is None else len(key)).to_bytes(4, "little") + len(value).to_bytes(4, "little")
    return lengths + timestamp.to_bytes(8, "little", signed=True) + (key or b"") + value
