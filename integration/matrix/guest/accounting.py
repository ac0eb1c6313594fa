"""The hooks of containers on this kernel: what a refusal says, what the account after the end says.

`account`: a process is killed for lack of memory, and createRuntime refuses a limit that is not there.
`delays`: a kernel without PSI, with its delay accounting switched on and off.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time

from integration.matrix.guest import cgroups, container, swapping
from integration.matrix.guest.container import Container, Way
from integration.matrix.guest.watcher import Watching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator

M = 1 << 20
LIMIT = 16 * M
STATE = "/run/cgshim"  # where cgshim itself keeps it: the key that seals bridged limits is one for both
SETTINGS = f"{container.RUN}/hooks-settings.json"
SWITCH = "/proc/sys/kernel/task_delayacct"
PYROUTE2, INSTALLED = "/cgshim/packages/dist-packages/pyroute2", "/usr/lib/python3/dist-packages/pyroute2"
HOOK = "import sys; sys.path.insert(0, sys.argv.pop(1)); from shim.stages.{0} import main; main()"
GREEDY = "busybox tail /dev/zero; exit 0"  # tail keeps an endless line in memory
# tail keeps all that it reads until its input ends: more than the limit, so that it swaps out and in, and ends.
SWAPPING = f"while :; do busybox head -c {24 * M} /dev/zero | busybox tail -c {24 * M} > /dev/null; done"
PATIENCE = 60  # seconds


def accounts(way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """A kill, and a refusal, of one way."""
    about = {"runtime": way.runtime, "through": way.through}
    yield {"asked": "kill", **about, **_killed(way, parent)}
    if not way.shim:
        yield {"asked": "refusal", **about, **_refused(way, parent)}


def delays(way: Way, parent: str) -> Iterator[dict[str, Any]]:
    """The delays of one way, and once what is told where nothing is counted."""
    if not os.path.exists(INSTALLED):
        os.symlink(PYROUTE2, INSTALLED)
    about = {"runtime": way.runtime, "through": way.through}
    for asked in ("1", "0") if way.runtime == "runc" else ("1",):
        with open(SWITCH, "w") as file:
            file.write(asked)
        with swap(), Watching(names=("nobody",), service=STATE):
            found = _delayed(way, parent, asked == "1")
        yield {"asked": f"task_delayacct {asked}", **about, **found}


@contextlib.contextmanager
def swap() -> Iterator[None]:
    """A swap device for as long as it takes: the other cases of this boot have none."""
    layout = "/cgshim/integration/matrix/guest/layout.sh"
    subprocess.run(["bash", "-c", f". {layout} && layout_zram"], check=True)
    yield
    subprocess.run(["swapoff", "/dev/zram0"], check=True)
    with open("/sys/block/zram0/reset", "w") as file:
        file.write("1")


def _hook(module: str, *arguments: str) -> dict[str, Any]:
    words = [f"cgshim-{module}", "-IS", "-c", HOOK.format(module), "/cgshim", *arguments]
    os.makedirs(container.RUN, exist_ok=True)
    with open(SETTINGS, "w") as file:
        file.write('{"annotations": "trust"}')
    return {"path": sys.executable, "args": words, "env": [f"CGSHIM_CONFIG={SETTINGS}"]}


def _killed(way: Way, parent: str) -> dict[str, Any]:
    """A container in the foreground, to its end, in which a process is killed."""
    hooks = {stage: [_hook("poststop")] for stage in ("createRuntime", "poststop")}
    with _container(way, parent, _config(GREEDY, hooks)) as held:
        result = container.call(way, "run", "--bundle", held.bundle, held.name)
        return {"status": result.status, "text": result.text[-1500:], "path": held.path, **_report(held)}


def _refused(way: Way, parent: str) -> dict[str, Any]:
    """Somebody takes the limit away between the runtime and cgshim's hook; the runtime's stderr is a file."""

    def config(made: dict[str, Any]) -> None:
        liar = f"cat >/dev/null; echo max > /sys/fs/cgroup{made['linux']['cgroupsPath']}/memory.max"
        taking = {"path": "/bin/sh", "args": ["sh", "-c", liar]}
        verifying = _hook("create_runtime", "--runtime", container.RUNTIMES[way.runtime])
        _config("true", {"createRuntime": [taking, verifying]})(made)

    with _container(way, parent, config) as held:
        result = held.create()
        return {"status": result.status, "text": result.text, "path": held.path}


def _delayed(way: Way, parent: str, counted: bool) -> dict[str, Any]:
    """What is told of a container while it runs and after its end."""
    hooks = {stage: [_hook("poststop")] for stage in ("createRuntime", "poststop")}
    with _container(way, parent, _config(SWAPPING, hooks, {"io.cgshim.pressure": "taskstats"}), 64 * M) as held:
        result = held.create("run")
        if result.status:
            return {"status": result.status, "text": result.text[-1500:]}
        running = _pressure(held, counted)
        deleted = container.call(way, "delete", "--force", held.name)
        return {"status": deleted.status, "text": deleted.text[-1500:], "running": running, **_report(held)}


def _pressure(held: Container, counted: bool) -> dict[str, Any]:
    """As `cgshimctl report` has it, once there is something to tell."""
    from shim.host.view import View
    from shim.observe import pressure

    place = cgroups.directories(held.pid(), held.path)["cgroup2"]
    deadline = time.monotonic() + PATIENCE
    while True:
        found = pressure.of_cgroup(View(), place, cgroups.processes(place)).shape()
        if not counted or found["totals"].get("swapin") or time.monotonic() > deadline:
            return found


def _container(way: Way, parent: str, config: Callable[[dict[str, Any]], None], more: int = 0) -> Container:
    swapping.install()
    return Container(way, {"memory": {"limit": LIMIT, "swap": LIMIT + more}}, f"{parent}/account", config=config)


def _config(command: str, hooks: dict[str, Any], annotations: dict[str, str] | None = None) -> Any:
    def config(made: dict[str, Any]) -> None:
        swapping.room(made)
        made["process"]["args"] = ["/bin/busybox", "sh", "-c", command]
        made["hooks"] = hooks
        made["annotations"] = annotations or {}

    return config


def _report(held: Container) -> dict[str, Any]:
    """What the poststop hook left."""
    try:
        with open(f"{STATE}/reports/{held.name}.json") as file:
            return {"account": json.load(file)}
    except OSError as error:
        return {"account": {}, "missing": str(error)}
