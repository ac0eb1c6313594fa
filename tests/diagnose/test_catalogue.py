"""Every row of the catalogue: recognised in real texts, confirmed by the facts that belong to them."""

from __future__ import annotations

import ast
import itertools
import re
import string

import pytest

from shim.diagnose.catalogue import AREAS, ENTRIES
from shim.diagnose.entry import Entry
from shim.diagnose.explain import NOT_RECOGNISED, NOTICE, entry_of, explain
from shim.diagnose.page import page
from shim.diagnose.render import render
from shim.host.facts import HYBRID, LEGACY, UNIFIED, Fact
from shim.planning.plan import wanted
from tests.hosts_made import BOTH, make_host
from tests.planned import plan_of
from tests.replayed import Case, guests, quoted, recorded
from tests.syntax import ROOT, modules

CASES = [*recorded(), *guests(), *quoted()]
SPOKEN = [entry for entry in ENTRIES if not entry.silent]
DEVICE = [{"major": 8, "minor": 0, "rate": 1048576}]
EVERY_GUARD = {
    "memory": {"limit": 67108864, "swap": 134217728},
    "cpu": {"quota": 50000, "period": 100000, "cpus": "0", "mems": "0"},
    "pids": {"limit": 27},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 2097152}],
    "blockIO": {"throttleReadBpsDevice": DEVICE, "throttleWriteIOPSDevice": DEVICE},
    "rdma": {"mlx5_0": {"hcaHandles": 3}},
    "unified": {
        **{f"{name}.max": "1" for name in ("memory", "pids", "rdma", "misc", "dmem", "hugetlb.2MB")},
        "memory.swap.max": "4096",  # the kernel rounds anything below a page down to 0
    },
}
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
        assert entry.confirm is not None or (entry.offer and entry.tell)
    if entry.offer:
        assert entry.tell


def test_the_page_names_no_case_of_a_list() -> None:
    """Numbers of cases in a list of failures mean nothing to a reader."""
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
    """The page has a heading for every area and every code, once, and the table of contents leads to each."""
    lines = page().splitlines()
    assert [line[3:] for line in lines if line.startswith("## ")] == ["By symptom", *(area for area, _ in AREAS)]
    codes = sorted(entry.code for entry in ENTRIES)
    assert sorted(line[4:] for line in lines if line.startswith("### ")) == codes
    linked = [match[1] for match in (re.search(r"\]\(#([a-z0-9-]+)\)", line) for line in lines) if match]
    assert sorted(set(linked) & set(codes)) == codes


def test_contents_have_the_words_of_the_message() -> None:
    """A literal part of the runtime's message stands beside the link, so that a search for it finds the entry."""
    expected = "(#crun-refuses-hybrid): `cgroups in hybrid mode not supported, drop all controllers from cgroupv2`"
    assert any(line.endswith(expected) for line in page().splitlines())


LONGEST = 225  # characters of a remedy: three lines of a terminal
LOOP = re.compile(r"\bfor \w+ in\b|\bwhile\b.*;\s*do\b")


@pytest.mark.parametrize("entry", ENTRIES, ids=_ids)
def test_a_remedy_can_be_typed(entry: Entry) -> None:
    """No remedy is a shell loop or longer than three lines; cause and remedies together are at most nine sentences."""
    assert [remedy for remedy in entry.remedy if len(remedy) > LONGEST or LOOP.search(remedy)] == []
    assert len(entry.remedy) <= 4
    assert len(re.findall(r"[a-z)]\.(?: |$)", entry.cause)) <= 4


def test_every_refusal_of_the_program_is_documented() -> None:
    """A literal code of a ShimError is in the catalogue, so the page and `cgshimctl explain CODE` know it."""
    codes = set()
    for module in modules("shim", "hooks"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ShimError":
                first = node.args[0]
                codes |= {first.value} if isinstance(first, ast.Constant) else set()
    assert {"own-fault", "name-taken", "no-container"} < codes
    assert codes - {entry.code for entry in ENTRIES} == set()


CONTROLLERS_MISSING = {
    *("memory-nowhere", "cpu-nowhere", "cpuset-nowhere", "io-nowhere", "hugetlb-nowhere", "pids-nowhere"),
    "rdma-nowhere",
}
FILES_MISSING = {"blockio-throttle-unsupported", "cpu-quota-unsupported", "swap-unaccounted", "rdma-unread"}
ON_V1 = {*CONTROLLERS_MISSING, *FILES_MISSING, "unified-without-counterpart"}
ON_V2 = {
    *CONTROLLERS_MISSING,
    *FILES_MISSING,
    *("misc-nowhere", "dmem-nowhere", "rdma-not-enabled", "dmem-not-enabled"),
}


@pytest.mark.parametrize(("layout", "expected"), [(LEGACY, ON_V1), (HYBRID, ON_V1), (UNIFIED, ON_V2)])
def test_every_limit_refused_by_policy_is_documented(layout: str, expected: set[str]) -> None:
    """Whatever a host lacks, the code of the refusal is in the catalogue: hosts of each layout, one thing missing."""
    files = dict.fromkeys(wanted(EVERY_GUARD), False)
    hosts = [make_host(layout, versions=dict.fromkeys((*BOTH, "misc", "dmem"), version)) for version in (0, 1, 2)]
    hosts.append(make_host(layout, swap_accounting=Fact(value=False, evidence="made for a test")))
    hosts.append(make_host(layout, interface=files))
    asked = itertools.product(hosts, ("runc", "crun"), ("create", "update"))
    plans = [plan_of(EVERY_GUARD, host, runtime, operation) for host, runtime, operation in asked]
    codes = {note.code for plan in plans for note in plan.unenforceable}
    assert codes == expected
    assert codes - {entry.code for entry in ENTRIES} == set()


@pytest.mark.parametrize(
    "entry", [entry for entry in ENTRIES if entry.verdict.startswith("a notice")], ids=lambda entry: entry.code
)
def test_a_notice_is_behind_every_failure(entry: Entry) -> None:
    """What goes on must not hide what failed in the same text."""
    assert entry.rank >= NOTICE
