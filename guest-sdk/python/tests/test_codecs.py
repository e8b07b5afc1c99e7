"""Codecs: names, bytes, and what they refuse."""

import unittest
from typing import Any

from weir_guest import BOOL, BYTES, F64, I32, I64, JSON, U32, U64, UTF8, UTF8_BYTES, Codec, Refuse

GOOD: list[tuple[Codec[Any], str, Any, bytes]] = [
    (UTF8, "utf8", "Straße", "Straße".encode()),
    (UTF8, "utf8", "", b""),
    (UTF8_BYTES, "utf8", b"abc", b"abc"),
    (BYTES, "bytes", b"\xff\x00", b"\xff\x00"),
    (U32, "u32-le", 2**32 - 1, b"\xff" * 4),
    (U64, "u64-le", 2**64 - 1, b"\xff" * 8),
    (I32, "i32-le", -2, b"\xfe\xff\xff\xff"),
    (I64, "i64-le", -(2**63), bytes(7) + b"\x80"),
    (F64, "f64-le", -0.0, bytes(7) + b"\x80"),
    (F64, "f64-le", 1e308, b"\xa0\xc8\xeb\x85\xf3\xcc\xe1\x7f"),
    (BOOL, "bool", True, b"\x01"),
    (JSON, "json", {"a": [1, "ü", None]}, '{"a":[1,"ü",null]}'.encode()),
]
UNREADABLE: list[tuple[Codec[Any], bytes, str]] = [
    (UTF8, b"a\xff", "not UTF-8: "),
    (UTF8_BYTES, b"a\xff", "not UTF-8: "),
    (U32, b"", "not u32-le: 0 bytes instead of 4"),
    (U64, b"abc", "not u64-le: 3 bytes instead of 8"),
    (F64, bytes(9), "not f64-le: 9 bytes instead of 8"),
    (BOOL, b"\x02", "not bool: one byte, 0 or 1, is expected"),
    (JSON, b"{", "not the JSON that is expected: "),
    (JSON, b"NaN", "not the JSON that is expected: "),
    (JSON, b"\xff", "not the JSON that is expected: "),
]
UNWRITABLE: list[tuple[Codec[Any], Any, str]] = [
    (UTF8, b"bytes", "not utf8: b'bytes' is no str"),
    (UTF8, "\ud800", "not UTF-8: "),
    (BYTES, "text", "not bytes: 'text' is no bytes"),
    (U32, 2**32, "not u32-le: 4294967296"),
    (U64, -1, "not u64-le: -1"),
    (U64, 1.5, "not u64-le: 1.5"),
    (U64, "1", "not u64-le: '1'"),
    (F64, "1", "not f64-le: '1'"),
    (BOOL, "yes", "not bool: 'yes'"),
    (JSON, {1, 2}, "can't be written as JSON: "),
    (JSON, float("nan"), "can't be written as JSON: "),
]


class Codecs(unittest.TestCase):
    def test_values_have_these_bytes_and_read_back(self) -> None:
        for codec, name, value, data in GOOD:
            with self.subTest(codec=name, value=value):
                self.assertEqual((codec.name, codec.encode(value), repr(codec.decode(data))), (name, data, repr(value)))

    def test_what_is_not_of_the_codec_is_refused(self) -> None:
        for codec, what, message in [*UNREADABLE, *UNWRITABLE]:
            with self.subTest(codec=codec.name, what=what), self.assertRaises(Refuse) as refused:
                codec.decode(what) if (codec, what, message) in UNREADABLE else codec.encode(what)
            self.assertEqual(str(refused.exception)[: len(message)], message)

    def test_whatever_equals_a_whole_number_is_one(self) -> None:
        for value in (2.0, 2, complex(2).real):
            self.assertEqual(U64.encode(value), U64.encode(2))  # type: ignore[arg-type]
        self.assertEqual(U64.encode(True), U64.encode(1))
        self.assertEqual(F64.encode(2), F64.encode(2.0))
