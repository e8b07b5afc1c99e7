"""The services of one call in the harness: everything is staged, calls are counted, and a breach of the contract raises."""

from collections import Counter

from ..native import AnyColumn, Column, Level, Page, StateDescriptor, StateKind, column_of, items_of, row_of, split_rows
from .store import Snapshot


class CallServices:
    """The host of one call."""

    def __init__(self, states: list[StateDescriptor], keys: list[bytes], store: Snapshot) -> None:
        self.states = states
        self.keys = keys
        self.store = store
        self.rows = b""
        self.values: dict[tuple[int, int], bytes | None] = {}
        #: The entries of each touched state and slot, as they will be.
        self.entries: dict[tuple[int, int], dict[bytes, bytes]] = {}
        self.logged: list[tuple[Level, str]] = []
        self.counts: Counter[str] = Counter()
        #: How often each service was asked.
        self.asked: Counter[str] = Counter()

    def emit(self, output: int, rows: bytes) -> None:
        self.asked["emit"] += 1
        assert output == 0, f"the operator emitted to output {output}, which it doesn't declare"
        assert b"".join(row_of(*row) for row in split_rows(rows)) == rows, "the operator emitted rows whose lengths don't add up"
        self.rows += rows

    def put(self, state: int, slots: list[int], values: Column) -> None:
        self.asked["put"] += 1
        for slot, value in zip(slots, items_of(values), strict=True):
            self._address(state, slot, is_value=True)
            self.values[state, slot] = value

    def get_sub(self, state: int, slots: list[int], sub_keys: Column) -> Column:
        self.asked["get_sub"] += 1
        asked = zip(slots, items_of(sub_keys), strict=True)
        return column_of([None if sub_key is None else self._entries(state, slot).get(sub_key) for slot, sub_key in asked])

    def put_sub(self, state: int, slots: list[int], sub_keys: Column, values: Column) -> None:
        self.asked["put_sub"] += 1
        for slot, sub_key, value in zip(slots, items_of(sub_keys), items_of(values), strict=True):
            assert sub_key is not None, "the operator put a missing sub-key"
            entries = self._entries(state, slot)
            if value is None:
                entries.pop(sub_key, None)
            else:
                entries[sub_key] = value

    def scan(self, state: int, slot: int, after: bytes | None, limit: int) -> Page:
        self.asked["scan"] += 1
        entries = sorted(item for item in self._entries(state, slot).items() if after is None or item[0] > after)
        keys: AnyColumn = column_of([sub_key for sub_key, _ in entries[:limit]])
        return Page(keys, column_of([value for _, value in entries[:limit]]), len(entries) > limit)

    def clear(self, state: int, slots: list[int]) -> None:
        self.asked["clear"] += 1
        for slot in slots:
            self._entries(state, slot).clear()

    def log(self, level: Level, message: str) -> None:
        self.logged.append((level, message))

    def count(self, name: str, add: int) -> None:
        self.asked["count"] += 1
        self.counts[name] += add

    def apply(self) -> None:
        """The call returned well."""
        for (state, slot), value in self.values.items():
            self.store.set_value(self.states[state].name, self.keys[slot], value)
        for (state, slot), entries in self.entries.items():
            self.store.set_entries(self.states[state].name, self.keys[slot], entries)

    def _address(self, state: int, slot: int, is_value: bool) -> tuple[str, bytes]:
        assert 0 <= state < len(self.states), f"the operator used state {state}, which it doesn't declare"
        descriptor = self.states[state]
        assert (descriptor.kind is StateKind.VALUE) == is_value, f"the operator used state `{descriptor.name}` as another kind of state"
        assert 0 <= slot < len(self.keys), f"the operator used slot {slot}, which this call doesn't have"
        return descriptor.name, self.keys[slot]

    def _entries(self, state: int, slot: int) -> dict[bytes, bytes]:
        if (state, slot) not in self.entries:
            self.entries[state, slot] = dict(self.store.entries.get(self._address(state, slot, is_value=False), {}))
        return self.entries[state, slot]
