"""Every code of the catalogue has a proof: provoked for real and recorded, a text quoted from somebody's real failure,
or, where no message leads to it, a test that makes the case and asserts the code.
"""

from __future__ import annotations

import ast
import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from shim.cli.explain import context
from shim.containers import hook_state
from shim.diagnose.catalogue import ENTRIES
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.explain import entry_of, explain
from shim.diagnose.host_checks import foreseen
from shim.errors import ShimError
from shim.observe import delays
from shim.planning.settings import Settings
from shim.stages import call, create_runtime, leftover
from tests.diagnose.test_families import PRINTED
from tests.replayed import FAILURES, Case, guests, quoted, recorded, silent
from tests.syntax import modules

if TYPE_CHECKING:
    from pathlib import Path

PROVOKED = {case.code for case in (*recorded(), *guests())}
REPORTED: list[dict[str, Any]] = json.loads((FAILURES / "reported.json").read_text())["cases"]
PUBLISHED = {code for case in REPORTED for code in (case["code"], *case.get("causes", ()))}
QUOTED: list[dict[str, Any]] = json.loads((FAILURES / "quoted.json").read_text())["cases"]
REFUSALS: list[dict[str, Any]] = json.loads((FAILURES / "refusals.json").read_text())["rows"]
SOURCES: list[dict[str, Any]] = json.loads((FAILURES / "printed.json").read_text())["cases"]
URL = re.compile(r"https://\S+")
FILE = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+, [\w./-]+\.(?:go|c)")
# The program that said it, in a version that somebody had: seen here or on another machine, not made up.
SEEN = re.compile(r"(?:(?:runc|crun|podman|CRIU)\b|mount\(8\), Linux).* \d")
MADE_UP = re.compile(r"wording|text only|source|\b(?:would|like)\b", re.IGNORECASE)
OWN = "tests/diagnose/test_proof.py"
STRINGS = {
    node.value
    for module in modules("tests", "integration")
    if module.name != OWN
    for node in ast.walk(module.tree)
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
}
LEAST_PROVOKED = 170  # codes; all that a message leads to, except a dozen whose hosts are not available here


@pytest.mark.parametrize("case", QUOTED, ids=lambda case: case["code"])
def test_a_quoted_text_was_really_seen(case: dict[str, Any]) -> None:
    """Its source is a public thread, or a program with its version; never our own wording of what it might say."""
    assert MADE_UP.search(URL.sub("", case["source"])) is None
    assert URL.search(case["source"]) or SEEN.match(case["source"])


@pytest.mark.parametrize("code", sorted({case["code"] for case in QUOTED} - PROVOKED))
def test_what_is_only_quoted_says_why(code: str) -> None:
    """Its quotation has the reason why no machine here can be made to do it, as a sentence."""
    reasons = [case.get("not_here", "") for case in QUOTED if case["code"] == code]
    assert any(reason.endswith(".") and len(reason.split()) > 4 for reason in reasons)


@pytest.mark.parametrize("code", sorted({case["code"] for case in QUOTED if "not_here" in case}))
def test_what_was_provoked_has_no_excuse(code: str) -> None:
    """A reason why something cannot be provoked does not outlive its being provoked."""
    assert code not in PROVOKED


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if not entry.silent], ids=lambda entry: entry.code)
def test_a_message_has_a_recorded_or_a_quoted_text(entry: Any) -> None:
    """An entry that matches words was provoked here, quotes a failure that somebody published, or has a whole sentence
    of a program's source, or the kernel's source says for which file it answers so (tests/diagnose/test_refusals.py).

    What is asked last is for words that nobody has shown yet: formats filled in are proof enough there.
    """
    printed = {code for _, code in PRINTED} if entry.last else set()
    sentences = {case["code"] for case in SOURCES} | {row["codes"][0] for row in REFUSALS}
    assert entry.code in PROVOKED | PUBLISHED | {case.code for case in quoted()} | sentences | printed


