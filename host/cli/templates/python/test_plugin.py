"""Tests of the operators, without WebAssembly: PYTHONPATH=weir-sdk python3 -m unittest"""

import unittest

from plugin import Count, Tokenize
from weir_guest.testing import Harness


class PluginTest(unittest.TestCase):
    def test_a_line_becomes_its_words(self) -> None:
        tokenize = Harness(Tokenize)
        tokenize.push("The dog\tthe fox").push("")
        tokenize.process_at_every_batch_size()
        self.assertEqual(tokenize.records(), [("the", 1), ("dog", 1), ("the", 1), ("fox", 1)])

    def test_a_word_is_counted_under_its_own_key(self) -> None:
        count = Harness(Count)
        count.push("the", 1).push("dog", 1).push("the", 2)
        count.process_at_every_batch_size()
        self.assertEqual(count.records(), [("the", 1), ("dog", 1), ("the", 3)])


if __name__ == "__main__":
    unittest.main()
