"""The conformance suite's functions in Python: every SDK has a plugin of them, and all give the same output."""

import json
import socket
from datetime import timedelta
from typing import Any

from weir_guest import (
    BOOL,
    BYTES,
    F64,
    I32,
    I64,
    JSON,
    U32,
    U64,
    UTF8,
    UTF8_BYTES,
    Codec,
    Collector,
    Filter,
    FlatMap,
    KeyedContext,
    KeyedProcess,
    Map,
    Older,
    OpenContext,
    Refuse,
    export,
)


class Reverse(Map[str, str]):
    """The text with its code points in reverse order."""

    input = UTF8
    output = UTF8

    def map(self, record: str) -> str:
        return record[::-1]


class Even(Filter[int]):
    """Keeps even numbers."""

    input = U64

    def filter(self, record: int) -> bool:
        return record % 2 == 0


class Tokenize(FlatMap[bytes, bytes, int]):
    """Splits lines at ASCII whitespace into words with A-Z lower-cased, each with the number 1."""

    # As bytes, because `lower` and `split` of bytes know ASCII and nothing else.
    input = UTF8_BYTES
    output = (UTF8_BYTES, U64)

    def flat_map(self, record: bytes, out: Collector[bytes, int]) -> None:
        out.collect_keys(record.lower().split(), 1)


def no_constant(word: str) -> float:
    """Python takes NaN and the infinities for JSON; nobody else does."""
    raise ValueError(f"{word} is not JSON")


# Whole numbers stay text, as they are written.
READ_JSON = json.JSONDecoder(parse_int=str, parse_constant=no_constant).decode


class Extract(FlatMap[str, str]):
    """The text at a path in a JSON object, `user.name` if `field` says nothing else."""

    input = UTF8
    output = UTF8

    def open(self, ctx: OpenContext) -> None:
        self.path = ctx.config_or("field", "user.name").split(".")

    def flat_map(self, record: str, out: Collector[str]) -> None:
        try:
            found = READ_JSON(record)
        except (ValueError, RecursionError) as error:
            raise Refuse(f"not JSON: {error}") from None
        for part in self.path:
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, str):
            out.collect(found)
        elif isinstance(found, (bool, float)):
            out.collect(json.dumps(found))


def passing(codec: Codec[Any]) -> type[Map[Any, Any]]:
    """Decodes and encodes again."""

    class Pass(Map[Any, Any]):
        input = codec
        output = codec

        def map(self, record: Any) -> Any:
            return record

    return Pass


class Strict(FlatMap[str, str]):
    """Refuses and throws when it is told to."""

    input = UTF8
    output = UTF8

    def flat_map(self, record: str, out: Collector[str]) -> None:
        if record == "bad":
            raise Refuse("bad record: bad")
        if record == "throw":
            raise ValueError("thrown on purpose")
        out.collect(record)
        if record == "double":
            raise Refuse("refused after emitting")


class Greet(Map[str, str]):
    """Puts a greeting before the text."""

    input = UTF8
    output = UTF8

    def open(self, ctx: OpenContext) -> None:
        self.greeting = ctx.config("greeting")
        if self.greeting is None:
            ctx.refuse("greeting is missing")
        self.greeted = ctx.counter("greeted")

    def map(self, record: str) -> str:
        self.greeted.add()
        return f"{self.greeting} {record}"


class Times(FlatMap[str, Any]):
    """The times of the record and of the call."""

    input = UTF8
    output = JSON

    def flat_map(self, record: str, out: Collector[Any]) -> None:
        now = self.context
        out.collect({"timestamp": now.timestamp, "watermark": now.watermark, "time": now.processing_time})


class Count(KeyedProcess[str, int, str, int]):
    """Adds up the numbers of each key and emits the sum so far."""

    key = UTF8
    input = U64
    output = (UTF8, U64)

    def open(self, ctx: OpenContext) -> None:
        self.count = ctx.value_state("count", U64)

    def process(self, key: str, value: int, ctx: KeyedContext, out: Collector[str, int]) -> None:
        total = self.count.get(0) + value
        self.count.set(total)
        out.collect(key, total)


class History(KeyedProcess[str, str, str, Any]):
    """A list for each key."""

    key = UTF8
    input = UTF8
    output = (UTF8, JSON)

    def open(self, ctx: OpenContext) -> None:
        self.items = ctx.list_state("items", UTF8)

    def process(self, key: str, value: str, ctx: KeyedContext, out: Collector[str, Any]) -> None:
        if value == "?":
            out.collect(key, self.items.items())
        elif value == "#":
            out.collect(key, len(self.items))
        elif value == "!":
            self.items.clear()
        elif value.startswith("="):
            self.items.set(value[1:].split(",") if value != "=" else [])
        else:
            self.items.add(value)


