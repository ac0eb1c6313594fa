"""How one cause is chosen among several, what is said when there is none, and how it is rendered."""

from __future__ import annotations

from typing import Any

import pytest

from shim.diagnose.diagnosis import Context, Diagnosis
from shim.diagnose.entry import Entry, Words
from shim.diagnose.explain import NOT_RECOGNISED, entry_of, explain, looked, without_words
from shim.diagnose.facts import Facts
from shim.diagnose.render import as_dict, plain, render
from tests.replayed import ReplayedView

MOUNTS = "30 21 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
V1_CPU = MOUNTS + "31 30 0:40 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
SETTING = "error setting cgroup config for procHooks process: "
MEMSW = SETTING + 'failed to write "1": write /sys/fs/cgroup/memory/x/memory.memsw.limit_in_bytes: invalid argument'


def _context(text: dict[str, str] | None = None, **fields: Any) -> Context:
    return Context(view=ReplayedView({"text": text or {}}), **{"kernel_log": "", **fields})


def _resources(**resources: Any) -> dict[str, Any]:
    return {"linux": {"resources": resources}}


@pytest.mark.parametrize(
    "text",
    [
        "cannot set the table limit: container could join",
        "open `/sys/fs/cgroupie/memory/x`: No such file or directory",
        "writing file `cpu.weight`: Input/output error",
        "mount `tmpfs` to `tmp`: Cannot allocate memory",
        "unable to set memory limits",
        "could not join cgroup namespace",
        "container's cgroup is empty",
        "setrlimit `RLIMIT_NOFILE`: Invalid argument",
        "mkdir /var/lib/x: read-only file system",
        "mkdir /srv/fs/cgroup/x: permission denied",
        "seccomp: entry on tid_real 298 found",
        "exec: process finished",
        "swap limit should be set",
        "statfs '/sys/fs': No such file or directory",
        "pivot_root: No such file or directory",
    ],
)
def test_near_misses_are_not_recognised(text: str) -> None:
    """A text that only looks like a known one gets no cause."""
    assert explain(text, _context()).code == NOT_RECOGNISED


@pytest.mark.parametrize(
    ("resources", "code"),
    [
        ({"memory": {"limit": 1 << 27, "swap": 1 << 26}}, "swap-below-limit"),
        ({"memory": {"swap": 1 << 26}}, "swap-without-limit"),
    ],
)
def test_the_confirmed_cause_wins(resources: dict[str, Any], code: str) -> None:
    """The same words, two causes: config.json decides."""
    found = explain(MEMSW, _context(config=_resources(**resources)))
    assert (found.code, found.confirmed) == (code, True)


def test_several_unconfirmed_causes_are_no_cause() -> None:
    """Words with several causes and no fact for any: they are named, none is chosen."""
    found = explain(MEMSW, _context())
    assert (found.code, found.confirmed, found.ours) == (NOT_RECOGNISED, False, True)
    assert found.others == ("unified-value-refused", "swap-below-limit", "swap-without-limit")
    assert found.cause == (
        "The words fit several causes and this host's facts confirm none of them: "
        "unified-value-refused, swap-below-limit, swap-without-limit."
    )


def test_a_tiny_limit_explains_whatever_else_is_said() -> None:
    """The process was killed; what the runtime reports is only the pieces."""
    text = (
        SETTING + "failed to call BPF_PROG_ATTACH (BPF_CGROUP_DEVICE): can't attach program: no such file or directory"
    )
    small = explain(text, _context(config=_resources(memory={"limit": 4096})))
    large = explain(text, _context(config=_resources(memory={"limit": 1 << 28})))
    assert small.code == "memory-limit-kills-runtime"
    assert large.code == NOT_RECOGNISED


def test_a_tiny_limit_does_not_explain_an_unrelated_failure() -> None:
    """crun puts its memory hint in front of anything; the cause stays the cause."""
    text = "the memory limit could be too low: invalid configuration: cannot use unified on cgroup v1"
    config = _resources(memory={"limit": 4096}, unified={"memory.max": "1"})
    assert explain(text, _context(config=config, runtime="crun")).code == "unified-on-v1"


def test_a_missing_command_is_not_ours() -> None:
    """The image's failure passes through as it came, noise included."""
    text = 'time="t" level=error msg="runc run failed: exec: \\"nope\\": executable file not found in $PATH"\n'
    found = explain(text, _context())
    assert (found.code, found.ours) == ("image-command-not-found", False)
    assert render(found) == text


def test_not_recognised_gives_facts_and_no_cause() -> None:
    """The honest answer has what is unusual about the host."""
    facts = {
        "/proc/self/mountinfo": V1_CPU + "40 30 0:50 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 ro\n",
        "/sys/fs/cgroup/unified/cgroup.controllers": "hugetlb\n",
        "/proc/self/uid_map": "0 100000 65536\n",
        "/proc/self/status": "CapEff:\t0000000000000000\n",
        "/proc/cmdline": "quiet cgroup_disable=memory\n",
    }
    found = explain("gibberish", _context(facts, config=_resources(memory={"limit": 4096})))
    assert found.code == NOT_RECOGNISED
    assert found.evidence == (
        "cgroup layout: hybrid (v1: cpu)",
        "/sys/fs/cgroup/unified/cgroup.controllers: hugetlb",
        "mountinfo: /sys/fs/cgroup/unified cgroup2 ro - ro",
        "memory limit: 4096 bytes, small for the runtime itself",
        "/proc/self/uid_map: 0 100000 65536",
        "/proc/self/status CapEff: 0000000000000000 (without CAP_SYS_ADMIN, CAP_SYS_RESOURCE)",
        "/proc/cmdline: cgroup_disable=memory",
    )
    assert "none of them is proven" in found.cause


