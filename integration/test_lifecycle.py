"""Containers with foreign limits through the launcher and the real runtime; bare and wrapped calls compared."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require
from integration.containers import call
from integration.kernel import CgroupValues
from integration.terminal import Terminal

if TYPE_CHECKING:
    from integration.bundle import Bundle
    from integration.containers import Runtime, Shim

M = 1 << 20
FOREIGN = {"memory.max": "67108864", "memory.swap.max": "0", "pids.max": "32", "cpu.max": "50000 100000"}
# cgroup-v1/memory.rst, pids.rst, scheduler/sched-bwc.rst
ON_V1 = {
    "memory.limit_in_bytes": "67108864",
    "memory.memsw.limit_in_bytes": "67108864",
    "pids.max": "32",
    "cpu.cfs_quota_us": "50000",
    "cpu.cfs_period_us": "100000",
}


def _require_v1(*controllers: str) -> None:
    values = CgroupValues(os.getpid())
    absent = [name for name in controllers if values.version(name) != 1]
    require("v1 hierarchies", f"{', '.join(absent)} not on cgroup v1" if absent else "")


def _values(pid: int, names: Any) -> dict[str, str | None]:
    values = CgroupValues(pid)
    return {name: values.read(name) for name in names}


def test_limits_for_cgroup2_on_v1(bundle: Bundle, runtime: Runtime, shim: Shim, container: str) -> None:
    """The bare runtime refuses them, through the launcher the container starts and the kernel has all of them."""
    _require_v1("memory", "pids", "cpu")
    bundle.configure(resources={"unified": FOREIGN})
    bare = runtime("create", "--bundle", str(bundle.path), container)
    assert (bare.status, "cannot use unified on cgroup v1" in bare.err) == (1, True), str(bare)
    pid = shim.create(bundle, container)
    assert _values(pid, ON_V1) == ON_V1
    shim.must("start", container)
    assert _values(pid, ON_V1) == ON_V1
    assert json.loads(shim.state(container)["annotations"]["io.cgshim.report"])["schema"] == 1


@pytest.mark.parametrize("detach", [True, False], ids=["detached", "foreground"])
def test_limits_for_cgroup2_with_run(bundle: Bundle, shim: Shim, container: str, detach: bool) -> None:
    """`run` likewise; in the foreground the container itself reads its limit."""
    _require_v1("memory", "pids", "cpu")
    mounts = [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}]
    args = ["/bin/cat", "/sys/fs/cgroup/pids/pids.max"]
    bundle.configure(resources={"unified": FOREIGN}, mounts=mounts, **({} if detach else {"args": args}))
    done = shim.must("run", *(["-d"] if detach else []), "--bundle", str(bundle.path), container)
    assert (done.out, done.err) == ("" if detach else "32\n", "")
    if detach:
        assert _values(shim.pid(container), ON_V1) == ON_V1


def _odd(resources: str) -> str:
    """A configuration in odd white space, with unknown fields and a seccomp profile of more than a megabyte."""
    syscalls = ",\n".join(
        f'\t{{"names" : ["read","wr\\u0069te"],"action":"SCMP_ACT_ALLOW","x":{18446744073709551615 - i}}}'
        for i in range(16000)
    )
    return (
        '\n\t{ "ociVersion":"1.0.2"  ,"future" : [1e3, 1.50, 123456789012345678901234567890, {"a":1,"a":2}],\r\n'
        '"process":{"terminal":false,"user":{"uid":0,"gid":0},"args":["/bin/sleep","300"],'
        '"env":["PATH=/bin","W=\\u00e9é"],"cwd":"/"},"root":{"path":"rootfs" , "readonly" : true },\n'
        '"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],\n\n'
        '"linux" : { "namespaces":[{"type":"pid"},{"type":"mount"}]\t,"future":null,\n'
        f'"resources" :{resources} ,  "seccomp"  :  '
        f'{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{syscalls}]}} }} }} \n'
    )


def test_bytes_outside_the_report_and_the_resources_stay(bundle: Bundle, shim: Shim, container: str) -> None:
    """Of a megabyte of odd JSON only `linux.resources` and the report's annotation differ, byte for byte."""
    _require_v1("pids")
    before, _, after = _odd("\0").partition("\0")
    bundle.config_path.write_text(before + '{"unified" : {"pids.max" : "32"}, "future": 1.0 }' + after, newline="")
    pid = shim.create(bundle, container)
    assert CgroupValues(pid).read("pids.max") == "32"
    with bundle.config_path.open(newline="") as file:
        text = file.read()
    assert len(text) > M
    opening = before.index("{") + 1
    assert text.startswith(before[:opening] + '"annotations":')
    _, end = json.JSONDecoder().raw_decode(text, opening + len('"annotations":'))
    assert text[end] == ","
    assert text[end + 1 :].startswith(before[opening:])
    assert text.endswith(after)
    resources = text[end + 1 + len(before) - opening : len(text) - len(after)]
    assert json.loads(resources) == {"future": 1.0, "pids": {"limit": 32}}
    assert '"future": 1.0' in resources


