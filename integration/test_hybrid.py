"""A hybrid host: controllers that only cgroup2 has under runc; crun, which refuses such a host, without its cgroup2.

On this kind of host hugetlb, or memory, was left to cgroup2. All values are read back from the kernel.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.bundle import shell_hook
from integration.capabilities import busybox_problem, require, root_problem
from integration.containers import LAUNCHER, SEARCH_PATH, Result, Runtime, Shim, call, find_runtime
from integration.kernel import CgroupValues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.bundle import Bundle

CGROUP2 = Path("/sys/fs/cgroup/unified")
M = 1 << 20
HUGE: dict[str, Any] = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * M}]}


def _hybrid_problem(controller: str = "") -> str:
    file = CGROUP2 / "cgroup.controllers"
    controllers = file.read_text().split() if file.exists() else []
    if not controllers:
        return f"{file} is absent or empty"
    return "" if not controller or controller in controllers else f"{file} does not name {controller}"


def _front(name: str, tmp_path: Path, journal: list[str]) -> Shim:
    require("root", root_problem())
    require("busybox", busybox_problem())
    path = find_runtime(name)
    require(name, "" if path else f"{name} is not installed")
    shim = Shim(Runtime(name, path, tmp_path / "root", journal), tmp_path / "settings.json")
    shim.settings()
    shim.extra_environment["CGSHIM_STATE"] = str(tmp_path / "state")
    return shim


@pytest.fixture
def subtree() -> Iterator[None]:
    """The root of cgroup2 hands down afterwards what it did before."""
    require("hybrid with hugetlb in cgroup2", _hybrid_problem("hugetlb"))
    control = CGROUP2 / "cgroup.subtree_control"
    before = control.read_text().split()
    yield
    for name in control.read_text().split():
        if name not in before:
            control.write_text(f"-{name}")


@pytest.fixture
def runc(subtree: None, tmp_path: Path, journal: list[str]) -> Iterator[Shim]:
    """The launcher in front of runc."""
    shim = _front("runc", tmp_path, journal)
    yield shim
    for container in shim.containers():
        shim("delete", "--force", container)


@pytest.fixture
def crun(tmp_path: Path, journal: list[str]) -> Iterator[Shim]:
    """The launcher in front of crun, on a host that crun refuses, with the setting that makes it work."""
    require("hybrid", _hybrid_problem())
    shim = _front("crun", tmp_path, journal)
    shim.settings(crun_on_hybrid="hide-cgroup2")
    yield shim
    shim.settings(crun_on_hybrid="hide-cgroup2")
    for container in shim.containers():
        shim("delete", "--force", container)


@pytest.fixture
def populated(container: str, subtree: None) -> Iterator[str]:
    """A cgroup2 path whose own processes keep it from handing controllers down ("No Internal Process")."""
    place = CGROUP2 / f"{container}-parent"
    place.mkdir()
    with subprocess.Popen(["sleep", "300"]) as sleeper:
        (place / "cgroup.procs").write_text(str(sleeper.pid))
        yield f"/{container}-parent"
        sleeper.kill()
    for path in (*CGROUP2.parent.glob(f"*/{place.name}/c"), *CGROUP2.parent.glob(f"*/{place.name}")):
        path.rmdir()  # runc makes the parent in every hierarchy and removes the container's own


def _warnings(log: Path) -> list[str]:
    records = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [one["msg"] for one in records if one["level"] == "warning" and "cgshim" in one["msg"]]


# ---- runc: the bridge


def test_the_bridge_sets_follows_and_leaves_nothing(runc: Shim, bundle: Bundle, container: str) -> None:
    """A limit that v1 does not have is in the container's own cgroup2: set, updated, inherited by exec, and gone."""
    place = CGROUP2 / container
    bundle.configure(resources=HUGE, linux={"cgroupsPath": f"/{container}"})
    pid = runc.create(bundle, container)
    assert (place / "hugetlb.2MB.max").read_text() == f"{4 * M}\n"
    assert (place / "cgroup.procs").read_text().split() == [str(pid)]
    runc.must("start", container)
    inside = runc.must("exec", container, "/bin/cat", "/proc/self/cgroup").out.splitlines()
    assert f"0::/{container}" in inside
    changed = {"hugepageLimits": [{"pageSize": "2MB", "limit": 8 * M}]}
    runc.must("update", "-r", "-", container, stdin=json.dumps(changed))
    assert (place / "hugetlb.2MB.max").read_text() == f"{8 * M}\n"
    runc.must("delete", "--force", container)
    assert not place.exists()


