"""`cgshimctl engine` itself: dry runs, what is refused, status, BuildKit's environment, nerdctl, copies for nodes."""

from __future__ import annotations

import json
import os
import posix
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from shim.cli.main import main
from shim.engines import install_prefix, status
from shim.engines.file import File
from shim.engines.live_query import QUESTIONS
from shim.engines.tree import Tree
from shim.errors import ShimError
from tests.engine_machine import Machine
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

ENGINES = ("buildkit", "containerd", "crio", "docker", "podman")
BUILDKIT = "/etc/systemd/system/docker.service.d/50-cgshim-buildkit.conf"
BUILDKIT_TEXT = """\
# cgshim in front of BuildKit's runtime; `cgshimctl engine remove buildkit` takes it back.
[Service]
Environment="DOCKER_BUILDKIT_RUNC_COMMAND=/usr/bin/cgshim-runc"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with runc."""
    return Machine(tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
def test_dry_run_shows_the_change_and_makes_none(machine: Machine, engine: str) -> None:
    """--dry-run prints a unified diff of each file, for install and for remove."""
    before = machine.files("/")
    output = machine.install(engine, "--dry-run")
    assert machine.files("/") == before
    assert "@@ -0,0 +1," in output
    assert "\n+" in output
    assert output.endswith("Dry run: nothing was written.\n")
    machine.install(engine)
    installed = machine.files("/")
    output = machine.remove(engine, "--dry-run")
    assert machine.files("/") == installed
    assert " +0,0 @@" in output


def test_dry_run_of_an_edit_is_a_diff(machine: Machine) -> None:
    """The diff has the file's path, three lines around and just what changes."""
    machine.write("/etc/docker/daemon.json", '{\n  "debug": true\n}\n')
    assert machine.install("docker", "--dry-run") == (
        "would link /usr/bin/cgshim-runc to cgshim\n"
        "--- a/etc/docker/daemon.json\n"
        "+++ b/etc/docker/daemon.json\n"
        "@@ -1,3 +1,8 @@\n"
        " {\n"
        '-  "debug": true\n'
        '+  "debug": true,\n'
        '+  "runtimes": {\n'
        '+    "cgshim": {\n'
        '+      "path": "/usr/bin/cgshim-runc"\n'
        "+    }\n"
        "+  }\n"
        " }\n"
        "Dry run: nothing was written.\n"
    )


def test_mode_and_owner_survive(machine: Machine) -> None:
    """A file that is edited keeps its mode, and so does its copy."""
    machine.write("/etc/docker/daemon.json", "{}\n")
    place = machine.root / "etc/docker/daemon.json"
    place.chmod(0o600)
    machine.install("docker")
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.with_name("daemon.json.cgshim-backup").stat().st_mode & 0o777 == 0o600


def test_link_is_followed(machine: Machine) -> None:
    """A configuration file that is a symbolic link stays one; its target is edited."""
    machine.write("/srv/daemon.json", "{}\n")
    (machine.root / "etc/docker").mkdir(parents=True)
    (machine.root / "etc/docker/daemon.json").symlink_to("/srv/daemon.json")
    machine.install("docker")
    assert (machine.root / "etc/docker/daemon.json").is_symlink()
    assert "cgshim" in machine.read("/srv/daemon.json")


def test_link_out_of_the_tree_is_refused(machine: Machine, tmp_path: Path) -> None:
    """Nothing outside the tree is read or written through a link in it."""
    (machine.root / "etc/docker").mkdir(parents=True)
    (machine.root / "etc/docker/daemon.json").symlink_to("../../../outside.json")
    result = machine.engine("install", "docker")
    assert result.exit_code == 3
    assert "a symbolic link leads out of the tree [engine-config]" in result.output
    assert not (tmp_path.parent / "outside.json").exists()


@pytest.mark.parametrize(
    ("binary", "why"),
    [
        ("/usr/bin/absent", "no executable file is there"),
        ("/etc/passwd", "no executable file is there"),
        ("/run/cgshim", "/run is empty after a reboot"),
        ("/tmp/cgshim", "/tmp is empty after a reboot"),
    ],
)
def test_binary_that_no_engine_could_call(machine: Machine, binary: str, why: str) -> None:
    """A default runtime that is not there after a reboot would stop every container."""
    machine.write("/etc/passwd", "")
    for place in ("/run/cgshim", "/tmp/cgshim"):
        machine.program(place)
    message = machine.refused("install", "docker", "--binary", binary)
    assert f"{binary} cannot be an engine's runtime: {why} [bad-binary]" in message


def test_noexec_mount_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """statvfs(3) tells of mounts from which nothing can be executed."""
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((0,) * 8 + (os.ST_NOEXEC, 255)))
    assert status.bad_place(Tree(), "/opt/cgshim/bin/cgshim") == "its file system is mounted noexec"