def test_nothing_to_change(bundle: Bundle, shim: Shim, container: str) -> None:
    """A file that this host takes as it is keeps its inode and its times, and nothing is beside it."""
    bundle.configure(resources={"pids": {"limit": 31}})
    before = bundle.config_path.stat()
    names = sorted(entry.name for entry in bundle.path.iterdir())
    pid = shim.create(bundle, container)
    assert CgroupValues(pid).read("pids.max") == "31"
    after = bundle.config_path.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    assert sorted(entry.name for entry in bundle.path.iterdir()) == names


SCRIPTS = {
    "success": "echo out; echo err >&2",
    "seven": "echo before; exit 7",
    "not-found": "no-such-command",
    "signal": "kill -KILL $$",
    "binary": "head -c 100000 /bin/busybox; head -c 100 /bin/busybox >&2",
    "input": "cat",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("foreign", [True, False], ids=["rewritten", "as-it-stands"])
def test_foreground_run_is_as_bare(
    *, bundle: Bundle, runtime: Runtime, shim: Shim, container: str, script: str, foreign: bool
) -> None:
    """Exit status, stdout and stderr of the container are the same with and without cgshim, to the last byte."""
    _require_v1("pids")

    def run(front: Runtime, resources: dict[str, Any]) -> tuple[int, bytes, bytes]:
        bundle.configure(args=["/bin/sh", "-c", script], resources=resources)
        argv = [*front.prefix, "run", "--bundle", str(bundle.path), container]
        done = subprocess.run(
            argv, check=False, capture_output=True, env=front.environment, input=b"in\0put", timeout=60
        )
        return done.returncode, done.stdout, done.stderr

    bare = run(runtime, {"pids": {"limit": 32}})
    assert run(shim, {"unified": {"pids.max": "32"}} if foreign else {"pids": {"limit": 32}}) == bare


def test_descriptors_for_the_container(bundle: Bundle, shim: Shim, container: str, tmp_path: Path) -> None:
    """--preserve-fds reaches the container through cgshim."""
    marker = tmp_path / "marker"
    marker.write_text("from outside\n")
    bundle.configure(args=["/bin/sh", "-c", "cat <&3"], resources={"unified": {"pids.max": "32"}})
    argv = [*shim.prefix, "run", "--preserve-fds", "1", "--bundle", str(bundle.path), container]
    shell = ["/bin/sh", "-c", 'exec "$@" 3<"$0"', str(marker), *argv]
    done = subprocess.run(shell, check=False, capture_output=True, env=shim.environment, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"from outside\n", b"")


def _both(runtime: Runtime, shim: Shim) -> tuple[tuple[Runtime, dict[str, Any]], ...]:
    """The bare runtime with limits of its own kind, the launcher with foreign ones."""
    return (runtime, {"pids": {"limit": 32}}), (shim, {"unified": {"pids.max": "32"}})


PTS = [
    {
        "destination": "/dev/pts",
        "type": "devpts",
        "source": "devpts",
        "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
    }
]


def _process(script: str, *, terminal: bool) -> dict[str, Any]:
    user = {"uid": 0, "gid": 0}
    args = ["/bin/sh", "-c", script]
    return {"terminal": terminal, "user": user, "args": args, "env": ["PATH=/bin"], "cwd": "/"}


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "no-terminal"])
def test_run_on_a_terminal(bundle: Bundle, runtime: Runtime, shim: Shim, container: str, terminal: bool) -> None:
    """What the user sees on a terminal, the lines he types included, and the exit status are as without cgshim."""
    _require_v1("pids")
    script = "[ -t 0 ] && [ -t 1 ] && echo is a tty; echo ready; read line; echo got $line; exit 7"
    seen = []
    for front, resources in _both(runtime, shim):
        bundle.configure(process=_process(script, terminal=terminal), resources=resources, mounts=PTS)
        user = Terminal([*front.prefix, "run", "--bundle", str(bundle.path), container], front.environment)
        user.wait_for("ready")
        user.type("hello\n")
        # runc clears ONLCR of the console while the container may write already, so the first lines may end in CR LF.
        seen.append((user.end(), user.seen.replace("\r\n", "\n")))
    assert seen[1] == seen[0]
    assert seen[0][0] == 7
    assert "got hello" in seen[0][1]


