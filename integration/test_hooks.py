"""The OCI hooks with real engines and runtimes: what the kernel then shows, and what the user gets to read."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.bundle import shell_hook
from integration.capabilities import busybox_problem, require, root_problem
from integration.containers import SEARCH_PATH, Runtime, Shim, call, find_runtime
from integration.matrix.guest.watcher import Watching
from integration.podman import Podman, podman_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.bundle import Bundle
    from integration.containers import Result

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
LIMIT = 32 * MIB
# Each processor charges 64 pages in advance (MEMCG_CHARGE_BATCH), so a peak may end that far below its limit.
CHARGED_AHEAD = 64 * os.sysconf("SC_PAGE_SIZE") * (os.cpu_count() or 1)
PATHS = {"PATH": SEARCH_PATH}
TRUST = '{"annotations": "trust"}'
GREEDY = "sleep 0.2; tail /dev/zero; echo survived"  # tail keeps an endless line in memory


@pytest.fixture(scope="session")
def podman_answer() -> str:
    """Why podman does not work here, asked once."""
    return podman_problem()


@pytest.fixture
def podman(journal: list[str], podman_answer: str) -> Iterator[Podman]:
    """podman with an image and a hooks directory of its own."""
    require("root", root_problem())
    require("busybox", busybox_problem())
    require("podman", podman_answer)
    found = Podman(journal)
    found.make_image()
    yield found
    found.cleanup()


def _cgshimctl(state: Path, *args: str, **variables: str) -> Result:
    """The tool, with files of its own in `state`."""
    environment = {"PATH": SEARCH_PATH, "CGSHIM_STATE": str(state), **variables}
    return call([sys.executable, "-m", "shim.cli.main", *args], env=environment, cwd=str(ROOT))


def _install(podman: Podman, *args: str, settings_text: str = "{}", **variables: str) -> None:
    settings = podman.place / "settings.json"
    settings.write_text(settings_text)
    variables = {"CGSHIM_CONFIG": str(settings), **variables}
    runtime = next(path for path in ("/usr/sbin/runc", "/usr/bin/runc") if os.path.exists(path))
    done = _cgshimctl(
        podman.state, "hooks", "install", f"--dir={podman.hooks}", f"--runtime={runtime}", *args, **variables
    )
    assert done.status == 0, str(done)


def _memory_file() -> tuple[str, str]:
    """The memory limit's file and the shell words that print it, on either version, from outside of the container."""
    v1 = os.path.isdir("/sys/fs/cgroup/memory")
    return ("/sys/fs/cgroup/memory", "memory.limit_in_bytes") if v1 else ("/sys/fs/cgroup", "memory.max")


def _spy(podman: Podman, file: str) -> Path:
    """A createRuntime hook that copies what the kernel shows in the container's cgroup, after cgshim's own."""
    mount, _ = _memory_file()
    seen = podman.place / f"seen-{file}"
    controller = ":memory:" if mount.endswith("memory") else "0::"
    script = podman.place / f"spy-{file}.sh"
    script.write_text(
        "#!/bin/sh\n"
        "pid=$(sed -n 's/.*\"pid\":\\([0-9]*\\).*/\\1/p')\n"
        f'path=$(grep "{controller}" /proc/$pid/cgroup | cut -d: -f3)\n'
        f'cat "{mount}$path/{file}" > {seen}\n'
    )
    script.chmod(0o755)
    _hook_file(podman, f"90-spy-{file}", str(script), "createRuntime")
    return seen


def _hook_file(podman: Podman, name: str, path: str, stage: str) -> None:
    value = {"version": "1.0.0", "hook": {"path": path}, "when": {"always": True}, "stages": [stage]}
    (podman.hooks / f"{name}.json").write_text(json.dumps(value))


def _ask_in_cgroup2_terms(podman: Podman) -> None:
    """Another precreate hook, called before cgshim's: it puts cgroup2 limits into every configuration."""
    script = podman.place / "cgroup2-terms.sh"
    keys = f'"unified":{{"memory.max":"{LIMIT}","pids.max":"32"}},'
    script.write_text(f"#!/bin/sh\nsed 's/\"resources\":{{/&{keys}/'\n")
    script.chmod(0o755)
    _hook_file(podman, "10-cgroup2-terms", str(script), "precreate")


