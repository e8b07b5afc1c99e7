"""Operators of every kind over the harness: what they emit, what they hold, what they refuse."""

import json
import unittest
from typing import Any

from tests import operators
from tests.operators import Count, Everything, Greet, KeyedLong, Long, StatefulMap, Strict, Swap, Trim, Words, WordsTogether
from weir_guest import F64, I64, JSON, U64, UTF8, Level, Refuse, export
from weir_guest.collector import Pieces
from weir_guest.native import NO_TIMESTAMP, StateKind
from weir_guest.shared import Shared
from weir_guest.testing import Harness, Refusal
from weir_guest.testing.services import CallServices
from weir_guest.testing.store import Snapshot


def place(name: str) -> str:
    """Where in operators.py a line is, as messages say it."""
    with open(operators.__file__) as source:
        return f"operators.py:{next(number for number, line in enumerate(source, 1) if name in line)}"


class Stateless(unittest.TestCase):
    def check(
        self, operator: Any, records: list[Any], expected: list[Any], refused: list[Refusal] | None = None, timestamp: int | None = None
    ) -> Harness:
        harness = Harness(operator).timestamp(timestamp)
        for record in records:
            harness.push(*record) if isinstance(record, tuple) else harness.push(record)
        harness.process_at_every_batch_size()
        self.assertEqual(harness.records(), expected)
        self.assertEqual(harness.failures, refused or [])
        self.assertEqual({time for _, _, time in harness.rows()}, {NO_TIMESTAMP if timestamp is None else timestamp} if expected else set())
        return harness

    def test_every_kind_runs_with_and_without_keys_and_timestamps(self) -> None:
        for timestamp in (None, 0, -5, 1_700_000_000_000):
            with self.subTest(timestamp=timestamp):
                self.check(Trim, [" a ", "", ("key", " b")], ["a", "", "b"], timestamp=timestamp)
                self.check(Swap, [("a", 1), ("b", 2)], [(1, "a"), (2, "b")], timestamp=timestamp)
                self.check(Long, ["long", "no", "lönger"], ["long", "lönger"], timestamp=timestamp)
                self.check(KeyedLong, [("ab", "cd"), ("a", "b")], [("ab", "cd")], timestamp=timestamp)
                for words in (Words, WordsTogether):
                    self.check(words, ["To be\u00a0or\tÄ", ""], [(b"to", 1), ("be\u00a0or".encode(), 1), ("Ä".encode(), 1)], timestamp=timestamp)

    def test_a_filter_without_keys_passes_records_without_them(self) -> None:
        harness = self.check(Long, [("key", "long"), "longer"], ["long", "longer"])
        self.assertEqual([key for key, _, _ in harness.rows()], [None, None])

    def test_an_operator_that_would_lose_its_records_is_refused(self) -> None:
        class Yields(Words):
            def flat_map(self, record: str, out: Any) -> Any:
                yield record

        class Awaits(Words):
            async def flat_map(self, record: str, out: Any) -> None:  # type: ignore[override]
                pass

        for operator in (Yields, Awaits):
            with self.assertRaisesRegex(TypeError, f"function `f`: {operator.__name__}.flat_map must not `yield` or `await`"):
                export(functions={"f": operator})

    def test_refused_records_leave_nothing_behind(self) -> None:
        unwritable = "can't be written as JSON: Object of type set is not JSON serializable"
        refused = [
            Refusal(1, "no such record"),
            Refusal(2, f"ValueError: thrown on purpose ({place('thrown on purpose')})"),
            Refusal(4, unwritable),
            Refusal(5, f"SystemExit: 3 ({place('SystemExit(3)')})"),
            Refusal(6, "not UTF-8: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        ]
        records = ["good", "refuse", "throw", "better", "unwritable", "exit", b"\xff\xff\xff\xff", "best"]
        harness = self.check(Strict, records, [(word, [word]) for word in ("good", "better", "best")], refused)
        self.assertEqual(harness.counter("seen"), 3)

    def test_records_that_look_like_several_are_told_apart(self) -> None:
        row = b"\xff\xff\xff\xff\x01\x00\x00\x00" + NO_TIMESTAMP.to_bytes(8, "little", signed=True) + b"a"
        message = "not UTF-8: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
        self.check(Trim, ["a", row, "b"], ["a", "b"], [Refusal(1, message)])

    def test_missing_and_unreadable_keys_are_refused(self) -> None:
        refused = [
            Refusal(0, "the record has no key"),
            Refusal(2, "the key is not UTF-8: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        ]
        self.check(KeyedLong, ["none", ("some", "one"), (b"\xff", "bad")], [("some", "one")], refused)

    def test_configuration_is_read_and_refused(self) -> None:
        self.assertEqual(Harness(Greet, {"greeting": "hi", "times": "2"}).push("you").process().records(), ["hi hi you"])
        refusals = {
            "greeting is missing": {},
            "config `times` = `x`: invalid literal for int() with base 10: 'x'": {"greeting": "hi", "times": "x"},
        }
        for message, config in refusals.items():
            with self.assertRaises(Refuse) as refused:
                Harness(Greet, config)
            self.assertEqual(str(refused.exception), message)
        with self.assertRaisesRegex(Refuse, "state `nowhere` is declared by an operator without keys"):
            Harness(StatefulMap)

    def test_remembered_rows_are_what_would_be_written(self) -> None:
        lines = [" ".join(f"w{(number * step) % 4001}" for step in range(1, 30)) for number in range(1, 2000)]
        for operator in (Words, WordsTogether):
            harness = Harness(operator)
            for line in lines * 2:
                harness.push(line)
            self.assertEqual([key for key, _ in harness.process(500).records()], " ".join(lines * 2).encode().split())

    def test_a_large_output_is_handed_over_in_parts(self) -> None:
        harness = Harness(Trim)
        for _ in range(1000):
            harness.push("x" * 5000)
        self.assertEqual(len(harness.process(1000).records()), 1000)
        self.assertIn(harness.asked["emit"], range(3, 6))

    def test_parts_of_a_large_output_keep_their_order_and_a_late_failure_voids_them(self) -> None:
        lines: list[Any] = [" ".join(f"w{(number * step) % 4001}" for step in range(1, 30)) for number in range(1, 1600)]
        expected = " ".join(lines).encode().split()
        refused = Refusal(len(lines), "not UTF-8: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte")
        for operator in (Words, WordsTogether):
            for timestamp in (None, 7):
                with self.subTest(operator=operator.__name__, timestamp=timestamp):
                    harness = Harness(operator).timestamp(timestamp)
                    for line in [*lines, b"\xff"]:
                        harness.push(line)
                    self.assertEqual([key for key, _ in harness.process(len(lines) + 1).records()], expected)
                    self.assertEqual(harness.failures, [refused])
                    # Two runs of the call, each in at least two parts.
                    self.assertGreaterEqual(harness.asked["emit"], 3)

    def test_whether_remembering_pays_off_is_judged_by_the_whole_call(self) -> None:
        for words, remembered in ((["often"] * 50_000, True), ([f"once {number}" for number in range(50_000)], False)):
            with self.subTest(remembered=remembered):
                services, out = CallServices([], [], Snapshot([])), Pieces[Any](UTF8, U64, Shared(), remember=True)
                for end in ([f"new {number}" for number in range(70)], []):
                    out.begin(untimed=True)
                    plain = out.collect == out._write
                    out.collect_keys(words, 1)
                    out.relieve(services)
                    self.assertEqual((out.pieces, services.asked["emit"] > 0), ([], True))
                    out.collect_keys(end, 1)
                    out.finish(services)
                self.assertEqual(plain, not remembered)


class Keyed(unittest.TestCase):
    def test_a_later_record_of_a_key_sees_what_an_earlier_one_wrote(self) -> None:
        harness = Harness(Count)
        harness.push("to", 1).push("be", 1).push("to", 2).push("bad", b"abc").push(b"\xff", 1).push("to", 2**64 - 1).push("to", 1)
        harness.process_at_every_batch_size()
        self.assertEqual(harness.records(), [("to", 1), ("be", 1), ("to", 3), ("to", 4)])
        self.assertEqual([(refusal.record, refusal.message[:33]) for refusal in harness.failures], [
            (3, "not u64-le: 3 bytes instead of 8"[:33]),
            (4, "the key is not UTF-8: 'utf-8' cod"),
            (5, "not u64-le: 18446744073709551618"),
        ])  # fmt: skip

    def run_commands(self, commands: list[tuple[str, list[Any]]]) -> Harness:
        harness = Harness(Everything)
        for key, command in commands:
            harness.push(key.encode(), command)
        return harness.process_at_every_batch_size()

    def test_states_of_every_kind_do_what_they_are_told(self) -> None:
        script: list[tuple[str, str, Any]] = [
            ("a", '["number","get"]', None),
            ("a", '["number","get",7]', 7),
            ("a", '["number","set",-5]', None),
            ("b", '["number","set",true]', None),
            ("b", '["number","get"]', 1),
            ("a", '["number","get"]', -5),
            ("a", '["number","clear"]', None),
            ("a", '["number","get"]', None),
            ("a", '["mean","set",2]', None),
            ("a", '["mean","get"]', 2.0),
            ("a", '["json","set",["x"]]', None),
            ("a", '["json","get"]', ["x", "changed outside of the state"]),
            ("a", '["json","get"]', ["x", "changed outside of the state"]),
            ("a", '["list","add","one"]', None),
            ("a", '["list","add","two"]', None),
            ("b", '["list","len"]', 0),
            ("a", '["list","len"]', 2),
            ("a", '["list","get",1]', "two"),
            ("a", '["list","get",2]', None),
            ("a", '["list","items"]', ["one", "two"]),
            ("a", '["list","set",["three"]]', None),
            ("a", '["list","items"]', ["three"]),
            ("a", '["list","clear"]', None),
            ("a", '["list","items"]', []),
            ("a", '["map","insert","ü",1]', None),
            ("a", '["map","insert","b",2]', None),
            ("a", '["map","get","b"]', 2),
            ("a", '["map","contains","c"]', False),
            ("a", '["map","entries"]', {"b": 2, "ü": 1}),
            ("a", '["map","remove","b"]', None),
            ("a", '["map","entries"]', {"ü": 1}),
            ("b", '["map","entries"]', {}),
            ("a", '["map","clear"]', None),
            ("a", '["map","get","ü"]', None),
        ]
        harness = self.run_commands([(key, json.loads(command)) for key, command, _ in script])
        self.assertEqual(harness.failures, [])
        for (key, command, expected), (of, result) in zip(script, harness.records(), strict=True):
            self.assertEqual((of, repr(result)), (key.encode(), repr(expected)), command)
        self.assertEqual(harness.counter("done"), len(script))
        self.assertEqual((harness.value("number", I64, b"a"), harness.value("number", I64, b"b")), (None, 1))
        self.assertEqual((harness.value("mean", F64, b"a"), harness.value("json", JSON, b"a")), (2.0, ["x"]))

    def test_lists_and_maps_are_laid_out_as_in_every_sdk(self) -> None:
        harness = self.run_commands([("k", ["list", "add", "a"]), ("k", ["list", "add", "b"]), ("k", ["map", "insert", "x", -1])])
        eight: Any = int.to_bytes
        self.assertEqual(harness.entries("list", b"k"), [(b"", eight(2, 8, "little")), (eight(0, 8, "big"), b"a"), (eight(1, 8, "big"), b"b")])
        self.assertEqual(harness.entries("map", b"k"), [(b"x", b"\xff" * 8)])

    def test_a_long_list_comes_in_pages(self) -> None:
        harness = Harness(Everything)
        for number in range(600):
            harness.push(b"k", ["list", "add", str(number)])
        harness.process(100).forget_output().push(b"k", ["list", "items"]).process()
        self.assertEqual(harness.records(), [(b"k", [str(number) for number in range(600)])])
        self.assertEqual(harness.asked["scan"], 3)

    def test_the_host_is_asked_once_for_a_batch(self) -> None:
        harness = Harness(Everything)
        for number in range(50):
            for name, method, *rest in (["number", "set", 1], ["mean", "set", 1], ["list", "add", "x"], ["map", "insert", str(number), 1]):
                harness.push(b"k", [name, method, *rest])
        harness.process(1000)
        self.assertEqual(dict(harness.asked), {"emit": 1, "put": 2, "put_sub": 2, "get_sub": 1, "count": 1})
        self.assertEqual(len(harness.list_items("list", UTF8, b"k")), 50)
        self.assertEqual(len(harness.map_entries("map", UTF8, I64, b"k")), 50)

    def test_a_failure_leaves_nothing_in_the_states(self) -> None:
        commands: list[list[Any]] = [
            ["number", "set", 1],
            ["list", "add", "x"],
            ["map", "insert", "x", 1],
            ["refuse", "no"],
            ["number", "get"],
            ["list", "len"],
        ]
        harness = self.run_commands([("k", command) for command in commands])
        self.assertEqual(harness.failures, [Refusal(3, "no")])
        self.assertEqual([result for _, result in harness.records()], [None, None, None, 1, 1])
        bad = self.run_commands([("k", ["number", "set", "x"]), ("k", ["number", "get"])])
        self.assertEqual((bad.failures, bad.records()), ([Refusal(0, "not i64-le: 'x'")], [(b"k", None)]))

    def test_time_and_log_come_with_the_call(self) -> None:
        harness = Harness(Everything).push(b"k", ["time", ""]).processing_time(5).watermark(3).timestamp(4).push(b"k", ["time", ""])
        harness.push(b"k", ["log", "said"]).process()
        self.assertEqual(harness.records(), [(b"k", [None, None, 0]), (b"k", [4, 3, 5])])
        self.assertEqual(harness.log, [(Level.INFO, "said")])
        self.assertEqual([time for _, _, time in harness.rows()], [NO_TIMESTAMP, 4])

    def test_state_goes_on_in_a_new_instance(self) -> None:
        harness = Harness(Count).push("a", 1).new_instance().push("a", 1).process()
        later = Harness(Count).restore(harness.snapshot()).push("a", 5).process()
        self.assertEqual((harness.records(), later.records()), ([("a", 1), ("a", 2)], [("a", 7)]))

    def test_states_are_declared_with_what_was_said(self) -> None:
        states = Harness(Everything).snapshot().states
        number = states["number"]
        self.assertEqual((number.kind, number.value_codec, number.schema_version, number.ttl_ms), (StateKind.VALUE, "i64-le", 3, 60_000))
        self.assertEqual([states[name].kind for name in ("list", "map")], [StateKind.LIST, StateKind.MAP])
