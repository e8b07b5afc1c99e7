"""How a record is refused, and how any exception becomes words that a person can act on."""

import os
import traceback
from types import TracebackType

_HERE = os.path.dirname(__file__)


class Refuse(Exception):
    """Refuses the record that is being processed. The message is shown as it is; the job's `on-error` decides what becomes of the record."""


class CallError(Exception):
    """Refuses the call as a whole: what the host passed can't be read."""


def describe(error: BaseException) -> str:
    """Type, message and place of an exception; of a `Refuse` its message alone."""
    if isinstance(error, (Refuse, CallError)):
        return str(error)
    try:
        words = "".join(traceback.format_exception_only(type(error), error)).strip()
    except Exception:  # an exception whose own __str__ raises
        words = type(error).__qualname__
    place = _place(error.__traceback__)
    return f"{words} ({place})" if place else words


def _place(trace: TracebackType | None) -> str:
    """File and line of the innermost frame of the author's, or of the innermost of all."""
    place = ""
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        theirs = not filename.startswith((_HERE, "<"))
        if theirs:
            place = f"{os.path.basename(filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
