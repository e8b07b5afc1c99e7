"""Entries under sub-keys, the ground of list and map states: read from the host once a call, written back in one piece."""

from collections.abc import Iterator

from ..native import AnyColumn, Services, column_of, items_of
from ..shared import Shared

#: Entries are asked for in pages of this many.
PAGE_ENTRIES = 256


class Slot:
    """What is known of one key."""

    __slots__ = ("cleared", "clear_is_pending", "entries", "dirty")

    def __init__(self, cleared: bool) -> None:
        #: All that the host has is void.
        self.cleared = cleared
        #: The host hasn't been told yet.
        self.clear_is_pending = cleared
        self.entries: dict[bytes, bytes | None] = {}
        self.dirty: set[bytes] = set()


class SubKeys:
    """The sub-keys of one state during one call, as bytes."""

    def __init__(self, number: int, name: str, shared: Shared) -> None:
        self.number = number
        self.name = name
        self.shared = shared
        self.slots: dict[int, Slot] = {}

    def begin(self, column: AnyColumn) -> None:
        """A call begins."""
        self.slots = {}

    def get(self, sub_key: bytes) -> bytes | None:
        """The value of a sub-key of the current key."""
        known = self.known()
        if sub_key in known.entries:
            return known.entries[sub_key]
        value = None
        if not known.cleared:
            found = self.shared.host().get_sub(self.number, [self.shared.slot], column_of([sub_key]))
            value = items_of(found)[0]
        known.entries[sub_key] = value
        return value

    def put(self, sub_key: bytes, value: bytes | None) -> None:
        """Sets or deletes a sub-key of the current key."""
        known = self.known()
        known.entries[sub_key] = value
        known.dirty.add(sub_key)

    def clear(self) -> None:
        """Deletes all sub-keys of the current key."""
        self.known()
        self.slots[self.shared.slot] = Slot(cleared=True)

    def entries(self, after: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """The entries of the current key after `after`, this call's changes included, a page at a time."""
        self.known()
        slot, more = self.shared.slot, True
        while more:
            services = self.shared.host()
            self.flush_changes(services)
            page = services.scan(self.number, slot, after, PAGE_ENTRIES)
            more = page.more and bool(page.sub_keys.lengths)
            for sub_key, value in zip(items_of(page.sub_keys), items_of(page.values)):
                if sub_key is not None and value is not None:
                    after = sub_key
                    yield sub_key, value

    def flush(self, services: Services) -> None:
        """Hands all changes to the host and forgets the call."""
        self.flush_changes(services)
        self.slots = {}

    def flush_changes(self, services: Services) -> None:
        """Hands all changes to the host, in order of slot and sub-key."""
        cleared: list[int] = []
        changed: list[int] = []
        sub_keys: list[bytes | None] = []
        values: list[bytes | None] = []
        for number, slot in sorted(self.slots.items(), key=lambda item: item[0]):
            if slot.clear_is_pending:
                slot.clear_is_pending = False
                cleared.append(number)
            for sub_key in sorted(slot.dirty):
                changed.append(number)
                sub_keys.append(sub_key)
                values.append(slot.entries[sub_key])
            slot.dirty.clear()
        if cleared:
            services.clear(self.number, cleared)
        if changed:
            services.put_sub(self.number, changed, column_of(sub_keys), column_of(values))

    def known(self) -> Slot:
        """What is known of the current key."""
        number = self.shared.slot
        slot = self.slots.get(number)
        if slot is None:
            if number < 0:
                raise RuntimeError(f"state `{self.name}`: no record is being processed, so there is no key")
            self.slots[number] = slot = Slot(cleared=False)
        return slot
