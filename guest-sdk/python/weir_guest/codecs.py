"""Codecs: how the bytes of keys, values and state are read and written, under names that all of weir knows."""

import json
import struct
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .errors import Refuse

T = TypeVar("T")


class Codec(Generic[T]):
    """Bytes to values and back. `decode` and `encode` refuse what is not of this codec."""

    #: The name that ports and states carry. Connected ports must have the same.
    name: str
    #: `struct` format of a number, empty for all others.
    format: str = ""
    #: How compiled loops read the bytes `data`: an expression that raises where `decode` refuses. `{0}` stands for the codec's variables.
    reads: str = "{0}decode(data)"
    #: How compiled loops write `value`.
    writes: str = "{0}encode({1})"
    #: Whether equal values have equal bytes and hashes, so that written rows may be remembered by them.
    memorable: bool = False

    def decode(self, data: bytes) -> T:
        """The value of the bytes."""
        raise NotImplementedError

    def encode(self, value: T) -> bytes:
        """The bytes of the value."""
        raise NotImplementedError


class _Utf8(Codec[str]):
    name = "utf8"
    reads = "data.decode()"
    writes = "{1}.encode()"
    memorable = True

    def decode(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise Refuse(f"not UTF-8: {error}") from None

    def encode(self, value: str) -> bytes:
        if not isinstance(value, str):
            raise Refuse(f"not utf8: {value!r} is no str")
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise Refuse(f"not UTF-8: {error}") from None


class _Bytes(Codec[bytes]):
    name = "bytes"
    reads = "data"

    def decode(self, data: bytes) -> bytes:
        return bytes(data)

    def encode(self, value: bytes) -> bytes:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise Refuse(f"not {self.name}: {value!r} is no bytes")
        return bytes(value)


class _Utf8Bytes(_Bytes):
    name = "utf8"
    memorable = True
    reads = "data if data.isascii() or data.decode() is not None else data"

    def decode(self, data: bytes) -> bytes:
        UTF8.decode(data)
        return bytes(data)


class _Number(Codec[T]):
    """A number of fixed width, little-endian."""

    def __init__(self, name: str, format: str) -> None:
        self.name = name
        self.format = format
        packer = struct.Struct("<" + format)
        self.bytes = packer.size
        self.pack: Callable[[Any], bytes] = packer.pack
        self.unpack: Callable[[bytes], tuple[Any, ...]] = packer.unpack
        self.reads = "{0}unpack(data)[0]"
        self.memorable = format != "d"

    def decode(self, data: bytes) -> T:
        if len(data) != self.bytes:
            raise Refuse(f"not {self.name}: {len(data)} bytes instead of {self.bytes}")
        value: T = self.unpack(data)[0]
        return value

    def encode(self, value: T) -> bytes:
        return self.pack(self.normal(value))

    def normal(self, value: Any) -> T:
        """The value as `decode` would give it back: a plain `float`, or an `int` in range. What equals an `int`, as 2.0 and True do, is one."""
        try:
            if self.format == "d":
                return value if value.__class__ is float else float(value + 0.0)  # type: ignore[return-value]
            normal = int(value)
            if normal == value:
                self.pack(normal)
                return normal  # type: ignore[return-value]
        except (TypeError, ValueError, OverflowError, struct.error):
            pass
        raise Refuse(f"not {self.name}: {value!r}")


class _Bool(Codec[bool]):
    name = "bool"
    memorable = True

    def decode(self, data: bytes) -> bool:
        if data == b"\x01":
            return True
        if data == b"\x00":
            return False
        raise Refuse("not bool: one byte, 0 or 1, is expected")

    def encode(self, value: bool) -> bytes:
        if value == 1:
            return b"\x01"
        if value == 0:
            return b"\x00"
        raise Refuse(f"not bool: {value!r}")


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


class _Json(Codec[Any]):
    name = "json"
    _read = json.JSONDecoder(parse_constant=_no_constant).decode
    _write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

    def decode(self, data: bytes) -> Any:
        try:
            return self._read(data.decode())
        except (ValueError, RecursionError) as error:
            raise Refuse(f"not the JSON that is expected: {error}") from None

    def encode(self, value: Any) -> bytes:
        try:
            return self._write(value).encode()
        except (ValueError, TypeError, RecursionError) as error:
            raise Refuse(f"can't be written as JSON: {error}") from None


#: Text, as `str`.
UTF8: Codec[str] = _Utf8()
#: Text, as the `bytes` of its UTF-8: checked when read, the author's word is taken when written. The fast way through ASCII.
UTF8_BYTES: Codec[bytes] = _Utf8Bytes()
#: Opaque bytes.
BYTES: Codec[bytes] = _Bytes()
U32: Codec[int] = _Number("u32-le", "I")
U64: Codec[int] = _Number("u64-le", "Q")
I32: Codec[int] = _Number("i32-le", "i")
I64: Codec[int] = _Number("i64-le", "q")
F64: Codec[float] = _Number("f64-le", "d")
#: One byte, 0 or 1.
BOOL: Codec[bool] = _Bool()
#: Whatever `json` knows, written without spaces.
JSON: Codec[Any] = _Json()
