"""What the matrix takes for right of a process that took more than its limit (integration/matrix/measured.py)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.matrix.measured import expected, problems, traced

M = 1 << 20
ACCOUNTED, UNACCOUNTED = ["memory.swap.max"], ["memory.max"]


@pytest.mark.parametrize(
    ("asked", "accounted", "swaps", "right"),
    [
        ("none", True, True, "killed"),
        ("none", False, True, "killed"),
        ("none", True, False, "killed"),
        ("some", True, True, "held"),
        ("some", False, True, "refused"),
        ("some", False, False, "killed"),
        ("unlimited", True, True, "held"),
        ("unlimited", False, True, "held"),
        ("unset", True, True, "held"),
        ("unset", True, False, "killed"),
    ],
)
def test_expected(asked: str, accounted: bool, swaps: bool, right: str) -> None:
    """By what was asked, whether the kernel accounts for swap, and whether there is any."""
    assert expected(asked, accounted, swaps) == right


def _problems(record: dict[str, Any], files: list[str], *, swaps: bool = True) -> list[str]:
    about = {"kind": "measured", "set": "swap-use", "runtime": "runc", "through": "cgshim", **record}
    return problems([{"kind": "truth", "files": files, "swaps": swaps}, about])


def test_swap_faults() -> None:
    """A process that lives where it must die, swaps where it must not, or does not where it should."""
    none = {"asked": "none", "outcome": "killed", "swap": 0}
    assert _problems(none, ACCOUNTED) == []
    assert _problems({**none, "swap": 4096}, ACCOUNTED) == ["swap-use none, runc cgshim: 4096 bytes went to swap"]
    assert _problems({**none, "outcome": "held"}, ACCOUNTED) == ["swap-use none, runc cgshim: held, not killed"]
    some = {"asked": "some", "outcome": "held", "swap": 33 * M, "host_swap": 33 * M}
    assert _problems(some, ACCOUNTED) == []
    assert _problems({**some, "swap": M, "host_swap": M}, ACCOUNTED) == [
        f"swap-use some, runc cgshim: only {M} bytes went to swap"
    ]
    assert _problems(some, UNACCOUNTED) == ["swap-use some, runc cgshim: held, not refused"]
    refused = {"asked": "some", "outcome": "refused", "text": "cgshim: x [swap-unaccounted]"}
    assert _problems(refused, UNACCOUNTED) == []
    assert len(_problems({**refused, "text": "cgshim: x [other]"}, UNACCOUNTED)) == 1


def test_bridge_faults() -> None:
    """The life of a bridged container: limits, statuses, the exec'd process's cgroup, and what is left."""
    life = {
        "set": "bridge-use",
        "asked": "life",
        "outcome": "created",
        "created": str(64 * M),
        "updated": str(96 * M),
        "statuses": [0, 0, 0, 0],
        "left": [],
        "place": "/sys/fs/cgroup/unified/c9",
        "exec": "/c9",
    }
    assert _problems(life, ACCOUNTED) == []
    for key, value in (("created", "max"), ("updated", "max"), ("left", ["/x"]), ("exec", "/"), ("exec", "")):
        assert len(_problems({**life, key: value}, ACCOUNTED)) == 1, key
    bare = {"set": "bridge-use", "asked": "life", "through": "bare", "outcome": "error"}
    assert _problems({**bare, "text": "cannot set memory limit: container could not join"}, ACCOUNTED) == []
    assert len(_problems({**bare, "outcome": "created", "text": ""}, ACCOUNTED)) == 1
    killed = {"set": "bridge-use", "asked": "too much", "outcome": "killed", "limit": str(48 * M), "swap_limit": "0"}
    assert _problems(killed, ACCOUNTED) == []
    assert len(_problems({**killed, "outcome": "not killed"}, ACCOUNTED)) == 1


KILL: dict[str, Any] = {
    "set": "account",
    "asked": "kill",
    "status": 0,
    "path": "/account/c9",
    "account": {
        "figures": [
            {"name": "oom_kills", "value": 1},
            {"name": "limit", "value": 16 * M},
            {"name": "peak", "value": 16 * M},
            {"name": "events.oom_kill", "value": 1},
            {"name": "events.max", "value": 30},
        ],
        "killed": [{"name": "busybox", "cgroup": "/account/c9"}],
        "absent": [],
    },
}


def test_account_faults() -> None:
    """Each figure of the account, and the process and cgroup that it names, must be there."""
    assert _problems(KILL, ACCOUNTED) == []
    for place in range(5):
        figures = [one for number, one in enumerate(KILL["account"]["figures"]) if number != place]
        assert len(_problems({**KILL, "account": {**KILL["account"], "figures": figures}}, ACCOUNTED)) == 1
    assert len(_problems({**KILL, "path": "/account/c8"}, ACCOUNTED)) == 1
    assert len(_problems({**KILL, "account": {}, "text": "", "missing": "ENOENT"}, ACCOUNTED)) == 1


@pytest.mark.parametrize(
    ("peak", "faults"),
    [(16560128, 0), (16 * M, 0), (16 * M - 524288, 0), (16 * M - 524289, 1), (16 * M + 4096, 1)],
)
def test_a_peak_is_below_the_limit_by_what_was_charged_ahead(peak: int, faults: int) -> None:
    """16560128 was seen at a limit of 16 MiB; two processors charge 128 pages of 4 KiB in advance, which are 524288."""
    figures = [{**one, "value": peak} if one["name"] == "peak" else one for one in KILL["account"]["figures"]]
    assert len(_problems({**KILL, "account": {**KILL["account"], "figures": figures}}, ACCOUNTED)) == faults


def test_refusal_faults() -> None:
    """The message must be whole, and the container must not be there."""
    whole = "cgshim: the kernel does not show memory.limit, so the container was not started [limit-not-applied]"
    text = f"{whole}\n  evidence: /sys/fs/cgroup/account/c9/memory.max: 'max'; memory.limit asked for '{16 * M}'"
    refusal = {"set": "account", "asked": "refusal", "status": 1, "path": "/account/c9", "text": text}
    assert _problems(refusal, ACCOUNTED) == []
    assert len(_problems({**refusal, "status": 0}, ACCOUNTED)) == 1
    assert len(_problems({**refusal, "text": f"error executing hook{text[20:]}"}, ACCOUNTED)) == 1


ON: dict[str, Any] = {
    "set": "delays",
    "asked": "task_delayacct 1",
    "status": 0,
    "running": {"source": "taskstats", "totals": {"swapin": 5}, "reason": "no PSI"},
    "account": {
        "figures": [
            {"name": f"delay.{cause}", "value": 7, "source": "taskstats: delay accounting"}
            for cause in ("swapin", "reclaim")
        ],
        "absent": [{"name": "peak", "reason": "gone"}],
    },
}
NO_PSI = "no PSI: /sys/fs/cgroup/account/memory.pressure: ENOENT; "


def test_delays_faults() -> None:
    """With delay accounting figures that say what they are; without it a reason that names the switch, no zeros."""
    assert _problems(ON, ACCOUNTED) == []
    assert len(_problems({**ON, "running": {**ON["running"], "source": "psi"}}, ACCOUNTED)) == 1
    zeros = [{**one, "value": 0} for one in ON["account"]["figures"]]
    assert len(_problems({**ON, "account": {**ON["account"], "figures": zeros}}, ACCOUNTED)) == 1
    reason = f"{NO_PSI}no delay accounting: x is 0 (sysctl kernel.task_delayacct=1 starts it)"
    off: dict[str, Any] = {
        **ON,
        "asked": "task_delayacct 0",
        "running": {"source": "", "totals": {}, "reason": reason},
        "account": {"figures": [], "absent": [{"name": "pressure", "reason": reason}]},
    }
    assert _problems(off, ACCOUNTED) == []
    assert len(_problems({**off, "account": {**off["account"], "figures": zeros}}, ACCOUNTED)) == 1
    assert len(_problems({**off, "account": {**off["account"], "absent": []}}, ACCOUNTED)) == 1


def test_a_guest_that_said_nothing() -> None:
    """Without the guest's own facts nothing can be judged here; that it did not finish is another problem."""
    assert problems([{"kind": "guest"}]) == []