@pytest.mark.parametrize(
    ("runtime", "why"),
    [
        ("runc", "is not an absolute path"),
        ("/usr/bin/absent", "is not an executable file"),
        ("/usr/bin/cgshim", "is cgshim itself"),
    ],
)
def test_runtime_that_cgshim_could_not_run(machine: Machine, runtime: str, why: str) -> None:
    """--runtime has to be another program, and to be there."""
    message = machine.refused("install", "docker", "--runtime", runtime)
    assert f"the real runtime {runtime} {why} [bad-runtime]" in message


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "ü"])
def test_bad_names(machine: Machine, name: str) -> None:
    """A name is checked before anything is written; the empty one is the engine's usual one."""
    if name:
        assert "is not a valid runtime name [bad-name]" in machine.refused("install", "docker", f"--name={name}")
    else:
        machine.install("docker", "--name=")


@pytest.mark.parametrize("engine", [*ENGINES, "nerdctl"])
def test_unknown_options_are_wrong_usage(machine: Machine, engine: str) -> None:
    """Wrong usage is status 2, as everywhere in cgshimctl."""
    assert machine.engine("install", engine, "--clobber").exit_code == 2
    assert machine.engine("install", engine, "--binary", "cgshim").exit_code == 2


def test_buildkit_environment(machine: Machine) -> None:
    """The daemon's environment names the runtime of builds; remove takes the directory, too."""
    machine.there_and_back("buildkit")
    machine.install("buildkit")
    assert machine.files() == {BUILDKIT: BUILDKIT_TEXT}


@pytest.mark.parametrize(("words", "told"), [("nothing of it", True), ("x DOCKER_BUILDKIT_RUNC_COMMAND y", False)])
def test_buildkit_of_a_daemon_without_the_variable(machine: Machine, words: str, told: bool) -> None:
    """docker 20.10 does not know the variable: the entry is without effect there, and that is said."""
    machine.program("/usr/sbin/dockerd", words)
    output = " ".join(machine.install("buildkit").split())
    assert ("/usr/sbin/dockerd does not know DOCKER_BUILDKIT_RUNC_COMMAND" in output) is told


def test_buildkit_lines_of_others_are_kept(machine: Machine) -> None:
    """A drop-in of ours with more lines is set aside under a name that systemd does not read."""
    machine.install("buildkit")
    machine.write(BUILDKIT, BUILDKIT_TEXT + "Environment=A=1\n")
    assert "had more than the entry" in machine.remove("buildkit")
    assert machine.files() == {BUILDKIT + ".cgshim-backup": BUILDKIT_TEXT + "Environment=A=1\n"}


def test_buildkit_later_drop_in_wins(machine: Machine) -> None:
    """systemd reads drop-ins in the order of their names; a later one would undo the entry."""
    machine.write(
        "/etc/systemd/system/docker.service.d/99-x.conf", "[Service]\nEnvironment=DOCKER_BUILDKIT_RUNC_COMMAND=/x\n"
    )
    assert "99-x.conf sets another runtime for BuildKit after this entry" in machine.refused("install", "buildkit")


def test_nerdctl_needs_no_entry(machine: Machine) -> None:
    """nerdctl takes the path at every call and has no default to set."""
    words = " ".join(machine.install("nerdctl").split())
    told = "nerdctl needs no entry: nerdctl run --runtime /usr/bin/cgshim-runc ..."
    assert words == f"linked /usr/bin/cgshim-runc to cgshim {told}"
    assert machine.files() == {}
    message = machine.refused("install", "nerdctl", "--as-default")
    assert "nerdctl has no setting for a default runtime [no-default]" in message


