"""`cgshimctl` itself: commands, help, and errors without a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from shim import __version__
from shim.cli import main as tool
from shim.cli.main import main
from shim.errors import ShimError

ROOT = Path(__file__).resolve().parents[2]


def test_help_lists_commands_and_statuses() -> None:
    """The help names every command that is installed and documents the exit statuses."""
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for word in ("doctor", "plan", "report", "version", "Exit status:"):
        assert word in result.output


@pytest.mark.parametrize("command", ["doctor", "plan", "report", "version"])
def test_every_command_documents_its_json(command: str) -> None:
    """`COMMAND --help` shows the shape of --json; all but `version` document exit status 3."""
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "--json: one object" in result.output
    assert "\\b" not in result.output
    assert ("  3  bad input" in result.output) == (command != "version")


def test_unknown_command_is_a_usage_error() -> None:
    """Status 2, as for every wrong usage."""
    assert CliRunner().invoke(main, ["diagnose"]).exit_code == 2


def test_command_whose_module_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of a part that is not installed is neither listed nor found."""
    monkeypatch.setitem(tool.COMMANDS, "absent", ("shim.cli.absent", "absent_command"))
    assert "absent" not in CliRunner().invoke(main, ["--help"]).output
    assert CliRunner().invoke(main, ["absent"]).exit_code == 2


def test_version_as_text_and_json() -> None:
    """The package's version in both forms."""
    assert CliRunner().invoke(main, ["version"]).output.startswith(f"cgshim {__version__} (Python ")
    shown = json.loads(CliRunner().invoke(main, ["version", "--json"]).output)
    assert list(shown) == ["schema", "cgshim", "python"]
    assert (shown["schema"], shown["cgshim"]) == (1, __version__)


def _failing(error: Exception) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ShimError("code", "what went wrong", remedy=("what to do",)), "cgshim: what went wrong [code]\n  remedy: "),
        (RuntimeError("unforeseen"), "cgshim: a fault of cgshim itself: RuntimeError: unforeseen"),
    ],
)
def test_errors_are_one_message_and_status_3(error: Exception, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal and a fault of our own: on stderr, nothing on stdout, never a traceback."""
    monkeypatch.setattr(tool.Tool, "get_command", lambda *_: _failing(error))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith(message)
    assert "Traceback" not in result.stderr


def test_runs_as_a_module() -> None:
    """`python -m shim.cli.main` is the same tool, under its own name."""
    argv = [sys.executable, "-m", "shim.cli.main", "--help"]
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: cgshimctl ")


def test_list_of_commands_is_what_they_say() -> None:
    """The table with which --help imports no command has the first sentence of each."""
    context = click.Context(main)
    for name in tool.COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        assert (name, tool.SENTENCES[name]) == (name, command.get_short_help_str(limit=1000))


def test_help_and_version_import_no_command() -> None:
    """Both answer without a single module of a command: at most a dozen modules of ours are loaded."""
    for option in ("--help", "--version"):
        argv = [sys.executable, "-X", "importtime", "-m", "shim.cli.main", option]
        done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True)
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        ours = {name for name in loaded if name.startswith("shim.")}
        assert ours & {module for module, _ in tool.COMMANDS.values()} == set()
        assert len(ours) <= 12, ours
