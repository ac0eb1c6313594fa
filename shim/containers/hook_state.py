"""The container state that a runtime writes to a hook's standard input (OCI runtime-spec, runtime.md, "State")."""

from __future__ import annotations

from shim.errors import ShimError
from shim.oci import checks
from shim.oci.text import Malformed, parse
from shim.system import EFBIG, drained
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST = 8 << 20  # a state has the annotations, so it can be as large as a configuration
MAJORS = ("0", "1")  # of ociVersion; the state object is the same in these


class State(Value):
    """container: the id. pid: its init's, 0 after the end. bundle: absolute path. annotations: as configured.

    status: in the runtime's wording; runc reports "creating" before the process starts, crun "created".
    """

    container: str
    pid: int
    bundle: str
    annotations: dict[str, Any]
    status: str = ""


def read(descriptor: int = 0) -> State:
    """Return the state on `descriptor`. Raises ShimError for anything else."""
    try:
        text = drained(descriptor, LARGEST).decode("utf-8", "surrogateescape")
    except OSError as error:
        if error.errno != EFBIG:
            raise
        raise _bad(f"more than {LARGEST} bytes") from error
    return of(text)


def of(text: str) -> State:
    """Return the state in `text`. Raises ShimError for anything else."""
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
    for key in ("ociVersion", "id", "bundle"):
        if not isinstance(value.get(key), str) or not value[key]:
            raise _bad(f"a state without {key}")
    checks.container(value["id"])
    if value["ociVersion"].partition(".")[0] not in MAJORS:
        raise _bad(f"a state of OCI version {value['ociVersion']!r}, of which nothing is known,")
    pid = value.get("pid", 0)
    if isinstance(pid, bool) or not isinstance(pid, int):
        raise _bad("a state whose pid is not a number")
    annotations = value.get("annotations")
    return State(
        container=value["id"],
        pid=pid,
        bundle=value["bundle"],
        annotations=annotations if isinstance(annotations, dict) else {},
        status=str(value.get("status") or ""),
    )


def _bad(what: str) -> ShimError:
    return ShimError(
        "bad-state",
        f"the hook was given {what} instead of a container's state on standard input",
        evidence=(f"standard input: {what}",),
        remedy=("have the container runtime call the hook; by hand: `runc state ID | HOOK`",),
    )
