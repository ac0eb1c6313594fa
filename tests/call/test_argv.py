"""The command line is read as runc and crun read it, and edited where a value stands."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.capabilities import require
from shim.call.argv import Invocation, parse, with_bundle, with_log, with_resources
from shim.call.flags import (
    COMMANDS,
    CRUN_BOOLEAN,
    CRUN_VALUED,
    GLOBAL_BOOLEAN,
    GLOBAL_VALUED,
    RUNC_BOOLEAN,
    RUNC_VALUED,
    named,
)

RECORDED = json.loads((Path(__file__).parents[1] / "command_lines.json").read_text())
WORDS = st.sampled_from(
    [*COMMANDS, "--", "-", "--bundle", "-b", "--help", "--log", "start", "", "a b", "x=y", "--root=z", "-dbx", "\udcff"]
) | st.text(max_size=6)


def spelled(words: object) -> str | None:
    """A command line as a test's name."""
    return " ".join(words) if isinstance(words, list) else None


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
def test_engine(recorded: dict[str, Any]) -> None:
    """What the engines send is read as they mean it."""
    invocation = parse(recorded["arguments"], recorded["cwd"])
    assert {name: getattr(invocation, name) for name in recorded["expected"]} == recorded["expected"]
    intercepted = invocation.command in COMMANDS and not invocation.help
    assert intercepted == (recorded["route"] == "python")


@pytest.mark.parametrize(
    ("arguments", "bundle", "container_id"),
    [
        # Each line was given to runc 1.1.5 or crun 1.8.1; what they said about the bundle is in the column.
        (["create", "-b", "/a", "ID"], "/a", "ID"),
        (["create", "-b=/a", "ID"], "/a", "ID"),
        (["create", "--bundle=/a", "ID"], "/a", "ID"),
        (["-root=/r", "create", "-bundle=/a", "ID"], "/a", "ID"),
        (["-root", "/r", "create", "-bundle", "/a", "ID"], "/a", "ID"),
        (["create", "--bundle", "/a", "--bundle", "/b", "ID"], "/b", "ID"),
        (["create", "--bundle", "/nonexist", "ID", "--bundle", "/other"], "/other", "ID"),
        (["create", "--no-pivot=false", "--bundle", "/a", "ID"], "/a", "ID"),
        (["create", "--bundle=", "ID"], "/cwd", "ID"),
        (["create", "--bundle", "", "ID"], "/cwd", "ID"),
        (["create", "--bundle", "--", "ID"], "/cwd/--", "ID"),
        (["create", "--pid-file", "-x", "--bundle", "/a", "ID"], "/a", "ID"),
        (["create", "--", "ID"], "/cwd", "ID"),
        (["create", "--", "--bundle"], "/cwd", "--bundle"),
        (["--root", "/r", "--", "create", "--bundle", "/a", "ID"], "/a", "ID"),
        (["create", "-b/a", "ID"], "/a", "ID"),
        (["create", "--bun", "/a", "ID"], "/a", "ID"),
        (["create", "--b", "/a", "ID"], "/a", "ID"),
        (["run", "-dfX", "-b/a", "ID"], "/a", "ID"),
        (["run", "-db", "/a", "ID"], "/a", "ID"),
        (["create", "--HANG=0", "--bundle", "/a", "ID"], "/a", "ID"),
        (["create", "help"], "/cwd", "help"),
        (["create", "-b", "../a/./b//c", "ID"], "/a/b/c", "ID"),
        (["create", "--bundle"], "/cwd", ""),
        (["create"], "/cwd", ""),
        (["create", ""], "/cwd", ""),
    ],
    ids=spelled,
)
def test_bundle_and_id(arguments: list[str], bundle: str, container_id: str) -> None:
    """Every spelling that a runtime accepts names the same bundle and id."""
    invocation = parse(arguments, "/cwd")
    assert (invocation.bundle, invocation.container_id) == (bundle, container_id)


