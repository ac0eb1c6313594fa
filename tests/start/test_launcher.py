"""The launcher becomes the real runtime or Python, and changes nothing on the way."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.capabilities import program_problem, require
from shim.call import flags
from shim.call.argv import parse
from shim.errors import ShimError
from shim.planning import settings as own_settings
from tests.launched import FAKE_RUNTIME, LAUNCHER, House, installed_runtimes, installed_version, is_python

RECORDED = json.loads((Path(__file__).parents[1] / "command_lines.json").read_text())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house whose path needs quoting."""
    return House(tmp_path_factory.mktemp("a house") / "with * and 'quotes'")


@pytest.fixture(autouse=True)
def _no_settings(house: House) -> None:
    """Each test starts without a settings file."""
    house.settings.unlink(missing_ok=True)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
def test_engine(house: House, recorded: dict[str, Any]) -> None:
    """What the engines send takes the way it should, with every argument."""
    state = house.reported(*recorded["arguments"])
    if recorded["route"] == "python":
        assert state["arguments"] == ["-c", str(house.runtime), "", *recorded["arguments"]]
    else:
        assert state["arguments"] == [str(house.runtime), *recorded["arguments"]]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--root", "create", "state", "ID"],
        ["--log=create", "delete", "run"],
        ["--debug", "--systemd-cgroup=true", "kill", "create", "15"],
        ["--version", "create"],
        ["--vers", "create"],
        ["--us", "create"],
        ["-v"],
        ["-?", "create"],
        ["---debug", "create"],
        ["-", "create"],
        ["", "create"],
        ["--", "--", "create"],
        ["--"],
        ["--root"],
        [],
        ["create", "--help"],
        ["create", "-h"],
        ["--root", "/r", "run", "-?"],
        ["update", "--usage"],
        ["create", "--bundle", "/b", "--no-pivot", "-help"],
        ["run", "--pid-file=p", "ID", "--help"],
    ],
    ids=" ".join,
)
def test_pass_through(house: House, arguments: list[str]) -> None:
    """What is not to be changed, asks for help or cannot be read goes to the runtime as it came."""
    assert house.reported(*arguments)["arguments"] == [str(house.runtime), *arguments]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--root", "state", "create", "ID"],
        ["-root", "/r", "--debug=false", "run", "ID"],
        ["-log-format=json", "--log-level", "debug", "--criu", "state", "restore", "ID"],
        ["--cgroup-manager", "--rootless", "create", "ID"],
        ["--future=state", "create", "ID"],
        # crun takes any beginning of a long option.
        ["--roo", "state", "create", "ID"],
        ["--syst", "create", "ID"],
        ["--cgroup", "systemd", "--log-f", "json", "--d", "create", "ID"],
        ["--cgroup-m=systemd", "create", "ID"],
        ["--help=false", "create", "ID"],
        ["--root", "/r", "--", "create", "ID"],
        ["create"],
        ["create", "state"],
        ["create", "--pid-file", "--help", "ID"],
        ["run", "-b", "-h", "ID"],
        ["create", "--", "--help"],
        # Whether help is this flag's value only the runtime knows.
        ["create", "--future", "--help", "ID"],
        # crun's checkpoint ignores the second operand and goes to work.
        ["checkpoint", "ID", "--help"],
    ],
    ids=" ".join,
)
def test_hand_over(house: House, arguments: list[str]) -> None:
    """Whatever may create or change a container goes to Python."""
    assert house.reported(*arguments)["arguments"] == ["-c", str(house.runtime), "", *arguments]


WORDS = st.sampled_from(
    [*flags.COMMANDS, "state", "--", "-", "-h", "--help", "--log", "-root", "--debug", "--roo", "--x=y", "--bundle", ""]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, max_size=6))
def test_both_parsers_agree(house: House, arguments: list[str]) -> None:
    """The shell and Python find the same command, and Python never misses what the shell takes for help."""
    python = is_python(house.reported(*arguments))
    invocation = parse(arguments, "/")
    if python:
        assert invocation.command in flags.COMMANDS
    else:
        assert invocation.command not in flags.COMMANDS or invocation.help


