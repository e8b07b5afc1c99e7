"""One value a key."""

import struct
from typing import Generic, TypeVar, cast, overload

from ..codecs import Codec, _Number
from ..errors import CallError, Refuse
from ..native import MISSING, AnyColumn, Column, Services, column_of, items_of
from ..shared import Shared

T = TypeVar("T")
D = TypeVar("D")


class ValueState(Generic[T]):
    """One value a key. Declared by `OpenContext.value_state`.

    Values are kept as bytes during a call and decoded at each `get`, so a list or dict that was got can be changed without changing the state.
    """

    def __init__(self, number: int, name: str, codec: Codec[T], shared: Shared) -> None:
        self._number = number
        self._name = name
        self._codec = codec
        self._shared = shared
        self._column: AnyColumn = Column([], b"")
        #: The bytes of each slot, from the first use in a call on.
        self._items: list[bytes | None] | None = None
        self._dirty: set[int] = set()

    @overload
    def get(self) -> T | None: ...
    @overload
    def get(self, default: D) -> T | D: ...
    def get(self, default: D | None = None) -> T | D | None:
        """The key's value, or `default` where there is none."""
        slot = self._shared.slot
        data = self._loaded(slot)[slot]
        if data is None:
            return default
        try:
            return self._codec.decode(data)
        except Refuse as error:
            raise Refuse(f"state `{self._name}`: {error}") from None

    def set(self, value: T) -> None:
        """Sets the key's value."""
        self._put(self._codec.encode(value))

    def clear(self) -> None:
        """Deletes the key's value."""
        self._put(None)

    def _put(self, data: bytes | None) -> None:
        slot = self._shared.slot
        self._loaded(slot)[slot] = data
        self._dirty.add(slot)

    def _loaded(self, slot: int) -> list[bytes | None]:
        items = self._items
        if items is None:
            self._items = items = items_of(self._column)
        if not 0 <= slot < len(items):
            raise no_value(self._name)
        return items

    def begin(self, column: AnyColumn) -> None:
        """A call begins."""
        self._column = column
        self._items = None
        self._dirty.clear()

    def flush(self, services: Services) -> None:
        """Hands all changes to the host."""
        if self._dirty and self._items is not None:
            slots = sorted(self._dirty)
            items = self._items
            services.put(self._number, slots, column_of([items[slot] for slot in slots]))
        self._column = Column([], b"")
        self._items = None
        self._dirty.clear()


def no_value(name: str) -> Exception:
    """What a use without a record raises."""
    return RuntimeError(f"state `{name}`: there is no value of the key: either no record is being processed, or the host passed none")


class _NumberState(ValueState[T]):
    """A number a key: the whole column is read at once, and written at once."""

    def __init__(self, number: int, name: str, codec: "_Number[T]", shared: Shared) -> None:
        super().__init__(number, name, cast("Codec[T]", codec), shared)
        self._numbers = codec
        self._cells: list[T | None] = []
        # Sets of what is surely right are recognized by class and range alone.
        self._class: type = float if codec.format == "d" else int
        bits = 8 * codec.bytes
        signed = codec.format in "iq"
        self._least: float = -float("inf") if codec.format == "d" else -(1 << (bits - 1)) if signed else 0
        self._most: float = float("inf") if codec.format == "d" else (1 << (bits - 1 if signed else bits)) - 1

    @overload
    def get(self) -> T | None: ...
    @overload
    def get(self, default: D) -> T | D: ...
    def get(self, default: D | None = None) -> T | D | None:
        """The key's value, or `default` where there is none."""
        value = self._cells[self._shared.slot]
        return default if value is None else value

    def set(self, value: T) -> None:
        """Sets the key's value."""
        if value.__class__ is not self._class or not self._least <= value <= self._most:  # type: ignore[operator]
            value = self._numbers.normal(value)
        slot = self._shared.slot
        self._cells[slot] = value
        self._dirty.add(slot)

    def clear(self) -> None:
        """Deletes the key's value."""
        slot = self._shared.slot
        self._cells[slot] = None
        self._dirty.add(slot)

    def begin(self, column: AnyColumn) -> None:
        """A call begins."""
        self._dirty.clear()
        lengths, data = column.lengths, column.data
        count, width = len(data) // self._numbers.bytes, self._numbers.bytes
        if len(data) % width or lengths.count(width) != count or lengths.count(MISSING) != len(lengths) - count:
            raise CallError(f"state `{self._name}`: values that are not {self._codec.name}")
        values = struct.unpack(f"<{count}{self._numbers.format}", data)
        if count == len(lengths):
            self._cells = list(values)
        elif count:
            present = iter(values)
            self._cells = [next(present) if length == width else None for length in lengths]
        else:
            self._cells = [None] * len(lengths)

    def flush(self, services: Services) -> None:
        """Hands all changes to the host."""
        if self._dirty:
            slots = sorted(self._dirty)
            cells, width = self._cells, self._numbers.bytes
            changed = [cells[slot] for slot in slots]
            values = [value for value in changed if value is not None]
            data = struct.pack(f"<{len(values)}{self._numbers.format}", *values)
            if len(values) == len(slots):
                lengths = [width] * len(slots)
            else:
                lengths = [MISSING if value is None else width for value in changed]
            services.put(self._number, slots, Column(lengths, data))
        self._cells = []
        self._dirty.clear()


def value_state(number: int, name: str, codec: Codec[T], shared: Shared) -> ValueState[T]:
    """The state for a codec."""
    if isinstance(codec, _Number):
        return _NumberState(number, name, codec, shared)
    return ValueState(number, name, codec, shared)
