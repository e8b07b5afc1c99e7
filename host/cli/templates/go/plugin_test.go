// Tests of the operators, without WebAssembly.
package main

import (
	"slices"
	"testing"

	"weir"
	"weir/weirtest"
)

func pair(word string, n uint64) weir.Pair[string, uint64] {
	return weir.Pair[string, uint64]{Key: word, Value: n}
}

func check(t *testing.T, harness *weirtest.Harness, expected ...weir.Pair[string, uint64]) {
	t.Helper()
	harness.ProcessAtEveryBatchSize()
	if records := weirtest.Records(harness, counted); !slices.Equal(records, expected) {
		t.Errorf("emitted %v, expected %v", records, expected)
	}
}

func TestALineBecomesItsWords(t *testing.T) {
	harness := weirtest.New(t, "tokenize").PushValue("The dog\tthe fox").PushValue("")
	check(t, harness, pair("the", 1), pair("dog", 1), pair("the", 1), pair("fox", 1))
}

func TestAWordIsCountedUnderItsOwnKey(t *testing.T) {
	harness := weirtest.New(t, "count").Push("the", 1).Push("dog", 1).Push("the", 2)
	check(t, harness, pair("the", 1), pair("dog", 1), pair("the", 3))
}