AUDIT: dict[str, Any] = {
    "set": "audit",
    "asked": "created",
    "found": 1,
    "outside": False,
    "scope": {},
    "resources": {"memory": {"limit": 64 * M}, "cpu": {"shares": 512, "quota": 50000}, "pids": {"limit": 50}},
    "files": {"memory.max": str(64 * M), "pids.max": "50", "cpu.max": "50000 100000"},
    "rows": {
        "memory.limit": ["enforced", 64 * M],
        "pids.limit": ["enforced", 50],
        "cpu.quota": ["enforced", 500000],
        "cpu.weight": ["enforced", "59"],
    },
}


def test_audit_faults() -> None:
    """Each number is the file's, each verdict follows from it, and the container is found once."""
    assert _problems(AUDIT, ACCOUNTED) == []
    rows = AUDIT["rows"]
    wrong = [("memory.limit", ["enforced", 1]), ("cpu.quota", ["unknown", 500000]), ("cpu.weight", ["enforced", "100"])]
    for limit, row in wrong:
        assert len(_problems({**AUDIT, "rows": {**rows, limit: row}}, ACCOUNTED)) == 1, limit
    assert len(_problems({**AUDIT, "found": 2}, ACCOUNTED)) == 1
    assert len(_problems({**AUDIT, "asked": "nothing", "text": "EPERM"}, ACCOUNTED)) == 1
    changed = {**AUDIT, "asked": "changed"}
    assert _problems(changed, ACCOUNTED) == ["audit changed, runc cgshim: pids.max is 50"]
    files, row = {**AUDIT["files"], "pids.max": "max"}, ["changed since", -1]
    assert _problems({**changed, "files": files, "rows": {**rows, "pids.limit": row}}, ACCOUNTED) == []
    part = {**changed, "files": files, "outside": True}
    assert _problems({**part, "rows": {**rows, "pids.limit": ["unknown", -1]}}, ACCOUNTED) == []
    assert len(_problems({**part, "rows": {**rows, "pids.limit": row}}, ACCOUNTED)) == 1
    inner = {**changed, "files": files, "scope": {"pids.max": "1141"}}
    assert _problems({**inner, "rows": {**rows, "pids.limit": ["changed since", 1141]}}, ACCOUNTED) == []
    assert len(_problems({**inner, "rows": {**rows, "pids.limit": row}}, ACCOUNTED)) == 1
    on_v1 = {"memory.limit_in_bytes": str(64 * M), "cpu.cfs_quota_us": "5000", "cpu.cfs_period_us": "10000"}
    assert _problems({**AUDIT, "files": {**on_v1, "pids.max": "50"}}, ACCOUNTED) == []