def test_precreate_translates_for_plain_podman(podman: Podman, container: str) -> None:
    """cgroup2 limits on a v1 host: plain podman with runc starts nothing; with the hook the kernel shows the limits."""
    require("memory in a v1 hierarchy", "" if os.path.isdir("/sys/fs/cgroup/memory") else "cgroup2 only")
    _ask_in_cgroup2_terms(podman)
    bare = podman.run(f"{container}-bare", command=("true",))
    assert (bare.status, "cannot use unified on cgroup v1" in bare.err) == (126, True), str(bare)
    seen = _spy(podman, "memory.limit_in_bytes")
    _install(podman)
    with_hook = podman.run(container, command=("echo", "alive"))
    assert (with_hook.status, with_hook.out) == (0, "alive\n"), str(with_hook)
    assert seen.read_text() == f"{LIMIT}\n"


def test_precreate_refusal_is_found_by_explain(podman: Podman, container: str) -> None:
    """podman itself says only that the hook failed; the diagnosis is above that, and in cgshimctl explain --last."""
    _install(podman, "--stage", "precreate")
    result = podman.run(container, "--annotation", "io.cgshim.policy=perhaps", "--memory", "32m", command=("true",))
    assert result.status != 0
    assert "executing [cgshim-hook precreate" in result.err
    diagnosis = "cgshim: annotation io.cgshim.policy: 'perhaps' is neither 'refuse' nor 'warn' [bad-policy]\n"
    assert result.err.startswith(diagnosis), str(result)
    explained = _cgshimctl(podman.state, "explain", "--last")
    assert explained.status == 0, str(explained)
    assert "annotation io.cgshim.policy: 'perhaps' is neither 'refuse' nor 'warn'" in explained.out
    assert stat.S_IMODE((podman.state / "last.json").stat().st_mode) == 0o600


def _liar(podman: Podman) -> None:
    """A hook that runs before cgshim's and takes the limit away again, as a runtime would that only seems to set it."""
    mount, file = _memory_file()
    controller = ":memory:" if mount.endswith("memory") else "0::"
    script = podman.place / "liar.sh"
    script.write_text(
        "#!/bin/sh\n"
        "pid=$(sed -n 's/.*\"pid\":\\([0-9]*\\).*/\\1/p')\n"
        f'path=$(grep "{controller}" /proc/$pid/cgroup | cut -d: -f3)\n'
        + (f'echo -1 > "{mount}$path/memory.memsw.limit_in_bytes"\n' if mount.endswith("memory") else "")
        + f'echo {"-1" if mount.endswith("memory") else "max"} > "{mount}$path/{file}"\n'
    )
    script.chmod(0o755)
    _hook_file(podman, "40-liar", str(script), "createRuntime")


def test_create_runtime_refuses_a_limit_that_is_not_there(podman: Podman, container: str) -> None:
    """The container does not start, and podman's own output says which file shows what instead of the limit."""
    _liar(podman)
    _install(podman, "--stage", "createRuntime")
    result = podman.run(container, "--memory", "32m", command=("echo", "started"))
    assert (result.status, result.out) == (126, "")
    assert ", so the container was not started" in result.err
    assert "[limit-not-applied]" in result.err
    assert f"memory.limit asked for '{LIMIT}'" in result.err
    assert f"libpod-{_id(podman, container)}/{_memory_file()[1]}: " in result.err


def test_create_runtime_under_warn_starts_it(podman: Podman, container: str) -> None:
    """Policy warn by annotation, which the settings trust: the same lie, and the container starts."""
    _liar(podman)
    _install(podman, "--stage", "createRuntime", settings_text=TRUST)
    warn = ("--annotation", "io.cgshim.policy=warn")
    result = podman.run(container, "--memory", "32m", *warn, command=("echo", "started"))
    assert (result.status, result.out) == (0, "started\n"), str(result)


def test_annotation_no_is_left_alone_by_all_hooks(podman: Podman, container: str) -> None:
    """io.cgshim.enable=false: a lie is not found, a policy that would be refused is not read, nothing is reported."""
    _liar(podman)
    _install(podman, settings_text=TRUST)
    no = ("--annotation", "io.cgshim.enable=false", "--annotation", "io.cgshim.policy=perhaps")
    result = podman.run(container, "--memory", "32m", *no, command=("echo", "started"))
    assert (result.status, result.out) == (0, "started\n"), str(result)
    assert not (podman.state / "reports").exists()


