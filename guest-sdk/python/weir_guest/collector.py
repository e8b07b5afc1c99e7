"""Where an operator puts its records: written rows are gathered as pieces and handed to the host once a call."""

import struct
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVarTuple

from .codecs import Codec, _Number
from .native import NO_KEY, NO_TIMESTAMP, Services
from .shared import Shared

Outs = TypeVarTuple("Outs")

#: Rows are handed to the host at the end of a call, and within it from this size on.
EMIT_BYTES = 1 << 20
#: Remembered rows are forgotten all together when there are this many, and longer rows are not remembered.
REMEMBERED_ROWS = 32768
REMEMBERED_BYTES = 160
#: After a call in which remembering didn't pay off, it is left alone for this many calls.
PAUSE_CALLS = 200

_HEADER = struct.Struct("<IIq").pack


class Collector(Generic[*Outs]):
    """Takes the records that an operator emits: `out.collect(value)`, or `out.collect(key, value)` where the output has a key.

    They get the timestamp of the record that is being processed. A record that can't be written raises, and so refuses the record at hand.
    """

    collect: Callable[[*Outs], None]
    #: `out.collect_keys(keys, value)`: a record for each key, all with the same value. Much faster than a `collect` for each.
    collect_keys: Callable[[Iterable[Any], Any], None]


class Pieces(Collector[*Outs]):
    """The collector as the driver sees it."""

    collect: Callable[..., None]  # type: ignore[assignment]

    def __init__(self, key: Codec[Any] | None, value: Codec[Any], shared: Shared, remember: bool) -> None:
        self.pieces: list[bytes] = []
        #: Pieces of this call that are joined already, their size, and how many there were.
        self._joined: list[bytes] = []
        self._joined_bytes = 0
        self._joined_pieces = 0
        self._write: Callable[..., None] = _writer(key, value, shared, self.pieces)
        self._remembered = None
        if remember and key is not None and key.memorable and value.memorable:
            self._remembered = _Remembered(key, value)
        self._pause_calls = 0
        self.collect = self._write
        self.collect_keys = self._write_keys

    def begin(self, untimed: bool) -> None:
        """A call begins; `untimed`: none of its records has a timestamp."""
        self._forget_pieces()
        self.collect = self._write
        self.collect_keys = self._write_keys
        if untimed and self._remembered is not None:
            if self._pause_calls:
                self._pause_calls -= 1
            else:
                self.collect, self.collect_keys = self._remembered.writers(self.pieces, self._write)

    def _write_keys(self, keys: Iterable[Any], value: Any) -> None:
        for key in keys:
            self._write(key, value)

    def relieve(self, services: Services) -> None:
        """Hands the rows so far to the host, if they are large."""
        self._join()
        if self._joined_bytes >= EMIT_BYTES:
            self._emit(services)

    def finish(self, services: Services) -> None:
        """The call ends well: hands the rows to the host."""
        self._join()
        self._emit(services)
        remembered = self._remembered
        if remembered is not None and remembered.misses:
            if remembered.misses * 2 > self._joined_pieces and remembered.misses > 64:
                self._pause_calls = PAUSE_CALLS
                remembered.forget()
            elif remembered.rows > REMEMBERED_ROWS:
                remembered.forget()
            remembered.misses = 0
        self._forget_pieces()

    def _join(self) -> None:
        """Joins what has come since the last time, so that no piece is looked at twice."""
        if self.pieces:
            self._joined_pieces += len(self.pieces)
            rows = b"".join(self.pieces)
            self._joined_bytes += len(rows)
            self._joined.append(rows)
            self.pieces.clear()

    def _emit(self, services: Services) -> None:
        if self._joined:
            services.emit(0, self._joined[0] if len(self._joined) == 1 else b"".join(self._joined))
            self._joined.clear()
            self._joined_bytes = 0

    def _forget_pieces(self) -> None:
        self.pieces.clear()
        self._joined.clear()
        self._joined_bytes = self._joined_pieces = 0


