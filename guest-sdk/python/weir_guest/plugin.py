"""A plugin: operators under the names that jobs use, and how one of them is described and opened."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from .context import Context, OpenContext
from .driver import Driver, Keyed, Stateless, output_of, ports
from .errors import Refuse, describe
from .native import FunctionDescription, Port, StateDescriptor, Subtask
from .operators import Filter, FlatMap, KeyedProcess, Map, Operator
from .shared import Shared

SDK = "python weir-guest 0.1.0"


class Function:
    """One operator under its name."""

    def __init__(self, name: str, operator: type[Operator]) -> None:
        self.name = name
        self.operator = operator
        if not (isinstance(operator, type) and issubclass(operator, (Map, Filter, FlatMap, KeyedProcess))):
            raise TypeError(f"function `{name}`: {operator!r} is no Map, Filter, FlatMap or KeyedProcess")
        wanted = ["input"] if issubclass(operator, Filter) else ["input", "output"]
        wanted += ["key"] if issubclass(operator, KeyedProcess) else []
        for attribute in wanted:
            if not hasattr(operator, attribute):
                raise TypeError(f"function `{name}`: {operator.__name__} doesn't say its `{attribute}`, such as `{attribute} = UTF8`")
        for method in ("map", "filter", "flat_map", "process"):
            work = getattr(operator, method, None)
            # Calling one only makes a generator or a coroutine: every record would be lost without a word.
            if inspect.isgeneratorfunction(work) or inspect.iscoroutinefunction(work) or inspect.isasyncgenfunction(work):
                raise TypeError(f"function `{name}`: {operator.__name__}.{method} must not `yield` or `await`: hand records to `out.collect`")

    def open(self, config: Mapping[str, str], subtask: Subtask, describing: bool = False) -> tuple[Driver, list[StateDescriptor]]:
        """Opens the operator. Raises `Refuse` with what it refuses."""
        ctx = OpenContext(config, subtask, Shared())
        operator = self.operator()
        operator.context = Context(ctx.shared)
        operator.open(ctx)
        if ctx.states and not isinstance(operator, KeyedProcess):
            ctx.refuse(f"state `{ctx.states[0].name}` is declared by an operator without keys: derive from KeyedProcess")
        if ctx.refusals and not describing:
            raise Refuse("; ".join(ctx.refusals))
        if isinstance(operator, KeyedProcess):
            return Keyed(operator, ctx), ctx.states
        return Stateless(operator, ctx), ctx.states  # type: ignore[arg-type]

    def describe(self) -> FunctionDescription:
        """What the function takes, gives and keeps. Opens the operator without configuration."""
        operator = self.operator
        _, states = self.open({}, Subtask(), describing=True)
        if issubclass(operator, KeyedProcess):
            input = Port("in", operator.key.name, operator.input.name)
            output = operator.output
        else:
            key, value = ports(operator.input)
            input = Port("in", key.name if key else "any", value.name)
            output = output_of(operator)
        key, value = ports(output)
        doc = inspect.cleandoc(operator.__dict__.get("__doc__") or "")
        out = Port("out", key.name if key else "none", value.name)
        return FunctionDescription(self.name, doc, issubclass(operator, KeyedProcess), input, out, states)


class Plugin:
    """A plugin's functions by name."""

    def __init__(self, name: str, version: str, functions: Mapping[str, type[Operator]]) -> None:
        self.name = name
        self.version = version
        self.functions = [Function(function, operator) for function, operator in functions.items()]

    def describe(self) -> list[FunctionDescription]:
        """What the functions are. The same on every call."""
        return [function.describe() for function in self.functions]

    def open(self, name: str, config: Iterable[tuple[str, str]], subtask: Subtask) -> Driver:
        """Opens a function for one subtask. Raises `Refuse` with a message for the job's user."""
        for function in self.functions:
            if function.name == name:
                try:
                    return function.open(dict(config), subtask)[0]
                except BaseException as error:
                    raise Refuse(describe(error)) from error
        names = ", ".join(function.name for function in self.functions)
        raise Refuse(f"plugin `{self.name}` has no function `{name}`; it has: {names}")


_exported: Plugin | None = None


def export(*, functions: Mapping[str, type[Any]], name: str = "plugin", version: str = "0.1.0") -> Plugin:
    """Names the functions of the plugin, once, in `plugin.py`."""
    global _exported
    _exported = Plugin(name, version, functions)
    return _exported


def exported() -> Plugin:
    """What `export` was given."""
    if _exported is None:
        raise RuntimeError("the plugin exports nothing: call weir_guest.export(functions={...}) in plugin.py")
    return _exported