def test_annotations_switch_no_hook_off(podman: Podman, container: str) -> None:
    """Without the settings' trust neither io.cgshim.enable=false nor policy warn lets the lie pass."""
    _liar(podman)
    _install(podman)
    lax = ("--annotation", "io.cgshim.enable=false", "--annotation", "io.cgshim.policy=warn")
    result = podman.run(container, "--memory", "32m", *lax, command=("echo", "started"))
    assert (result.status, result.out, "[limit-not-applied]" in result.err) == (126, "", True), str(result)


def test_annotated_only_leaves_others_alone(podman: Podman, container: str) -> None:
    """With --annotated-only podman calls the hooks for containers that say io.cgshim.enable=true and no others."""
    _liar(podman)
    _install(podman, "--stage", "createRuntime", "--annotated-only")
    free = podman.run(f"{container}-free", "--memory", "32m", command=("echo", "started"))
    assert (free.status, free.out) == (0, "started\n"), str(free)
    yes = ("--annotation", "io.cgshim.enable=true")
    asked = podman.run(container, "--memory", "32m", *yes, command=("echo", "started"))
    assert (asked.status, "[limit-not-applied]" in asked.err) == (126, True), str(asked)


def _id(podman: Podman, name: str) -> str:
    return podman.must("inspect", "--format", "{{.Id}}", name).out.strip()


def test_poststop_reports_the_kill(podman: Podman, container: str) -> None:
    """A process of the container is killed for lack of memory; cgshimctl report knows it when all is gone."""
    _install(podman, "--stage", "poststop")
    result = podman.run(container, "--memory", "32m", "--memory-swap", "32m", command=("sh", "-c", GREEDY))
    assert "survived" in result.out, str(result)  # the shell did; tail was killed
    identity = _id(podman, container)
    podman.must("rm", container)
    shown = _cgshimctl(podman.state, "report", identity[:12], "--json")
    assert shown.status == 0, str(shown)
    ended = json.loads(shown.out)["ended"]
    figures = {one["name"]: one for one in ended["figures"]}
    assert [(one["name"], one["cgroup"].rpartition("/")[2]) for one in ended["killed"]] == [
        ("tail", f"libpod-{identity}")
    ]
    assert figures["oom_kills"]["value"] == 1
    assert figures["limit"]["value"] == LIMIT
    assert LIMIT - CHARGED_AHEAD <= figures["peak"]["value"] <= LIMIT
    assert figures["peak"]["source"].startswith("kernel log")
    assert os.listdir(podman.state / "notes") == []
    text = _cgshimctl(podman.state, "report", identity[:12]).out
    assert "Killed: out of memory" in text


def test_poststop_has_the_delays_of_all_tasks(podman: Podman, container: str, delay_accounting: None) -> None:
    """Asked for by annotation: the watcher adds up, and the account has the container's tasks, no others."""
    _install(podman, "--stage", "poststop", settings_text=TRUST)
    asked = ("--annotation", "io.cgshim.pressure=taskstats")
    piping = "for n in 1 2 3; do echo $n | cat; done"  # a shell, and twice three children of its own
    with Watching(names=("nobody",), service=str(podman.state)):
        result = podman.run(container, "--memory", "32m", *asked, command=("sh", "-c", piping))
    assert (result.status, result.out) == (0, "1\n2\n3\n"), str(result)
    shown = _cgshimctl(podman.state, "report", _id(podman, container), "--json")
    delays = [one for one in json.loads(shown.out)["ended"]["figures"] if one["name"].startswith("delay.")]
    assert {one["name"] for one in delays} >= {"delay.swapin", "delay.reclaim", "delay.thrashing"}
    assert {one["includes"] for one in delays} == {"this container: 7 task(s)"}


