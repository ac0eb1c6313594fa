"""Parses /proc/PID/mountinfo (proc_pid_mountinfo(5)); only the cgroup mounts are kept."""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator


class Mount(Value):
    """One mount of a cgroup file system.

    point: mount point. root: the directory of the file system that is mounted there, relative to the reader's
    cgroup namespace (`/../..` is above it). type: "cgroup" or "cgroup2". device: `major:minor`.
    controllers: what a v1 hierarchy carries, by v1 names and `name=...`; () for cgroup2.
    """

    point: str
    root: str
    type: str
    device: str
    controllers: tuple[str, ...]
    options: tuple[str, ...]


# Super options of a v1 hierarchy that are not controllers (kernel/cgroup/cgroup-v1.c, cgroup1_show_options).
_FLAGS = ("rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods", "seclabel")


def parse(text: str) -> tuple[Mount, ...]:
    """Return the cgroup mounts in mount order; malformed lines are left out."""
    found = []
    for left, right in fields(text):
        if right[0] in ("cgroup", "cgroup2"):
            options = tuple(right[2].split(","))
            found.append(
                Mount(
                    point=unescape(left[4]),
                    root=unescape(left[3]),
                    type=right[0],
                    device=left[2],
                    controllers=_controllers(right[0], options),
                    options=options,
                )
            )
    return tuple(found)


def fields(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the fields of every well-formed line, still escaped: those before the lone `-`, and those behind it.

    At least 6 (id, parent, device, root, point, options, optional fields) and 3 (type, source, super options).
    """
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if dash and len(left) >= 6 and len(right) >= 3:
            yield left, right


def unescape(field: str) -> str:
    r"""Decode `\040` and its like (space, tab, newline, backslash, #); other text is unchanged."""
    if "\\" not in field:
        return field
    first, *rest = field.split("\\")
    decoded = [first]
    for part in rest:
        digits = part[:3]
        octal = len(digits) == 3 and all(digit in "01234567" for digit in digits)
        decoded.append(chr(int(digits, 8)) + part[3:] if octal else "\\" + part)
    return "".join(decoded)


def _controllers(kind: str, options: tuple[str, ...]) -> tuple[str, ...]:
    if kind == "cgroup2":
        return ()
    return tuple(name for name in options if name not in _FLAGS and not name.startswith("release_agent="))
