"""createRuntime (or prestart): bridge and verify, before the user's process starts.

Reads the OCI state on standard input and config.json of its bundle. A limit that the kernel does not show fails the
container with the diagnosis on stderr, which runc and crun pass on. Success prints nothing.
"""

from __future__ import annotations

import os
import sys

from hooks.state import read
from shim import rewrite, settings
from shim.errors import ShimError
from shim.followup import Subject, follow_up
from shim.host.view import View
from shim.oci import document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hooks.state import State

USAGE = "usage: create_runtime --runtime PATH [--driver cgroupfs|systemd|disabled] < STATE"


def main() -> None:
    """Run the hook for the state on standard input and end with 0, or with 1 and the reason on stderr."""
    try:
        verify_state(sys.argv[1:])
    except ShimError as error:
        os.write(2, (error.text() + "\n").encode("utf-8", "surrogateescape"))
        os._exit(error.status)
    except Exception as error:
        from shim.entry import own_fault

        os.write(2, (own_fault(error).text() + "\n").encode("utf-8", "surrogateescape"))
        os._exit(1)
    os._exit(0)


def verify_state(arguments: list[str]) -> None:
    """The whole hook; raises ShimError for what must fail the container."""
    options = _options(arguments)
    state = read()
    if not state.pid:
        raise _gone(state)
    path = os.path.join(state.bundle, "config.json")
    loaded = document.load(document.read(path), path)
    asked = rewrite.Asked(
        runtime=options["--runtime"],
        family=settings.family(options["--runtime"]),
        command="create",
        driver=options["--driver"],
    )
    view = View()
    made = rewrite.of(loaded, rewrite.RESOURCES, asked, settings.load(os.environ), view)
    follow_up(view, Subject(pid=state.pid, container=state.container), made)


def _options(arguments: list[str]) -> dict[str, str]:
    options = {"--runtime": "", "--driver": "cgroupfs"}
    pairs = list(zip(arguments[::2], arguments[1::2]))
    if len(arguments) % 2 or any(name not in options for name, _ in pairs):
        raise ShimError("bad-hook", "the hook's arguments cannot be understood", remedy=(USAGE,))
    return {**options, **dict(pairs)}


def _gone(state: State) -> ShimError:
    return ShimError(
        "no-process",
        f"container {state.container} has no process whose limits could be read back",
        evidence=("standard input: pid 0 or missing",),
        remedy=("register the hook for createRuntime or prestart, not for a later stage",),
    )