@pytest.mark.long
@pytest.mark.parametrize(("stage", "message"), [("precreate", "deadline exceeded"), ("createRuntime", "timeout")])
def test_timeout_of_hooks_d_is_the_end_of_a_hanging_hook(
    podman: Podman, container: str, stage: str, message: str
) -> None:
    """A hook that does not come to an end (here it sleeps first); its timeout fails the container."""
    _install(podman, "--stage", stage, "--timeout=1")
    path = podman.hooks / f"50-cgshim-{stage}.json"
    entry = json.loads(path.read_text())
    program = 'sleep 60; exec "$@"'
    entry["hook"]["args"] = ["sh", "-c", program, "sh", entry["hook"]["path"], *entry["hook"]["args"][1:]]
    entry["hook"]["path"] = "/bin/sh"
    path.write_text(json.dumps(entry))
    result = podman.run(container, "--memory", "32m", command=("echo", "started"))
    assert (result.status != 0, result.out) == (True, "")
    assert message in result.err, str(result)


def _entry(module: str, state: Path, *args: str) -> dict[str, Any]:
    code = f"import sys; sys.path.insert(0, sys.argv.pop(1)); from shim.stages.{module} import main; main()"
    argv = [f"cgshim-{module}", "-IS", "-c", code, str(ROOT), *args]
    return {"path": sys.executable, "args": argv, "env": [f"CGSHIM_STATE={state}"]}


@pytest.mark.parametrize("stage", ["createRuntime", "prestart"])
def test_hook_in_config_json_refuses_and_leaves_nothing(
    runtime: Runtime, bundle: Bundle, container: str, stage: str, tmp_path: Path
) -> None:
    """Hooks of config.json: the limit is read back for `create`; a lie is refused and no container is left."""
    state = tmp_path / "state"
    verify = _entry("create_runtime", state, "--runtime", runtime.path)
    resources = {"memory": {"limit": LIMIT}}
    bundle.configure(resources=resources, hooks={stage: [verify]})
    runtime.create(bundle, container)
    runtime.must("delete", "--force", container)
    mount, file = _memory_file()
    path = f"/{container}"
    liar = shell_hook(f"echo {64 * MIB} > {mount}{path}/{file}")
    bundle.configure(resources=resources, hooks={stage: [liar, verify]}, linux={"cgroupsPath": path})
    refused = runtime("create", "--bundle", str(bundle.path), container)
    assert refused.status != 0
    assert "[limit-not-applied]" in refused.err
    assert f"{mount}{path}/{file}: '{64 * MIB}'" in refused.err
    assert runtime.containers() == []
    assert json.loads((state / "last.json").read_text())["container"] == container


@pytest.fixture
def legacy_crun(tmp_path: Path, journal: list[str]) -> Iterator[Runtime]:
    """crun, on a hybrid host in a mount namespace without the cgroup2 mount, whose controllers it would refuse."""
    require("root", root_problem())
    require("busybox", busybox_problem())
    real = find_runtime("crun")
    require("crun", "" if real else "crun is not installed")
    wrapper = tmp_path / "bin" / "crun"
    wrapper.parent.mkdir()
    hide = "if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi"
    wrapper.write_text(f'#!/bin/sh\nexec unshare -m sh -c \'{hide}; exec "$0" "$@"\' {real} "$@"\n')
    wrapper.chmod(0o755)
    found = Runtime("crun", str(wrapper), tmp_path / "crun-root", journal)
    yield found
    found.cleanup()


def test_refusal_is_in_what_crun_says(legacy_crun: Runtime, bundle: Bundle, container: str, tmp_path: Path) -> None:
    """crun gives its hooks /dev/null for stderr; the diagnosis is whole in its own stderr, a file."""
    state = tmp_path / "state"
    mount, file = _memory_file()
    path = f"/{container}"
    liar = shell_hook(f"echo {64 * MIB} > {mount}{path}/{file}")
    verify = _entry("create_runtime", state, "--runtime", legacy_crun.path)
    bundle.configure(
        resources={"memory": {"limit": LIMIT}}, hooks={"createRuntime": [verify]}, linux={"cgroupsPath": path}
    )
    legacy_crun.create(bundle, container)
    legacy_crun.must("delete", "--force", container)
    bundle.configure(
        resources={"memory": {"limit": LIMIT}}, hooks={"createRuntime": [liar, verify]}, linux={"cgroupsPath": path}
    )
    refused = legacy_crun("create", "--bundle", str(bundle.path), container)
    assert refused.status != 0
    assert refused.err.startswith("cgshim: the kernel does not show memory.limit, so "), str(refused)
    assert "[limit-not-applied]\n" in refused.err
    assert f"{mount}{path}/{file}: '{64 * MIB}'" in refused.err
    assert refused.err.endswith(f"error executing hook `{sys.executable}` (exit code: 1)\n"), str(refused)


