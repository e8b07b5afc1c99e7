"""What the driver does with every state of an operator."""

from typing import Protocol

from ..native import AnyColumn, Services


class Cells(Protocol):
    """The values of one state during one call."""

    def begin(self, column: AnyColumn) -> None:
        """A call begins: forget the last one. `column` holds the values of a value state."""

    def flush(self, services: Services) -> None:
        """The call ends well: hand all changes to the host."""