def test_a_warning_counts_only_without_an_error() -> None:
    """The deprecation warning of an occupied cgroup does not hide the error beside it."""
    warning = 'level=warning msg="DEPRECATED: running container in a non-empty cgroup won\'t be supported in runc 1.2"'
    error = 'level=error msg="cannot set kernel memory with cgroupv2"'
    assert explain(warning, _context()).code == "cgroup-not-empty"
    assert explain(f"{warning}\n{error}", _context()).code == "kernel-memory-removed"


@pytest.mark.parametrize("config", [None, {}, [], "x", {"linux": None}, {"linux": {"resources": [1]}}])
def test_any_configuration_is_survived(config: Any) -> None:
    """A configuration of the wrong shape leads to less evidence, never to an exception."""
    assert explain(MEMSW, _context(config=config)).code == NOT_RECOGNISED


def test_a_check_that_stumbles_finds_nothing() -> None:
    """A file of unknown form costs its evidence, never the diagnosis."""

    def stumbling(facts: Facts, words: Words) -> tuple[str, ...]:
        raise ValueError(words.text)

    entry = entry_of("crun-refuses-hybrid").changed(confirm=stumbling)
    assert isinstance(entry, Entry)
    words = Words(text="x", groups={})
    assert looked(entry, Facts(_context()), words) == ()


def test_without_words_fills_templates_and_keeps_placeholders() -> None:
    """A row found by looking takes the values it is given; the others show their names."""
    found = without_words("limits-written-to-tmpfs", ("proof",), {"path": "/sys/fs/cgroup/x"})
    assert (
        found.verdict
        == "/sys/fs/cgroup/x is a plain directory, not a cgroup mount: limits written there have no effect"
    )
    assert found.remedy[1] == "or mount the controller there: mount -t cgroup -o <controller> cgroup /sys/fs/cgroup/x"
    assert (found.evidence, found.confirmed) == (("proof",), True)


def test_an_unknown_code_is_an_error() -> None:
    """Only codes of the catalogue have a row."""
    with pytest.raises(KeyError, match="nonsense"):
        entry_of("nonsense")


LONG = Diagnosis(
    code="some-code",
    verdict="v" * 400,
    cause="c" * 300,
    evidence=tuple(f"evidence {number} " + "e" * 150 for number in range(12)),
    remedy=("r" * 200,),
    reference="somewhere",
    raw="begin " + "x" * 5000 + " end",
)


@pytest.mark.parametrize("limit", [300, 500, 1000, 1900, 4000])
def test_a_long_diagnosis_is_cut_where_it_hurts_least(limit: int) -> None:
    """Verdict and code survive, evidence goes from its end, the runtime's words lose their middle."""
    text = render(LONG, limit)
    assert len(text.encode()) <= limit
    first = text.split("\n")[0]
    assert first.startswith("cgshim: vvv")
    assert first.endswith("... [some-code]")
    assert len(first) <= 200
    if limit >= 1000:
        assert text.split("\n")[1].startswith("  cause: ccc")
        assert "  runtime: begin xxx" in text
        assert text.endswith(" end")


def test_a_short_diagnosis_is_whole() -> None:
    """Nothing is cut that fits; the order is verdict, cause, evidence, remedy, reference, the runtime's words."""
    short = Diagnosis(
        code="a-code",
        verdict="what",
        cause="why",
        evidence=("one", "two"),
        remedy=("do",),
        reference="doc",
        raw="a\nb\n",
    )
    assert render(short) == (
        "cgshim: what [a-code]\n  cause: why\n  evidence: one\n  evidence: two\n  remedy: do\n  see: doc\n"
        "  runtime: a\n  runtime: b"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x: Permission denied", "x: EACCES"),
        ("x: Operation not permitted", "x: EPERM"),
        ("x: No such file or directory: y", "x: ENOENT: y"),
        ("executable file not found in $PATH", "executable not found (ENOENT) in $PATH"),
        ("open executable: x", "open the executable: x"),
        ("a: not a directory", "a: ENOTDIR"),
        ("caf\xe9 \x1b[1m\ttab", "caf? ?[1m tab"),
    ],
)
def test_phrases_that_engines_look_for_are_replaced(before: str, after: str) -> None:
    """podman and docker would show only that line and change the exit status; only printable ASCII is safe."""
    assert plain(before) == after


def test_json_has_every_field() -> None:
    """The shape of --json is the value's own."""
    found = as_dict(Diagnosis(code="c", verdict="v", evidence=("e",)))
    assert found == {
        "code": "c",
        "verdict": "v",
        "cause": "",
        "evidence": ["e"],
        "remedy": [],
        "reference": "",
        "raw": "",
        "confirmed": False,
        "ours": True,
        "others": [],
    }