@pytest.mark.parametrize(
    ("arguments", "container_id"),
    [
        (["create", "--future", "VALUE", "ID"], "ID"),
        (["create", "--future", "ID"], "ID"),
        (["create", "ID", "--future", "VALUE"], "ID"),
        (["create", "--future=VALUE", "ID"], "ID"),
        (["create", "--future", "--bundle", "/a", "ID"], "ID"),
        (["create", "-x", "VALUE", "ID"], "ID"),
    ],
    ids=spelled,
)
def test_unknown_flag(arguments: list[str], container_id: str) -> None:
    """A flag that no table has takes the next word only if that leaves one for the id."""
    assert parse(arguments, "/").container_id == container_id


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["--root", "create", "state", "ID"], "state"),
        (["--root", "create", "create", "ID"], "create"),
        (["--log=create", "delete", "run"], "delete"),
        (["--future=create", "run", "ID"], "run"),
        (["--roo", "/r", "create", "ID"], "create"),
        (["--syst", "create", "ID"], "create"),
        (["--vers", "create"], ""),
        (["--version", "create"], ""),
        (["---debug", "create"], ""),
        (["-", "create"], "-"),
        (["", "create"], ""),
        (["--", "--", "create"], "--"),
        (["--"], ""),
        (["--root"], ""),
        ([], ""),
    ],
    ids=spelled,
)
def test_command(arguments: list[str], command: str) -> None:
    """The command is the first operand, and none if a flag before it is unknown."""
    assert parse(arguments, "/").command == command


@pytest.mark.parametrize(
    ("flags", "driver"),
    [
        ([], "cgroupfs"),
        (["--systemd-cgroup"], "systemd"),
        (["--systemd-cgroup=1"], "systemd"),
        (["--systemd-cgroup=T"], "systemd"),
        (["--systemd-cgroup=false"], "cgroupfs"),
        (["--systemd-cgroup", "--systemd-cgroup=0"], "cgroupfs"),
        (["-systemd-cgroup=F"], "cgroupfs"),
        (["--systemd-cgroup=maybe"], "cgroupfs"),
        (["--cgroup-manager", "systemd"], "systemd"),
        (["--cgroup-manager=disabled"], "disabled"),
        (["--systemd-cgroup", "--cgroup-manager", "cgroupfs"], "cgroupfs"),
        (["--cgroup-manager", "disabled", "--systemd-cgroup"], "systemd"),
        (["--cgroup-manager", "other"], "cgroupfs"),
    ],
    ids=spelled,
)
def test_driver(flags: list[str], driver: str) -> None:
    """The cgroup driver follows both runtimes' flags, in crun's order of precedence."""
    assert parse([*flags, "create", "ID"], "/").driver == driver


def test_global_flags_after_the_command() -> None:
    """Newer runc takes its global flags after the command, too."""
    invocation = parse(["create", "--root", "/r", "--log=/l", "--systemd-cgroup", "-b", "/a", "ID"], "/")
    assert (invocation.root, invocation.log, invocation.driver, invocation.bundle, invocation.container_id) == (
        "/r",
        "/l",
        "systemd",
        "/a",
        "ID",
    )


@pytest.mark.parametrize(
    ("arguments", "document"),
    [
        (["create", "-b", "b", "ID"], "/cwd/b/config.json"),
        (["create", "-f", "config.json", "-b", "b", "ID"], "/cwd/b/config.json"),
        (["create", "-f", "other.json", "-b", "b", "ID"], "/cwd/other.json"),
        (["create", "--conf=/etc/c.json", "-b", "b", "ID"], "/etc/c.json"),
        (["update", "ID"], ""),
    ],
    ids=spelled,
)
def test_document(arguments: list[str], document: str) -> None:
    """crun looks for a --config in the directory it was called in, for the default one in the bundle."""
    assert parse(arguments, "/cwd").document == document


@pytest.mark.parametrize(
    ("arguments", "has_resources", "resources"),
    [
        (["update", "ID"], False, ""),
        (["update", "--memory", "1", "ID"], False, ""),
        (["update", "-r", "/f", "ID"], True, "/f"),
        (["update", "-r-", "ID"], True, "-"),
        (["update", "--resources=", "ID"], True, ""),
        (["create", "--resources=/f", "ID"], False, ""),
    ],
    ids=spelled,
)
def test_resources(arguments: list[str], has_resources: bool, resources: str) -> None:
    """The resources of an update come from a file, from standard input or from single flags."""
    invocation = parse(arguments, "/")
    assert (invocation.has_resources, invocation.resources) == (has_resources, resources)