@pytest.mark.parametrize("name", ["runc", "crun"])
def test_foreground_run_through_cgshim_says_it_whole(
    name: str, bundle: Bundle, container: str, tmp_path: Path, legacy_crun: Runtime
) -> None:
    """cgshim's own hook in a `run`: the diagnosis stands in the engine's log without the runtime's frame around it."""
    runc = Runtime("runc", find_runtime("runc"), tmp_path / "runc-root", legacy_crun.journal)
    front = Shim(legacy_crun if name == "crun" else runc, tmp_path / "settings.json")
    front.settings()
    front.extra_environment = {"CGSHIM_STATE": str(tmp_path / "state")}
    mount, file = _memory_file()
    path = f"/{container}"
    liar = shell_hook(f"echo {64 * MIB} > {mount}{path}/{file}")
    bundle.configure(
        args=["/bin/echo", "started"],
        resources={"memory": {"limit": LIMIT}},
        hooks={"createRuntime": [liar]},
        linux={"cgroupsPath": path},
    )
    log = tmp_path / "log.json"
    argv = (*front.prefix, "--log", str(log), "--log-format", "json", "run", "--bundle", str(bundle.path), container)
    result = call(argv, env=front.environment)
    front.journal.append(str(result))
    assert (result.status != 0, result.out) == (True, ""), str(result)
    (record,) = [json.loads(line) for line in log.read_text().splitlines()]
    first, *others = record["msg"].splitlines()
    assert first.startswith("cgshim: the kernel does not show memory.limit"), record["msg"]
    assert first.endswith("[limit-not-applied]")
    assert any(f"{mount}{path}/{file}: '{64 * MIB}'" in line for line in others)


@pytest.mark.parametrize("name", ["runc", "crun"])
def test_kill_is_reported_after_the_cgroup_is_gone(
    name: str, bundle: Bundle, container: str, tmp_path: Path, legacy_crun: Runtime
) -> None:
    """Both runtimes remove the cgroup before poststop; the account is complete, and what is missing has a reason."""
    runc = Runtime("runc", find_runtime("runc"), tmp_path / "runc-root", legacy_crun.journal)
    runtime = legacy_crun if name == "crun" else runc
    state = tmp_path / "state"
    hook = _entry("poststop", state)
    gone = tmp_path / "gone"
    mount, _ = _memory_file()
    probe = shell_hook(f"test -d {mount}/{container}/box; echo $? > {gone}")
    bundle.configure(
        args=["/bin/sh", "-c", GREEDY],
        resources={"memory": {"limit": LIMIT, "swap": LIMIT}},
        hooks={"createRuntime": [hook], "poststop": [probe, hook]},
        linux={"cgroupsPath": f"/{container}/box"},
    )
    (bundle.path / "rootfs" / "bin" / "tail").symlink_to("busybox")
    try:
        result = runtime("run", "--bundle", str(bundle.path), container)
    finally:
        _remove_cgroups(container)
    assert "survived" in result.out, str(result)
    assert gone.read_text() == "1\n"
    account = json.loads((state / "reports" / f"{container}.json").read_text())
    figures = {one["name"]: one["value"] for one in account["figures"]}
    assert (figures["oom_kills"], figures["limit"]) == (1, LIMIT)
    assert LIMIT - CHARGED_AHEAD <= figures["peak"] <= LIMIT
    assert [(one["name"], one["cgroup"], one["limited_by"]) for one in account["killed"]] == [
        ("tail", f"/{container}/box", f"/{container}/box")
    ]
    assert all(one["reason"] for one in account["absent"])
    told = {one["name"] for one in account["absent"]} | {one["name"].partition(".")[0] for one in account["figures"]}
    assert told >= {"oom_kills", "events", "peak", "limit", "pressure"}


def _remove_cgroups(name: str) -> None:
    """The runtimes leave the cgroup above the container's, and hidden hierarchies' ones."""
    top = Path("/sys/fs/cgroup")
    for place in (top / name, *top.glob(f"*/{name}")):
        for directory in (*place.glob("*/"), place):
            if directory.is_dir():
                directory.rmdir()


