"""Operators that the tests run."""

from datetime import timedelta
from typing import Any

from weir_guest import (
    BYTES,
    F64,
    I64,
    JSON,
    U64,
    UTF8,
    UTF8_BYTES,
    Collector,
    Filter,
    FlatMap,
    KeyedContext,
    KeyedProcess,
    Level,
    Map,
    Older,
    OpenContext,
    Refuse,
)


class Trim(Map[str, str]):
    """Cuts white space off."""

    input = UTF8
    output = UTF8

    def map(self, record: str) -> str:
        return record.strip()


class Swap(Map[tuple[str, int], tuple[int, str]]):
    input = (UTF8, U64)
    output = (U64, UTF8)

    def map(self, record: tuple[str, int]) -> tuple[int, str]:
        return record[1], record[0]


class Long(Filter[str]):
    input = UTF8

    def filter(self, record: str) -> bool:
        return len(record) > 3


class KeyedLong(Filter[tuple[str, str]]):
    input = (UTF8, UTF8)

    def filter(self, record: tuple[str, str]) -> bool:
        return len(record[0]) + len(record[1]) > 3


class Words(FlatMap[bytes, bytes, int]):
    input = UTF8_BYTES
    output = (UTF8_BYTES, U64)

    def flat_map(self, record: bytes, out: Collector[bytes, int]) -> None:
        for word in record.lower().split():
            out.collect(word, 1)


class WordsTogether(Words):
    def flat_map(self, record: bytes, out: Collector[bytes, int]) -> None:
        out.collect_keys(record.lower().split(), 1)


class Strict(FlatMap[str, str, Any]):
    """Emits before it fails."""

    input = UTF8
    output = (UTF8, JSON)

    def open(self, ctx: OpenContext) -> None:
        self.seen = ctx.counter("seen")

    def flat_map(self, record: str, out: Collector[str, Any]) -> None:
        self.seen.add()
        out.collect(record, [record])
        if record == "refuse":
            raise Refuse("no such record")
        if record == "throw":
            raise ValueError("thrown on purpose")
        if record == "unwritable":
            out.collect(record, {1, 2})
        if record == "exit":
            raise SystemExit(3)


class Greet(Map[str, str]):
    input = UTF8
    output = UTF8

    def open(self, ctx: OpenContext) -> None:
        self.times = ctx.config_or("times", 1)
        if (greeting := ctx.config("greeting")) is None:
            ctx.refuse("greeting is missing")
        self.greeting = greeting

    def map(self, record: str) -> str:
        return f"{self.greeting} " * self.times + record


class StatefulMap(Map[str, str]):
    input = UTF8
    output = UTF8

    def open(self, ctx: OpenContext) -> None:
        ctx.value_state("nowhere", U64)

    def map(self, record: str) -> str:
        return record


class Count(KeyedProcess[str, int, str, int]):
    key = UTF8
    input = U64
    output = (UTF8, U64)

    def open(self, ctx: OpenContext) -> None:
        self.count = ctx.value_state("count", U64)

    def process(self, key: str, value: int, ctx: KeyedContext, out: Collector[str, int]) -> None:
        total = self.count.get(0) + value
        self.count.set(total)
        out.collect(key, total)


class Everything(KeyedProcess[bytes, Any, bytes, Any]):
    """Does to all kinds of state what a record says: `[state, method, arguments…]`, and emits the result."""

    key = BYTES
    input = JSON
    output = (BYTES, JSON)

    def open(self, ctx: OpenContext) -> None:
        self.states: dict[str, Any] = {
            "number": ctx.value_state("number", I64, ttl=timedelta(seconds=60), schema_version=3),
            "mean": ctx.value_state("mean", F64),
            "json": ctx.value_state("json", JSON),
            "list": ctx.list_state("list", UTF8),
            "map": ctx.map_state("map", UTF8, I64),
        }
        self.done = ctx.counter("done")

    def process(self, key: bytes, value: Any, ctx: KeyedContext, out: Collector[bytes, Any]) -> None:
        name, method, *arguments = value
        self.done.add()
        if name == "time":
            out.collect(key, [ctx.timestamp, ctx.watermark, ctx.processing_time])
        elif name == "log":
            ctx.log(Level.INFO, method)
        elif name == "refuse":
            raise Refuse(method)
        else:
            result: Any = len(self.states[name]) if method == "len" else getattr(self.states[name], method)(*arguments)
            if method == "get" and isinstance(result, list):
                result.append("changed outside of the state")
            out.collect(key, dict(result) if method == "entries" else result)


def unlucky(total: int) -> float:
    """From version 1 to version 2."""
    if total == 13:
        raise Refuse("13 is unlucky")
    return total / 2


class Versioned(KeyedProcess[str, int, str, Any]):
    """Keeps a value, a list and a map of one schema version."""

    key = UTF8
    input = U64
    output = (UTF8, JSON)
    codec: Any = U64
    options: dict[str, Any] = {}

    def open(self, ctx: OpenContext) -> None:
        self.value = ctx.value_state("value", self.codec, **self.options)
        self.list = ctx.list_state("list", self.codec, **self.options)
        self.map = ctx.map_state("map", UTF8, self.codec, **self.options)

    def process(self, key: str, value: int, ctx: KeyedContext, out: Collector[str, Any]) -> None:
        now: Any = {"sum": value} if self.codec is JSON else value
        out.collect(key, [self.value.get(), self.list.items(), dict(self.map.entries())])
        self.value.set(now)
        self.list.add(now)
        self.map.insert("entry", now)


class Second(Versioned):
    codec = F64
    options = {"schema_version": 2, "older": [Older(1, U64, unlucky)]}


class Third(Versioned):
    codec = JSON
    options = {"schema_version": 3, "older": [Older(1, U64, unlucky), Older(2, F64, lambda half: {"sum": half})]}


class Backwards(Versioned):
    options = {"schema_version": 2, "older": [Older(2, U64, float)]}


class OtherCodec(Versioned):
    codec = I64
