"""`cgshimctl self-test`: starts one container with limits through cgshim and reads them back from its cgroup."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

import click

from shim.cli import output
from shim.cli.engine_request import own_launcher, own_request
from shim.cli.forms import TABLE, formatted
from shim.enforce.verify import cgroup
from shim.engines import entries
from shim.engines.leftovers import ENGINES
from shim.engines.tree import Tree
from shim.errors import ShimError
from shim.host import membership
from shim.host.detect import detect
from shim.host.view import View
from shim.values import Value

if TYPE_CHECKING:
    from shim.host.facts import Host

PATIENCE = 60  # seconds for one call of the runtime
SHARED = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu")  # programs of the host
MIB = 1 << 20
# field -> (controller, value in config.json, (file, content) on cgroup v1, (file, content) on cgroup2).
# Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst
LIMITS = {
    "memory.limit": ("memory", 64 * MIB, ("memory.limit_in_bytes", str(64 * MIB)), ("memory.max", str(64 * MIB))),
    "pids.limit": ("pids", 50, ("pids.max", "50"), ("pids.max", "50")),
    "cpu.quota": ("cpu", 50000, ("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000")),
}
SHAPE = """\b
--json: one object
  schema   1
  engine   its name, "" without --engine
  binary   the program that was called
  runtime  the real runtime behind it
  limits   [{field, asked, file, found, enforced}]; found: the file's content after the start
  passed   true or false
  problem  what the call printed if it failed, else ""

Exit status: 0 if every limit was read back, 1 if not, 3 if no container could be started for the test.
"""


class Called(Value):
    """The chain under test. binary: as called by the engine. runtime: the real one behind it."""

    engine: str
    binary: str
    runtime: str


@click.command("self-test", epilog=SHAPE)
@click.option("--engine", type=click.Choice(sorted(ENGINES)), help="Call the program that this engine's entry names.")
@click.option("--binary", metavar="PATH", help="Call this cgshim. Default: the one beside this command.")
@formatted
def self_test_command(engine: str | None, binary: str | None, form: str) -> None:
    """Start one container with limits through cgshim, read the limits back from its cgroup, and delete it.

    The container runs `sleep` from the host's own file system, which it sees read-only. No image is needed, and the
    engine's own containers are not touched. Needs root.
    """
    if os.geteuid() != 0:
        raise ShimError("not-root", "self-test starts a container, which needs root", remedy=("run it as root",))
    called = _called(engine, binary)
    found, problem = _tried(called)
    passed = bool(found) and all(one["enforced"] for one in found)
    if form != TABLE:
        shape = {"engine": called.engine, "binary": called.binary, "runtime": called.runtime}
        output.emit({**shape, "limits": found, "passed": passed, "problem": problem}, form)
    _show(called, found, problem, passed=passed)
    click.get_current_context().exit(output.FINE if passed else output.REFUSED)


def _called(engine: str | None, binary: str | None) -> Called:
    """Return the named program, else the one behind the engine's entry, else the one beside this command."""
    tree = Tree()
    if binary is None and engine is None:
        binary = own_launcher("/")
    elif binary is None and engine is not None:
        present = ENGINES[engine].registered(tree, own_request())
        entries.of_engine(tree, present, engine)  # refuses an engine without an entry
        binary = next((one for one in present if one.default), present[0]).binary
    binary = os.path.abspath(str(binary))
    if not os.access(binary, os.X_OK):
        remedy = ("install cgshim", "or name its path with --binary")
        raise ShimError("bad-binary", f"{binary} is not an executable file", remedy=remedy)
    return Called(engine=engine or "", binary=binary, runtime=entries.runtime_of(tree, binary)[0])


