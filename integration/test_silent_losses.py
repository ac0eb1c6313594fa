"""Runtimes that report success without the limit: found out by reading back, refused or reported.

The liars are the real runtime, after which (or, for `run`, in a hook before which) somebody takes the limit away. The
rest are losses met in practice with unchanged runtimes.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from integration.bundle import find_busybox, make_bundle, shell_hook
from integration.capabilities import busybox_problem, require, root_problem
from integration.containers import LAUNCHER, SEARCH_PATH, Runtime, Shim, call, find_runtime
from integration.failures.provoked import readable_sources
from integration.kernel import CgroupValues, cgroup_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.bundle import Bundle
    from integration.containers import Result

M = 1 << 20


class Loss(NamedTuple):
    """A guard, and by cgroup version the file that holds it and what it shows when the guard is gone."""

    resources: dict[str, Any]
    field: str
    asked: dict[int, str]
    files: dict[int, str]
    lost: dict[int, str]


LOSSES = {
    "pids": Loss(
        {"pids": {"limit": 32}}, "pids.limit", {1: "32", 2: "32"}, {1: "pids.max", 2: "pids.max"}, {1: "max", 2: "max"}
    ),
    "memory": Loss(
        {"memory": {"limit": 64 * M}},
        "memory.limit",
        {1: str(64 * M), 2: str(64 * M)},
        {1: "memory.limit_in_bytes", 2: "memory.max"},
        {1: str(128 * M), 2: str(128 * M)},
    ),
    "cpu": Loss(
        {"cpu": {"quota": 50000, "period": 100000}},
        "cpu.quota",
        {1: "50000", 2: "50000 100000"},
        {1: "cpu.cfs_quota_us", 2: "cpu.max"},
        {1: "-1", 2: "max 100000"},
    ),
}


def _mounts() -> list[tuple[Path, int, tuple[str, ...]]]:
    return [(m.point, m.version, m.options) for m in cgroup_mounts(Path("/proc/self/mountinfo").read_text())]


class Place(NamedTuple):
    """Where a container's limit is, and how it is taken away."""

    file: Path
    version: int
    loss: Loss

    @property
    def command(self) -> str:
        """A line of shell that takes the limit away."""
        return f"echo '{self.loss.lost[self.version]}' > {self.file}"

    @property
    def shown(self) -> str:
        """How a message quotes the file."""
        return f"{self.file}: {self.loss.lost[self.version]!r}"


@pytest.fixture(params=list(LOSSES.values()), ids=list(LOSSES))
def place(request: pytest.FixtureRequest, container: str) -> Place:
    """The limit of a container in the cgroup /CONTAINER."""
    loss: Loss = request.param
    controller = next(iter(loss.resources))
    version = CgroupValues(os.getpid()).version(controller)
    for point, found, options in _mounts():
        if found == version and (version == 2 or controller in options):
            return Place(point / container / loss.files[version], version, loss)
    require(f"a {controller} controller", "no cgroup mount has it")
    raise AssertionError


@pytest.fixture
def liar(runtime: Runtime, place: Place, tmp_path: Path, journal: list[str]) -> Iterator[Shim]:
    """cgshim in front of a runtime that takes the limit away after create and update, and says nothing."""
    wrapper = tmp_path / "bin" / runtime.name
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\n{runtime.path} "$@" || exit\ncase " $* " in *" create "* | *" update "*) {place.command} ;; esac\n'
    )
    wrapper.chmod(0o755)
    lying = Runtime(runtime.name, str(wrapper), tmp_path / "lying-root", journal)
    front = Shim(lying, tmp_path / "lying-settings.json")
    front.settings()
    front.extra_environment["CGSHIM_STATE"] = str(tmp_path / "state")
    yield front
    lying.cleanup()


def _records(log: Path) -> list[tuple[str, str]]:
    """Level and message of every record, as containerd reads them."""
    return [(one["level"], one["msg"]) for one in map(json.loads, log.read_text().splitlines())]


def _left(container: str) -> list[str]:
    """The cgroups of this container in any hierarchy."""
    return [str(point / container) for point, _, _ in _mounts() if (point / container).exists()]


def _logged(tmp_path: Path) -> tuple[str, ...]:
    return "--log", str(tmp_path / "log.json"), "--log-format", "json"


def _configure(bundle: Bundle, container: str, place: Place, **more: Any) -> None:
    bundle.configure(resources=place.loss.resources, linux={"cgroupsPath": f"/{container}"}, **more)


def _reset_before(place: Place) -> dict[str, Any]:
    """A foreign hook that runs before ours."""
    return {"createRuntime": [shell_hook(place.command)]}


