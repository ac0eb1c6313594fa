"""Every `cgshimctl` command that README, docs/ and the examples show is one that cgshimctl takes.

The commands that only read are run; the others are parsed with their options. integration/ runs those that install,
register and remove: test_deb, test_rpm, test_single_file, test_pipx, test_engine_registration, test_front_door.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from shim.cli.main import main
from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
# What stands for a value: capitals in prose, a shell's own words in scripts.
VALUES = {"ENGINE": "podman", "STAGE": "poststop", "ID": "0123456789ab", "NAME": "web", "bash|zsh|fish": "bash"}
READ_ONLY = ("doctor", "failures", "version", "engine list", "explain --list")


def _spans(text: str) -> Iterator[str]:
    """Lines of shell blocks, and inline code."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def _commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for span in _spans(page.read_text()):
            found = re.search(r"(?:^|[\s/;|])cgshimctl (?P<words>[a-z-][^;|<>&]*)", re.sub(r"\s#.*", "", span))
            if found and "..." not in span:
                yield str(page.relative_to(ROOT)), found["words"].strip()


COMMANDS = sorted(set(_commands()))


def _words(text: str) -> list[str]:
    plain = re.sub(r"\[([^\]]*)\]", r"\1", text)  # optional words are given, too
    return [VALUES.get(word, word) for word in shlex.split(plain.replace("$(", "").replace("<", "").rstrip(").,"))]


def test_there_are_commands() -> None:
    """The search finds them: more than fifty, and those of the first page."""
    assert len(COMMANDS) > 50
    assert ("README.md", "engine install podman --dry-run") in COMMANDS


@pytest.mark.parametrize(("page", "text"), COMMANDS, ids=[f"{page}: {text}" for page, text in COMMANDS])
def test_command_is_understood(page: str, text: str) -> None:
    """The command and each of its options exist, and their values are of the right kind."""
    del page
    command: click.Command = main
    context = click.Context(main, info_name="cgshimctl")
    words = _words(text)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        inner = command.get_command(context, words[0])
        assert inner is not None, f"no such command: {text}"
        command, words = inner, words[1:]
        context = click.Context(command, parent=context, info_name=text)
    if isinstance(command, click.Group) or not words:
        return  # a mention of the command as such
    command.make_context(text, words, parent=context.parent)


@pytest.mark.parametrize("text", READ_ONLY)
def test_command_that_only_reads_runs(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with a documented status and shows no traceback."""
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "none.json"))
    result = CliRunner().invoke(main, text.split())
    assert result.exit_code in (0, 1, 3), result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