def _tried(called: Called) -> tuple[list[dict[str, Any]], str]:
    """Return the limits as the kernel shows them, and the output if the container did not start."""
    host = detect(View())
    work = tempfile.mkdtemp(prefix="cgshim-self-test-")
    name = os.path.basename(work)
    call = [called.binary, "--root", f"{work}/state", "--log", f"{work}/log", "--log-format", "json"]
    try:
        _write_bundle(work, host)
        for arguments in (("create", "--bundle", work, "--pid-file", f"{work}/pid", name), ("start", name)):
            said = _run([*call, *arguments], work)
            if said is not None:
                return [], said
        with open(f"{work}/pid", encoding="ascii") as file:
            return _read_back(View(), int(file.read()), host), ""
    finally:
        _run([*call, "delete", "--force", name], work)
        shutil.rmtree(work, ignore_errors=True)


def _run(argv: list[str], work: str) -> str | None:
    """Return None if the call succeeds, else its output. It goes to a file, because a container would keep a pipe
    open.
    """
    with open(f"{work}/output", "w+", encoding="utf-8", errors="replace") as file:
        try:
            done = subprocess.run(
                argv, check=False, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=PATIENCE
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{' '.join(argv)}: {error}"
        file.seek(0)
        text = file.read().strip()
    if done.returncode == 0:
        return None
    return _logged(f"{work}/log") or text or f"{' '.join(argv)}: exit status {done.returncode}"


def _logged(path: str) -> str:
    """Return the last message of the runtime's log, which has cgshim's explanation; "" if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [json.loads(line) for line in file if line.startswith("{")]
    except (OSError, ValueError):
        return ""
    return str(lines[-1].get("msg", "")) if lines else ""


def _asked(host: Host) -> dict[str, int]:
    """Return the limits whose controllers this host has."""
    return {field: row[1] for field, row in LIMITS.items() if host.version(row[0])}


def _write_bundle(work: str, host: Host) -> None:
    program = shutil.which("sleep") or "/bin/sleep"
    resources: dict[str, dict[str, int]] = {}
    for field, value in _asked(host).items():
        section, _, key = field.partition(".")
        resources[section] = {key: value}
    if "cpu" in resources:
        resources["cpu"]["period"] = 100000
    config = {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": [program, "60"], "cwd": "/", "noNewPrivileges": True},
        "root": {"path": "rootfs", "readonly": True},
        "mounts": [*_mounts(f"{work}/rootfs"), {"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")], "resources": resources},
    }
    with open(f"{work}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)


def _mounts(root: str) -> list[dict[str, Any]]:
    """Create the root directory for a container with the host's programs; return the mounts for it."""
    os.makedirs(f"{root}/proc")
    found = []
    for name in SHARED:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
        elif os.path.isdir(f"/{name}"):
            os.mkdir(f"{root}/{name}")
            found.append(
                {"destination": f"/{name}", "source": f"/{name}", "options": ["bind", "ro", "nosuid", "nodev"]}
            )
    return found


def _read_back(view: View, pid: int, host: Host) -> list[dict[str, Any]]:
    own = membership.paths(view.text(f"/proc/{pid}/cgroup") or "")
    found = []
    for field, value in _asked(host).items():
        controller, _, *files = LIMITS[field]
        version = host.version(controller)
        name, expected = files[version - 1]
        directory, _ = cgroup(view, own, controller, version, host)
        content = (view.text(f"{directory}/{name}") or "").strip() if directory else ""
        one = {"field": field, "asked": value, "file": f"{directory or '?'}/{name}", "found": content}
        found.append({**one, "enforced": content == expected})
    return found


def _show(called: Called, found: list[dict[str, Any]], problem: str, *, passed: bool) -> None:
    through = f"{called.engine}'s entry {called.binary}" if called.engine else called.binary
    if problem:
        output.paragraph(f"Failed: {through} started no container.", bold=True, colour="red")
        output.failure(problem)
        return
    verdict = "Passed" if passed else "Failed"
    what = "enforces every limit" if passed else "does not enforce every limit"
    output.paragraph(f"{verdict}: {through} with {called.runtime or 'no runtime'} {what}.", bold=True)
    rows = [(one["field"], str(one["asked"]), one["found"] or "nothing", one["file"]) for one in found]
    output.table(rows, ("LIMIT", "ASKED", "KERNEL", "FILE"), indent="  ")
