"""Small JSON objects below cgshim's state directory: written whole or not at all, for their owner's eyes, bounded.

Not on the path of a call that succeeds.
"""

from __future__ import annotations

import posix

from shim.oci import apply
from shim.oci.text import Malformed, dump, parse
from shim.system import join, makedirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LARGEST = 1 << 20  # bytes of one object


def directory(environment: Mapping[str, str]) -> str:
    """The state directory. Engines call some hooks with an empty environment, so what a rootless user's session would
    say is filled in: XDG_RUNTIME_DIR, by the user's id outside of the user namespace.
    """
    if not environment.get("XDG_RUNTIME_DIR"):
        place = f"/run/user/{_outer_user()}"
        if posix.access(place, posix.W_OK):
            environment = {**environment, "XDG_RUNTIME_DIR": place}
    return apply.state_directory(environment)


def _outer_user() -> int:
    """Our user id as the parent user namespace has it (user_namespaces(7): inside, outside, length)."""
    own = posix.geteuid()
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            lines = [[int(word) for word in line.split()] for line in file]
    except (OSError, ValueError):
        return own
    return next((outside + own - inside for inside, outside, most in lines if inside <= own < inside + most), own)


def name_of(container: str) -> str:
    """A file's name for a container's id; an id with a slash is none, but must not lead out of the directory."""
    return container.replace("/", "-") + ".json"


def write(place: str, name: str, value: dict[str, Any], most: int = 0) -> None:
    """Put `value` into `place`/`name`; above `most` files there (0: any number) the oldest go. Raises OSError."""
    makedirs(place, mode=0o700)
    apply.refuse_foreign(place)
    beside = join(place, f".{name}.{posix.getpid()}")
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_NOFOLLOW | posix.O_CLOEXEC
    handle = posix.open(beside, flags, 0o600)
    try:
        try:
            posix.write(handle, (dump(value) + "\n").encode("ascii"))
        finally:
            posix.close(handle)
        posix.rename(beside, join(place, name))
    except BaseException:
        posix.unlink(beside)
        raise
    if most:
        _drop_oldest(place, most)


def read(place: str, name: str) -> dict[str, Any] | None:
    """The object in `place`/`name`; None where there is none, or one that somebody else could have put there."""
    try:
        apply.refuse_foreign(place)
        with open(join(place, name), "rb") as file:
            value = parse(file.read(LARGEST).decode("utf-8", "surrogateescape"))
    except (OSError, Malformed):
        return None
    return value if isinstance(value, dict) else None


def names(place: str) -> list[str]:
    """The files in `place`, oldest first."""
    found = []
    try:
        with posix.scandir(place) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and not entry.name.startswith("."):
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name))
    except OSError:
        return []
    return [name for _, name in sorted(found)]


def drop(place: str, name: str) -> None:
    """Remove a file; one that is already gone is fine."""
    try:
        posix.unlink(join(place, name))
    except OSError:
        return


def _drop_oldest(place: str, most: int) -> None:
    found = names(place)
    for name in found[: max(0, len(found) - most)]:
        drop(place, name)