def shell_table(title: str) -> set[str]:
    """The names in the case pattern below the comment `# table: title`."""
    found = re.search(rf"# table: {title}\n(.*?)\)", LAUNCHER.read_text(), re.DOTALL)
    assert found
    return set(re.sub(r"[\s\\]", "", found.group(1)).split("|"))


UNFIT = (
    "cgshim: delete: crun would remove the directory to which this container's id leads; give an id as the subcommand "
    "list shows it [bad-container-id]"
)


@pytest.mark.parametrize("word", ["..", ".", "", "../other", "/run", "a/b"])
@pytest.mark.parametrize("flags", [(), ("--force",), ("-f",)])
def test_an_id_that_leads_elsewhere_is_not_deleted(house: House, flags: tuple[str, ...], word: str) -> None:
    """crun joins the id to its root and removes what it finds there; the runtime is not even started."""
    log = house.root / "delete.json"
    log.unlink(missing_ok=True)
    done = house.run("--log", str(log), "--log-format", "json", "delete", *flags, word)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{UNFIT}\n")
    assert not house.report.exists()
    assert json.loads(log.read_text()) == {"level": "error", "msg": UNFIT}


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete", "a..b"),
        ("delete", "--force", "...x"),
        ("delete", "--regex", ".."),
        ("kill", ".."),
        ("delete", "--help"),
    ],
)
def test_other_ids_and_patterns_pass(house: House, arguments: tuple[str, ...]) -> None:
    """Ids with dots, regular expressions, and subcommands that remove nothing are the runtime's own affair."""
    assert house.reported(*arguments)["arguments"] == [str(house.runtime), *arguments]


def test_tables() -> None:
    """The shell's tables are those of Python: one truth in two languages."""
    assert shell_table("global flags with a value") == set(flags.GLOBAL_VALUED)
    assert shell_table("global flags without a value") == set(flags.GLOBAL_BOOLEAN)
    valued = set(" ".join((*flags.RUNC_VALUED.values(), *flags.CRUN_VALUED.values())).split())
    boolean = set(" ".join((*flags.RUNC_BOOLEAN.values(), *flags.CRUN_BOOLEAN.values())).split())
    assert shell_table("command flags with a value") == valued
    assert shell_table("command flags without a value") == boolean


ODD: list[str | bytes] = [
    "",
    " ",
    "a b",
    "*",
    "$(id)",
    "`id`",
    "a\nb",
    "\\n",
    '"',
    "'",
    "--x=*",
    "\u0401\u0081",
    b"\xff\x81\x88",
    "~",
]


@pytest.mark.parametrize("command", ["state", "create"])
def test_odd_arguments(house: House, command: str) -> None:
    """Blanks, newlines, globs and bytes that are no text arrive as they were sent."""
    expected = [os.fsdecode(word) for word in ODD]
    assert house.reported("--root", " *", command, *ODD)["arguments"][-len(ODD) :] == expected


@pytest.mark.parametrize("command", ["state", "create"])
@pytest.mark.parametrize("shell", [["dash", "-u"], ["dash", "-ef"], ["bash", "--posix", "-u"], ["busybox", "sh", "-u"]])
def test_other_shells(house: House, command: str, shell: list[str]) -> None:
    """Any POSIX shell will do, whatever its options."""
    require(shell[0], program_problem(shell[0]))
    path = str(shutil.which(shell[0]))
    state = house.reported("--debug", command, "a b", shell=[path, *shell[1:]])
    assert state["arguments"][-3:] == ["--debug", command, "a b"]


@pytest.mark.parametrize("command", ["state", "create"])
def test_environment(house: House, command: str) -> None:
    """The environment is the caller's, except what dash is known to do to PWD."""
    # The launcher's own names are prefixed: an exported `runtime` or `command` must not be overwritten by them.
    sent = {"runtime": "1", "command": "2", "log": "3", "OLDPWD": "/x", "PS1": "4", "EMPTY": "", "LINES": "a\nb"}
    state = house.reported(command, "ID", environment=sent)
    received = state["environment"]
    received.pop("PWD")
    received.pop("LC_CTYPE", None)  # Python's own, on a C locale
    assert received == house.environment(**sent)
    assert state["cwd"] == str(house.root)


