"""Runs a call over an author's operator: rows are decoded, states are lent, output and changes are handed to the host."""

from collections.abc import Callable
from operator import length_hint
from typing import Any, Union

from . import loops
from .codecs import Codec
from .collector import Pieces
from .context import Context, OpenContext
from .errors import CallError, Refuse, describe
from .native import NO_TIMESTAMP, AnyColumn, Call, Column, Failure, Services, split_rows
from .operators import Filter, FlatMap, KeyedProcess, Map, Operator, Record

#: Rows of a run between two looks at the size of the output.
ROWS_PER_RUN = 256
_NOTHING = Column([], b"")

AnyStateless = Union[Map[Any, Any], Filter[Any], FlatMap[Any, *tuple[Any, ...]]]
AnyKeyed = KeyedProcess[Any, Any, *tuple[Any, ...]]


def ports(record: Record) -> tuple[Codec[Any] | None, Codec[Any]]:
    """The codecs of key and value."""
    return record if isinstance(record, tuple) else (None, record)


class Driver:
    """One function of one subtask, open."""

    def __init__(self, operator: Operator, ctx: OpenContext, output: Record, remember: bool) -> None:
        self.shared = ctx.shared
        self.context = operator.context
        self.states = ctx.cells
        self.migrations = ctx.migrations
        self.counters = ctx.counters
        key, value = ports(output)
        self.out: Pieces[Any] = Pieces(key, value, ctx.shared, remember)

    def process(self, call: Call, services: Services) -> None:
        """Runs one call. Raises `Failure` for what the operator refuses; whatever it handed to `services` is void then."""
        shared = self.shared
        shared.services, shared.slot = services, -1
        shared.watermark, shared.processing_time = call.watermark, call.processing_time
        try:
            if call.input:
                raise CallError(f"there is no input {call.input}")
            for counter in self.counters:
                counter.added = 0
            self.run(call, services)
            self.out.finish(services)
            for state in self.states:
                state.flush(services)
            for counter in self.counters:
                counter.flush(services)
        except Failure:
            raise
        except BaseException as error:
            raise Failure(None, describe(error)) from None
        finally:
            shared.services, shared.slot = None, -1

    def run(self, call: Call, services: Services) -> None:
        """Takes the records of a call through the operator."""
        raise NotImplementedError

    def migrate(self, state: str, from_version: int, values: AnyColumn) -> Column:
        """Brings values of a state that an older schema version has written to the current one."""
        for migrations in self.migrations:
            if migrations.state == state:
                return migrations.migrate(from_version, values)
        raise Failure(None, f"this function has no state `{state}`")


class Stateless(Driver):
    """An operator without keys."""

    def __init__(self, operator: AnyStateless, ctx: OpenContext) -> None:
        super().__init__(operator, ctx, output_of(type(operator)), remember=True)
        self.key, self.value = key, value = ports(operator.input)
        self.function: Callable[..., Any]
        if isinstance(operator, Filter):
            kind, self.function = "filter", operator.filter
        elif isinstance(operator, FlatMap):
            kind, self.function = "flat-map", operator.flat_map
        else:
            kind, self.function = "map-keyed" if isinstance(operator.output, tuple) else "map", operator.map
        self.run_split = loops.of_split(kind, value) if key is None else None
        self.run_rows = loops.of_rows(kind, key, value)

    def run(self, call: Call, services: Services) -> None:
        records, out = call.records, self.out
        rows = loops.split(records) if self.run_split else None
        out.begin(untimed=rows is not None)
        if rows is None or self.run_split is None:
            self.run_any(records)
            return
        self.shared.timestamp = NO_TIMESTAMP
        for start in range(0, len(rows), ROWS_PER_RUN):
            part = rows[start : start + ROWS_PER_RUN]
            left = iter(part)
            try:
                self.run_split(left, self.function, out.collect, out.pieces.append, out)
            except BaseException as error:
                # What is left tells how far it came.
                row = start + len(part) - length_hint(left) - 1
                raise Failure(row, explain(error, None, None, self.value, rows[row][12:])) from None
            out.relieve(services)

    def run_any(self, records: bytes) -> None:
        """Rows with keys or timestamps."""
        out, shared = self.out, self.shared
        try:
            self.run_rows(records, self.function, out.collect, out.pieces.append, out, shared, out.relieve)
        except CallError:
            raise
        except BaseException as error:
            for row, (key, value, _) in enumerate(split_rows(records[shared.row :])):
                message = explain(error, self.key, key, self.value, value)
                raise Failure(sum(1 for _ in split_rows(records[: shared.row])) + row, message) from None
            raise


class Keyed(Driver):
    """An operator with state per key."""

    def __init__(self, operator: AnyKeyed, ctx: OpenContext) -> None:
        super().__init__(operator, ctx, operator.output, remember=False)
        self.key, self.value = operator.key, operator.input
        self.function = operator.process
        self.run_rows = loops.of_keyed(self.key, self.value)

    def run(self, call: Call, services: Services) -> None:
        out, shared, records, slots = self.out, self.shared, call.records, call.slots
        out.begin(untimed=False)
        for number, state in enumerate(self.states):
            state.begin(call.values[number] if number < len(call.values) else _NOTHING)
        keys: list[Any] = [None] * (max(slots, default=-1) + 1)
        try:
            self.run_rows(records, slots, keys, self.function, self.context, out, shared, out.relieve)
        except CallError:
            raise
        except BaseException as error:
            rows = list(split_rows(records))
            if shared.row >= len(rows):
                raise CallError("the call has more slots than records") from None
            key, value, _ = rows[shared.row]
            raise Failure(shared.row, explain(error, self.key, key, self.value, value)) from None


def explain(error: BaseException, key: Codec[Any] | None, key_data: bytes | None, value: Codec[Any], data: bytes) -> str:
    """Why a record failed: its bytes, if they are not of the codecs, or else what was raised."""
    try:
        if key is not None and key_data is not None:
            try:
                key.decode(key_data)
            except Refuse as refusal:
                return f"the key is {refusal}"
        value.decode(data)
    except Refuse as refusal:
        return str(refusal)
    return describe(error)


def output_of(operator: type[Operator]) -> Record:
    """The codecs of what an operator of this class emits."""
    output: Record = operator.input if issubclass(operator, Filter) else operator.output  # type: ignore[attr-defined]
    return output
