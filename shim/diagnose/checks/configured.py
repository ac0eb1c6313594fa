"""Checks of the requests in config.json."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from shim.diagnose.entry import Check, Excluded, Words
    from shim.diagnose.facts import Facts


def asked(*keys: str) -> Check:
    """Evidence: the field of `linux.resources` at `keys` is present."""

    def check(facts: Facts, words: Words) -> tuple[str, ...]:
        value = facts.resource(*keys)
        return () if value is None else (shown(keys, value),)

    return check


def asked_for(*fields: tuple[str, ...]) -> Check:
    """Evidence: all of these fields of `linux.resources` that are present."""

    def check(facts: Facts, words: Words) -> tuple[str, ...]:
        values = ((keys, facts.resource(*keys)) for keys in fields)
        return tuple(shown(keys, value) for keys, value in values if value is not None)

    return check


def value_is(test: Callable[[Any], bool], *keys: str) -> Check:
    """Evidence: the field is a number that passes `test`."""

    def check(facts: Facts, words: Words) -> tuple[str, ...]:
        value = facts.resource(*keys)
        fits = isinstance(value, int) and not isinstance(value, bool) and test(value)
        return (shown(keys, value),) if fits else ()

    return check


def shown(keys: tuple[str, ...], value: Any) -> str:
    """Evidence text of a field: dotted path and value."""
    return f"config.json linux.resources.{'.'.join(keys)} = {value}"


def number(facts: Facts, *keys: str) -> int | None:
    """Return a numeric field of `linux.resources`, None if it is absent or not a number."""
    value = facts.resource(*keys)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def has_namespace(kind: str) -> Excluded:
    """Rules out causes that need a missing namespace: config.json was read and lists a namespace of `kind`."""
    return lambda facts, words: facts.config("linux", "namespaces") is not None and facts.has_namespace(kind)