BAD_STATES = {
    "empty": ("", "nothing instead of a container's state"),
    "truncated": ('{"ociVersion": "1.0.2", "id": "a", "pi', "line 1, column 36"),
    "no JSON": ("state", "a value was expected, found 's'"),
    "a list": ("[]", "no JSON object"),
    "other version": ('{"ociVersion": "2.0.0", "id": "a", "pid": 1, "bundle": "/b"}', "OCI version '2.0.0'"),
    "no version": ('{"id": "a", "pid": 1, "bundle": "/b"}', "a state without ociVersion"),
    "no id": ('{"ociVersion": "1.0.2", "pid": 1, "bundle": "/b"}', "a state without id"),
    "no bundle": ('{"ociVersion": "1.0.2", "id": "a", "pid": 1}', "a state without bundle"),
    "no pid": ('{"ociVersion": "1.0.2", "id": "a", "bundle": "/b"}', "container a has no process"),
    "pid 0": ('{"ociVersion": "1.0.2", "id": "a", "pid": 0, "bundle": "/b"}', "container a has no process"),
    "pid gone": ('{"ociVersion": "1.0.2", "id": "a", "pid": 999999999, "bundle": "/b"}', "/proc/999999999: ENOENT"),
    "bundle gone": (
        f'{{"ociVersion": "1.0.2", "id": "a", "pid": {os.getpid()}, "bundle": "/nowhere/b"}}',
        "the bundle /nowhere/b does not exist or is not a directory",
    ),
}


@pytest.mark.parametrize("name", BAD_STATES)
def test_bad_state_is_one_message(name: str, tmp_path: Path) -> None:
    """Status 1, nothing on standard output, what was wrong on stderr, no traceback."""
    text, message = BAD_STATES[name]
    result = _by_hand("create_runtime", text, tmp_path, "--runtime", "/usr/sbin/runc")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("cgshim: ")
    assert message in result.err
    assert "Traceback" not in result.err
    assert message in json.loads((tmp_path / "last.json").read_text())["text"]


@pytest.mark.parametrize("name", [name for name in BAD_STATES if "pid" not in name and name != "bundle gone"])
@pytest.mark.parametrize(("module", "arguments"), [("poststop", ()), ("leftover", ("--mount", "/nowhere"))])
def test_a_report_is_never_worth_a_container(
    module: str, arguments: tuple[str, ...], name: str, tmp_path: Path
) -> None:
    """The hooks of the end, one of which also runs before the start, end with 0 even for a state that is none."""
    text, message = BAD_STATES[name]
    result = _by_hand(module, text, tmp_path, *arguments)
    assert (result.status, result.out) == (0, "")
    assert "Traceback" not in result.err
    assert (result.err.startswith("cgshim: the hook was given "), message in result.err) == (True, True), str(result)