def test_options() -> None:
    """The command's flags are kept in order under their long names."""
    invocation = parse(["update", "--memory", "64M", "-cpu-quota=-1", "ID", "--memory", "32M"], "/")
    assert invocation.options == (("memory", "64M"), ("cpu-quota", "-1"), ("memory", "32M"))
    assert parse(["run", "-d", "--keep=false", "-bX", "ID"], "/").options == (
        ("detach", "true"),
        ("keep", "false"),
        ("bundle", "X"),
    )


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["create", "--help"], True),
        (["create", "ID", "-h"], True),
        (["checkpoint", "--image-path", "/a", "-?"], True),
        (["create", "--pid-file", "--help", "ID"], False),
        (["create", "--", "--help"], False),
        # crun's checkpoint ignores the second operand and goes to work.
        (["checkpoint", "ID", "--help"], False),
    ],
    ids=spelled,
)
def test_help(arguments: list[str], asked: bool) -> None:
    """Help is what every runtime would read as a request for help."""
    assert parse(arguments, "/").help is asked


@pytest.mark.parametrize(
    ("arguments", "edited"),
    [
        (["create", "ID"], ["create", "--bundle", "/new", "ID"]),
        (["--", "create", "--", "ID"], ["--", "create", "--bundle", "/new", "--", "ID"]),
        (["create", "-b", "/a", "ID"], ["create", "-b", "/new", "ID"]),
        (["create", "-b=/a", "ID"], ["create", "-b=/new", "ID"]),
        (["create", "--bundle=/a", "ID"], ["create", "--bundle=/new", "ID"]),
        (["run", "-db/a", "ID"], ["run", "-db/new", "ID"]),
        (["create", "--bundle", "/a", "--bundle", "/b", "ID"], ["create", "--bundle", "/a", "--bundle", "/new", "ID"]),
        (["create", "ID", "--bundle="], ["create", "ID", "--bundle=/new"]),
        (["update", "ID"], ["update", "ID"]),
        (["state", "ID"], ["state", "ID"]),
        ([], []),
    ],
    ids=spelled,
)
def test_with_bundle(arguments: list[str], edited: list[str]) -> None:
    """The bundle is replaced where it stands, or inserted behind the command."""
    assert with_bundle(parse(arguments, "/cwd"), "/new") == edited


@pytest.mark.parametrize(
    ("arguments", "edited"),
    [
        (["create", "ID"], ["--log", "/l", "--log-format", "json", "create", "ID"]),
        (["--log=/a", "create", "ID"], ["--log-format", "json", "--log=/l", "create", "ID"]),
        (
            ["--log-format=text", "--log", "/a", "--debug", "run", "ID"],
            ["--log-format=json", "--log", "/l", "--debug", "run", "ID"],
        ),
        (["--", "create", "ID"], ["--log", "/l", "--log-format", "json", "--", "create", "ID"]),
        (
            ["--log", "/a", "--log", "/b", "create", "ID"],
            ["--log-format", "json", "--log", "/a", "--log", "/l", "create", "ID"],
        ),
    ],
    ids=spelled,
)
def test_with_log(arguments: list[str], edited: list[str]) -> None:
    """The global log flags are replaced where they stand, or set in front."""
    assert with_log(parse(arguments, "/"), "/l", "json") == edited


@pytest.mark.parametrize(
    ("arguments", "edited"),
    [
        (["update", "--resources=-", "ID"], ["update", "--resources=/new", "ID"]),
        (["update", "-r", "-", "ID"], ["update", "-r", "/new", "ID"]),
        (["update", "--memory", "1", "ID"], ["update", "--resources", "/new", "--memory", "1", "ID"]),
        (["create", "ID"], ["create", "ID"]),
    ],
    ids=spelled,
)
def test_with_resources(arguments: list[str], edited: list[str]) -> None:
    """An update is given another file; other commands are left alone."""
    assert with_resources(parse(arguments, "/"), "/new") == edited


@settings(deadline=None)
@given(st.lists(WORDS, max_size=8), WORDS)
def test_never_fails(arguments: list[str], path: str) -> None:
    """No command line makes the parser or an edit fail, and the original is kept."""
    invocation = parse(arguments, "/cwd")
    assert isinstance(invocation, Invocation)
    assert list(invocation.arguments) == arguments
    for edited in (with_bundle(invocation, path), with_log(invocation, path, path), with_resources(invocation, path)):
        assert parse(edited, "/cwd").command == invocation.command