def _assert_refused(result: Result, log: Path, place: Place, container: str) -> None:
    """The diagnosis names field, file and value in the engine's log, last; nothing is left."""
    assert result.status == 1, str(result)
    level, text = _records(log)[-1]
    assert level == "error"
    assert f"cgshim: the kernel does not show {place.loss.field}, so the container was not started" in text
    assert "[limit-not-applied]" in text
    assert f"evidence: {place.shown}; {place.loss.field} asked for {place.loss.asked[place.version]!r}" in text
    assert _left(container) == []


def test_create_is_refused(liar: Shim, bundle: Bundle, place: Place, container: str, tmp_path: Path) -> None:
    """Policy refuse: the container is deleted through the runtime, its cgroups too, and the message names the file."""
    _configure(bundle, container, place)
    result = liar(*_logged(tmp_path), "create", "--bundle", str(bundle.path), container)
    _assert_refused(result, tmp_path / "log.json", place, container)
    assert liar.containers() == []


def test_create_under_warn(liar: Shim, bundle: Bundle, place: Place, container: str, tmp_path: Path) -> None:
    """Policy warn: it is created, and the loss is a warning in the engine's log."""
    liar.settings(policy="warn")
    _configure(bundle, container, place)
    liar.must(*_logged(tmp_path), "create", "--bundle", str(bundle.path), container)
    ((level, text),) = [one for one in _records(tmp_path / "log.json") if "cgshim" in one[1]]
    assert level == "warning"
    assert text.startswith(f"cgshim: {place.loss.field} is not what the kernel shows: {place.shown}; ")
    assert liar.state(container)["status"] == "created"


def test_an_update_is_refused(liar: Shim, bundle: Bundle, place: Place, container: str, tmp_path: Path) -> None:
    """The update fails with the file and its value; the container goes on running."""
    bundle.configure(resources={}, linux={"cgroupsPath": f"/{container}"})
    liar.settings(policy="warn")
    liar.create(bundle, container)
    liar.settings()
    given = json.dumps(place.loss.resources)
    result = liar(*_logged(tmp_path), "update", "-r", "-", container, stdin=given)
    assert result.status == 1, str(result)
    level, text = _records(tmp_path / "log.json")[-1]
    assert level == "error"
    assert f"cgshim: the kernel does not show {place.loss.field}; the update was not undone" in text
    assert f"evidence: {place.shown}; " in text
    assert liar.state(container)["status"] == "created"


def test_an_update_under_warn(liar: Shim, bundle: Bundle, place: Place, container: str, tmp_path: Path) -> None:
    """The update succeeds, and the loss is a warning in the engine's log."""
    bundle.configure(resources={}, linux={"cgroupsPath": f"/{container}"})
    liar.settings(policy="warn")
    liar.create(bundle, container)
    liar.must(*_logged(tmp_path), "update", "-r", "-", container, stdin=json.dumps(place.loss.resources))
    warnings = [text for level, text in _records(tmp_path / "log.json") if level == "warning" and "cgshim" in text]
    assert [text.partition("; ")[0] for text in warnings] == [
        f"cgshim: {place.loss.field} is not what the kernel shows: {place.shown}"
    ]


@pytest.fixture
def honest(shim: Shim, tmp_path: Path) -> Shim:
    """cgshim in front of the runtime as it is; the limit is taken away by a hook of somebody else's."""
    shim.extra_environment["CGSHIM_STATE"] = str(tmp_path / "state")
    return shim


@pytest.mark.parametrize("detach", [True, False], ids=["detached", "foreground"])
def test_run_is_refused(  # noqa: PLR0917 # fixtures
    honest: Shim, bundle: Bundle, place: Place, container: str, tmp_path: Path, detach: bool
) -> None:
    """Before the container's process starts: it never says a word."""
    args = ["/bin/echo", "started"]
    _configure(bundle, container, place, args=args, hooks=_reset_before(place))
    flags = ["-d"] if detach else []
    result = honest(*_logged(tmp_path), "run", *flags, "--bundle", str(bundle.path), container)
    _assert_refused(result, tmp_path / "log.json", place, container)
    assert "started" not in result.out
    assert honest.containers() == []


@pytest.mark.parametrize("detach", [True, False], ids=["detached", "foreground"])
def test_run_under_warn(  # noqa: PLR0917 # fixtures
    honest: Shim, bundle: Bundle, place: Place, container: str, tmp_path: Path, detach: bool
) -> None:
    """It runs to its own exit status, and the loss is a warning in the engine's log, once."""
    honest.settings(policy="warn")
    _configure(bundle, container, place, args=["/bin/sh", "-c", "exit 7"], hooks=_reset_before(place))
    flags = ["-d"] if detach else []
    result = honest(*_logged(tmp_path), "run", *flags, "--bundle", str(bundle.path), container)
    assert result.status == (0 if detach else 7), str(result)
    warnings = [text for level, text in _records(tmp_path / "log.json") if level == "warning" and "cgshim" in text]
    assert [text.partition("; ")[0] for text in warnings] == [
        f"cgshim: {place.loss.field} is not what the kernel shows: {place.shown}"
    ]
    assert list((tmp_path / "state").rglob(f"{container}.json")) == []