def test_settings_of_an_earlier_version_stay_while_an_engine_calls_cgshim(tmp_path: Path) -> None:
    """The last engine that is removed takes the settings that 0.1 wrote with it, a user's own stay."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    machine.write("/etc/cgshim/config.json", '{\n  "runtime": "/usr/bin/crun"\n}\n')
    machine.install("podman")
    machine.install("docker")
    machine.remove("podman")
    assert machine.has("/etc/cgshim/config.json")
    machine.remove("docker")
    assert machine.files() == {}
    machine.write("/etc/cgshim/config.json", '{"runtime": "/usr/bin/crun"}\n')
    machine.there_and_back("docker")
    machine.write("/etc/cgshim/config.json.cgshim-backup", "{}\n")  # and somebody replaced the settings since
    machine.install("docker")
    words = " ".join(machine.remove("docker").split())
    assert "--- a/etc/cgshim/config.json.cgshim-backup" in words
    assert machine.files() == {"/etc/cgshim/config.json": '{"runtime": "/usr/bin/crun"}\n'}


def test_status_of_a_good_registration(machine: Machine) -> None:
    """In another tree nobody can be asked, and status says so with a status of its own; what can be seen is proven."""
    machine.install("docker", "--as-default")
    result = machine.engine("status", "docker", "--json")
    assert result.exit_code == 4
    assert json.loads(result.output) == {
        "schema": 1,
        "engine": "docker",
        "checks": [
            {
                "state": "ok",
                "what": "registered",
                "evidence": "/etc/docker/daemon.json: cgshim (new containers' default)",
            },
            {"state": "ok", "what": "executable", "evidence": "/usr/bin/cgshim-runc"},
            {"state": "unknown", "what": "the engine sees it", "evidence": "no tool to ask"},
            {
                "state": "unknown",
                "what": "restart pending",
                "evidence": "systemd does not report when docker.service started",
            },
            {"state": "ok", "what": "the real runtime", "evidence": "/usr/sbin/runc (the first runc found)"},
        ],
        "status": 4,
    }


def test_status_reads_the_settings_of_the_tree(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of the node, good or bad, and not those of the machine that the command runs on."""
    mine = tmp_path / "mine.json"
    mine.write_text("broken")
    monkeypatch.setenv("CGSHIM_CONFIG", str(mine))
    machine.install("docker")
    assert machine.engine("status", "docker").exit_code == 4
    machine.write("/etc/cgshim/config.json", '{"policy": "perhaps"}')
    result = machine.engine("status", "docker")
    assert result.exit_code == 1
    assert "policy: 'perhaps' is neither 'refuse' nor 'warn'" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "/usr/bin/python3 in {} does not run as Python"),
        ("Python 3.11.2\n", "/usr/bin/python3 in {} does not run as Python"),
        ("cgshim 2 7\n", "/usr/bin/python3 in {} is Python 2.7, and cgshim needs "),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--prefix", "/opt/cgshim")])
def test_interpreter_of_the_node_is_run(machine: Machine, answer: str, why: str, arguments: tuple[str, ...]) -> None:
    """/usr/bin/true under the name of python3 prints nothing: it is refused before anything is written."""
    machine.python = answer
    words = " ".join(machine.refused("install", "containerd", *arguments).split())
    assert why.format(machine.root) in words
    assert "[no-python]" in words


def test_what_the_interpreter_is_asked(tmp_path: Path) -> None:
    """A real Python answers with its version, /usr/bin/true with nothing."""
    tree = Tree("/")
    assert install_prefix.answer_of(tree, sys.executable) == f"cgshim {sys.version_info[0]} {sys.version_info[1]}\n"
    assert install_prefix.answer_of(tree, "/usr/bin/true") == ""
    assert "No such file" in install_prefix.answer_of(tree, str(tmp_path / "python3"))


