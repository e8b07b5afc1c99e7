"""The harness: queued input, run at a batch size of one's choice over state in memory."""

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..codecs import UTF8, Codec
from ..driver import Driver, output_of, ports
from ..native import NO_TIMESTAMP, AnyColumn, Call, Failure, Level, StateDescriptor, StateKind, Subtask, column_of, items_of, row_of, split_rows
from ..operators import KeyedProcess, Operator
from ..plugin import Function
from .services import CallServices
from .store import Snapshot

#: The batch sizes at which `process_at_every_batch_size` runs the input.
BATCH_SIZES = (1, 7, 1024, 1 << 30)


@dataclass(frozen=True)
class Refusal:
    """A record that was refused: its place among all that were pushed, from 0; None: a call as a whole, whose records are all lost."""

    record: int | None
    message: str


@dataclass
class Outcome:
    """Everything that an operator has done."""

    store: Snapshot
    rows: bytes = b""
    failures: list[Refusal] = field(default_factory=list)
    log: list[tuple[Level, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    watermark: int = NO_TIMESTAMP
    processing_time: int = 0


class Harness:
    """Runs one operator without Wasm: the same code as in a component below the contract.

    Input is queued and runs when asked. A call is a transaction, as with every host: a record that the operator refuses is set aside in `failures`, the
    call runs again without it, and nothing of the failed call is seen.
    """

    def __init__(self, operator: type[Operator], config: Mapping[str, str] | None = None) -> None:
        self._function = Function(operator.__name__, operator)
        self._keyed = issubclass(operator, KeyedProcess)
        self._in: tuple[Codec[Any] | None, Codec[Any]] = ports(operator.input)
        if issubclass(operator, KeyedProcess):
            self._in = operator.key, operator.input
        self._out = ports(output_of(operator))
        self._config = dict(config or {})
        self._states: list[StateDescriptor] = self._function.describe().states
        self._queue: list[tuple[str, Any]] = []
        self._timestamp = NO_TIMESTAMP
        self._pushed = 0
        self._outcome = Outcome(Snapshot(self._states))
        #: How often each service of the host was asked so far, also by calls that failed.
        self.asked: Counter[str] = Counter()
        self._driver: Driver | None = self._open()

    def _open(self) -> Driver:
        return self._function.open(self._config, Subtask(uid=self._function.name))[0]

    def push(self, *record: Any) -> "Harness":
        """Queues a record: a value, or a key and a value; as the input's codecs take them, or as bytes."""
        *keys, value = record
        key_codec, value_codec = self._in
        key = None if not keys else _encoded(key_codec or UTF8, keys[0])
        return self._enqueue(row_of(key, _encoded(value_codec, value), self._timestamp))

    def _enqueue(self, row: bytes) -> "Harness":
        self._queue.append(("record", (self._pushed, row)))
        self._pushed += 1
        return self

    def timestamp(self, timestamp_ms: int | None) -> "Harness":
        """The event time of the records that are pushed from now on."""
        self._timestamp = NO_TIMESTAMP if timestamp_ms is None else timestamp_ms
        return self

    def watermark(self, watermark_ms: int) -> "Harness":
        """Queues a watermark. It ends a batch."""
        self._queue.append(("watermark", watermark_ms))
        return self

    def processing_time(self, time_ms: int) -> "Harness":
        """Queues a change of the host's time. It ends a batch."""
        self._queue.append(("processing_time", time_ms))
        return self

    def new_instance(self) -> "Harness":
        """Queues the loss of the instance, as after a trap: a new one goes on over the same state. It ends a batch."""
        self._queue.append(("new_instance", None))
        return self

    def process(self, batch_size: int = 1024) -> "Harness":
        """Runs what is queued, in batches of at most `batch_size` records."""
        queue, self._queue = self._queue, []
        batch: list[tuple[int, bytes]] = []
        for what, item in queue:
            if what == "record":
                batch.append(item)
                if len(batch) >= batch_size:
                    self._run(batch)
                    batch = []
                continue
            self._run(batch)
            batch = []
            if what == "new_instance":
                self._driver = None
            else:
                setattr(self._outcome, what, item)
        self._run(batch)
        return self

    def process_at_every_batch_size(self) -> "Harness":
        """Runs what is queued at batch sizes 1, 7, 1024 and all at once, each from the same state with an instance of its own, and keeps the outcome.

        Raises where records, refusals, state or counters differ between two batch sizes.
        """
        queue, self._queue, before = self._queue, [], self._outcome
        first: Outcome | None = None
        for batch_size in BATCH_SIZES:
            self._queue = list(queue)
            self._outcome = copy.deepcopy(before)
            self._driver = None
            self.process(batch_size)
            first = first or self._outcome
            assert first == self._outcome, f"the outcome differs between batch sizes 1 and {batch_size}: {first} and {self._outcome}"
        return self

    def _run(self, batch: list[tuple[int, bytes]]) -> None:
        """One batch: a call, and again without the refused record while there is one."""
        batch = list(batch)
        while batch:
            try:
                return self._call(batch)
            except Failure as failure:
                row = failure.row
                assert row is None or 0 <= row < len(batch), f"the operator refused record {row} of a call of {len(batch)} records"
                self._outcome.failures.append(Refusal(None if row is None else batch.pop(row)[0], failure.message))
                if row is None:
                    return None

    def _call(self, batch: list[tuple[int, bytes]]) -> None:
        self._driver = driver = self._driver or self._open()
        records = b"".join(row for _, row in batch)
        slots, keys = number_keys(records) if self._keyed else ([], [])
        outcome = self._outcome
        values = [self._column(state, keys) for state in self._states]
        call = Call(records, slots, values, outcome.watermark, outcome.processing_time)
        services = CallServices(self._states, keys, outcome.store)
        try:
            driver.process(call, services)
        finally:
            self.asked += services.asked
        services.apply()
        outcome.rows += services.rows
        outcome.log += services.logged
        outcome.counts += services.counts

    def _column(self, state: StateDescriptor, keys: list[bytes]) -> AnyColumn:
        if state.kind is not StateKind.VALUE:
            return column_of([])
        return column_of([self._outcome.store.values.get((state.name, key)) for key in keys])

    def records(self) -> list[Any]:
        """Everything emitted so far: values, or pairs of key and value where the output has a key."""
        key_codec, value_codec = self._out
        rows = split_rows(self._outcome.rows)
        if key_codec is None:
            return [value_codec.decode(value) for _, value, _ in rows]
        return [(key_codec.decode(key or b""), value_codec.decode(value)) for key, value, _ in rows]

    def rows(self) -> list[tuple[bytes | None, bytes, int]]:
        """Everything emitted so far: key, value and timestamp as they are."""
        return list(split_rows(self._outcome.rows))

    def forget_output(self) -> "Harness":
        """Forgets what was emitted, refused, logged and counted; state and time stay."""
        old = self._outcome
        self._outcome = Outcome(old.store, watermark=old.watermark, processing_time=old.processing_time)
        self.asked.clear()
        return self

    @property
    def failures(self) -> list[Refusal]:
        """What was refused so far."""
        return self._outcome.failures

    @property
    def log(self) -> list[tuple[Level, str]]:
        """What was logged so far."""
        return self._outcome.log

    def counter(self, name: str) -> int:
        """The sum of a counter so far."""
        return self._outcome.counts[name]

    def value(self, state: str, codec: Codec[Any], key: Any) -> Any:
        """A key's value in a value state; None where there is none."""
        data = self._outcome.store.values.get((state, self._key(key)))
        return None if data is None else codec.decode(data)

    def list_items(self, state: str, codec: Codec[Any], key: Any) -> list[Any]:
        """A key's items in a list state."""
        return [codec.decode(data) for sub_key, data in self.entries(state, key) if sub_key]

    def map_entries(self, state: str, key_codec: Codec[Any], codec: Codec[Any], key: Any) -> list[tuple[Any, Any]]:
        """A key's entries in a map state, in order of the bytes of their sub-keys."""
        return [(key_codec.decode(sub_key), codec.decode(data)) for sub_key, data in self.entries(state, key)]

    def entries(self, state: str, key: Any) -> list[tuple[bytes, bytes]]:
        """A key's entries in a list or map state, as bytes."""
        return sorted(self._outcome.store.entries.get((state, self._key(key)), {}).items())

    def _key(self, key: Any) -> bytes:
        return _encoded(self._in[0] or UTF8, key)

    def snapshot(self) -> Snapshot:
        """The state as of the last `process`."""
        return self._outcome.store.copy()

    def restore(self, snapshot: Snapshot) -> "Harness":
        """Replaces all state, and goes on with a new instance. A state of an older schema version is migrated, as a host does when a plugin is replaced.

        Raises `AssertionError` when a state is of another kind or codec, was written by a version that can't be migrated, or one of its values can't.
        """
        adopted = snapshot.copy()
        driver = self._open()
        for state in self._states:
            written = snapshot.states.get(state.name)
            if written is None:
                continue
            assert written.kind is state.kind, f"state `{state.name}` is another kind of state in the snapshot"
            if written.schema_version != state.schema_version:
                _migrate(adopted, state, written.schema_version, driver)
            else:
                both = f"state `{state.name}` is {written.value_codec} in the snapshot and {state.value_codec} here"
                assert written.value_codec == state.value_codec, f"{both}, both as schema version {state.schema_version}: raise the version"
        adopted.states |= {state.name: state for state in self._states}
        self._outcome.store = adopted
        self._driver = None
        return self


def _migrate(snapshot: Snapshot, state: StateDescriptor, from_version: int, driver: Driver) -> None:
    """Brings all values of `state` to its current version, in one call."""
    values = snapshot.versioned(state)
    try:
        migrated = items_of(driver.migrate(state.name, from_version, column_of([value for _, _, value in values])))
    except Failure as failure:
        key = "" if failure.row is None else f"state `{state.name}` of key {values[failure.row][0]!r}, schema version {from_version}: "
        raise AssertionError(f"the snapshot can't be restored: {key}{failure.message}") from None
    for (key_data, sub_key, _), value in zip(values, migrated, strict=True):
        assert value is not None, f"state `{state.name}` came back from its migration with values missing"
        snapshot.replace(state.name, key_data, sub_key, value)


def _encoded(codec: Codec[Any], value: Any) -> bytes:
    """The value as the codec has it; bytes as they are, so that tests can push what isn't of the codec."""
    if isinstance(value, str) and codec.name == UTF8.name:
        return UTF8.encode(value)
    return bytes(value) if isinstance(value, (bytes, bytearray)) else codec.encode(value)


def number_keys(records: bytes) -> tuple[list[int], list[bytes]]:
    """The slot of each row's key, and the keys by slot. Rows without a key count as one key: the operator refuses them."""
    numbers: dict[bytes | None, int] = {}
    slots = [numbers.setdefault(key, len(numbers)) for key, _, _ in split_rows(records)]
    return slots, [key or b"" for key in numbers]
