"""Standard output and error as lines of the job's log, because a component has no terminal."""

import io
from collections.abc import Callable


class LogWriter(io.TextIOBase):
    """Hands whole lines to `write_line`; the rest waits for its end or for `flush`."""

    def __init__(self, write_line: Callable[[str], None]) -> None:
        self._write_line = write_line
        self._waiting = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._waiting = (self._waiting + text).split("\n")
        for line in lines:
            self._write_line(line)
        return len(text)

    def flush(self) -> None:
        if self._waiting:
            line, self._waiting = self._waiting, ""
            self._write_line(line)
