"""A list a key."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from ..codecs import U64, Codec
from ..errors import Refuse
from ..native import AnyColumn, Services
from ..shared import Shared
from .sub_keys import SubKeys

T = TypeVar("T")

#: The sub-key of a list's length.
LENGTH = b""


class ListState(Generic[T]):
    """A list a key. Declared by `OpenContext.list_state`.

    It is laid out as sub-keys: the length, a little-endian u64, under the empty sub-key; item `i` under `i` as eight bytes, big-endian, so that items
    are in order. Appending writes the item and the length, whatever the list holds already.
    """

    def __init__(self, number: int, name: str, codec: Codec[T], shared: Shared) -> None:
        self._sub_keys = SubKeys(number, name, shared)
        self._name = name
        self._codec = codec

    def __len__(self) -> int:
        data = self._sub_keys.get(LENGTH)
        return 0 if data is None else self._decoded(U64, data)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items())

    def add(self, item: T) -> None:
        """Appends an item."""
        data = self._codec.encode(item)
        length = len(self)
        self._sub_keys.put(length.to_bytes(8, "big"), data)
        self._sub_keys.put(LENGTH, (length + 1).to_bytes(8, "little"))

    def get(self, index: int) -> T | None:
        """Item `index`, from 0; None where there is none."""
        if index < 0:
            return None
        data = self._sub_keys.get(index.to_bytes(8, "big"))
        return None if data is None else self._decoded(self._codec, data)

    def items(self) -> list[T]:
        """All items, in order."""
        items = [self._decoded(self._codec, data) for _, data in self._sub_keys.entries(LENGTH)]
        if len(items) != len(self):
            raise Refuse(f"state `{self._name}`: {len(items)} items are there and {len(self)} are expected")
        return items

    def set(self, items: Iterable[T]) -> None:
        """Replaces all items."""
        items = list(items)
        self.clear()
        for item in items:
            self.add(item)

    def clear(self) -> None:
        """Deletes all items."""
        self._sub_keys.clear()

    def _decoded(self, codec: "Codec[D]", data: bytes) -> "D":
        try:
            return codec.decode(data)
        except Refuse as error:
            raise Refuse(f"state `{self._name}`: {error}") from None

    def begin(self, column: AnyColumn) -> None:
        """A call begins."""
        self._sub_keys.begin(column)

    def flush(self, services: Services) -> None:
        """Hands all changes to the host."""
        self._sub_keys.flush(services)


D = TypeVar("D")
