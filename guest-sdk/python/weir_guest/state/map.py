"""A map a key."""

from collections.abc import Iterator
from typing import Generic, TypeVar, overload

from ..codecs import Codec
from ..errors import Refuse
from ..native import AnyColumn, Services
from ..shared import Shared
from .sub_keys import SubKeys

K = TypeVar("K")
T = TypeVar("T")
D = TypeVar("D")


class MapState(Generic[K, T]):
    """A map a key. Declared by `OpenContext.map_state`.

    The first look at an entry in a call asks the host; changes go back together at the end of the call.
    """

    def __init__(self, number: int, name: str, key: Codec[K], codec: Codec[T], shared: Shared) -> None:
        self._sub_keys = SubKeys(number, name, shared)
        self._name = name
        self._key = key
        self._codec = codec

    @overload
    def get(self, sub_key: K) -> T | None: ...
    @overload
    def get(self, sub_key: K, default: D) -> T | D: ...
    def get(self, sub_key: K, default: D | None = None) -> T | D | None:
        """The value of an entry, or `default` where there is none."""
        data = self._sub_keys.get(self._key.encode(sub_key))
        return default if data is None else self._decoded(self._codec, data)

    def contains(self, sub_key: K) -> bool:
        """Whether there is such an entry."""
        return self._sub_keys.get(self._key.encode(sub_key)) is not None

    __contains__ = contains

    def insert(self, sub_key: K, value: T) -> None:
        """Sets an entry."""
        self._sub_keys.put(self._key.encode(sub_key), self._codec.encode(value))

    def remove(self, sub_key: K) -> None:
        """Deletes an entry, if it is there."""
        self._sub_keys.put(self._key.encode(sub_key), None)

    def clear(self) -> None:
        """Deletes all entries of the key."""
        self._sub_keys.clear()

    def entries(self) -> Iterator[tuple[K, T]]:
        """The key's entries in order of the bytes of their sub-keys, fetched a page at a time."""
        for sub_key, data in self._sub_keys.entries(None):
            yield self._decoded(self._key, sub_key), self._decoded(self._codec, data)

    def _decoded(self, codec: Codec[D], data: bytes) -> D:
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
