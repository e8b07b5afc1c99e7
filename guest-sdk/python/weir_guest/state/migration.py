"""State of older schema versions: how its values become what they are now, which is the contract's `migrate`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..codecs import Codec
from ..errors import describe
from ..native import MISSING, AnyColumn, Column, Failure, column_of, items_of


@dataclass(frozen=True)
class Older:
    """What a state was in an older schema version: its codec then, and the step from such a value to one of the next version.

    The step sees the value and nothing else, and gives the same result for the same value. What it raises stops the job and names the key, or sets the
    value aside, as the job's policy has it.
    """

    version: int
    codec: Codec[Any]
    step: Callable[[Any], Any]


class Migrations:
    """What is known of the older versions of one state, oldest first."""

    def __init__(self, state: str, schema_version: int, codec: Codec[Any], older: Sequence[Older]) -> None:
        self.state = state
        self.schema_version = schema_version
        self.codec = codec
        self.older = list(older)

    def check(self) -> str | None:
        """Why the versions don't follow each other, if they don't."""
        versions = [older.version for older in self.older] + [self.schema_version]
        if all(one < after for one, after in zip(versions, versions[1:])):
            return None
        return f"its schema versions are {', '.join(map(str, versions))}, but each must be newer than the one before"

    def migrate(self, from_version: int, values: AnyColumn) -> Column:
        """Brings `values` to the current version, item by item."""
        versions = [older.version for older in self.older]
        if from_version not in versions:
            why = f"state `{self.state}` has no migration from schema version {from_version}: this function keeps version {self.schema_version}"
            raise Failure(None, f"{why} and can read {', '.join(map(str, versions))}" if versions else why)
        steps = self.older[versions.index(from_version) :]
        migrated: list[bytes | None] = []
        for row, (data, length) in enumerate(zip(items_of(values), values.lengths)):
            if data is None:
                if length != MISSING:
                    raise Failure(None, f"the column of values is cut off at item {row}")
                migrated.append(None)
                continue
            try:
                value = steps[0].codec.decode(data)
                for older in steps:
                    value = older.step(value)
                migrated.append(self.codec.encode(value))
            except BaseException as error:
                raise Failure(row, describe(error)) from None
        return column_of(migrated)
