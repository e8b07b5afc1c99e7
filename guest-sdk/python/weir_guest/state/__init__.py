"""Typed state per key: handles that an operator declares in `open` and uses while it processes a record of the key.

A handle always means the key of the record that is being processed. State comes from the host with each call and goes back at its end in one piece;
nothing is kept in between. Outside of a record there is no key, and every use raises.
"""

from .cells import Cells
from .list import ListState
from .map import MapState
from .migration import Migrations, Older
from .value import ValueState, value_state

__all__ = ["Cells", "ListState", "MapState", "Migrations", "Older", "ValueState", "value_state"]
