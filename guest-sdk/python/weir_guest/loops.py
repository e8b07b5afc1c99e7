"""The inner loops: each is compiled once for an operator's kind and codecs, so that a record costs no dispatch.

Decoding is written as an expression that raises where the codec refuses; which record it was, and whether the codec or the author's code raised, is
found out afterwards. So the way of a good record has no checks of its own.
"""

import struct
from collections.abc import Callable
from typing import Any

from .codecs import Codec, _Number
from .errors import CallError, Refuse
from .native import NO_KEY, NO_TIMESTAMP

#: What begins a row without a key; UTF-8 doesn't contain it.
KEYLESS = b"\xff\xff\xff\xff"
_UNTIMED = NO_TIMESTAMP.to_bytes(8, "little", signed=True)

#: The size of the output is looked at after this much input.
RELIEVE_BYTES = 1 << 14

#: What a loop does with a record.
BODIES = {
    "map": "collect(function(value))",
    "map-keyed": "collect(*function(value))",
    "flat-map": "function(value, out)",
    "filter": "if function(value): passing",
}


def split(records: bytes) -> list[bytes] | None:
    """The rows without their first four bytes, if all are without key and timestamp; None where they aren't.

    Bytes are split where such rows begin. If a value holds the same four bytes the pieces don't have the lengths that they say, and the answer is None.
    """
    if records[:4] != KEYLESS or records[8:16] != _UNTIMED:
        return None
    rows = records.split(KEYLESS)
    del rows[0]
    headers = map(_HEADERS.__getitem__, map(len, rows))
    return rows if all(map(bytes.startswith, rows, headers)) else None


class _Headers(dict[int, bytes]):
    """How a row of `split` begins, by its length."""

    def __missing__(self, length: int) -> bytes:
        header = max(length - 12, 0).to_bytes(4, "little") + _UNTIMED
        if length < 4096:
            self[length] = header
        return header


_HEADERS = _Headers()


def _names(key: Codec[Any] | None, value: Codec[Any]) -> dict[str, Any]:
    names: dict[str, Any] = {"header": struct.Struct("<IIq").unpack_from, "pack": struct.Struct("<IIq").pack, "NO_KEY": NO_KEY}
    names |= {"KEYLESS": KEYLESS, "no_key": no_key, "cut_off": cut_off}
    for prefix, codec in (("k_", key), ("v_", value)):
        if codec is not None:
            names[prefix + "decode"] = codec.decode
            names[prefix + "unpack"] = getattr(codec, "unpack", None)
    return names


def no_key() -> Refuse:
    """Why a record without a key is refused."""
    return Refuse("the record has no key")


def cut_off() -> CallError:
    """Why a call is refused whose rows don't end where they should."""
    return CallError("the records of this call are cut off: a row is longer than the bytes that hold it")


def _compiled(source: str, names: dict[str, Any]) -> Callable[..., None]:
    exec(compile(source, "<weir_guest loop>", "exec"), names)
    run: Callable[..., None] = names["run"]
    return run


def of_split(kind: str, value: Codec[Any]) -> Callable[..., None]:
    """`run(rows, function, collect, append, out)` over what `split` gives."""
    body = BODIES[kind].replace("passing", "append(KEYLESS); append(row)")
    source = f"""
def run(rows, function, collect, append, out):
    for row in rows:
        data = row[12:]
        value = {value.reads.format("v_")}
        {body}
"""
    return _compiled(source, _names(None, value))


def of_rows(kind: str, key: Codec[Any] | None, value: Codec[Any]) -> Callable[..., None]:
    """`run(records, function, collect, append, out, shared, relieve)` over any rows. Leaves the offset of a failed row in `shared.row`."""
    if key is None:
        body = BODIES[kind].replace("passing", "append(pack(NO_KEY, value_length, shared.timestamp)); append(records[at:end])")
        read_key, pair = "at += 0 if key_length == NO_KEY else key_length", ""
    else:
        body = BODIES[kind].replace("passing", "append(records[start:end])")
        read_key = f"""if key_length == NO_KEY:
                raise no_key()
            data = records[at:at + key_length]
            key = {key.reads.format("k_")}
            at += key_length"""
        pair = "value = key, value"
    source = f"""
def run(records, function, collect, append, out, shared, relieve):
    end, total, relieved = 0, len(records), 0
    try:
        while end < total:
            start = end
            key_length, value_length, shared.timestamp = header(records, start)
            at = start + 16
            {read_key}
            end = at + value_length
            data = records[at:end]
            value = {value.reads.format("v_")}
            {pair}
            {body}
            if end - relieved > {RELIEVE_BYTES}:
                relieve(shared.services)
                relieved = end
    except BaseException:
        shared.row = start
        raise
    if end != total:
        raise cut_off()
"""
    return _compiled(source, _names(key, value))


def of_keyed(key: Codec[Any], value: Codec[Any]) -> Callable[..., None]:
    """`run(records, slots, keys, function, ctx, out, shared, relieve)`. A key is read once, for all its records in the call."""
    names = _names(key, value)
    if isinstance(value, _Number):
        # A number and the header behind it are read in one go; behind the last there is room for one more.
        names["fused"] = struct.Struct(f"<{value.format}IIq").unpack_from
        padded = "records + bytes(16)"
        read_value = f"""if value_length != {value.bytes}:
                v_decode(records[at:end])
            value, key_length, value_length, timestamp = fused(records, at)"""
        read_header = ""
    else:
        padded = "records"
        read_header = "key_length, value_length, timestamp = header(records, end)"
        read_value = f"""data = records[at:end]
            value = {value.reads.format("v_")}"""
    first_header = "" if read_header else "if slots: key_length, value_length, timestamp = header(records, 0)"
    source = f"""
def run(records, slots, keys, function, ctx, out, shared, relieve):
    end, row, relieved, total = 0, 0, 0, len(records)
    records = {padded}
    {first_header}
    try:
        for row, slot in enumerate(slots):
            {read_header}
            start = end + 16
            if key_length == NO_KEY:
                raise no_key()
            at = start + key_length
            end = at + value_length
            key = keys[slot]
            if key is None:
                data = records[start:at]
                keys[slot] = key = {key.reads.format("k_")}
            shared.timestamp = timestamp
            {read_value}
            shared.slot = slot
            function(key, value, ctx, out)
            if end - relieved > {RELIEVE_BYTES}:
                relieve(shared.services)
                relieved = end
    except BaseException:
        shared.row = row
        raise
    if end != total:
        raise cut_off()
"""
    return _compiled(source, names)
