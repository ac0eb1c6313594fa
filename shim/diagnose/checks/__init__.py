"""Checks that confirm or refute a cause on the host: `check(facts, words) -> evidence`, () if it does not apply."""