@pytest.mark.parametrize("engine", [*ENGINES, "nerdctl"])
def test_remove_on_an_empty_root(tmp_path: Path, engine: str) -> None:
    """Nothing is deleted, not even a directory that is empty, and nothing is said to have been."""
    (tmp_path / "opt/cgshim/bin").mkdir(parents=True)
    (tmp_path / "etc/cgshim").mkdir(parents=True)
    arguments = ["engine", "remove", engine, "--root", str(tmp_path), "--prefix", "/opt/cgshim"]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.output) == (0, f"{engine}: cgshim is not registered; nothing to do.\n")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bin", "cgshim", "cgshim", "etc", "opt"]


@pytest.mark.parametrize(
    ("engine", "config", "options"),
    [
        ("crio", "", ()),
        ("crio", "/srv/crio/conf.d/50-cgshim.conf", ("--config-dir", "/srv/crio/conf.d")),
        ("crio", "/srv/crio.conf", ("--config", "/srv/crio.conf")),
        ("containerd", "/srv/config.toml", ("--config", "/srv/config.toml")),
        ("docker", "/srv/daemon.json", ()),
    ],
)
def test_tools_are_asked_about_the_file_that_is_named(engine: str, config: str, options: tuple[str, ...]) -> None:
    """`status --config`: the tool reads that file, or its directory of drop-ins, too."""
    assert QUESTIONS[engine].reading(config) == options


def test_status_without_a_registration(machine: Machine) -> None:
    """Status 1 and no fault: the engine is there and does not call cgshim; or it is not there at all."""
    result = machine.engine("status", "docker")
    assert (result.exit_code, result.output) == (
        *(1, "not registered  registered  no entry for cgshim in docker's files\n"),
    )
    (machine.root / "usr/bin/podman").unlink()
    result = machine.engine("status", "podman")
    assert (result.exit_code, result.output) == (1, "not installed  registered  no podman here\n")


def test_status_after_the_binary_is_gone(machine: Machine) -> None:
    """A registration whose program was deleted is what status is for."""
    machine.install("docker")
    (machine.root / "usr/bin/cgshim").unlink()
    result = machine.engine("status", "docker")
    assert result.exit_code == 1
    assert "WRONG" in result.output
    words = " ".join(result.output.split())
    assert "/usr/bin/cgshim-runc cannot be an engine's runtime: no executable file is there" in words


@pytest.mark.parametrize(
    ("engine", "text", "name", "path"),
    [
        (
            "podman",
            '{"name":"runc","path":"/usr/bin/cgshim-runc","version":"runc version 1.1.5"}',
            "runc",
            "/usr/bin/cgshim-runc",
        ),
        ("podman", "no JSON", "runc", ""),
        (
            "docker",
            '{"cgshim":{"path":"/usr/bin/cgshim-runc"},"runc":{"path":"runc"}}',
            "cgshim",
            "/usr/bin/cgshim-runc",
        ),
        ("docker", '{"runc":{"path":"runc"}}', "cgshim", ""),
        (
            "containerd",
            '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.x.options]\nBinaryName = "/a/cgshim"\n',
            "x",
            "/a/cgshim",
        ),
        ("containerd", "version = 2\n", "x", ""),
        ("crio", '[crio.runtime.runtimes.x]\nruntime_path = "/a/cgshim"\n', "x", "/a/cgshim"),
        (
            "buildkit",
            "Environment=A=1 DOCKER_BUILDKIT_RUNC_COMMAND=/a/cgshim\n",
            "DOCKER_BUILDKIT_RUNC_COMMAND",
            "/a/cgshim",
        ),
        ("buildkit", "Environment=\n", "DOCKER_BUILDKIT_RUNC_COMMAND", ""),
    ],
)
def test_engines_answers_are_understood(engine: str, text: str, name: str, path: str) -> None:
    """Each engine's own tool names the program in its own way; silence is no program."""
    assert QUESTIONS[engine].answer(text, name) == path


@pytest.mark.parametrize(
    ("shown", "started"),
    [
        ("ActiveState=active\nExecMainStartTimestampMonotonic=5000000\n", 105.0),
        ("ActiveState=inactive\nExecMainStartTimestampMonotonic=5000000\n", 0),
        ("ActiveState=active\nExecMainStartTimestampMonotonic=0\n", None),
        ("", None),
    ],
    ids=["running", "stopped", "no process", "silence"],
)
def test_start_time_of_a_service(shown: str, started: float | None) -> None:
    """systemd counts microseconds from boot; here that was 100 seconds after 1970."""
    assert status.start_time(shown, 100.0) == started


