"""Manual pages and shell completions: complete, and clean for the programs that read them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import get_completion_class

from integration.capabilities import program_problem, require
from shim.cli import manual
from shim.cli.main import main
from shim.planning import settings
from tests.syntax import ROOT, modules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs" / "man").iterdir())}


def _pages() -> dict[str, str]:
    return {**PAGES, "cgshimctl.8": manual.page()}


def _plain(text: str) -> str:
    return text.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def _commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*words, name)), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*words, name))


def test_every_command_and_option_is_in_the_manual() -> None:
    """cgshimctl(8) has a section for each command, and in it each of its options."""
    page = _plain(manual.page())
    sections = dict(re.findall(r"^\.SS (.*)\n((?:(?!\.S[SH]).*\n)*)", page, flags=re.MULTILINE))
    commands = dict(_commands(main))
    assert set(sections) == set(commands)
    assert "engine install" in commands
    for name, command in commands.items():
        options = [flag for param in command.params if isinstance(param, click.Option) for flag in param.opts]
        assert [flag for flag in options if flag not in sections[name]] == []


def test_settings_are_in_the_manual() -> None:
    """cgshim-config(5) explains the keys of the settings file and no others, and every annotation."""
    page = _plain(PAGES["cgshim-config.5"])
    described = page.partition(".SS Annotations")[0]
    assert tuple(re.findall(r"^\.TP\n\.B ([a-z0-9_]+)$", described, flags=re.MULTILINE)) == settings.KEYS
    program = "\n".join(module.text for module in modules("shim", "hooks"))
    annotations = set(re.findall(r"io\.cgshim\.[a-z]+", program))
    assert set(re.findall(r"^\.B (io\.cgshim\.[a-z]+)$", page, flags=re.MULTILINE)) == annotations


def test_environment_is_in_the_manual() -> None:
    """cgshim(8) explains every variable that the program reads."""
    program = "\n".join(module.text for module in modules("shim", "hooks"))
    launcher = (ROOT / "shim" / "launcher.sh").read_text()
    described = set(re.findall(r"^\.B (CGSHIM_[A-Z]+)$", _plain(PAGES["cgshim.8"]), flags=re.MULTILINE))
    assert described >= set(re.findall(r"CGSHIM_[A-Z]+", program + launcher))


@pytest.mark.parametrize("name", ["cgshim.8", "cgshim-config.5", "cgshimctl.8"])
def test_man_reads_the_page_without_a_warning(name: str, tmp_path: Path) -> None:
    """`man --warnings` has nothing to say."""
    require("man", program_problem("man", "groff"))
    place = f"{tmp_path}/{name}"
    with open(place, "w", encoding="utf-8") as file:
        file.write(_pages()[name])
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANWIDTH": "100", "MANROFFSEQ": ""}
    argv = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", place]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_of_each_shell(shell: str) -> None:
    """What the shell is given calls cgshimctl back, and the answer has the commands."""
    found = get_completion_class(shell)
    assert found is not None
    completion = found(main, {}, "cgshimctl", "_CGSHIMCTL_COMPLETE")
    assert completion.source_vars()["complete_var"] == "_CGSHIMCTL_COMPLETE"
    answers = {item.value for item in completion.get_completions(["engine"], "")}
    assert answers == {"install", "list", "print", "remove", "status"}
    engines = {item.value for item in completion.get_completions(["engine", "install"], "")}
    assert engines == {"buildkit", "containerd", "crio", "docker", "nerdctl", "podman"}
