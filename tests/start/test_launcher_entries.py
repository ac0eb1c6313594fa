"""Which runtime a call goes to: the entry's, that of the container's maker, never cgshim; a damaged launcher."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from integration.capabilities import program_problem, require, root_problem
from tests.launched import FAKE_RUNTIME, LAUNCHER, House, is_python


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house whose path needs quoting."""
    return House(tmp_path_factory.mktemp("a house") / "with * and 'quotes'")


class Entries:
    """Launchers under the names of entries, stand-ins for runc and crun in a directory that is searched, and states."""

    def __init__(self, house: House, place: Path) -> None:
        self.house = house
        self.place = place
        self.text = LAUNCHER.read_text().replace("/usr/local/sbin /usr/local/bin", f"{place}/found /usr/local/bin")
        self.settings = place / "etc" / "config.json"
        self.root = place / "root"
        for name in ("runc", "crun"):
            house.executable(place / "found" / name, FAKE_RUNTIME)

    def entry(self, name: str) -> Path:
        """A launcher of this name; its package is beside it."""
        path = self.place / "shim" / name
        if not path.parent.exists():
            self.house.add_package(path.parent)
        return self.house.executable(path, self.text)

    def says(self, name: str, runtime: str) -> None:
        """The entry's file."""
        (self.settings.parent / "runtimes").mkdir(parents=True, exist_ok=True)
        (self.settings.parent / "runtimes" / name).write_text(runtime)

    def made(self, container: str, file: str) -> None:
        """The state that a runtime keeps of a container."""
        (self.root / container).mkdir(parents=True, exist_ok=True)
        (self.root / container / file).write_text("{}")

    def called(self, name: str, *words: str, **environment: str | None) -> str:
        """The real runtime that this call goes to."""
        variables = {"CGSHIM_RUNTIME": None, "CGSHIM_CONFIG": str(self.settings), **environment}
        state = self.house.reported(*words, launcher=self.entry(name), environment=variables, timeout=120)
        return str(state["arguments"][1] if is_python(state) else state["arguments"][0])


@pytest.fixture
def entries(house: House, tmp_path: Path) -> Entries:
    """Two runtimes, no settings, no container."""
    return Entries(house, tmp_path / "place")


BOTH = pytest.mark.parametrize("command", ["state", "create"])


@BOTH
def test_the_entry_has_the_runtime(entries: Entries, command: str) -> None:
    """The name that the engine calls decides; the machine's setting is for the name `cgshim` alone."""
    other = entries.house.executable(entries.place / "opt" / "runc-1.9", FAKE_RUNTIME)
    entries.says("opt-runc", f"{other}\n")
    entries.settings.write_text(json.dumps({"runtime": str(entries.house.runtime)}))
    names = ("cgshim-runc", "cgshim-crun", "cgshim-opt-runc", "cgshim")
    assert {name: entries.called(name, command, "ID") for name in names} == {
        "cgshim-runc": f"{entries.place}/found/runc",
        "cgshim-crun": f"{entries.place}/found/crun",
        "cgshim-opt-runc": str(other),
        "cgshim": str(entries.house.runtime),
    }


@BOTH
def test_a_directory_named_like_an_entry_is_none(entries: Entries, command: str) -> None:
    """Only the last component of the launcher's path names an entry."""
    entries.settings.parent.mkdir(parents=True, exist_ok=True)
    entries.settings.write_text(json.dumps({"runtime": str(entries.house.runtime)}))
    assert entries.called("cgshim-x1/shim/cgshim", command, "ID") == str(entries.house.runtime)


@BOTH
@pytest.mark.parametrize("end", ["", "\n", "\nmore\n"], ids=["no-newline", "newline", "more-lines"])
def test_the_entrys_file_counts_before_the_search(entries: Entries, command: str, end: str) -> None:
    """An entry called runc may lead to a runtime that is no standard one; a file without a last newline is one, too."""
    entries.says("runc", f"{entries.house.runtime}{end}")
    assert entries.called("cgshim-runc", command, "ID") == str(entries.house.runtime)


@pytest.mark.parametrize("text", ["", "\n", "runc\n", "/nonexistent/runc\n", "/etc\n"], ids=repr)
def test_an_entry_without_a_runtime(entries: Entries, text: str) -> None:
    """Python is told what is named, and says what is wrong with it; what is passed through finds a runtime."""
    entries.says("mine-crun", text)
    assert entries.called("cgshim-mine-crun", "kill", "ID") == f"{entries.place}/found/crun"
    (entries.settings.parent / "runtimes" / "mine-crun").unlink()
    assert entries.called("cgshim-mine-crun", "kill", "ID") == f"{entries.place}/found/crun"
    assert entries.called("cgshim-mine-crun", "create", "ID") == f"{entries.settings.parent}/runtimes/mine-crun"