@pytest.mark.parametrize("command", ["state", "create"])
def test_ifs(house: House, command: str) -> None:
    """An exported IFS splits nothing."""
    state = house.reported(command, "a/b", environment={"IFS": "/a"})
    assert state["arguments"][-2:] == [command, "a/b"]


@pytest.mark.parametrize("command", ["state", "create"])
@pytest.mark.parametrize("closed", [[], [0], [1], [0, 1], [0, 1, 2]], ids=str)
def test_descriptors(house: House, command: str, closed: list[int]) -> None:
    """Preserved descriptors stay open, closed ones stay closed, none is added."""
    house.configure('{"runtime": "$RUNTIME"}')

    def prepare() -> None:
        for descriptor in closed:
            os.close(descriptor)
        os.dup2(inherited, 3)
        os.dup2(inherited, 10)
        os.dup2(inherited, 11)
        for descriptor in range(4, 10):  # what the caller of the tests left open
            with contextlib.suppress(OSError):
                os.set_inheritable(descriptor, False)

    # A descriptor that is its own duplicate would keep its close-on-exec flag, so the original stands above them all.
    opened = os.open("/dev/null", os.O_RDONLY)
    inherited = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 100)
    os.close(opened)
    try:
        house.run(command, "ID", environment={"CGSHIM_RUNTIME": None}, preexec_fn=prepare, close_fds=False)
    finally:
        os.close(inherited)
    state = json.loads(house.report.read_text())
    assert {3, 10, 11} <= set(state["descriptors"])
    assert not set(range(4, 10)) & set(state["descriptors"])
    assert set(closed) & set(state["descriptors"]) == set()


def test_hostile_working_directory(house: House, tmp_path: Path) -> None:
    """Modules in the working directory, which is the bundle, are not imported."""
    for name in ("json.py", "os.py", "sys.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the working directory')")
    (tmp_path / "shim" / "call").mkdir(parents=True)
    (tmp_path / "shim" / "call" / "entry.py").write_text("raise SystemExit('imported from the working directory')")
    (tmp_path / "runc").write_text("#!/bin/false")
    state = house.reported(
        "create", "ID", cwd=tmp_path, environment={"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nonexistent"}
    )
    assert state["flags"] == [1, 1]


@pytest.mark.parametrize(
    ("sent", "state"),
    [
        ({"LD_LIBRARY_PATH": "/junk:"}, "LD_LIBRARY_PATH=/junk:"),
        ({"LD_LIBRARY_PATH": ""}, "LD_LIBRARY_PATH="),
        ({"LD_PRELOAD": ""}, "LD_PRELOAD="),
        ({"LD_LIBRARY_PATH": "/a b", "LD_PRELOAD": ""}, "LD_LIBRARY_PATH=/a b\nLD_PRELOAD="),
    ],
    ids=str,
)
def test_loader_state(house: House, sent: dict[str, str], state: str) -> None:
    """The engine's loader variables are kept from Python and handed on in one argument."""
    python = house.reported("create", "ID", environment=sent)
    assert python["arguments"][2] == state
    assert not {"LD_LIBRARY_PATH", "LD_PRELOAD"} & set(python["environment"])
    assert house.reported("state", "ID", environment=sent)["environment"].items() >= sent.items()


def test_empty_environment(house: House) -> None:
    """Without any variable the launcher still finds its way."""
    done = house.run("create", "ID", env={})
    assert "KeyError: 'REPORT'" in done.stderr
    assert "entry.py" in done.stderr


