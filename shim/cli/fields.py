"""docs/fields.md from the tables of shim.rules.fields and shim.rules.keys: `python -m shim.cli.fields` prints it."""

from __future__ import annotations

import sys

from shim.rules import fields, fieldspec, keyspec

HEAD = """# Fields of linux.resources

Generated from `shim/rules/fields.py` and `shim/rules/keys.py` by `python -m shim.cli.fields`; do not edit.

A *guard* protects the host or a neighbour. A container whose guard cannot be enforced is refused; with the policy
`warn` it starts, and the loss is reported. A *hint* is dropped with a notice. A guard that has a file is read back from
the container's cgroup.
"""
FIELDS = ("Field", "Kind", "Type", "cgroup v1", "cgroup2", "Since Linux", "Kernel option")
KEYS = ("Key", "Kind", "On cgroup v1", "Read back as", "Since Linux", "Kernel option")
FORMS = {
    "exact": "the same words",
    "page": "bytes, down to a page",
    "number": "number or `max`",
    "first-words": "words in their places",
    "cpus": "list of ranges",
    "lines": "a line for each device",
    "percent": "percentage",
    "": "not readable",
}


def page() -> str:
    """Return the whole page."""
    rows = [_field(fields.spec(name)) for name in fields.names() if name != "unified"]
    keys = [_key(keyspec.spec(key)) for key in keyspec.LINES]
    about = "## Keys of `unified`\n\nA key that is not listed is a guard, and is read back in any of these forms."
    return "\n".join((HEAD, *_table(FIELDS, rows), "", about, "", *_table(KEYS, keys), ""))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(words)} |" for words in (head, ("---",) * len(head), *rows)]


def _field(spec: fields.FieldSpec) -> tuple[str, ...]:
    more = fieldspec.background(spec.name)
    option = _option(more.option, fieldspec.CONTROLLERS.get(spec.controller, ""))
    return (_code(spec.name), spec.kind, spec.type, _code(spec.v1), _code(spec.v2), more.since, option)


def _key(spec: keyspec.KeySpec) -> tuple[str, ...]:
    option = _option(spec.option, fieldspec.CONTROLLERS.get(spec.name.partition(".")[0], ""))
    classic = ", ".join(_code(name) for name in spec.classic.split(",") if name)
    return (_code(spec.name), spec.kind, classic, FORMS[spec.shape], spec.since, option)


def _option(own: str, controllers: str) -> str:
    return ", ".join(_code(name) for name in (controllers, own and f"CONFIG_{own}") if name)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


if __name__ == "__main__":
    sys.stdout.write(page())
