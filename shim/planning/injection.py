"""The hooks that cgshim puts into a configuration (OCI runtime-spec, config.md, "POSIX-platform Hooks").

createRuntime, for `run`: `create` leaves time before the user's process starts; `run` does not. A hook of that stage
runs after the runtime has applied the limits and before the process.
poststop, where the bridge may use a cgroup of cgshim's own (shim.enforce.bridge): `delete` never reaches Python.
"""

from __future__ import annotations

import sys

from shim.system import abspath, dirname, environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "cgshim-verify"  # the hook's argv[0]: how an earlier one of ours is known
STAGE = "createRuntime"
CLEANUP = "cgshim-cleanup"
AFTER = "poststop"
# As the launcher starts the program, and for the same reasons: the hook's Python comes on top of the call's own.
CODE = """import _frozen_importlib_external, _imp, gc, marshal, posix, sys
gc.disable()
sys.path.insert(0, sys.argv.pop(1))
try:
    file = posix.open(sys.path[0] + "/shim/__pycache__/hot." + sys.implementation.cache_tag + ".bin", posix.O_CLOEXEC)
    head, own = posix.read(file, 32), posix.fstat(file)
    core = posix.read(file, int(head[12:]))
    if own[0] != 33188 or own[4] not in (0, posix.stat(sys.path[0])[4]): raise OSError
    if head[:12] != _frozen_importlib_external.MAGIC_NUMBER + _imp.source_hash(own[6], core): raise OSError
    code, *content = marshal.loads(core)
    hot = type(sys)("shim.start.hot")
    exec(code, hot.__dict__)
    hot.fitting = hot.opened(sys.path[0], file, content)
except Exception:
    from shim.start import hot
hot.main("shim.call.entry")"""
PASSED_ON = ("CGSHIM_CONFIG", "CGSHIM_DEBUG", "CGSHIM_STATE", "XDG_STATE_HOME")


def hook(runtime: str, driver: str, *, bridged: bool = False) -> dict[str, Any]:
    """The entry for `hooks.createRuntime`. bridged: limits of the container are in cgshim's keeping (shim.planning.custody).

    An annotation can come from an image, this entry cannot: it is how the hook knows that such limits must be there.
    """
    more = ["--bridged", "true"] if bridged else []
    return command(NAME, "create_runtime", ["--runtime", runtime, "--driver", driver, *more])


def cleanup(mount: str) -> dict[str, Any]:
    """The entry for `hooks.poststop`. mount: of cgroup2."""
    return command(CLEANUP, "leftover", ["--mount", mount])


def command(name: str, module: str, arguments: list[str]) -> dict[str, Any]:
    """The entry that runs a module of `hooks` under argv[0] `name`, isolated and with no need of an environment."""
    package = dirname(dirname(dirname(abspath(__file__))))
    entry: dict[str, Any] = {
        "path": sys.executable or "/usr/bin/python3",
        "args": [
            name,
            "-BIS",
            "-X",
            "utf8",
            "-c",
            CODE.replace("shim.call.entry", f"shim.stages.{module}"),
            package,
            *arguments,
        ],
    }
    present = environment()
    variables = [f"{name}={present[name]}" for name in PASSED_ON if name in present]
    return {**entry, "env": variables} if variables else entry


def injected(hooks: Any, stage: str, entry: dict[str, Any]) -> list[Any]:
    """The stage's hooks with ours as the last one, just once."""
    present = hooks.get(stage) if isinstance(hooks, dict) else None
    others = [other for other in present or [] if not _is_ours(other, entry["args"][0])]
    return [*others, entry]


def _is_ours(entry: Any, name: str) -> bool:
    arguments = entry.get("args") if isinstance(entry, dict) else None
    return isinstance(arguments, list) and arguments[:1] == [name]
