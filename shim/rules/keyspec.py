"""The rows of shim.rules.keys as values, for people's tools; a rule looks at two words of a line only."""

from __future__ import annotations

from shim.rules.keys import LINES, line_of
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Literal

    from shim.rules.base import Kind, Shape

__all__ = ["COLUMNS", "LINES", "KeySpec", "spec"]


class KeySpec(Value):
    """One file of cgroup2 that `unified` may name.

    shape: how the file shows what was written, "" for what cannot be read back. classic: fields that carry it on v1.
    since: Linux version with the file, "" for those of every kernel that is supported. option: the kernel's, without
    CONFIG_. beside: key that it cannot go without. probe: a value to ask for.
    """

    name: str
    kind: Kind
    shape: Shape | Literal[""]
    classic: str
    since: str
    option: str
    beside: str
    probe: str


COLUMNS = ("name", "kind", "shape", "classic", "since", "option", "beside", "probe")


def spec(key: str) -> KeySpec:
    """The row of one key, of `hugetlb.<size>.max` for any size. Raises KeyError for a key that is not in the table."""
    line = line_of(key)
    if not line:
        raise KeyError(key)
    words = line.split(" ", len(COLUMNS) - 1)
    row = {column: "" if word == "-" else word for column, word in zip(COLUMNS, words)}
    return KeySpec(**row)  # type: ignore[arg-type] # tests/rules/test_fields.py looks at the words of the table