OTHER = """#!/bin/sh
case " $* " in *" {silent} "*) exit 1 ;; esac
exec {runc} --root {root} "$@"
"""


def _other(tmp_path: Path, container: str, silent: str) -> Callable[..., Result]:
    """runc behind a script that keeps its containers where cgshim does not look, and is silent when asked for one."""
    script, real = tmp_path / "other", find_runtime("runc")
    script.write_text(OTHER.format(runc=real, root=tmp_path / "real", silent=silent))
    script.chmod(0o755)
    variables = {"CGSHIM_RUNTIME": str(script), "CGSHIM_CONFIG": "/none", "CGSHIM_STATE": str(tmp_path / "state")}
    environment = {"PATH": SEARCH_PATH, **variables}
    return lambda *words: call(["/bin/sh", str(LAUNCHER), *words, container], env=environment)


@pytest.mark.parametrize("silent", ["nothing", "state"])
def test_a_runtime_whose_files_are_not_known(
    subtree: None, bundle: Bundle, container: str, tmp_path: Path, silent: str
) -> None:
    """Without a pid file the runtime's `state` says which process: bridged; or it does not, and nothing is left."""
    bundle.configure(resources=HUGE, linux={"cgroupsPath": f"/{container}"})
    other = _other(tmp_path, container, silent)
    done = other("create", "--bundle", str(bundle.path))
    file = CGROUP2 / container / "hugetlb.2MB.max"
    try:
        if silent == "nothing":
            assert (done.status, file.read_text()) == (0, f"{4 * M}\n"), str(done)
        else:
            assert (done.status, "[no-process]" in done.err) == (1, True), str(done)
            assert "delete --force" in done.err
            assert not file.exists()
            assert os.listdir(tmp_path / "real") == []
    finally:
        other("delete", "--force")


def test_a_later_start_has_what_was_kept(runc: Shim, bundle: Bundle, container: str, tmp_path: Path) -> None:
    """The limit left the resources at the first start; the second takes it from the annotation with cgshim's seal."""
    bundle.configure(resources=HUGE, linux={"cgroupsPath": f"/{container}"})
    runc.create(bundle, container)
    runc.must("delete", "--force", container)
    assert "hugepageLimits" not in bundle.config["linux"]["resources"]
    assert stat.S_IMODE((tmp_path / "state" / "key").stat().st_mode) == 0o600
    runc.create(bundle, container)
    assert (CGROUP2 / container / "hugetlb.2MB.max").read_text() == f"{4 * M}\n"