def test_the_environment_counts_before_the_entry(entries: Entries) -> None:
    """CGSHIM_RUNTIME is for trying things out: it counts whatever the entry and the state say."""
    entries.made("c1", "status")
    for command in ("state", "update"):
        words = ["--root", str(entries.root), command, "c1"]
        found = entries.called("cgshim-runc", *words, CGSHIM_RUNTIME=str(entries.house.runtime))
        assert found == str(entries.house.runtime)


# the entry, the state file that is there, the runtime that is called
MADE = [
    ("cgshim-runc", "state.json", "runc"),
    ("cgshim-runc", "status", "crun"),
    ("cgshim-crun", "state.json", "runc"),
    ("cgshim-crun", "status", "crun"),
    ("cgshim", "state.json", "runc"),
    ("cgshim", "status", "crun"),
    ("cgshim-runc", "neither", "runc"),
    ("cgshim-crun", "neither", "crun"),
]
# How a container that exists is named; ROOT stands for the directory.
NAMED = [
    ["--root", "ROOT", "state", "c1"],
    ["--root=ROOT", "--log", "/l", "kill", "c1", "15"],
    ["-root", "ROOT", "--systemd-cgroup", "delete", "--force", "c1"],
    ["--root", "ROOT", "exec", "--process", "/p/process.json", "--detach", "--pid-file", "/p/pid", "c1"],
    ["--root", "ROOT", "update", "--resources", "-", "c1"],
    ["--root", "ROOT", "checkpoint", "--leave-running", "c1"],
]


@pytest.mark.parametrize(("name", "file", "runtime"), MADE, ids=["-".join(row) for row in MADE])
@pytest.mark.parametrize("words", NAMED, ids=" ".join)
def test_a_container_goes_to_the_runtime_that_made_it(
    entries: Entries, name: str, file: str, runtime: str, words: list[str]
) -> None:
    """Told by its state below --root, whatever the entry is by now."""
    entries.made("c1", file)
    arguments = [word.replace("ROOT", str(entries.root)) for word in words]
    assert entries.called(name, *arguments) == f"{entries.place}/found/{runtime}"


def test_a_new_container_goes_to_the_entrys_runtime(entries: Entries) -> None:
    """The runtime says itself that the id is taken."""
    entries.made("c1", "status")
    found = entries.called("cgshim-runc", "--root", str(entries.root), "create", "c1")
    assert found == f"{entries.place}/found/runc"


def test_default_roots(entries: Entries) -> None:
    """Without --root, each runtime's own directory: below XDG_RUNTIME_DIR for a user."""
    run = str(entries.place / "run")
    for runtime, file in (("runc", "state.json"), ("crun", "status")):
        (entries.place / "run" / runtime / f"of-{runtime}").mkdir(parents=True)
        (entries.place / "run" / runtime / f"of-{runtime}" / file).write_text("{}")
    for container in ("of-runc", "of-crun"):
        for entry in ("cgshim-runc", "cgshim-crun"):
            expected = f"{entries.place}/found/{container[3:]}"
            assert entries.called(entry, "state", container, XDG_RUNTIME_DIR=run) == expected
    (entries.place / "run/crun/both").mkdir()
    (entries.place / "run/crun/both/status").write_text("{}")
    (entries.place / "run/runc/both").mkdir()
    (entries.place / "run/runc/both/state.json").write_text("{}")
    for name in ("runc", "crun"):
        assert entries.called(f"cgshim-{name}", "state", "both", XDG_RUNTIME_DIR=run) == f"{entries.place}/found/{name}"


@pytest.mark.parametrize("word", ["../root/c1", "/c1", ".", "..", "", "--c1"])
def test_words_that_are_no_ids(entries: Entries, word: str) -> None:
    """Nothing outside the root is looked at, and options are not taken for containers."""
    entries.made("c1", "status")
    entries.made("--c1", "status")
    (entries.root / "status").write_text("{}")
    words = ["--root", str(entries.root), "kill", word]
    assert entries.called("cgshim-runc", *words) == f"{entries.place}/found/runc"


# Circles: what is called, and the entries' files and settings by which it would come back. LAUNCHER: another copy.
CIRCLES: dict[str, tuple[str, dict[str, str], str]] = {
    "the-setting-is-a-copy": ("cgshim", {}, "COPY/other"),
    "the-setting-is-itself": ("cgshim", {}, "COPY/cgshim"),
    "the-entry-is-a-copy": ("cgshim-runc", {"runc": "COPY/other"}, "COPY/other"),
    "entries-lead-to-each-other": (
        "cgshim-a",
        {"a": "COPY/cgshim-b", "b": "COPY/cgshim-a"},
        "",
    ),
    "a-copy-is-called-runc": ("runc", {}, "COPY/runc"),
    "by-way-of-the-environment": ("cgshim", {}, "COPY/other"),
}


