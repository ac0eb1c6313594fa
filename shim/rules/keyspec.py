"""The rows of shim.rules.keys as values, for cgshimctl; a rule needs only two words of a line."""

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

    shape: how the file shows what was written, "" if it cannot be read back. classic: fields for it on v1. since: Linux
    version that added the file, "" if every supported kernel has it. option: the kernel's, without CONFIG_. beside: a
    key that it requires. probe: a value to ask for.
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
    """Return the row of one key, of `hugetlb.<size>.max` for any size. Raises KeyError for a key that is not in the
    table.
    """
    line = line_of(key)
    if not line:
        raise KeyError(key)
    words = line.split(" ", len(COLUMNS) - 1)
    row = {column: "" if word == "-" else word for column, word in zip(COLUMNS, words)}
    return KeySpec(**row)  # type: ignore[arg-type] # tests/rules/test_fields.py looks at the words of the table
