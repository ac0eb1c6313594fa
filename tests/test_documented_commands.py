"""Every `cgshimctl` command that README, docs/ and the examples show is one that cgshimctl takes.

The commands that only read are run; the others are parsed with their options. integration/ runs those that install,
register and remove: test_deb, test_rpm, test_single_file, test_pipx, test_install, test_engine_registration,
test_front_door; test_quickstart runs the first command of README. Scripts and modules of this repository exist and have
the options that the pages give them. Not run by a test: what a distribution's own tools do (apt-get, dnf, systemctl,
journalctl), `pip install atheris`, and the loop over runc's own suite in docs/conformance.md, which needs its sources.
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


def _scripts() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(page, file of this repository, options) of each `bash FILE`, `sh FILE` and `python3 -m MODULE` on a page."""
    for page in PAGES:
        for span in _spans(page.read_text()):
            found = re.match(r"(?:bash|sh|\S*python3?) (?P<module>-m )?(?P<file>[\w./-]+)(?P<rest>[^|#>]*)", span)
            if not found or (found["module"] and not found["file"].startswith(("integration", "shim"))):
                continue
            file = found["file"]
            if found["module"]:
                place = ROOT / file.replace(".", "/")
                file = str((place / "__main__.py" if place.is_dir() else place.with_suffix(".py")).relative_to(ROOT))
            yield str(page.relative_to(ROOT)), file, tuple(re.findall(r"--[a-z-]+", found["rest"]))


SCRIPTS = sorted({one for one in _scripts() if not one[1].startswith(("-", "cgshim-"))})


@pytest.mark.parametrize(("page", "file", "options"), SCRIPTS, ids=[f"{page}: {file}" for page, file, _ in SCRIPTS])
def test_script_exists_and_has_the_options(page: str, file: str, options: tuple[str, ...]) -> None:
    """A script or module that a page tells to run is there, and its text, or that of its folder, has each option."""
    del page
    path = ROOT / file
    assert path.is_file(), file
    text = path.read_text() + "".join(other.read_text() for other in path.parent.glob("*.py"))
    assert [option for option in options if option not in text] == []


@pytest.mark.parametrize("text", READ_ONLY)
def test_command_that_only_reads_runs(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with a documented status and shows no traceback."""
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "none.json"))
    result = CliRunner().invoke(main, text.split())
    assert result.exit_code in (0, 1, 3), result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
