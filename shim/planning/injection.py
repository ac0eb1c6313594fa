"""The hooks that cgshim adds to a configuration (OCI runtime-spec, config.md, "POSIX-platform Hooks").

createRuntime, for `run`: `create` leaves time before the user's process starts, `run` does not. A hook of that stage
runs after the runtime has applied the limits and before the process.
poststop, where the bridge may use a cgroup of cgshim's own (shim.enforce.bridge): `delete` never reaches Python.
"""

from __future__ import annotations

from shim.errors import ShimError
from shim.system import abspath, dirname, environment, isfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "cgshim-hook"  # program and argv[0] of the hook, by which an earlier entry of ours is recognised
STAGE = "createRuntime"
CLEANUP = "cleanup"
AFTER = "poststop"
# Version 0.1 wrote Python code as an argument instead of NAME, under these names.
FORMER = {STAGE: "cgshim-verify", CLEANUP: "cgshim-cleanup"}
# Paths of the program relative to the directory that contains the package: in a source tree, for PREFIX/lib/cgshim (and
# PREFIX/share/cgshim), for PREFIX/lib/python3.N/site-packages.
# PREFIX/share/cgshim), PREFIX/lib/python3.N/site-packages.
PLACES = ("hooks", "../../bin", "../../../bin")
PASSED_ON = ("CGSHIM_CONFIG", "CGSHIM_DEBUG", "CGSHIM_PYTHON", "CGSHIM_STATE", "XDG_STATE_HOME")


def hook(runtime: str, driver: str, *, bridged: bool = False, waiting: str = "") -> dict[str, Any]:
    """Return the entry for `hooks.createRuntime`.

    bridged: cgshim keeps limits of the container (shim.planning.bridged_limits). waiting: where the hook finds the
    cgshim that answers it (shim.call.hook_answer), "" for none.

    An annotation can come from an image, this entry cannot: it tells the hook that such limits must exist.
    """
    more = ["--bridged", "true"] if bridged else []
    asks = ["--waiting", waiting] if waiting else []
    return command(STAGE, [*asks, "--runtime", runtime, "--driver", driver, *more])


def cleanup(mount: str) -> dict[str, Any]:
    """Return the entry for `hooks.poststop`. mount: of cgroup2."""
    return command(CLEANUP, ["--mount", mount])


def program() -> str:
    """Return the path of the program that all our hooks run. Raises ShimError if this installation has none."""
    parent = dirname(dirname(dirname(abspath(__file__))))
    for place in PLACES:
        path = abspath(f"{parent}/{place}/{NAME}")
        if isfile(path):
            return path
    raise ShimError(
        "no-hook-program",
        f"the program {NAME} that belongs to {parent} is missing",
        cause="limits of a container that starts at once are read back by a hook, and this program is the hook",
        evidence=tuple(f"{abspath(f'{parent}/{place}/{NAME}')}: does not exist" for place in PLACES),
        remedy=("install cgshim again: the program is beside the launcher",),
    )


def command(stage: str, arguments: list[str]) -> dict[str, Any]:
    """Return the entry that calls the program for a stage. It needs no environment."""
    entry: dict[str, Any] = {"path": program(), "args": [NAME, stage, *arguments]}
    present = environment()
    variables = [f"{name}={present[name]}" for name in PASSED_ON if name in present]
    return {**entry, "env": variables} if variables else entry


def injected(hooks: Any, stage: str, entry: dict[str, Any]) -> list[Any]:
    """Return the stage's hooks with ours as the last one, exactly once."""
    present = hooks.get(stage) if isinstance(hooks, dict) else None
    others = [other for other in present or [] if not _is_ours(other, entry["args"][1])]
    return [*others, entry]


def _is_ours(entry: Any, stage: str) -> bool:
    arguments = entry.get("args") if isinstance(entry, dict) else None
    if not isinstance(arguments, list):
        return False
    return arguments[:2] == [NAME, stage] or arguments[:1] == [FORMER[stage]]