@pytest.mark.parametrize("case", SOURCES, ids=lambda case: case["code"])
def test_a_sentence_of_a_source_gets_its_answer(case: dict[str, Any]) -> None:
    """The file that prints it is named; the answer is that entry's, and nothing is confirmed without a host."""
    assert FILE.fullmatch(case["source"])
    found = explain(case["text"], context(Elsewhere(), case["text"], "", None))
    assert (found.code, found.confirmed) == (case["code"], False)


@pytest.mark.parametrize("code", sorted({case["code"] for case in SOURCES}))
def test_a_source_does_not_stand_in_for_a_real_text(code: str) -> None:
    """Where a text was provoked or published, that is the proof."""
    assert code not in PROVOKED | PUBLISHED


def test_most_codes_were_provoked_for_real() -> None:
    """Quotations are the exception, for what no machine here can be made to do."""
    spoken = {entry.code for entry in ENTRIES if not entry.silent}
    assert len(PROVOKED & spoken) >= LEAST_PROVOKED


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.silent], ids=lambda entry: entry.code)
def test_what_gives_no_message_is_asserted_by_a_test(entry: Any) -> None:
    """A row that no words lead to has a test that names its code, in a comparison or in the text that a user sees."""
    wanted = re.compile(rf"^{entry.code}$|\\?\[{entry.code}\\?\]")
    assert entry.code in REFUSED_HERE or any(map(wanted.search, STRINGS))


@pytest.mark.parametrize("case", silent(), ids=lambda case: case.name)
def test_what_was_foreseen_in_a_guest_is_foreseen(case: Case) -> None:
    """The frozen ancestor below which a bare runtime really hung, found from the facts of that moment."""
    found = {one.code: one for one in foreseen(case.context)}
    assert case.evidence in found[case.code].evidence
    assert entry_of(case.code).silent


REFUSED_HERE = ("bad-enable", "bad-pressure", "no-process", "leftover-cgroup")


def test_bad_enable() -> None:
    """An annotation that is neither true nor false."""
    with pytest.raises(ShimError) as refused:
        call.enabled({"io.cgshim.enable": "yes"}, Settings(origins={}))
    assert (refused.value.code, refused.value.what) == (
        "bad-enable",
        "annotation io.cgshim.enable: 'yes' is neither 'true' nor 'false'",
    )


def test_bad_pressure() -> None:
    """An annotation that names no way of measuring."""
    with pytest.raises(ShimError) as refused:
        delays.wanted({"io.cgshim.pressure": "vmstat"})
    assert (refused.value.code, refused.value.what) == (
        "bad-pressure",
        "annotation io.cgshim.pressure: 'vmstat' is neither 'psi' nor 'taskstats'",
    )


@pytest.mark.parametrize(("pid", "evidence"), [(0, "standard input: pid 0 or missing"), (4194305, "/proc/4194305: E")])
def test_no_process(pid: int, evidence: str) -> None:
    """A state without a process, and one whose process is gone (4194304 is the largest number there can be)."""
    subject = hook_state.State(container="web", pid=pid, bundle="/b", annotations={})
    with pytest.raises(ShimError) as refused:
        create_runtime.verify_state(subject, {"--runtime": "/usr/sbin/runc", "--driver": ""})
    assert refused.value.code == "no-process"
    assert refused.value.evidence[0].startswith(evidence)


def test_leftover_cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cgroup of cgshim's own that somebody else has put something into is named, with who is in it."""
    monkeypatch.setattr(leftover, "PAUSE", 0)
    kept = tmp_path / "cgshim" / "web"
    (kept / "child").mkdir(parents=True)
    (kept / "cgroup.procs").write_text("11\n12\n")
    with pytest.raises(ShimError) as refused:
        leftover.remove(str(tmp_path), "web")
    assert (refused.value.code, refused.value.evidence) == ("leftover-cgroup", (f"{kept}/cgroup.procs: 11 12",))
    assert os.path.isdir(kept)
