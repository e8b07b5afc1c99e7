"""Counts words: lines are split, and each word is counted under its own key."""

from weir_guest import U64, UTF8, Collector, FlatMap, KeyedContext, KeyedProcess, OpenContext, export


class Tokenize(FlatMap[str, str, int]):
    """Splits lines into lower-cased words, each with the number 1."""

    input = UTF8
    output = (UTF8, U64)

    def flat_map(self, record: str, out: Collector[str, int]) -> None:
        for word in record.lower().split():
            out.collect(word, 1)


class Count(KeyedProcess[str, int, str, int]):
    """Adds up the numbers of each word and emits the sum so far."""

    key = UTF8
    input = U64
    output = (UTF8, U64)

    def open(self, ctx: OpenContext) -> None:
        self.count = ctx.value_state("count", U64)

    def process(self, key: str, value: int, ctx: KeyedContext, out: Collector[str, int]) -> None:
        total = self.count.get(0) + value
        self.count.set(total)
        out.collect(key, total)


export(name="{{name}}", version="0.1.0", functions={"tokenize": Tokenize, "count": Count})
