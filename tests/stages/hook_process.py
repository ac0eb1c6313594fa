"""A stage of `cgshim-hook` run in this process: the state on standard input, and `os._exit` caught."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., None]


class Ended(Exception):
    """In place of os._exit; its argument is the status."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., None]]:
    """`run(main, state, *arguments)`: the stage's main with this text or object on standard input has to end with 0."""

    def end(status: int) -> None:
        raise Ended(status)

    monkeypatch.setattr(os, "_exit", end)
    file, before = tmp_path_factory.mktemp("input") / "state", os.dup(0)

    def one(main: Callable[[], None], state: object, *arguments: str) -> None:
        _give(file, state if isinstance(state, str) else json.dumps(state))
        monkeypatch.setattr(sys, "argv", ["cgshim-hook", *arguments])
        with pytest.raises(Ended, match=r"^0$"):
            main()

    yield one
    os.dup2(before, 0)
    os.close(before)


def _give(file: Path, text: str) -> None:
    file.write_text(text)
    with file.open("rb") as opened:
        os.dup2(opened.fileno(), 0)
