"""A kind of limit: its names in every notation, its interface files, and how two values compare."""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Union

    Number = Union[int, str]
    Found = dict[str, Number]

NONE = -1  # no limit
PAGE = 4096  # bytes; kernels with larger pages round further down, which `relation` allows for
LARGEST_PAGE = 65536
SYSTEMD_STEP = 10_000  # microseconds a second: systemd keeps quotas in whole percents
UNLIMITED = (1 << 63) - (1 << 31)  # PAGE_COUNTER_MAX in bytes and above: how cgroup v1 shows "no limit"

AT_MOST, EXACT, WITHIN, ONE_OF = "at most", "exact", "within", "one of"
SAME, LOOSER, TIGHTER, OTHER = "same", "looser", "tighter", "other"


class Limit(Value):
    """One limit. key: its name here; for a limit with a device or page size the part before the space or the last dot.

    unit: "bytes", "cpus" (microseconds a second), "count", "weight", "set", "bytes/s", "io/s" or "".
    order: AT_MOST (less is tighter), EXACT, WITHIN (a set of numbers), ONE_OF (values that mean the same, with | in
    between). controller: cgroup2's name, "" if it is not a cgroup limit. field: in linux.resources.
    free: the kernel's default, by version. hint: it protects nothing. property: systemd's names, () if systemd never
    writes it. erased: an update that does not name it removes it from runc's record. always: checked even without a
    request.
    """

    key: str
    unit: str
    order: str
    controller: str
    field: str = ""
    free: tuple[int | str, ...] = ()
    hint: bool = False
    property: tuple[str, ...] = ()
    erased: bool = False
    always: bool = False


def _nothing(*_: Any) -> Found:
    return {}


class Kind(Value):
    """The functions of one module. Each returns limit -> value for one notation, without limits that are not named.

    oci, docker, podman, cri, runc: (their object, version of the controller). unit: systemd's settings.
    pod: Kubernetes' limits. v1, v2: interface file -> text. files: version -> names of those files.
    """

    limits: tuple[Limit, ...]
    files: dict[int, tuple[str, ...]]
    oci: Callable[[dict[str, Any], int], Found] = _nothing
    docker: Callable[[dict[str, Any], int], Found] = _nothing
    podman: Callable[[dict[str, list[str]], int], Found] = _nothing
    cri: Callable[[dict[str, Any], int], Found] = _nothing
    runc: Callable[[dict[str, Any], int], Found] = _nothing
    unit: Callable[[dict[str, str], int], Found] = _nothing
    pod: Callable[[dict[str, Any], int], Found] = _nothing
    kernel: dict[int, Callable[[dict[str, str]], Found]]


def relation(limit: Limit, value: int | str, wish: int | str) -> str:
    """Return how a value compares with the request: SAME, LOOSER, TIGHTER, or OTHER if they cannot be ordered."""
    if value == wish:
        return SAME
    if limit.order == ONE_OF:
        return SAME if set(str(value).split("|")) & set(str(wish).split("|")) else OTHER
    if limit.order == WITHIN:
        return _within(str(value), str(wish))
    if limit.order == EXACT or isinstance(value, str) or isinstance(wish, str):
        return LOOSER if value in limit.free else OTHER
    if wish == NONE or (value != NONE and value < wish):
        return SAME if limit.unit == "bytes" and 0 <= wish - value < _page(value) else TIGHTER
    rounded = limit.unit == "cpus" and value != NONE and value - wish < SYSTEMD_STEP
    return SAME if rounded else LOOSER


def _page(value: int) -> int:
    """Return the page size that may have caused this value by rounding."""
    return LARGEST_PAGE if value % LARGEST_PAGE == 0 else PAGE


def _within(value: str, wish: str) -> str:
    mine, theirs = members(value), members(wish)
    if mine == theirs:
        return SAME
    return TIGHTER if mine and mine < theirs else LOOSER


def members(text: str) -> set[int]:
    """Return `0-3,7` or systemd's `0-3 7` as a set; other text is left out (cpuset(7), "List format")."""
    found: set[int] = set()
    for part in text.replace(",", " ").split():
        first, _, last = part.partition("-")
        if (
            part.isascii()
            and first.isdigit()
            and (last or first).isdigit()
            and int(last or first) - int(first) < 1 << 16
        ):
            found.update(range(int(first), int(last or first) + 1))
    return found


def tightest(limit: Limit, values: list[tuple[str, int | str]]) -> tuple[str, int | str] | None:
    """Return the (place, value) in force among several levels, the first of equal ones."""
    best: tuple[str, int | str] | None = None
    for place, value in values:
        if best is None or relation(limit, value, best[1]) == TIGHTER:
            best = (place, value)
    return best


def shown(unit: str, value: Any) -> str:
    """Return a value with its unit: `64 MiB`, `0.5 CPUs`, `none` for no limit."""
    if value is None:
        return "-"
    if value == NONE and unit:
        return "none"
    if isinstance(value, str):
        return value.replace("|", " or ")
    if unit in ("bytes", "bytes/s"):
        return _bytes(value) + unit[5:]
    return f"{value / 1e6:.3f}".rstrip("0").rstrip(".") + " CPUs" if unit == "cpus" else str(value)


def _bytes(value: int) -> str:
    for name, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size and value * 10 % size == 0:
            return f"{value / size:g} {name}"
    return f"{value} B" if value < 1 << 20 else f"{value / (1 << 20):.1f} MiB"