def test_trace_faults() -> None:
    """Pages that are not counted, or are not its own; what is left behind; reasons that are not the right ones."""
    clean: dict[str, Any] = {"set": "trace", "instances": [], "triggers": [], "notes": []}
    counted = {**clean, "asked": "counted", "pages": 4826, "objects": 1521, "small": 0.997, "dropped": 0}
    assert traced(counted) == []
    assert traced({**counted, "pages": 4000}) == ["4000 pages of a process that touches 4096"]
    assert traced({**counted, "triggers": ["hist:x"]}) == ["left behind: ['hist:x']"]
    assert len(traced({**counted, "dropped": 1})) == 1
    killed = {**clean, "asked": "killed", "during": [], "before": ["/a"], "instance": "/a", "swept": ["/a"]}
    assert traced(killed) == []
    assert len(traced({**killed, "swept": []})) == 1
    assert len(traced({**killed, "during": ["/a"]})) == 1
    missing = {**clean, "asked": "missing", "text": "built without CONFIG_HIST_TRIGGERS"}
    assert traced(missing) == []
    assert traced({**missing, "text": "?"}) == ["no histograms: '?'"]
    closed = {"asked": "closed", "text": "it is not mounted ... mount -t tracefs tracefs /sys/kernel/tracing"}
    assert traced(closed) == []
    assert traced({**closed, "text": ""}) == ["without tracefs: ''"]