class Ledger(KeyedProcess[str, Any, str, Any]):
    """A map of amounts for each key."""

    key = UTF8
    input = JSON
    output = (UTF8, JSON)

    def open(self, ctx: OpenContext) -> None:
        self.amounts = ctx.map_state("amounts", UTF8, I64)

    def process(self, key: str, value: Any, ctx: KeyedContext, out: Collector[str, Any]) -> None:
        if "add" in value:
            amount = self.amounts.get(value["add"], 0) + value["amount"]
            self.amounts.insert(value["add"], amount)
            out.collect(key, amount)
        elif "remove" in value:
            out.collect(key, self.amounts.contains(value["remove"]))
            self.amounts.remove(value["remove"])
        elif "list" in value:
            out.collect(key, dict(self.amounts.entries()))
        elif "clear" in value:
            self.amounts.clear()


class Last(KeyedProcess[str, Any, str, Any]):
    """The value before, for a second."""

    key = UTF8
    input = JSON
    output = (UTF8, JSON)

    def open(self, ctx: OpenContext) -> None:
        self.last = ctx.value_state("last", JSON, ttl=timedelta(seconds=1))

    def process(self, key: str, value: Any, ctx: KeyedContext, out: Collector[str, Any]) -> None:
        out.collect(key, self.last.get())
        self.last.set(value)


class Sum1(KeyedProcess[str, int, str, int]):
    """A sum for each key, as a whole number."""

    key = UTF8
    input = U64
    output = (UTF8, U64)

    def open(self, ctx: OpenContext) -> None:
        self.sum = ctx.value_state("sum", U64)

    def process(self, key: str, value: int, ctx: KeyedContext, out: Collector[str, int]) -> None:
        total = self.sum.get(0) + value
        self.sum.set(total)
        out.collect(key, total)


def to_float(total: int) -> float:
    """What a sum of version 1 is in version 2."""
    if total == 13:
        raise Refuse("13 is unlucky")
    return float(total)


class Sum2(KeyedProcess[str, int, str, float]):
    """A sum for each key, as a floating-point number."""

    key = UTF8
    input = U64
    output = (UTF8, F64)

    def open(self, ctx: OpenContext) -> None:
        self.sum = ctx.value_state("sum", F64, schema_version=2, older=[Older(1, U64, to_float)])

    def process(self, key: str, value: int, ctx: KeyedContext, out: Collector[str, float]) -> None:
        total = self.sum.get(0.0) + value
        self.sum.set(total)
        out.collect(key, total)


class Clear(KeyedProcess[str, int, str, int]):
    """As `count`, and 0 clears."""

    key = UTF8
    input = U64
    output = (UTF8, U64)

    def open(self, ctx: OpenContext) -> None:
        self.count = ctx.value_state("count", U64)

    def process(self, key: str, value: int, ctx: KeyedContext, out: Collector[str, int]) -> None:
        if value == 0:
            self.count.clear()
            out.collect(key, 0)
        else:
            total = self.count.get(0) + value
            self.count.set(total)
            out.collect(key, total)


class Distinct(KeyedProcess[str, str, str, int]):
    """The number of a key's distinct values, when there is a new one."""

    key = UTF8
    input = UTF8
    output = (UTF8, U64)

    def open(self, ctx: OpenContext) -> None:
        self.seen = ctx.map_state("seen", UTF8, BOOL)
        self.count = ctx.value_state("count", U64)

    def process(self, key: str, value: str, ctx: KeyedContext, out: Collector[str, int]) -> None:
        if not self.seen.contains(value):
            self.seen.insert(value, True)
            count = self.count.get(0) + 1
            self.count.set(count)
            out.collect(key, count)


class Dial(Map[str, str]):
    """Not of the suite: what Python says of an attempt to use the network."""

    input = UTF8
    output = UTF8

    def map(self, record: str) -> str:
        try:
            socket.create_connection((record, 80)).close()
        except OSError as error:
            return f"{type(error).__name__}: {error}"
        return "connected"


export(
    name="conformance",
    version="0.1.0",
    functions={
        "reverse": Reverse,
        "even": Even,
        "tokenize": Tokenize,
        "extract": Extract,
        "pass-bytes": passing(BYTES),
        "pass-utf8": passing(UTF8),
        "pass-u32": passing(U32),
        "pass-u64": passing(U64),
        "pass-i32": passing(I32),
        "pass-i64": passing(I64),
        "pass-f64": passing(F64),
        "pass-bool": passing(BOOL),
        "strict": Strict,
        "greet": Greet,
        "times": Times,
        "count": Count,
        "history": History,
        "ledger": Ledger,
        "last": Last,
        "sum-1": Sum1,
        "sum-2": Sum2,
        "clear": Clear,
        "distinct": Distinct,
        "dial": Dial,
    },
)