# Settings that Python takes, and whether they name our runtime.
RUNTIME_SETTINGS = [
    ('{"runtime": "$RUNTIME"}', True),
    ('{\r\n\t"runtime"\r\n:\r\n"$RUNTIME"\r\n}\r\n', True),
    ('{"policy": "warn", "runtime": "$RUNTIME"}', True),
    ('{"runtime":"$RUNTIME","policy":"refuse"}', True),
    ('{"crun_on_hybrid": "hide-cgroup2", "runtime": "$RUNTIME"}', True),
    ('{"policy": "refuse"}', False),
    ('{"runtime": ""}', False),
    ("{}", False),
    ("", False),
    (" \n", False),
]
# Settings that Python refuses, with what it says; a call that is passed through still ends at some runtime.
BAD_SETTINGS = [
    ('{"policy": 5, "runtime": "$RUNTIME"}', "policy: a string was expected, found a number"),
    ('{"a": {"runtime": "/bin/false"}, "runtime": "$RUNTIME"}', "a: no such setting"),
    ('{"runtime": {"a": "/bin/false"}}', "runtime: a string was expected, found an object"),
    ('{"runtime": ["/bin/false"]}', "runtime: a string was expected, found an array"),
    ('{"a": ["runtime", "/bin/false"]}', "a: no such setting"),
    ('{"policy": "runtime", "runtime', ""),
    ('["runtime", "/bin/false"]', "a JSON object was expected, found an array"),
    ('{"runtime": "$RUNTIME", "runtime": "$RUNTIME"}', "the key runtime is there more than once"),
    ('{"runtime": "$RUNTIME"', ""),
    ('{"runtime": "$RUNTIME', ""),
    ('{"runtime": "real-runtime"}', "is not an absolute path"),
    ('{"runtime": "\\/bin\\/false\\u0020"}', "does not exist"),
    ("not JSON", ""),
    ("\x00\xff{", ""),
    ('"', ""),
    ('{"runtime"', ""),
    ('{"runtime":', ""),
]


@pytest.mark.parametrize(("text", "named"), RUNTIME_SETTINGS, ids=[text for text, _ in RUNTIME_SETTINGS])
def test_settings(house: House, text: str, named: bool) -> None:
    """The shell reads the runtime as Python does, and else searches."""
    path = house.configure(text)
    configured = own_settings.load({"CGSHIM_CONFIG": path})
    assert configured.runtime == (str(house.runtime) if named else "")
    state = house.reported("create", "ID", environment={"CGSHIM_RUNTIME": None})
    assert state["arguments"][1] == (configured.runtime or (installed_runtimes() or [""])[0])
    if named:
        assert house.reported("state", "ID", environment={"CGSHIM_RUNTIME": None})["arguments"][0] == configured.runtime


@pytest.mark.parametrize(("text", "what"), BAD_SETTINGS, ids=[text for text, _ in BAD_SETTINGS])
def test_bad_settings(house: House, text: str, what: str) -> None:
    """Python refuses them, whatever the shell makes of them; a container can still be stopped."""
    path = house.configure(text)
    with pytest.raises(ShimError) as caught:
        own_settings.load({"CGSHIM_CONFIG": path})
    assert what in caught.value.what
    version = installed_version()
    done = house.run("--version", environment={"CGSHIM_RUNTIME": None})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout in (version, "")  # "": our stand-in


@pytest.mark.parametrize(
    "environment",
    [
        {"CGSHIM_RUNTIME": None, "CGSHIM_CONFIG": "/nonexistent"},
        {"CGSHIM_RUNTIME": "/nonexistent"},
        {"CGSHIM_RUNTIME": "/etc/passwd"},
        {"CGSHIM_RUNTIME": "/etc"},
        {"CGSHIM_RUNTIME": "runc"},
        {"CGSHIM_RUNTIME": None, "CGSHIM_CONFIG": "/dev/zero"},
        {"CGSHIM_RUNTIME": None, "CGSHIM_CONFIG": "/etc"},
        {"CGSHIM_RUNTIME": None, "CGSHIM_CONFIG": "/etc/passwd"},
    ],
    ids=str,
)
def test_broken_configuration_stops_nothing(house: House, environment: dict[str, str | None]) -> None:
    """A pass-through command falls back to the search when the configuration is not valid."""
    version = installed_version()
    house.configure("broken")
    done = house.run("--version", environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, version, "")


def test_unusable_runtime_in_the_settings(house: House) -> None:
    """A configured runtime that cannot be executed: found elsewhere, or handed on for Python to report."""
    version = installed_version()
    house.configure('{"runtime": "/nonexistent/runc"}')
    assert house.run("--version", environment={"CGSHIM_RUNTIME": None}).stdout == version
    state = house.reported("create", "ID", environment={"CGSHIM_RUNTIME": None})
    assert state["arguments"][1] == "/nonexistent/runc"
    assert house.reported("create", "ID", environment={"CGSHIM_RUNTIME": "bad"})["arguments"][1] == "bad"


