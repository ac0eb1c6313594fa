"""What is printed fits the terminal, and a file gets whole lines; colours where they are wanted; JSON and YAML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from click.testing import CliRunner

from shim.cli import output, terminal, yaml_text
from shim.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/sys/fs/cgroup/memory/kubepods/burstable/pod0123/0123456789abcdef/memory.limit_in_bytes"
ROWS = [("memory.limit", "the kernel shows another value than was asked for", PATH), ("pids.limit", "fine", "-")]


class _Stdout:
    """A standard output that is a terminal, or is not."""

    def __init__(self, *, is_terminal: bool) -> None:
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        """Return whether it is one."""
        return self.is_terminal


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def _printed(width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("shim.cli.terminal.columns", lambda: width)
    command = click.Command("show", callback=lambda: output.table(ROWS, ("LIMIT", "WHY", "WHERE")))
    return CliRunner().invoke(command, []).output.splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 140])
def test_no_word_is_broken_and_no_other_line_is_too_wide(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path can be copied whatever the width is; a line is wider than the terminal only if it is such a path."""
    lines = _printed(width, monkeypatch)
    assert sum(line.count(PATH) for line in lines) == 1
    assert [line for line in lines if len(line) > width and line.strip() != PATH] == []


def test_a_row_that_does_not_fit_names_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow terminal `yes` alone says nothing: each cell has its column's name; absent ones are left out."""
    monkeypatch.setattr("shim.cli.terminal.columns", lambda: 40)
    rows = [("podman", "yes", "-", "registered, but its program is missing: /usr/bin/cgshim-runc")]
    command = click.Command("show", callback=lambda: output.table(rows, ("ENGINE", "INSTALLED", "NOTE", "STATE")))
    assert CliRunner().invoke(command, []).output.splitlines() == [
        "podman",
        "  installed: yes",
        "  state: registered, but its program is",
        "    missing: /usr/bin/cgshim-runc",
    ]


def test_message_is_as_wide_as_the_terminal_of_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is wrapped and indented there, and whole in a file, whatever stdout is."""
    text = "cgshim: the container is refused [code]\n  remedy: write a smaller number"
    command = click.Command("show", callback=lambda: output.complain(text))
    monkeypatch.setattr("shim.cli.terminal.error_columns", lambda: 30)
    assert CliRunner().invoke(command, []).output.splitlines() == [
        "cgshim: the container is",
        "  refused [code]",
        "  remedy: write a smaller",
        "    number",
    ]
    monkeypatch.setattr("shim.cli.terminal.error_columns", lambda: terminal.UNLIMITED)
    assert CliRunner().invoke(command, []).output == f"{text}\n"


def test_file_gets_one_line_for_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal nothing is wrapped."""
    lines = _printed(terminal.UNLIMITED, monkeypatch)
    assert [line.split()[0] for line in lines] == ["LIMIT", "memory.limit", "pids.limit"]


def test_width_is_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal's own width, and no limit for a pipe, whatever COLUMNS is."""
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.setattr("sys.stdout", _Stdout(is_terminal=True))
    assert terminal.columns() == 72
    monkeypatch.setattr("sys.stdout", _Stdout(is_terminal=False))
    assert terminal.columns() == terminal.UNLIMITED


@pytest.mark.parametrize(
    ("is_terminal", "environment", "coloured"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {"CLICOLOR": "0"}, False),
        (False, {"CLICOLOR_FORCE": "1"}, True),
        (False, {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
        (False, {"CLICOLOR_FORCE": "0"}, False),
    ],
)
def test_colours(
    is_terminal: bool, environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://no-color.org and https://bixense.com/clicolors."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", _Stdout(is_terminal=is_terminal))
    assert terminal.has_colours() is coloured


def test_plain_lines_have_no_escape_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is bold or coloured starts and ends a style."""
    monkeypatch.setattr("shim.cli.terminal.has_colours", lambda: True)
    command = click.Command("show", callback=lambda: output.say("plain"))
    assert CliRunner().invoke(command, [], color=True).output == "plain\n"


@pytest.mark.parametrize("word", ["yes", "No", "null", "~", "12", "1e3", "0x1f", "2026-11-29", "a: b", "- a", "#a", ""])
def test_yaml_quotes_what_is_not_a_string_otherwise(word: str) -> None:
    """YAML 1.1 would read these words as something else."""
    assert yaml_text.text({"key": word}) == f'key: "{word}"\n'


def _every_help(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    yield words, CliRunner().invoke(main, [*words, "--help"]).output
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _every_help(inner, (*words, name))


def test_every_help_is_whole() -> None:
    """No description is cut off, no control character is left, and who promises JSON has its shape."""
    shown = dict(_every_help(main, ()))
    assert ("engine", "install") in shown
    for words, text in shown.items():
        assert "..." not in text.partition("Commands:")[2], words
        assert "\x08" not in text, words
        assert "\\b" not in text, words
        assert ("  --json " not in text) or ("--json: one object" in text), words


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("engin", "list"), "No such command 'engin'. Did you mean engine?"),
        (("engine", "instal", "podman"), "No such command 'instal'. Did you mean install?"),
        (("frobnicate",), "No such command 'frobnicate'.\n"),
    ],
)
def test_mistyped_command(words: tuple[str, ...], meant: str) -> None:
    """The names that look like it."""
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert meant in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_shells_script(shell: str) -> None:
    """What the shell evaluates calls cgshimctl back."""
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_CGSHIMCTL_COMPLETE" in result.output


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version_option(option: str) -> None:
    """One line, as other tools print it."""
    from shim import __version__

    assert CliRunner().invoke(main, [option]).output == f"cgshimctl {__version__}\n"


def test_same_object_as_json_and_yaml() -> None:
    """-o chooses the form; --json is -o json."""
    text = CliRunner().invoke(main, ["version", "--json"]).output
    assert CliRunner().invoke(main, ["version", "-o", "json"]).output == text
    assert yaml.safe_load(CliRunner().invoke(main, ["version", "-o", "yaml"]).output) == json.loads(text)
