"""The container state that a runtime writes to a hook's standard input (OCI runtime-spec, runtime.md, "State")."""

from __future__ import annotations

import os

from shim.errors import ShimError
from shim.oci.text import Malformed, parse
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST = 8 << 20  # a state holds the annotations, so it can be as large as a configuration's


class State(Value):
    """container: the id. pid: its init's, 0 after the end. bundle: absolute path. annotations: as configured."""

    container: str
    pid: int
    bundle: str
    annotations: dict[str, Any]


def read(descriptor: int = 0) -> State:
    """The state on `descriptor`. Raises ShimError for anything that is not one."""
    parts: list[bytes] = []
    while part := os.read(descriptor, 65536):
        parts.append(part)
        if sum(map(len, parts)) > LARGEST:
            raise _bad(f"more than {LARGEST} bytes")
    text = b"".join(parts).decode("utf-8", "surrogateescape")
    if not text.strip():
        raise _bad("nothing")
    try:
        value = parse(text)
    except Malformed as error:
        raise _bad(f"{error.what} at {error.place(text)}") from None
    return _checked(value)


def _checked(value: Any) -> State:
    if not isinstance(value, dict):
        raise _bad("no JSON object")
    for key, shape in (("id", str), ("bundle", str)):
        if not isinstance(value.get(key), shape):
            raise _bad(f"a state without {key}")
    pid = value.get("pid", 0)
    if isinstance(pid, bool) or not isinstance(pid, int):
        raise _bad("a state whose pid is no number")
    annotations = value.get("annotations")
    return State(
        container=value["id"],
        pid=pid,
        bundle=value["bundle"],
        annotations=annotations if isinstance(annotations, dict) else {},
    )


def _bad(what: str) -> ShimError:
    return ShimError(
        "bad-state",
        f"the hook was given {what} instead of a container's state on standard input",
        evidence=(f"standard input: {what}",),
        remedy=("have the container runtime call the hook; by hand: `runc state ID | HOOK`",),
    )
