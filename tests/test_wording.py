"""Phrases that read as translated stay out of what users see: strings of the program, help, manual pages, documents.

The list is short on purpose: phrases that were there once, each with no right use in this project. A word that also has
a right use, such as "where", is left to reviewers.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.syntax import ROOT, modules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.syntax import Module

TRANSLATED = re.compile(
    r"\banew\b|\bwithout a word\b|\bfor want of\b|\bof no use\b|\bhas the word\b|\bat hand\b|\ball the same\b"
    r"|(?<!there )\bis no (?:absolute|valid|file|size|number|list|JSON|object|directory|container|page size)\b",
    re.IGNORECASE,
)
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "docs" / "man").iterdir()),
    *sorted(path for kind in ("sh", "md", "yaml", "py") for path in (ROOT / "examples").rglob(f"*.{kind}")),
]
PROGRAM = modules("shim", "hooks")


def _strings(tree: ast.Module) -> Iterator[str]:
    """Every literal text of a module, and the literal parts of f-strings, docstrings included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("module", PROGRAM, ids=[module.name for module in PROGRAM])
def test_program_reads_as_written_in_english(module: Module) -> None:
    """Messages, remedies, help and docstrings of a module."""
    found = [match[0] for text in _strings(module.tree) for match in TRANSLATED.finditer(" ".join(text.split()))]
    assert found == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_documents_read_as_written_in_english(path: Path) -> None:
    """Pages, whatever the line ends are."""
    assert TRANSLATED.findall(" ".join(path.read_text().split())) == []
