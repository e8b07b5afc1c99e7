"""What an open operator, its states and its output share during a call."""

from .native import NO_TIMESTAMP, Services


class Shared:
    """One per open operator."""

    __slots__ = ("services", "slot", "row", "timestamp", "watermark", "processing_time")

    def __init__(self) -> None:
        #: The host, while a call runs.
        self.services: Services | None = None
        #: The slot of the record that is being processed; -1 outside of one.
        self.slot = -1
        #: Where the record that failed is: its number in keyed calls, its offset in the bytes in others.
        self.row = 0
        self.timestamp = NO_TIMESTAMP
        self.watermark = NO_TIMESTAMP
        self.processing_time = 0

    def host(self) -> Services:
        """The host of the running call."""
        if self.services is None:
            raise RuntimeError("no call is running, so there is no host to ask")
        return self.services
