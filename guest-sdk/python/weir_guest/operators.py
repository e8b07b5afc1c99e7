"""The kinds of operators: derive from one of these classes and name the class in `export`."""

from typing import Any, ClassVar, Generic, TypeVar, TypeVarTuple, Union

from .codecs import Codec
from .collector import Collector
from .context import Context, KeyedContext, OpenContext

#: A codec is a record without a key, a pair of codecs one with a key.
Record = Union[Codec[Any], tuple[Codec[Any], Codec[Any]]]

K = TypeVar("K")
In = TypeVar("In")
Out = TypeVar("Out")
Outs = TypeVarTuple("Outs")


class Operator:
    """What all operators have. Keep nothing in attributes but configuration and scratch space: the host makes a new instance whenever it likes."""

    #: The records that come. An input without a key takes records of any key and doesn't see it; a record with a key is a tuple.
    input: ClassVar[Any]
    #: Time and log, while a record is processed.
    context: Context

    def open(self, ctx: OpenContext) -> None:
        """Reads the configuration and declares states and counters; by default there are none."""


class Map(Operator, Generic[In, Out]):
    """One record in, one record out: `class Trim(Map[str, str])`."""

    input: ClassVar[Record]
    output: ClassVar[Record]

    def map(self, record: In) -> Out:
        """The record for a record; a tuple of key and value where the output has a key."""
        raise NotImplementedError


class Filter(Operator, Generic[In]):
    """Some records pass, the others don't: `class Errors(Filter[str])`. What passes is the record as it came, byte for byte, key and all.

    The host is told that the output has the key codec of the input: with an input without a key, records pass without the key that they may have had.
    """

    input: ClassVar[Record]

    def filter(self, record: In) -> bool:
        """Whether the record passes."""
        raise NotImplementedError


class FlatMap(Operator, Generic[In, *Outs]):
    """One record in, any number of records out: `class Tokenize(FlatMap[str, str, int])` takes texts and emits pairs of text and number."""

    input: ClassVar[Record]
    output: ClassVar[Record]

    def flat_map(self, record: In, out: Collector[*Outs]) -> None:
        """Hands the records for a record to `out`."""
        raise NotImplementedError


class KeyedProcess(Operator, Generic[K, In, *Outs]):
    """One record of a key in, any number of records out, with state per key: `class Count(KeyedProcess[str, int, str, int])`."""

    #: The codec of the key.
    key: ClassVar[Codec[Any]]
    #: The codec of the values that come.
    input: ClassVar[Codec[Any]]
    output: ClassVar[Record]

    def process(self, key: K, value: In, ctx: KeyedContext, out: Collector[*Outs]) -> None:
        """Handles one record of a key."""
        raise NotImplementedError
