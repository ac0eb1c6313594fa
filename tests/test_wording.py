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
    from typing import TypeGuard

    from tests.syntax import Module

TRANSLATED = re.compile(
    r"\banew\b|\bwithout a word\b|\bfor want of\b|\bof no use\b|\bhas the word\b|\bat hand\b|\ball the same\b"
    r"|\b(?:stands?|stood) there\b|\bbelongs? into\b|\bof its own accord\b|\bfor ever\b|\b(?:comes?|came) of it\b"
    r"|\bwhat there is\b|\btakes the place of\b|\bgoes on (?:with|without)\b|\bbut for\b"
    r"|\b(?:as|for) another user than\b|\bis none (?:of|that)\b"
    r"|(?<!there )\bis no (?:absolute|valid|file|size|number|list|JSON|object|directory|container|page size)\b"
    r"|(?<!there )\b(?:is|are) no (?:alert|error|OCI|problem|request|shell|user|word)s?\b",
    re.IGNORECASE,
)
# In docstrings and comments of the program, besides: phrases that a reader has to read twice.
ROUNDABOUT = re.compile(
    r"\bwhoever\b|\bin the place of\b|\bso much as\b|\b(?:is|are) never worth\b|\beyes (?:alone|only)\b|\bas ever\b"
    r"|\bwhere (?:there is none|none is|nobody|none has)\b|\bcannot be said\b|\bspeaks? of\b|\b(?:has|have) not got\b"
    r"|\bothers?'s? words\b|\bin words of ours\b|\bnobody looked\b|\bis looked (?:at|into)\b|\bwhat is left of\b"
    r"|\bhand(?:s|ed)? (?:on|down)\b|\bis told\b|\bas it came\b|\bmade of what\b|\bthere is no (?:word|telling) of\b",
    re.IGNORECASE,
)
QUESTION = re.compile(r"(?:Are|Can|Did|Does|Has|Have|How|Is|May|Was|What|Where|Which|Who|Whose|Why|Will|Would)\b")
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "docs" / "man").iterdir()),
    *sorted(path for kind in ("sh", "md", "yaml", "py") for path in (ROOT / "examples").rglob(f"*.{kind}")),
]
PROGRAM = modules("shim", "hooks")
TESTS = [module for module in modules("tests", "integration", "packaging", "examples") if module.name != "test_wording"]


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


def _documented(node: ast.AST) -> TypeGuard[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))


def _comments(text: str) -> Iterator[str]:
    """Every comment of a module, without its mark; those on neighbouring lines together."""
    lines = [line.strip() for line in text.splitlines()]
    yield " ".join(line[1:].strip() for line in lines if line.startswith("#"))


@pytest.mark.parametrize("module", [*PROGRAM, *TESTS], ids=[module.name for module in (*PROGRAM, *TESTS)])
def test_comments_and_tests_read_as_written_in_english(module: Module) -> None:
    """Comments of the program, docstrings and comments of the tests. Texts of others that a test quotes are exempt."""
    texts = [
        *_comments(module.text),
        *(ast.get_docstring(node) or "" for node in ast.walk(module.tree) if _documented(node)),
    ]
    assert [match[0] for text in texts for match in TRANSLATED.finditer(" ".join(text.split()))] == []


def _docstrings(tree: ast.Module) -> Iterator[str]:
    """Docstrings, except those of commands: these are help texts, and reviewed as such."""
    for node in ast.walk(tree):
        if _documented(node) and not (isinstance(node, ast.FunctionDef) and node.name.endswith("_command")):
            yield ast.get_docstring(node) or ""


@pytest.mark.parametrize("module", PROGRAM, ids=[module.name for module in PROGRAM])
def test_docstrings_and_comments_are_read_once(module: Module) -> None:
    """They have no phrase that sends a reader back to the beginning of the sentence."""
    texts = [*_comments(module.text), *_docstrings(module.tree)]
    assert [match[0] for text in texts for match in ROUNDABOUT.finditer(" ".join(text.split()))] == []


@pytest.mark.parametrize("module", PROGRAM, ids=[module.name for module in PROGRAM])
def test_functions_answer_instead_of_asking(module: Module) -> None:
    """A function's docstring begins with what the function does or returns, never with the question that it answers."""
    functions = [node for node in ast.walk(module.tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    asked = [f"{node.lineno} {node.name}" for node in functions if QUESTION.match(ast.get_docstring(node) or "")]
    assert asked == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_documents_read_as_written_in_english(path: Path) -> None:
    """Pages, whatever the line ends are."""
    assert TRANSLATED.findall(" ".join(path.read_text().split())) == []