def test_prefix_brings_cgshim_along(machine: Machine) -> None:
    """--prefix copies launcher and package, registers that copy, and remove takes both away again."""
    before = machine.files("/")
    output = machine.install("containerd", "--prefix", "/opt/cgshim")
    assert "copied cgshim to /opt/cgshim (" in output
    launcher = machine.root / "opt/cgshim/bin/cgshim"
    assert launcher.read_bytes() == (ROOT / "shim/launcher.sh").read_bytes()
    assert os.access(launcher, os.X_OK)
    assert machine.has("/opt/cgshim/lib/cgshim/shim/stages/create_runtime.py")  # for `run`
    entry = machine.root / "opt/cgshim/lib/cgshim/shim/call/entry.py"
    assert entry.read_bytes() == (ROOT / "shim/call/entry.py").read_bytes()
    assert os.readlink(launcher.with_name("cgshim-runc")) == "cgshim"
    assert 'BinaryName = "/opt/cgshim/bin/cgshim-runc"' in machine.read("/etc/containerd/config.toml")
    assert "copied" not in machine.install("containerd", "--prefix", "/opt/cgshim")
    machine.remove("containerd", "--prefix", "/opt/cgshim")
    assert machine.files("/") == before


def test_prefix_stays_while_it_is_called(machine: Machine) -> None:
    """A running container's shim still needs the program to stop it."""
    machine.install("containerd", "--prefix", "/opt/cgshim")
    machine.write("/run/containerd/io.containerd.runtime.v2.task/k8s.io/1/runtime", "/opt/cgshim/bin/cgshim-runc")
    words = " ".join(machine.remove("containerd", "--prefix", "/opt/cgshim").split())
    assert "/opt/cgshim stays, because it is still called" in words
    assert machine.has("/opt/cgshim/bin/cgshim")
    assert machine.has("/opt/cgshim/bin/cgshim-runc")
    assert not machine.has("/etc/containerd/config.toml")


def test_prefix_on_a_node_without_python(machine: Machine) -> None:
    """Without an interpreter no container could be created there."""
    (machine.root / "usr/bin/python3").unlink()
    message = machine.refused("install", "containerd", "--prefix", "/opt/cgshim")
    assert "has no python3, and cgshim needs it for `create` [no-python]" in message


def test_unreadable_bytes(machine: Machine) -> None:
    """A file that is no UTF-8 is reported with its line."""
    (machine.root / "etc/docker").mkdir(parents=True)
    (machine.root / "etc/docker/daemon.json").write_bytes(b'{\n"a": "\xff"}\n')
    result = machine.engine("install", "docker")
    assert result.exit_code == 3
    assert "/etc/docker/daemon.json: line 2: not UTF-8 [engine-config]" in result.output


def test_full_disk_leaves_the_old_file(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new text is complete on disk before it takes the old one's place."""
    machine.write("/etc/docker/daemon.json", "{}\n")
    (machine.root / "usr/bin/cgshim-runc").symlink_to("cgshim")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(posix, "fsync", full)
    assert "cannot be written: ENOSPC [engine-config]" in machine.refused("install", "docker")


def test_apply_refuses_nothing_by_accident(tmp_path: Path) -> None:
    """A tree whose parent cannot be made is an error with the path, not a traceback."""
    machine = Machine(tmp_path)
    machine.write("/etc/docker", "a file where a directory has to be\n")
    change = File(path="/etc/docker/daemon.json", before=None, after="{}\n")
    with pytest.raises(ShimError, match=r"^/etc/docker/daemon\.json: cannot be written: "):
        Tree(str(tmp_path)).apply(change)


def test_print_reads_nothing() -> None:
    """`print` shows the entry for an engine without configuration, whatever this machine has."""
    result = CliRunner().invoke(main, ["engine", "print", "buildkit"])
    assert (result.exit_code, result.output) == (0, BUILDKIT_TEXT)
