"""Looks at the host that confirm or refute a cause: `check(facts, words) -> evidence`, () where it does not hold."""