BAD_CONFIGS = {
    "empty": ("", "it is empty"),
    "truncated": ('{"ociVersion": "1.0.2", "linux": {', "the text ends too early"),
    "a list": ("[]", "a JSON object was expected, found an array"),
    "resources": ('{"linux": {"resources": {"memory": {"limit": "1g"}}}}', "linux.resources.memory.limit"),
    "an image's no": (
        '{"annotations":{"io.cgshim.enable":"false"},"linux":{"resources":{"memory":{"limit":"1g"}}}}',
        "linux.resources.memory.limit",
    ),
    "enable": ('{"annotations": {"io.cgshim.enable": "no"}}', "'no' is neither 'true' nor 'false'"),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_config_gives_nothing_on_standard_output(name: str, tmp_path: Path) -> None:
    """precreate: status 1 and not one byte that podman could take for a configuration."""
    text, message = BAD_CONFIGS[name]
    result = _by_hand("precreate", text, tmp_path, "--runtime", "/usr/sbin/runc")
    assert (result.status, result.out) == (1, "")
    assert message in result.err
    assert message in json.loads((tmp_path / "last.json").read_text())["text"]


UNCHANGED = {
    "no resources": ' {"ociVersion" : "1.0.2",\n\t"x": 1e3, "linux": {}}\n\n',
    "a plain limit": '{"ociVersion":"1.0.2","linux":{"resources":{"pids":{"limit":32}}, "seccomp": {"a" : [ ]}}}',
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_unchanged_config_goes_through_byte_for_byte(name: str, tmp_path: Path) -> None:
    """What needs nothing comes out as it went in, white space included; with an empty environment as podman gives."""
    result = _by_hand("precreate", UNCHANGED[name], tmp_path, "--runtime", "/usr/sbin/runc")
    assert (result.status, result.err, result.out) == (0, "", UNCHANGED[name])


def test_unknown_option_is_refused(tmp_path: Path) -> None:
    """A misspelt option in a hooks.d file: the usage, and the container does not start unverified."""
    state = json.dumps({"ociVersion": "1.0.2", "id": "web", "pid": os.getpid(), "bundle": str(tmp_path)})
    result = _by_hand("create_runtime", state, tmp_path, "--runtim", "/usr/sbin/runc")
    assert (result.status, "remedy: usage: create_runtime --runtime PATH" in result.err) == (1, True)


def test_a_refusal_is_in_the_systems_log(tmp_path: Path) -> None:
    """podman shows nothing of what a precreate hook says: each line is a record that journald or syslogd takes."""
    require("root", root_problem())
    device = tmp_path / "dev"
    device.mkdir()
    os.mknod(device / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    entry = _entry("precreate", tmp_path / "state", "--runtime", "/usr/sbin/runc")
    within = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /dev && exec "$@"', str(device)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(device / "log"))
        result = call(
            [*within, entry["path"], *entry["args"][1:]], env={"CGSHIM_STATE": str(tmp_path), **PATHS}, stdin="[]"
        )
        lines = [log.recv(65536, socket.MSG_DONTWAIT) for _ in result.err.splitlines()]
    assert result.status == 1, str(result)
    assert [line.partition(b"cgshim: ")[2].decode() for line in lines] == result.err.splitlines()
    assert all(line.startswith(b"<27>") for line in lines)  # daemon.err


def _by_hand(module: str, stdin: str, state: Path, *args: str) -> Result:
    entry = _entry(module, state, *args)
    return call([entry["path"], *entry["args"][1:]], env={"CGSHIM_STATE": str(state)}, stdin=stdin)


IN_PRIVATE = """
for d in /usr/share /etc; do
    mkdir -p "$1$d" "$1/work$d"
    mount -t overlay overlay -o "lowerdir=$d,upperdir=$1$d,workdir=$1/work$d" "$d"
done
for d in /var/lib/containers /run/cgshim; do mkdir -p "$d"; mount -t tmpfs tmpfs "$d"; done
mkdir -p /etc/containers
cd /etc/containers
printf '[engine]\\nruntime = "runc"\\ncgroup_manager = "cgroupfs"\\nevents_logger = "none"\\n' >containers.conf
printf '[storage]\\ndriver = "vfs"\\ngraphroot = "/var/lib/containers/s"\\nrunroot = "%s/r"\\n' "$1" >storage.conf
cd "$4"
before=$(find /usr/share/containers | sort)
"$2" -m shim.cli.main hooks list --prove; echo "$?"
"$2" -m shim.cli.main hooks install --runtime "$3" >/dev/null; echo "$?"
"$2" -m shim.cli.main hooks list --prove | tail -n 1
"$2" -m shim.cli.main hooks remove >/dev/null; echo "$?"
[ "$before" = "$(find /usr/share/containers | sort)" ] && echo same
"""


def test_installed_where_podman_looks(podman: Podman, tmp_path: Path) -> None:
    """Without --dir: podman itself then makes a container with the hook, and remove leaves no directory behind."""
    runtime = next(path for path in ("/usr/sbin/runc", "/usr/bin/runc") if os.path.exists(path))
    inside = f'mount -t tmpfs tmpfs "$1"; {IN_PRIVATE}'
    argv = ["unshare", "--mount", "sh", "-c", inside, "sh", str(tmp_path), sys.executable, runtime, str(ROOT)]
    done = call(argv, env={"PATH": SEARCH_PATH, "CGSHIM_STATE": str(podman.state)}, cwd=str(ROOT))
    assert done.out == (
        "no hook of cgshim in /usr/share/containers/oci/hooks.d\n1\n0\n"
        "podman runs cgshim's hooks of: createRuntime\n0\nsame\n"
    ), str(done)