def _writer(key: Codec[Any] | None, value: Codec[Any], shared: Shared, pieces: list[bytes]) -> Callable[..., None]:
    """`collect`, compiled for the codecs: the codecs' own expressions are put into its source."""
    names: dict[str, Any] = {"append": pieces.append, "shared": shared, "header": _HEADER, "NO_KEY": NO_KEY}
    for prefix, codec in (("k_", key), ("v_", value)):
        if codec is not None:
            names[prefix + "encode"] = codec.encode
    written = "v_encode(value)" if value.writes == Codec.writes else value.writes.format("v_", "value")
    if key is None:
        source = f"""
def collect(value):
    data = {written}
    append(header(NO_KEY, len(data), shared.timestamp))
    append(data)
"""
    elif isinstance(value, _Number):
        # Header, key and number by one call, which is compiled once for each length of key.
        names["rows"] = _RowPackers(value)
        names["errors"] = (struct.error, AttributeError, UnicodeEncodeError)
        source = f"""
def collect(key, value):
    try:
        data = {key.writes.format("k_", "key")}
        length = len(data)
        append(rows[length](length, {value.bytes}, shared.timestamp, data, value))
    except errors:
        data, number = k_encode(key), v_encode(value)
        append(header(len(data), len(number), shared.timestamp) + data + number)
"""
    else:
        source = f"""
def collect(key, value):
    data, value = {key.writes.format("k_", "key")}, {written}
    append(header(len(data), len(value), shared.timestamp))
    append(data)
    append(value)
"""
    exec(source, names)
    collect: Callable[..., None] = names["collect"]
    return collect


class _RowPackers(dict[int, Callable[..., bytes]]):
    """By length of the key, what packs a whole row with a number as its value."""

    def __init__(self, value: "_Number[Any]") -> None:
        super().__init__()
        self.format = value.format

    def __missing__(self, length: int) -> Callable[..., bytes]:
        packer = struct.Struct(f"<IIq{length}s{self.format}").pack
        if length <= REMEMBERED_BYTES:
            self[length] = packer
        return packer


class _Remembered(dict[Any, "_ByKey"]):
    """Written rows without a timestamp, by value and key: words come again and again, and so do the numbers that go with them."""

    def __init__(self, key: Codec[Any], value: Codec[Any]) -> None:
        super().__init__()
        self.key = key
        self.value = value
        self.rows = 0
        self.misses = 0

    def writers(self, pieces: list[bytes], write: Callable[..., None]) -> tuple[Callable[..., None], Callable[..., None]]:
        """`collect` and `collect_keys` by these rows, for one call; `write` is for what has no hash."""
        append, extend = pieces.append, pieces.extend
        last: Any = self
        rows: Any = None
        row: Any = None

        def collect(key: Any, value: Any) -> None:
            nonlocal last, rows, row
            try:
                if value is not last:
                    rows = self[value]
                    row, last = rows.__getitem__, value
                append(rows[key])
            except TypeError:
                write(key, value)

        def collect_keys(keys: Iterable[Any], value: Any) -> None:
            nonlocal last, rows, row
            if value is not last:
                rows = self[value]
                row, last = rows.__getitem__, value
            extend(map(row, keys))

        return collect, collect_keys

    def __missing__(self, value: Any) -> "_ByKey":
        self.misses += 1
        self.rows += 1
        rows = _ByKey(self, self.value.encode(value))
        if self.rows <= REMEMBERED_ROWS:
            self[value] = rows
        return rows

    def forget(self) -> None:
        """Forgets all rows."""
        self.clear()
        self.rows = 0


class _ByKey(dict[Any, bytes]):
    """Rows of one value, by key."""

    def __init__(self, all_rows: _Remembered, value: bytes) -> None:
        super().__init__()
        self.all = all_rows
        self.value = value

    def __missing__(self, key: Any) -> bytes:
        data = self.all.key.encode(key)
        row = _HEADER(len(data), len(self.value), NO_TIMESTAMP) + data + self.value
        self.all.misses += 1
        self.all.rows += 1
        if len(row) <= REMEMBERED_BYTES and self.all.rows <= REMEMBERED_ROWS:
            self[key] = row
        return row
