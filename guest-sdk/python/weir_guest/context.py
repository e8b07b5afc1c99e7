"""What an operator is given besides its records: configuration and states when it opens, time and log while it runs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from .codecs import Codec
from .native import NO_TIMESTAMP, Level, Services, StateDescriptor, StateKind, Subtask
from .shared import Shared
from .state import Cells, ListState, MapState, Migrations, Older, ValueState, value_state

T = TypeVar("T")
K = TypeVar("K")


class Context:
    """Time and log, as `self.context` of every operator and as `ctx` of `process`. Times are milliseconds since the Unix epoch."""

    __slots__ = ("_shared",)

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    @property
    def timestamp(self) -> int | None:
        """The record's event time, which is also that of what it emits."""
        timestamp = self._shared.timestamp
        return None if timestamp == NO_TIMESTAMP else timestamp

    @property
    def watermark(self) -> int | None:
        """No record with an earlier event time is expected; None before the first watermark."""
        watermark = self._shared.watermark
        return None if watermark == NO_TIMESTAMP else watermark

    @property
    def processing_time(self) -> int:
        """The host's time for this call."""
        return self._shared.processing_time

    def log(self, level: Level, message: str) -> None:
        """Writes to the job's log. A call to the host: not for every record."""
        self._shared.host().log(level, message)


#: The context of a keyed operator: the same.
KeyedContext = Context


class Counter:
    """A counter among the operator's metrics. The host gets the sum of a call at its end; what a refused call has added doesn't count."""

    __slots__ = ("name", "added")

    def __init__(self, name: str) -> None:
        self.name = name
        self.added = 0

    def add(self, add: int = 1) -> None:
        """Adds to the counter."""
        self.added += add

    def flush(self, services: Services) -> None:
        """Hands the sum to the host."""
        if self.added:
            services.count(self.name, self.added)
            self.added = 0


_FLAGS = {"true": True, "false": False}


class OpenContext:
    """Given to `open`: configuration, the subtask, and the declaration of states and counters.

    `open` also runs once without configuration, to learn which states there are: declare the same states whatever the configuration says, and refuse
    a bad configuration by `refuse`, not by an exception.
    """

    def __init__(self, config: Mapping[str, str], subtask: Subtask, shared: Shared) -> None:
        self.subtask = subtask
        self.shared = shared
        self.states: list[StateDescriptor] = []
        self.cells: list[Cells] = []
        self.migrations: list[Migrations] = []
        self.counters: list[Counter] = []
        self.refusals: list[str] = []
        self._config = config

    def config(self, key: str) -> str | None:
        """The text of a configuration key, as the job says it: texts as they are, everything else as JSON."""
        return self._config.get(key)

    def config_or(self, key: str, default: T, parse: Callable[[str], T] | None = None) -> T:
        """The value of a configuration key, read by `parse` (by default the type of `default`), or `default` where the job doesn't say it.

        A text that can't be read refuses the configuration.
        """
        text = self._config.get(key)
        if text is None:
            return default
        read: Callable[[str], Any] = _FLAGS.__getitem__ if isinstance(default, bool) else type(default)
        try:
            value: T = (parse or read)(text)
            return value
        except Exception as error:
            why = "true or false is expected" if parse is None and isinstance(default, bool) else str(error)
            self.refuse(f"config `{key}` = `{text}`: {why}")
            return default

    def refuse(self, message: str) -> None:
        """Refuses to open: the job doesn't start, with this message."""
        self.refusals.append(message)

    def counter(self, name: str) -> Counter:
        """Declares a counter among the operator's metrics."""
        counter = Counter(name)
        self.counters.append(counter)
        return counter

    def value_state(
        self, name: str, codec: Codec[T], *, ttl: timedelta | None = None, schema_version: int = 1, older: Sequence[Older] = ()
    ) -> ValueState[T]:
        """Declares a state of one value a key. The name is the state's address for ever."""
        number = self._declare(name, StateKind.VALUE, codec, ttl, schema_version, older)
        state = value_state(number, name, codec, self.shared)
        self.cells.append(state)
        return state

    def list_state(
        self, name: str, codec: Codec[T], *, ttl: timedelta | None = None, schema_version: int = 1, older: Sequence[Older] = ()
    ) -> ListState[T]:
        """Declares a state of one list a key."""
        number = self._declare(name, StateKind.LIST, codec, ttl, schema_version, older)
        state = ListState(number, name, codec, self.shared)
        self.cells.append(state)
        return state

    def map_state(
        self, name: str, key: Codec[K], codec: Codec[T], *, ttl: timedelta | None = None, schema_version: int = 1, older: Sequence[Older] = ()
    ) -> MapState[K, T]:
        """Declares a state of one map a key. Entries are ordered by the bytes of their sub-keys: text and bytes as one expects, numbers not."""
        number = self._declare(name, StateKind.MAP, codec, ttl, schema_version, older)
        state = MapState(number, name, key, codec, self.shared)
        self.cells.append(state)
        return state

    def _declare(self, name: str, kind: StateKind, codec: Codec[Any], ttl: timedelta | None, schema_version: int, older: Sequence[Older]) -> int:
        if not name or any(state.name == name for state in self.states):
            self.refuse(f"state `{name}` is declared twice, or has no name")
        migrations = Migrations(name, schema_version, codec, older)
        if why := migrations.check():
            self.refuse(f"state `{name}`: {why}")
        ttl_ms = 0 if ttl is None else ttl // timedelta(milliseconds=1)
        self.states.append(StateDescriptor(name, kind, codec.name, schema_version, ttl_ms))
        self.migrations.append(migrations)
        return len(self.states) - 1