@pytest.mark.parametrize("kind", ["symlink", "hard link", "itself"])
@pytest.mark.parametrize("called", ["name", "launcher"])
def test_never_itself(house: House, tmp_path: Path, kind: str, called: str) -> None:
    """The launcher under the runtime's name is not taken for the runtime, whichever of the names is called."""
    version = installed_version()
    name = tmp_path / "runc"
    if kind == "symlink":
        name.symlink_to(house.launcher)
    elif kind == "hard link":
        os.link(house.launcher, name)
    else:
        name = house.launcher
    launcher = name if called == "name" else house.launcher
    done = house.run("--version", launcher=launcher, environment={"CGSHIM_RUNTIME": str(name)}, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, version, "")
    house.configure(json.dumps({"runtime": str(name)}))
    done = house.run("--version", launcher=launcher, environment={"CGSHIM_RUNTIME": None}, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, version, "")


def test_copies_do_not_call_each_other(house: House, tmp_path: Path) -> None:
    """Two copies that are both found as runc end at the runtime, not in a circle."""
    first, second, third = (tmp_path / name / "runc" for name in "abc")
    searched = " ".join(str(path.parent) for path in (first, second, third))
    text = LAUNCHER.read_text().replace("/usr/local/sbin /usr/local/bin", searched)
    house.executable(first, text)
    house.executable(second, text)
    house.executable(third, FAKE_RUNTIME)
    for launcher in (first, second):
        state = house.reported("state", "ID", launcher=launcher, environment={"CGSHIM_RUNTIME": None}, timeout=120)
        assert state["arguments"] == [str(third), "state", "ID"]


def test_nothing_found(house: House, tmp_path: Path) -> None:
    """Without any runtime a pass-through command says what to do and ends with 127."""
    launcher = tmp_path / "launcher.sh"
    launcher.write_text(LAUNCHER.read_text().replace("/usr/", "/nonexistent/").replace(" /sbin /bin", ""))
    log = tmp_path / "log.json"
    done = house.run(
        "--log", str(log), "--log-format=json", "state", "ID", shell=["/bin/sh"], launcher=launcher,
        environment={"CGSHIM_RUNTIME": 'a "b"'},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == (
        "cgshim: no OCI runtime to hand this call to [no-runtime]\n"
        "  cause: neither CGSHIM_RUNTIME nor the settings name a usable one, and no runc or crun is in the standard"
        " directories\n"
        f"  evidence: CGSHIM_RUNTIME is 'a \"b\"'; settings file: {house.settings}\n"
        '  remedy: install runc or crun, or set "runtime" in the settings file to its absolute path\n'
    )
    assert json.loads(log.read_text()) == {"level": "error", "msg": done.stderr.rstrip("\n")}


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_package(house: House, tmp_path: Path, log_format: str) -> None:
    """Without its package the launcher refuses, on stderr and where containerd looks."""
    launcher = house.install(tmp_path / "bin" / "cgshim")
    log = tmp_path / "log"
    done = house.run("--log", f"file:{log}", "--log-format", log_format, "create", "ID", launcher=launcher)
    message = (
        f"cgshim: the Python package that belongs to {launcher} is missing [no-package]\n"
        f"  cause: 'create' needs it, and neither the launcher's directory nor {tmp_path}/lib/cgshim has it\n"
        "  remedy: install cgshim again, or register the real runtime with the engine until then"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message + "\n")
    if log_format == "json":
        assert json.loads(log.read_text()) == {"level": "error", "msg": message}
    else:
        assert log.read_text() == "level=error msg=" + json.dumps(message) + "\n"


@pytest.mark.parametrize("python", ["python3", "/nonexistent", "/etc/passwd", "/usr"])
def test_no_interpreter(house: House, python: str) -> None:
    """An interpreter that was asked for and cannot be used is reported, not replaced."""
    done = house.run("--log", "/nonexistent/log", "run", "ID", environment={"CGSHIM_PYTHON": python})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "cgshim: no usable Python interpreter [no-python]\n"
        f"  cause: CGSHIM_PYTHON is '{python}', which is not the absolute path of an executable file\n"
        "  remedy: correct or unset CGSHIM_PYTHON in the environment of the engine\n"
    )