COUNTING = (
    "n=0; trap 'n=$((n+1)); echo got $n' INT; trap 'exit $((40+n))' TERM; sleep 300 & "
    "echo ready; while :; do wait; done"
)


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "no-terminal"])
def test_interrupt_from_the_keyboard(
    bundle: Bundle, runtime: Runtime, shim: Shim, container: str, terminal: bool
) -> None:
    """Ctrl-C reaches the container's process exactly once, as with the bare runtime; then TERM by kill ends it."""
    _require_v1("pids")
    seen = []
    for front, resources in _both(runtime, shim):
        bundle.configure(process=_process(COUNTING, terminal=terminal), resources=resources, mounts=PTS)
        user = Terminal([*front.prefix, "run", "--bundle", str(bundle.path), container], front.environment)
        user.wait_for("ready")
        user.type("\x03")
        user.wait_for("got 1")
        os.kill(user.pid, signal.SIGTERM)
        # runc makes the terminal raw at about the time of the first line: that may end in either way, bare or not.
        seen.append((user.end(), user.seen.replace("\r\n", "\n")))
    assert seen[1] == seen[0]
    assert seen[0][0] == 41


def test_report_survives_update_and_second_create(bundle: Bundle, shim: Shim, container: str) -> None:
    """A bundle that was rewritten needs nothing the second time."""
    _require_v1("pids")
    bundle.configure(resources={"unified": {"pids.max": "32"}})
    shim.create(bundle, container)
    shim.must("delete", "--force", container)
    before = bundle.config_path.stat()
    pid = shim.create(bundle, container)
    assert CgroupValues(pid).read("pids.max") == "32"
    after = bundle.config_path.stat()
    kept = ("st_dev", "st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ctime_ns")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]


@pytest.mark.parametrize("form", ["file", "equals", "relative", "stdin", "pipe"])
def test_update(bundle: Bundle, shim: Shim, container: str, tmp_path: Path, form: str) -> None:
    """`update` with foreign limits, given in each way that engines use; the file itself is left alone."""
    _require_v1("memory", "pids", "cpu")
    bundle.configure(resources={"memory": {"limit": 128 * M, "swap": 128 * M}})
    pid = shim.create(bundle, container)
    text = "\n " + json.dumps({"unified": FOREIGN}) + "\n"
    file = tmp_path / "resources.json"
    file.write_text(text)
    if form == "stdin":
        shim.must("update", "--resources", "-", container, stdin=text)
    elif form == "pipe":
        command = ["/bin/sh", "-c", f'cat "{file}" | "$@"', "sh", *shim.prefix, "update", "-r", "-", container]
        assert call(command, env=shim.environment).status == 0
    else:
        given = {"file": ("--resources", str(file)), "equals": (f"--resources={file}",), "relative": ("-r", file.name)}
        shim.must("update", *given[form], container, cwd=str(tmp_path))
    assert _values(pid, ON_V1) == ON_V1
    assert file.read_text() == text


def test_update_that_needs_nothing_from_a_pipe(bundle: Bundle, shim: Shim, container: str) -> None:
    """Resources that can be read only once reach the runtime, too."""
    _require_v1("pids")
    bundle.configure()
    pid = shim.create(bundle, container)
    shell = 'echo \'{"pids": {"limit": 28}}\' | "$@"'
    update = [*shim.prefix, "update", "--resources", "/dev/stdin", container]
    done = call(["/bin/sh", "-c", shell, "sh", *update], env=shim.environment)
    assert done.status == 0, str(done)
    assert CgroupValues(pid).read("pids.max") == "28"


