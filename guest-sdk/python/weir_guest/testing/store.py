"""The state that the harness keeps between calls."""

import copy

from ..native import StateDescriptor, StateKind


class Snapshot:
    """All state of an operator, with what its states were."""

    def __init__(self, states: list[StateDescriptor]) -> None:
        self.states = {state.name: state for state in states}
        #: Values of value states, by state and key.
        self.values: dict[tuple[str, bytes], bytes] = {}
        #: Entries of list and map states, by state and key.
        self.entries: dict[tuple[str, bytes], dict[bytes, bytes]] = {}

    def copy(self) -> "Snapshot":
        """The same, on its own."""
        return copy.deepcopy(self)

    def set_value(self, state: str, key: bytes, value: bytes | None) -> None:
        """Sets or deletes a value."""
        if value is None:
            self.values.pop((state, key), None)
        else:
            self.values[state, key] = value

    def set_entries(self, state: str, key: bytes, entries: dict[bytes, bytes]) -> None:
        """Replaces the entries of a key."""
        if entries:
            self.entries[state, key] = entries
        else:
            self.entries.pop((state, key), None)

    def versioned(self, state: StateDescriptor) -> list[tuple[bytes, bytes | None, bytes]]:
        """Every value of a state that has a schema version, as key, sub-key and value. The length of a list has none."""
        found: list[tuple[bytes, bytes | None, bytes]] = [(key, None, value) for (name, key), value in self.values.items() if name == state.name]
        for (name, key), entries in self.entries.items():
            if name == state.name:
                is_list = state.kind is StateKind.LIST
                found += [(key, sub_key, value) for sub_key, value in entries.items() if sub_key or not is_list]
        return found

    def replace(self, state: str, key: bytes, sub_key: bytes | None, value: bytes) -> None:
        """Puts a migrated value in place."""
        if sub_key is None:
            self.values[state, key] = value
        else:
            self.entries[state, key][sub_key] = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and (self.values, self.entries) == (other.values, other.entries)
