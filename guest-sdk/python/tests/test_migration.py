"""State of older schema versions: what each version of an operator makes of it, and what it refuses."""

import unittest
from typing import Any

from tests.operators import Backwards, Count, OtherCodec, Second, Third, Versioned
from weir_guest import Refuse
from weir_guest.native import MISSING, Column, Failure, Subtask, column_of, items_of
from weir_guest.plugin import Function
from weir_guest.testing import Harness

U64_OF_4 = (4).to_bytes(8, "little")


def migrate(operator: Any, state: str, version: int, column: Column) -> list[bytes | None]:
    driver, _ = Function("f", operator).open({}, Subtask())
    return items_of(driver.migrate(state, version, column))


class Migration(unittest.TestCase):
    def test_values_lists_and_maps_of_older_versions_are_read_on(self) -> None:
        old = Harness(Versioned).push("k", 4).process()
        for operator, now in ((Versioned, 4), (Second, 2.0), (Third, {"sum": 2.0})):
            harness = Harness(operator).restore(old.snapshot()).push("k", 6).process()
            self.assertEqual(repr(harness.records()), repr([("k", [now, [now], {"entry": now}])]))
        second = Harness(Second).restore(old.snapshot())
        third = Harness(Third).restore(second.snapshot()).push("k", 6).process()
        self.assertEqual(third.records(), [("k", [{"sum": 2.0}, [{"sum": 2.0}], {"entry": {"sum": 2.0}}])])

    def test_an_empty_column_asks_whether_there_is_a_migration(self) -> None:
        self.assertEqual(migrate(Third, "value", 2, column_of([])), [])
        self.assertEqual(migrate(Third, "list", 1, column_of([None, U64_OF_4])), [None, b'{"sum":2.0}'])

    def test_what_cant_be_migrated_says_why(self) -> None:
        thirteen = (13).to_bytes(8, "little")
        none = "has no migration from schema version"
        cases: list[tuple[Any, str, int, Column, int | None, str]] = [
            (Second, "value", 1, column_of([U64_OF_4, thirteen]), 1, "13 is unlucky"),
            (Second, "value", 1, column_of([b"abc"]), 0, "not u64-le: 3 bytes instead of 8"),
            (Second, "value", 7, column_of([]), None, f"state `value` {none} 7: this function keeps version 2 and can read 1"),
            (Count, "count", 2, column_of([]), None, f"state `count` {none} 2: this function keeps version 1"),
            (Second, "other", 1, column_of([]), None, "this function has no state `other`"),
            (Second, "value", 1, Column([8, MISSING, 9], U64_OF_4), None, "the column of values is cut off at item 2"),
        ]
        for operator, state, version, column, row, message in cases:
            with self.subTest(message), self.assertRaises(Failure) as failed:
                migrate(operator, state, version, column)
            self.assertEqual((failed.exception.row, failed.exception.message), (row, message))

    def test_snapshots_that_dont_fit_are_refused(self) -> None:
        old = Harness(Versioned).push("k", 13).process().snapshot()
        for operator, message in ((Second, "13 is unlucky"), (OtherCodec, "raise the version")):
            with self.assertRaisesRegex(AssertionError, message):
                Harness(operator).restore(old)
        with self.assertRaisesRegex(Refuse, "its schema versions are 2, 2, but each must be newer than the one before"):
            Harness(Backwards)
