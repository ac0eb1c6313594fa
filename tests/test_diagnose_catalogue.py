"""Every row of the catalogue: recognised in real texts, confirmed by the facts that belong to them."""

from __future__ import annotations

import ast
import re
import string

import pytest

from shim.diagnose.catalogue import AREAS, ENTRIES
from shim.diagnose.entry import Entry
from shim.diagnose.explain import NOT_RECOGNISED, entry_of, explain
from shim.diagnose.page import page
from shim.diagnose.render import render
from tests.replayed import Case, guests, quoted, recorded
from tests.syntax import ROOT, modules

CASES = [*recorded(), *guests(), *quoted()]
SPOKEN = [entry for entry in ENTRIES if not entry.silent]
FOUND_BY_LOOKING = {entry.code for entry in ENTRIES if entry.silent}


def _ids(value: object) -> str:
    return value.name if isinstance(value, Case) else value.code if isinstance(value, Entry) else str(value)


@pytest.mark.parametrize("case", CASES, ids=_ids)
def test_a_real_text_gets_its_code_and_evidence(case: Case) -> None:
    """The recorded words with the recorded facts give the expected code, and the fact that proves it."""
    found = explain(case.text, case.context)
    assert found.code == case.code
    assert case.evidence in "\n".join(found.evidence)
    assert found.confirmed is case.confirmed
    assert found.raw == case.text
    assert found.ours is entry_of(case.code).ours


@pytest.mark.parametrize("case", CASES, ids=_ids)
def test_the_rendered_text_keeps_its_promises(case: Case) -> None:
    """ASCII, at most 1900 bytes, verdict in the first 200; what is not ours stays as it was."""
    found = explain(case.text, case.context)
    text = render(found)
    if not found.ours:
        assert text == case.text
        return
    assert text.isascii()
    assert len(text) <= 1900
    first = text.split("\n")[0]
    assert first.startswith("cgshim: ")
    assert first.endswith(f"[{case.code}]")
    assert len(first) <= 200
    phrases = (
        "permission denied|operation not permitted|no such file or directory|executable file not found in|open exec"
    )
    assert re.search(phrases, text, re.IGNORECASE) is None


@pytest.mark.parametrize("case", [one for one in CASES if entry_of(one.code).ours], ids=_ids)
def test_a_rendered_text_is_recognised_again(case: Case) -> None:
    """The whole diagnosis, pasted back by a user, gives the same code: only the runtime's words in it count."""
    found = explain(case.text, case.context)
    again = explain(render(found), case.context)
    assert again.code == case.code


def test_codes_are_stable_names() -> None:
    """Codes are kebab-case and unique."""
    codes = [entry.code for entry in ENTRIES]
    assert len(codes) == len(set(codes))
    assert [code for code in codes if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)] == []
    assert NOT_RECOGNISED not in codes


def test_the_catalogue_is_large_enough() -> None:
    """At least 75 rows are about mounts and cgroups and recognise a message."""
    assert len([entry for entry in SPOKEN if entry.ours]) >= 75


@pytest.mark.parametrize("entry", ENTRIES, ids=_ids)
def test_a_row_is_complete(entry: Entry) -> None:
    """Verdict, cause and remedy are there, the verdict fits the first line, an ambiguous row can be confirmed."""
    assert entry.title
    assert entry.cause
    assert len(f"cgshim: {entry.verdict} [{entry.code}]") <= 200
    assert f"{entry.verdict}{entry.cause}{''.join(entry.remedy)}".isascii()
    if entry.ours:
        assert entry.remedy
    if entry.ambiguous:
        assert entry.confirm is not None
    assert not re.search(r"\bF\d\d\b", page())


@pytest.mark.parametrize("entry", SPOKEN, ids=_ids)
def test_templates_name_what_patterns_find(entry: Entry) -> None:
    """Every name in a template is a group of one of the row's patterns, or known of every match."""
    names = {name for text in (entry.verdict, entry.cause, *entry.remedy) for _, name, _, _ in _fields(text) if name}
    groups = {
        name.rstrip("0123456789")
        for pattern in entry.patterns + entry.ambiguous
        for name in re.compile(pattern).groupindex
    }
    assert names - groups - {"runtime", "controller"} == set()


def _fields(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    return list(string.Formatter().parse(template))


def test_the_page_is_current() -> None:
    """docs/diagnoses.md is what the catalogue gives."""
    assert (ROOT / "docs" / "diagnoses.md").read_text() == page()


def test_every_area_is_on_the_page() -> None:
    """The page has a heading for every area and every code, once."""
    lines = page().splitlines()
    assert [line[3:] for line in lines if line.startswith("## ")] == [area for area, _ in AREAS]
    assert sorted(line[4:] for line in lines if line.startswith("### ")) == sorted(entry.code for entry in ENTRIES)


def test_every_refusal_of_the_program_is_documented() -> None:
    """A literal code of a ShimError outside people's tool is in the catalogue, so the page explains it."""
    codes = set()
    for module in modules("shim", "hooks"):
        if module.name.startswith("shim/cli/"):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ShimError":
                first = node.args[0]
                codes |= {first.value} if isinstance(first, ast.Constant) else set()
    assert len(codes) > 10
    assert codes - {entry.code for entry in ENTRIES} == set()