@pytest.mark.parametrize("way", ["direct", "symlink", "symlinked directory"])
def test_installed(house: House, tmp_path: Path, way: str) -> None:
    """An installed launcher finds the package of its own prefix, also through symbolic links."""
    prefix = tmp_path / "pre fix"
    launcher = house.install(prefix / "bin" / "cgshim")
    house.add_package(prefix / "lib" / "cgshim" / "shim")
    if way == "symlink":
        (tmp_path / "runc").symlink_to(launcher)
        launcher = tmp_path / "runc"
    elif way == "symlinked directory":
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "bin").symlink_to(launcher.parent)
        launcher = tmp_path / "other" / "bin" / "cgshim"
    assert is_python(house.reported("create", "ID", launcher=launcher))


def test_interpreter_of_the_prefix(house: House, tmp_path: Path) -> None:
    """CGSHIM_PYTHON comes first, then the installer's choice, then a virtual environment's own interpreter."""
    launcher = house.install(tmp_path / "bin" / "cgshim")
    house.add_package(tmp_path / "lib" / "cgshim" / "shim")
    text = f'#!/bin/sh\nCHOSEN="$0" exec {sys.executable} "$@"\n'
    own = house.executable(tmp_path / "bin" / "python3", text)
    state = house.reported("create", "ID", launcher=launcher)
    assert state["environment"]["CHOSEN"] == str(own)
    chosen, link = house.executable(tmp_path / "chosen", text), tmp_path / "lib" / "cgshim" / "python"
    link.symlink_to(chosen)
    state = house.reported("create", "ID", launcher=launcher)
    assert state["environment"]["CHOSEN"] == str(link)
    state = house.reported("create", "ID", launcher=launcher, environment={"CGSHIM_PYTHON": str(chosen)})
    assert state["environment"]["CHOSEN"] == str(chosen)
    chosen.unlink()
    state = house.reported("create", "ID", launcher=launcher)
    assert state["environment"]["CHOSEN"] == str(own)


def test_relative_call(house: House) -> None:
    """From a checkout the launcher is called by a relative path."""
    state = house.reported(
        "create", "ID", launcher=Path("shim/launcher.sh"), shell=["/bin/sh"], cwd=house.package.parent
    )
    assert is_python(state)
    state = house.reported("create", "ID", launcher=Path("launcher.sh"), shell=["/bin/sh"], cwd=house.package)
    assert is_python(state)


@pytest.mark.parametrize("command", ["state", "create"])
def test_no_process_is_started(house: House, tmp_path: Path, command: str) -> None:
    """Neither way forks, with settings to be read and a search to be done."""
    require("strace", program_problem("strace"))
    house.configure('{"a": [1, {"b": "c"}], "runtime": "/nonexistent"}' if command == "create" else "{}")
    trace = tmp_path / "trace"
    traced = [shutil.which("strace") or "", "-f", "-e", "trace=process", "-o", str(trace)]
    house.run(command, "ID", shell=traced, environment={"CGSHIM_RUNTIME": None})
    lines = trace.read_text()
    before_exec = lines[: [m.start() for m in re.finditer(r"execve\(", lines)][1]]
    assert "execve(" in before_exec
    assert not re.search(r"\b(clone3?|v?fork)\(", before_exec)


def test_shellcheck() -> None:
    """The launcher is POSIX shell without a finding."""
    require("shellcheck", program_problem("shellcheck"))
    done = subprocess.run(["shellcheck", "-s", "sh", LAUNCHER], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_variable_is_our_own() -> None:
    """Each variable that is assigned has the prefix that keeps an exported one of the caller safe."""
    text = re.sub(r"^\s*#.*$|.*level=error.*", "", LAUNCHER.read_text(), flags=re.MULTILINE)
    assigned = set(re.findall(r"(?:^|[\s;{(])([A-Za-z_][A-Za-z0-9_]*)=(?!\*\))", text))
    assert "cgshim_found" in assigned
    assert {name for name in assigned if not name.startswith("cgshim_")} <= {"IFS", "LD_LIBRARY_PATH", "LD_PRELOAD"}
