"""The contract's exports over what the plugin has exported, and its imports as services: the only module that knows the generated bindings.

`weir plugin build` makes an app of two lines for componentize-py: `import plugin` and `from weir_guest.component import Operator`.
"""

import gc
import os
import random
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import operator as contract
from wit_world.imports import keyed as state_import
from wit_world.imports import log as log_import
from wit_world.imports import output as output_import
from wit_world.imports import types

from .driver import Driver
from .errors import describe
from .native import AnyColumn, Call, Column, Failure, FunctionDescription, Level, Page, Port, Subtask
from .plugin import SDK, exported
from .stdio import LogWriter

T = TypeVar("T")

#: Objects that may wait for the garbage collector between two of its runs.
GARBAGE_OBJECTS = 20_000

#: Of the seed that the host gives the generator of `random`.
SEED_BYTES = 32


class Imports:
    """The contract's imports."""

    emit = staticmethod(output_import.emit)
    put = staticmethod(state_import.put)
    get_sub = staticmethod(state_import.get_sub)
    put_sub = staticmethod(state_import.put_sub)
    clear = staticmethod(state_import.clear)
    count = staticmethod(log_import.count)

    @staticmethod
    def scan(state: int, slot: int, after: bytes | None, limit: int) -> Page:
        page = state_import.scan(state, slot, after, limit)
        return Page(page.sub_keys, page.values, page.more)

    @staticmethod
    def log(level: Level, message: str) -> None:
        log_import.log(log_import.Level(level.value), message)


SERVICES = Imports()


class Instance:
    """What this instance of the component has open: one function of one subtask. An `Operator` lives for one call only."""

    driver: Driver | None = None


INSTANCE = Instance()


class Operator(exports.Operator):  # type: ignore[misc]
    """What componentize-py exports. No exception leaves it but `Err`: one that did would be a trap without words."""

    def describe(self) -> Any:
        use_log()
        plugin = exported()
        try:
            functions = [function_of(function) for function in plugin.describe()]
        except BaseException as error:
            # There is no other way to say it: the host shows the last error of the log when a call traps.
            SERVICES.log(Level.ERROR, describe(error))
            raise
        return contract.PluginDescription(plugin.name, plugin.version, SDK, functions)

    def open(self, function: str, config: list[tuple[str, str]], subtask: Any) -> None:
        use_log()
        # The generator was seeded when the component was built: all instances would draw the same numbers.
        random.seed(os.urandom(SEED_BYTES))
        place = Subtask(subtask.uid, subtask.index, subtask.parallelism, subtask.max_parallelism)
        try:
            INSTANCE.driver = exported().open(function, config, place)
        except BaseException as error:
            raise Err(describe(error)) from None
        # What is open stays: the collector need not look at it.
        gc.freeze()

    def process(self, input: int, records: bytes, keys: Any, context: Any) -> None:
        call = Call(records, keys.slots, keys.values, context.watermark, context.processing_time, input)
        self._run(lambda driver: driver.process(call, SERVICES))

    def on_timers(self, event_time: bool, timers: bytes, keys: Any, context: Any) -> None:
        raise Err(types.Failure(None, f"{SDK} has no timers, and this plugin has set none"))

    def finish(self, context: Any) -> None:
        self._run(lambda driver: None)

    def migrate(self, state: str, from_version: int, values: AnyColumn) -> Any:
        column: Column = self._run(lambda driver: driver.migrate(state, from_version, values))
        return types.Column(column.lengths, column.data)

    def _run(self, call: Callable[[Driver], T]) -> T:
        driver = INSTANCE.driver
        if driver is None:
            raise Err(types.Failure(None, "this instance is not open: no function to call"))
        failure = None
        try:
            return call(driver)
        except Failure as error:
            failure = types.Failure(error.row, error.message)
        except BaseException as error:
            failure = types.Failure(None, describe(error))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            if gc.get_count()[0] > GARBAGE_OBJECTS:
                gc.collect()
        raise Err(failure)


def use_log() -> None:
    """Sends what is printed to the log. Not before the component runs: at build time the real files are there."""
    if not isinstance(sys.stdout, LogWriter):
        sys.stdout = LogWriter(lambda line: SERVICES.log(Level.INFO, line))
        sys.stderr = LogWriter(lambda line: SERVICES.log(Level.WARN, line))


def function_of(function: FunctionDescription) -> Any:
    """A function's description in the contract's terms."""
    kind = contract.FunctionKind.KEYED if function.keyed else contract.FunctionKind.STATELESS
    states = [
        contract.StateDescriptor(state.name, contract.StateKind(state.kind.value), state.value_codec, state.schema_version, state.ttl_ms)
        for state in function.states
    ]
    return contract.FunctionDescription(function.name, function.doc, kind, [port_of(function.input)], [port_of(function.output)], states)


def port_of(port: Port) -> Any:
    """A port in the contract's terms."""
    return contract.Port(port.name, port.key_codec, port.value_codec)


# When this is imported, by componentize-py while it builds, the plugin is there. An instance begins with what is there now, and need not look for
# garbage in it, which would write to most of its memory. The collector runs between calls only.
gc.collect()
gc.freeze()
gc.disable()
