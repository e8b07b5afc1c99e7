"""Tests of operators without Wasm: a small host in memory that keeps the contract's rules."""

from .harness import Harness, Refusal
from .store import Snapshot

__all__ = ["Harness", "Refusal", "Snapshot"]