# ---- unchanged runtimes


def test_a_slice_with_the_cgroupfs_driver(shim: Shim, bundle: Bundle, container: str, tmp_path: Path) -> None:
    """A path for systemd makes a directory of that very name: the limit holds, and the odd name is told."""
    path = f"{container}.slice:cgshim:test"
    bundle.configure(resources={"pids": {"limit": 32}}, linux={"cgroupsPath": path})
    shim.must(*_logged(tmp_path), "create", "--bundle", str(bundle.path), container)
    values = CgroupValues(shim.pid(container))
    assert values.read("pids.max") == "32"
    assert values.directory("pids").name == path
    told = [text for level, text in _records(tmp_path / "log.json") if level == "info"]
    assert [path in text or "slice" in text for text in told] == [True]


HIDE = "if [ -d /sys/fs/cgroup/unified ]; then umount -l /sys/fs/cgroup/unified; fi"


def _crun() -> str:
    require("root", root_problem())
    require("busybox", busybox_problem())
    path = find_runtime("crun")
    require("crun", "" if path else "crun is not installed")
    return path


def _hidden(*words: str, env: dict[str, str]) -> Result:
    """A command in a mount namespace without a cgroup2 beside v1 hierarchies, which crun would refuse."""
    return call(
        ["unshare", "--mount", "--propagation", "slave", "sh", "-c", f'{HIDE}; exec "$@"', "sh", *words], env=env
    )


def test_crun_and_unified_beside_cpu(bundle: Bundle, container: str, tmp_path: Path) -> None:
    """crun 1.x on v1 starts a container with `cpu` and `unified` and drops the latter; cgshim has it enforced."""
    crun = _crun()
    values = CgroupValues(os.getpid())
    require("v1 hierarchies", "" if values.version("pids") == 1 else "pids is on cgroup2")
    bundle.configure(
        resources={"unified": {"pids.max": "32"}, "cpu": {"shares": 512}}, linux={"cgroupsPath": f"/{container}"}
    )
    root = str(tmp_path / "root")
    env = {"PATH": SEARCH_PATH, "CGSHIM_RUNTIME": crun, "CGSHIM_CONFIG": str(tmp_path / "none.json")}
    shown = {}
    for name, front in (("bare", (crun,)), ("cgshim", ("/bin/sh", str(LAUNCHER)))):
        made = _hidden(*front, "--root", root, "create", "--bundle", str(bundle.path), container, env=env)
        assert made.status == 0, str(made)
        state = json.loads(_hidden(crun, "--root", root, "state", container, env=env).out)
        shown[name] = CgroupValues(state["pid"]).read("pids.max")
        _hidden(crun, "--root", root, "delete", "--force", container, env=env)
    assert shown == {"bare": "max", "cgshim": "32"}


NOBODY = 65534


@pytest.fixture
def anybodys() -> Iterator[Path]:
    """A directory that an unprivileged user can reach and write."""
    place = Path("/tmp") / f"cgshim-rootless-{os.getpid()}"
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    yield place
    shutil.rmtree(place)


@pytest.mark.parametrize("command", ["create", "run"])
def test_rootless_crun_without_a_cgroup(anybodys: Path, container: str, command: str) -> None:
    """Without a right to any cgroup crun still starts it, without limits; through cgshim it is refused."""
    crun = _crun()
    bundle = make_bundle(anybodys / "bundle", find_busybox())
    ids = [{"containerID": 0, "hostID": 0, "size": 1}]
    namespaces = [{"type": kind} for kind in ("pid", "mount", "uts", "user")]
    linux = {"namespaces": namespaces, "uidMappings": ids, "gidMappings": ids}
    bundle.configure(args=["/bin/echo", "started"], resources={"pids": {"limit": 32}}, linux=linux, mounts=[])
    for path in (bundle.path, *bundle.path.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    root, state = anybodys / "root", anybodys / "state"
    as_nobody = [
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "unshare",
        "--user",
        "--map-root-user",
    ]
    env = {"PATH": SEARCH_PATH, "XDG_RUNTIME_DIR": str(anybodys), "CGSHIM_RUNTIME": crun, "CGSHIM_STATE": str(state)}
    bare = _hidden(*as_nobody, crun, "--root", str(root), "run", "--bundle", str(bundle.path), container, env=env)
    require("unprivileged user namespaces", "" if bare.status == 0 else str(bare))
    assert bare.out == "started\n"
    front = ("/bin/sh", f"{readable_sources()}/shim/launcher.sh", "--root", str(root))
    result = _hidden(*as_nobody, *front, command, "--bundle", str(bundle.path), container, env=env)
    assert (result.status, result.out) == (1, ""), str(result)
    assert "pids.limit cannot be enforced on this host" in result.err
    assert list(root.iterdir()) == []