def test_a_newer_limit_wins_over_what_was_kept(runc: Shim, bundle: Bundle, container: str) -> None:
    """What the user writes into the resources since then counts, be it more or less."""
    bundle.configure(resources=HUGE, linux={"cgroupsPath": f"/{container}"})
    runc.create(bundle, container)
    runc.must("delete", "--force", container)
    config = bundle.config
    config["linux"]["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 2 * M}]
    bundle.config_path.write_text(json.dumps(config))
    runc.create(bundle, container)
    assert (CGROUP2 / container / "hugetlb.2MB.max").read_text() == f"{2 * M}\n"


def test_what_was_kept_for_another_container_is_ignored(
    runc: Shim, bundle: Bundle, container: str, tmp_path: Path
) -> None:
    """A genuine annotation in the configuration of another cgroup sets nothing; the log says so, policy or not."""
    log = tmp_path / "log.json"
    bundle.configure(resources=HUGE, linux={"cgroupsPath": f"/{container}"})
    runc.create(bundle, container)
    runc.must("delete", "--force", container)
    config = bundle.config
    config["linux"]["cgroupsPath"] = f"/{container}-other"
    bundle.config_path.write_text(json.dumps(config))
    logged = ("--log", str(log), "--log-format", "json")
    runc.must(*logged, "create", "--bundle", str(bundle.path), container)
    ignored = (
        "cgshim: annotation io.cgshim.bridge is ignored, and no limit is taken from it: "
        "cgshim has not written it on this host for this container"
    )
    assert _warnings(log) == [ignored]
    file = CGROUP2 / f"{container}-other" / "hugetlb.2MB.max"
    assert not file.exists() or int(file.read_text()) > 1 << 62  # how this controller shows that it has no limit


@pytest.mark.parametrize("detach", [True, False], ids=["detached", "foreground"])
def test_the_bridge_with_run(runc: Shim, bundle: Bundle, container: str, detach: bool) -> None:
    """`run` likewise: the container's process itself finds the limit there when it starts."""
    mounts = [{"destination": "/tmp", "type": "bind", "source": str(CGROUP2), "options": ["rbind", "ro"]}]
    args = ["/bin/cat", f"/tmp/{container}/hugetlb.2MB.max"]
    linux = {"cgroupsPath": f"/{container}"}
    bundle.configure(resources=HUGE, linux=linux, mounts=mounts, **({} if detach else {"args": args}))
    done = runc.must("run", *(["-d"] if detach else []), "--bundle", str(bundle.path), container)
    assert done.out == ("" if detach else f"{4 * M}\n")
    if detach:
        assert (CGROUP2 / container / "hugetlb.2MB.max").read_text() == f"{4 * M}\n"


def test_an_inner_node_with_processes_is_refused(runc: Shim, bundle: Bundle, container: str, populated: str) -> None:
    """The level and the errno are in the message; the container is deleted and nothing of it is left."""
    bundle.configure(resources=HUGE, linux={"cgroupsPath": f"{populated}/c"})
    result = runc("create", "--bundle", str(bundle.path), container)
    assert result.status == 1, str(result)
    assert "[bridge-impossible]" in result.err
    assert f"evidence: {CGROUP2}{populated}/cgroup.subtree_control: enabling hugetlb: EBUSY" in result.err
    assert runc.containers() == []
    assert (CGROUP2 / populated[1:] / "c").exists() is False
    assert (CGROUP2 / "cgshim" / container).exists() is False


def test_a_cgroup_of_our_own_under_warn(
    runc: Shim, bundle: Bundle, container: str, populated: str, tmp_path: Path
) -> None:
    """The limit holds in cgshim's own cgroup, exec is outside as the warning says, and delete removes it."""
    own, log = CGROUP2 / "cgshim" / container, tmp_path / "log.json"
    runc.settings(policy="warn")
    bundle.configure(resources=HUGE, linux={"cgroupsPath": f"{populated}/c"})
    logged = ("--log", str(log), "--log-format", "json")
    runc.must(*logged, "create", "--bundle", str(bundle.path), container)
    pid = runc.pid(container)
    assert (own / "hugetlb.2MB.max").read_text() == f"{4 * M}\n"
    assert (own / "cgroup.procs").read_text().split() == [str(pid)]
    (warning,) = _warnings(log)
    assert warning.startswith(f"cgshim: processes started by exec are outside {own}, which has ")
    assert warning.endswith(f"{CGROUP2}{populated}/cgroup.subtree_control: enabling hugetlb: EBUSY")
    runc.must("start", container)
    assert f"0::{populated}/c" in runc.must("exec", container, "/bin/cat", "/proc/self/cgroup").out.splitlines()
    changed = {"hugepageLimits": [{"pageSize": "2MB", "limit": 8 * M}]}
    runc.must("update", "-r", "-", container, stdin=json.dumps(changed))
    assert (own / "hugetlb.2MB.max").read_text() == f"{8 * M}\n"
    runc.must("delete", "--force", container)
    assert (own.exists(), (CGROUP2 / populated[1:] / "c").exists()) == (False, False)


# ---- crun: without the cgroup2 mount


LIMITS: dict[str, Any] = {"unified": {"memory.max": str(64 * M), "pids.max": "32"}, "cpu": {"shares": 512}}
ON_V1 = {"memory.limit_in_bytes": str(64 * M), "pids.max": "32", "cpu.shares": "512"}


def test_crun_refuses_without_the_setting(crun: Shim, bundle: Bundle, container: str) -> None:
    """By default nothing is hidden: crun's refusal, explained, and the setting among the remedies."""
    crun.settings()
    bundle.configure(resources={})
    result = crun("create", "--bundle", str(bundle.path), container)
    assert result.status == 1
    assert "[crun-refuses-hybrid]" in result.err
    assert "crun_on_hybrid" in result.err


def test_crun_lives_without_cgroup2(crun: Shim, bundle: Bundle, container: str) -> None:
    """create, state, start, exec, update, kill and delete, with limits on v1; the host's own mounts stay."""
    values = CgroupValues(os.getpid())
    require("v1 hierarchies", "" if {values.version(n) for n in ("memory", "pids", "cpu")} == {1} else "not on v1")
    bundle.configure(resources=LIMITS, linux={"cgroupsPath": f"/{container}"})
    mounts = Path("/proc/self/mountinfo").read_text()
    pid = crun.create(bundle, container)
    assert {name: CgroupValues(pid).read(name) for name in ON_V1} == ON_V1
    assert crun.state(container)["status"] == "created"
    crun.must("start", container)
    inside = crun.must("exec", container, "/bin/cat", "/proc/self/cgroup").out
    assert f":pids:/{container}\n" in inside
    crun.must("update", "--resources", "-", container, stdin=json.dumps({"unified": {"pids.max": "33"}}))
    assert CgroupValues(pid).read("pids.max") == "33"
    crun.must("kill", container, "KILL")
    crun.must("delete", "--force", container)
    assert list(Path("/sys/fs/cgroup").glob(f"*/{container}")) == []
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert crun.containers() == []


@pytest.mark.parametrize("detach", [True, False], ids=["detached", "foreground"])
def test_crun_runs_without_cgroup2(crun: Shim, bundle: Bundle, container: str, detach: bool) -> None:
    """`run` with guards: the hook finds its way back to both hierarchies, and the output is the container's own."""
    bundle.configure(resources=LIMITS, args=["/bin/sh", "-c", "echo ran; exec /bin/sleep 1"])
    done = crun.must("run", *(["-d"] if detach else []), "--bundle", str(bundle.path), container)
    assert (done.out, done.err) == ("ran\n", "") if not detach else done.err == ""


def test_a_lost_limit_of_crun_is_refused(crun: Shim, bundle: Bundle, container: str) -> None:
    """Deleting what was created works in the same view: nothing is left."""
    path = f"/sys/fs/cgroup/pids/{container}/pids.max"
    hooks = {"createRuntime": [shell_hook(f"echo max > {path}")]}
    bundle.configure(resources={"pids": {"limit": 32}}, linux={"cgroupsPath": f"/{container}"}, hooks=hooks)
    for command in ("create", "run"):
        result = crun(command, "--bundle", str(bundle.path), container)
        assert result.status != 0
        assert f"evidence: {path}: 'max'; pids.limit asked for '32'" in result.err
        assert (crun.containers(), list(Path("/sys/fs/cgroup").glob(f"*/{container}"))) == ([], [])


@pytest.mark.parametrize("command", ["create", "run"])
def test_what_crun_leaves_in_the_root_of_cgroup2(
    crun: Shim, bundle: Bundle, container: str, command: str, subtree: None
) -> None:
    """crun then joins no cgroup2, so a limit of cgroup2's is refused; under warn it holds in a cgroup of our own."""
    bundle.configure(resources=HUGE, linux={"cgroupsPath": f"/{container}"})
    flags = ["-d"] if command == "run" else []
    refused = crun(command, *flags, "--bundle", str(bundle.path), container)
    assert refused.status == 1, str(refused)
    assert "[bridge-impossible]" in refused.err
    assert "the runtime left the container in " in refused.err
    crun.settings(crun_on_hybrid="hide-cgroup2", policy="warn")
    crun.must(command, *flags, "--bundle", str(bundle.path), container)
    own = CGROUP2 / "cgshim" / container
    assert (own / "hugetlb.2MB.max").read_text() == f"{4 * M}\n"
    assert (own / "cgroup.procs").read_text().split() == [str(crun.pid(container))]
    crun.must("delete", "--force", container)
    assert own.exists() is False


def test_limits_of_a_container_without_a_cgroup(crun: Shim, bundle: Bundle, container: str, tmp_path: Path) -> None:
    """--cgroup-manager=disabled: bare crun ignores a limit silently; here it is refused, or reported as lost.

    Rules for devices, which engines write for everyone, and no limits at all are no reason to refuse.
    """
    off, log = ("--cgroup-manager=disabled",), tmp_path / "log.json"
    devices = [{"allow": False, "access": "rwm"}]
    bundle.configure(args=["/bin/cat", "/proc/self/cgroup"], resources={"devices": devices, "pids": {"limit": -1}})
    plain = crun(*off, "run", "--bundle", str(bundle.path), container)
    assert (plain.status, plain.err) == (0, ""), str(plain)
    assert container not in plain.out
    bundle.configure(args=["/bin/true"], resources={"devices": devices, "memory": {"limit": 64 * M}})
    refused = crun(*off, "--log", str(log), "--log-format=json", "run", "--bundle", str(bundle.path), container)
    assert refused.status == 1, str(refused)
    assert "memory.limit cannot be enforced on this host [limits-without-cgroups]" in refused.err
    assert "cgroups are disabled for this container (--cgroup-manager=disabled)" in refused.err
    assert crun.containers() == []
    crun.settings(crun_on_hybrid="hide-cgroup2", policy="warn")
    log.unlink()
    crun.must(*off, "--log", str(log), "--log-format=json", "run", "--bundle", str(bundle.path), container)
    (warning,) = _warnings(log)
    assert "memory.limit" in warning
    assert "memory above 64 MiB (67108864 bytes)" in warning