LOST = {"misc.max": "res_a 5"}


def test_policy_refuse(bundle: Bundle, shim: Shim, container: str) -> None:
    """A guard that nothing here enforces is refused by default, with reason and remedy; no container, no change."""
    _require_v1("pids")
    bundle.configure(resources={"unified": LOST})
    before = bundle.config_path.read_bytes()
    done = shim("create", "--bundle", str(bundle.path), container)
    assert done.status == 1
    assert done.out == ""
    for words in ("unified.misc.max", "[unified-without-counterpart]", "for every container", "(default)"):
        assert words in done.err, str(done)
    assert shim.containers() == []
    assert bundle.config_path.read_bytes() == before


@pytest.mark.parametrize("by", ["settings", "annotation"])
def test_policy_warn(bundle: Bundle, shim: Shim, container: str, tmp_path: Path, by: str) -> None:
    """Accepted by the settings, or for one container that they trust: log and report say what is not limited."""
    _require_v1("pids")
    annotations = {"io.cgshim.policy": "warn"} if by == "annotation" else None
    shim.settings(**({"policy": "warn"} if by == "settings" else {"annotations": "trust"}))
    bundle.configure(resources={"unified": LOST}, annotations=annotations)
    log = tmp_path / "log.json"
    argv = [*shim.prefix, "--log", str(log), "--log-format", "json", "create", "--bundle", str(bundle.path), container]
    done = call(argv, env=shim.environment)
    assert (done.status, done.out, done.err) == (0, "", ""), str(done)
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [record["level"] for record in told if "unified.misc.max" in record["msg"]] == ["warning"]
    report = json.loads(shim.state(container)["annotations"]["io.cgshim.report"])
    assert report["policy"] == "warn"
    assert [(c["field"], c["effect"]) for c in report["changes"]] == [("unified.misc.max", "unenforceable")]


def test_an_annotation_does_not_accept_the_loss(bundle: Bundle, shim: Shim, container: str) -> None:
    """An image could have brought it along: the limit is refused as without it."""
    _require_v1("pids")
    bundle.configure(resources={"unified": LOST}, annotations={"io.cgshim.policy": "warn"})
    done = shim("create", "--bundle", str(bundle.path), container)
    assert (done.status, "policy 'refuse' (default)" in done.err, "io.cgshim" in done.err) == (1, True, False), str(
        done
    )
    assert shim.containers() == []


def test_annotation_is_stricter_than_the_settings(bundle: Bundle, shim: Shim, container: str) -> None:
    """One container may insist where the host's settings are lax."""
    _require_v1("pids")
    shim.settings(policy="warn")
    bundle.configure(resources={"unified": LOST}, annotations={"io.cgshim.policy": "refuse"})
    done = shim("create", "--bundle", str(bundle.path), container)
    assert (done.status, "policy 'refuse' (annotation io.cgshim.policy)" in done.err) == (1, True), str(done)


def test_read_only_bundle(bundle: Bundle, shim: Shim, container: str) -> None:
    """A bundle that cannot be written gets a stand-in that lives as long as the container; its file is untouched."""
    _require_v1("pids")
    bundle.configure(resources={"unified": {"pids.max": "32"}})
    before = bundle.config_path.read_bytes()
    place = str(bundle.path)
    subprocess.run(["mount", "--bind", place, place], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        pid = shim.create(bundle, container)
        stand_in = shim.state(container)["bundle"]
        values = CgroupValues(pid).read("pids.max")
        second = shim("create", "--bundle", place, container)  # of an id in use: the live container's stand-in stays
        rooted = os.path.realpath(json.loads(Path(stand_in, "config.json").read_text())["root"]["path"])
        shim.must("delete", "--force", container)
    finally:
        subprocess.run(["umount", place], check=True)
    assert values == "32"
    assert rooted == str(bundle.path / "rootfs")
    assert stand_in != place
    assert (second.status, "[id-in-use]" in second.err) == (1, True), str(second)
    shutil.rmtree(Path(stand_in).parent)  # of this test's own root; else the next container of that root would do it
    assert bundle.config_path.read_bytes() == before