@pytest.mark.parametrize(("called", "files", "setting"), CIRCLES.values(), ids=list(CIRCLES))
@pytest.mark.parametrize("variable", ["", "COPY/third"], ids=["", "CGSHIM_RUNTIME"])
def test_circles_end(entries: Entries, called: str, files: dict[str, str], setting: str, variable: str) -> None:
    """Whatever leads back to cgshim, under any name: a container can be stopped, by a runtime that was found."""
    copies = entries.place / "shim"
    for name in ("other", "third", "runc", "cgshim", "cgshim-a", "cgshim-b"):
        entries.entry(name)
    for name, path in files.items():
        entries.says(name, path.replace("COPY", str(copies)))
    entries.settings.parent.mkdir(exist_ok=True)
    entries.settings.write_text(json.dumps({"runtime": setting.replace("COPY", str(copies))}))
    found = entries.called(called, "kill", "ID", CGSHIM_RUNTIME=variable.replace("COPY", str(copies)) or None)
    assert found in (f"{entries.place}/found/runc", f"{entries.place}/found/crun")


def test_nothing_but_itself(house: House, tmp_path: Path) -> None:
    """Without any real runtime the message says that what is named is cgshim."""
    text = LAUNCHER.read_text().replace("/usr/", "/nonexistent/").replace(" /sbin /bin", "")
    launcher = house.executable(tmp_path / "cgshim", text)
    done = house.run("state", "ID", launcher=launcher, environment={"CGSHIM_RUNTIME": str(launcher)})
    assert done.returncode == 127
    assert done.stderr.splitlines()[1] == (
        f"  cause: {launcher}, which CGSHIM_RUNTIME or the settings name, is cgshim itself, and no runc or crun is in"
        " the standard directories"
    )


FIRST_LINE = len("#!/bin/sh\n")


def _cuts(text: bytes) -> list[int]:
    """The end of each line, the byte before it and the one behind it, and every eleventh of all."""
    ends = [place for place, byte in enumerate(text) if byte == ord("\n")]
    near = {place + offset for place in ends for offset in (-1, 0, 1)}
    return [end for end in sorted({*near, *range(0, len(text), 11)}) if FIRST_LINE < end < len(text) - 1]


@pytest.mark.parametrize("command", ["state", "create"])
def test_every_cut_is_a_failure(tmp_path: Path, command: str) -> None:
    """However much of the launcher is missing, it never succeeds without doing what it was called for, nor in silence.

    The first line alone is a whole script, whatever stands in it: those two cuts no script can notice.
    """
    text = LAUNCHER.read_bytes().replace(b"/usr/", b"/nonexistent/").replace(b" /sbin /bin", b"")
    launcher, said = tmp_path / "cgshim", tmp_path / "said"
    silent, succeeded = [], []
    to_file = (os.POSIX_SPAWN_OPEN, 2, str(said), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for end in _cuts(text):
        launcher.write_bytes(text[:end])
        child = os.posix_spawn("/bin/sh", ["/bin/sh", str(launcher), command, "ID"], {}, file_actions=[to_file])
        if os.waitpid(child, 0)[1] == 0:
            succeeded.append(end)
        if said.stat().st_size == 0:
            silent.append(end)
    assert (succeeded, silent) == ([], [])


@pytest.mark.parametrize("command", ["state", "create"])
def test_unreadable(house: House, tmp_path: Path, command: str) -> None:
    """A launcher that may be executed but not read is a failure, too."""
    require("root", root_problem())
    tmp_path.chmod(0o755)
    launcher = house.install(Path("/dev/shm") / f"cgshim-unreadable-{os.getpid()}")
    launcher.chmod(0o111)
    try:
        done = subprocess.run([launcher, command, "ID"], capture_output=True, check=False, user=65534, env={})
    finally:
        launcher.unlink()
    assert done.returncode != 0
    assert done.stderr


SIGNALS = [(), ("SIGPIPE",), ("SIGXFSZ",), ("SIGPIPE", "SIGXFSZ")]


@pytest.mark.parametrize("ignored", SIGNALS, ids=lambda names: "-".join(names) or "none")
@pytest.mark.parametrize("shell", [[], ["bash", "--posix"], ["busybox", "sh"]], ids=["sh", "bash", "busybox"])
def test_ignored_signals_are_told(house: House, ignored: tuple[str, ...], shell: list[str]) -> None:
    """Python itself ignores two signals; the launcher says which the caller ignores."""
    if shell:
        require(shell[0], program_problem(shell[0]))
        shell = [shutil.which(shell[0]) or "", *shell[1:]]

    def prepare() -> None:
        for name in ("SIGPIPE", "SIGXFSZ"):
            signal.signal(signal.Signals[name], signal.SIG_IGN if name in ignored else signal.SIG_DFL)

    state = house.reported(
        "create", "ID", shell=shell, preexec_fn=prepare, restore_signals=False, environment={"LD_PRELOAD": ""}
    )
    first, _, rest = state["arguments"][2].rpartition("\n")
    assert [f"SIG{name}" for name in first.split()] == list(ignored)
    assert rest == "LD_PRELOAD="
