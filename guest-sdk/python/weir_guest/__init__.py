"""Operators for weir in Python: what an author imports."""

from . import preload as preload
from .codecs import BOOL, BYTES, F64, I32, I64, JSON, U32, U64, UTF8, UTF8_BYTES, Codec
from .context import Context, Counter, KeyedContext, OpenContext
from .collector import Collector
from .errors import Refuse
from .native import Level, Subtask
from .operators import Filter, FlatMap, KeyedProcess, Map
from .plugin import export
from .state import ListState, MapState, Older, ValueState

__version__ = "0.1.0"

__all__ = [
    "BOOL",
    "BYTES",
    "F64",
    "I32",
    "I64",
    "JSON",
    "U32",
    "U64",
    "UTF8",
    "UTF8_BYTES",
    "Codec",
    "Collector",
    "Context",
    "Counter",
    "Filter",
    "FlatMap",
    "KeyedContext",
    "KeyedProcess",
    "Level",
    "ListState",
    "Map",
    "MapState",
    "Older",
    "OpenContext",
    "Refuse",
    "Subtask",
    "ValueState",
    "export",
]