VALUED = [
    (command, "-" * (1 + (len(name) > 1)) + name)
    for command in COMMANDS
    for name in sorted({*named(RUNC_VALUED, command), *named(CRUN_VALUED, command)})
    if name not in ("bundle", "b")
]


@settings(deadline=None)
@given(st.sampled_from(VALUED), WORDS, st.sampled_from(sorted(GLOBAL_VALUED)), WORDS)
def test_any_word_as_a_value(flag: tuple[str, str], value: str, name: str, setting: str) -> None:
    """A flag's value, whatever it says, changes neither command nor bundle nor id."""
    command, option = flag
    bare = parse([command, "--bundle", "/a", "ID"], "/cwd")
    given_value = parse([f"--{name}", setting, command, option, value, "--bundle", "/a", "ID"], "/cwd")
    assert (given_value.command, given_value.bundle, given_value.container_id, given_value.help) == (
        bare.command,
        bare.bundle,
        "ID",
        False,
    )


@settings(deadline=None)
@given(st.sampled_from(COMMANDS), WORDS)
def test_any_word_as_an_id(command: str, container_id: str) -> None:
    """The id, whatever it says, changes neither command nor bundle."""
    invocation = parse([command, "--", container_id], "/cwd")
    assert (invocation.command, invocation.container_id) == (command, container_id)
    assert invocation.bundle == parse([command, "ID"], "/cwd").bundle


@settings(deadline=None)
@given(st.lists(WORDS, max_size=5), st.sampled_from(["create", "run", "restore"]))
def test_an_edit_is_read_back(arguments: list[str], command: str) -> None:
    """What an edit wrote is what the next reading finds."""
    invocation = parse([command, *arguments], "/cwd")
    assert parse(with_bundle(invocation, "/new"), "/cwd").bundle == "/new"
    logged = parse(with_log(invocation, "/l", "json"), "/cwd")
    assert (logged.log, logged.log_format) == ("/l", "json")
    assert logged.bundle == invocation.bundle


def test_no_flag_is_both_with_and_without_a_value() -> None:
    """The tables do not contradict each other, within a command or across the runtimes."""
    for command in COMMANDS:
        valued = {*named(RUNC_VALUED, command), *named(CRUN_VALUED, command)}
        boolean = {*named(RUNC_BOOLEAN, command), *named(CRUN_BOOLEAN, command)}
        assert not valued & boolean


def flags_in_help(runtime: str, *command: str) -> tuple[set[str], set[str]]:
    """The flags with and without a value that an installed runtime prints, help and version left out."""
    path = shutil.which(runtime, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    require(runtime, "" if path else f"{runtime} is not installed")
    done = subprocess.run([str(path), *command, "--help"], capture_output=True, text=True, check=False)
    require(f"{runtime} {' '.join(command)}", f"{runtime} has no such command" if done.returncode else "")
    valued: set[str] = set()
    boolean: set[str] = set()
    for short, name, value in re.findall(r"^ +(?:-(\w), +)?--([a-z0-9-]+)( value|=[A-Z]+)?", done.stdout, re.MULTILINE):
        (valued if value else boolean).update({name, short} - {""})
    for name, value in re.findall(r"^ +--[a-z-]+(?: value)?, -(\w)( value)?", done.stdout, re.MULTILINE):
        (valued if value else boolean).add(name)
    ours = {"help", "usage", "version", "h", "v", "V"}
    return valued - ours, boolean - ours


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_tables_have_what_the_runtimes_print(runtime: str, command: str) -> None:
    """Every flag in the installed runtime's own help is known, with the right arity."""
    valued, boolean = flags_in_help(runtime, command)
    tables = {"runc": (RUNC_VALUED, RUNC_BOOLEAN), "crun": (CRUN_VALUED, CRUN_BOOLEAN)}[runtime]
    assert valued | boolean
    assert valued <= set(named(tables[0], command))
    assert boolean <= set(named(tables[1], command))


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_global_tables_have_what_the_runtimes_print(runtime: str) -> None:
    """Every global flag in the installed runtime's own help is known, with the right arity."""
    valued, boolean = flags_in_help(runtime)
    assert {"log", "root"} <= valued <= set(GLOBAL_VALUED)
    assert {"debug"} <= boolean <= set(GLOBAL_BOOLEAN)
