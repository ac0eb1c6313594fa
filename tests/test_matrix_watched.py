"""The judge of the matrix's set `watch` finds what is wrong, and nothing where all is right."""

from __future__ import annotations

from typing import Any

import pytest

from integration.matrix import watched

M = 1 << 20


def _alert(kind: str, limit: int, **more: Any) -> dict[str, Any]:
    return {"alert_type": kind, "container_id": "c2", "engine": "runc", "limit_bytes": limit, **more}


def _figures(**figures: int) -> dict[str, Any]:
    names = ("usage", "working_set", "anonymous", "shmem", "file", "kernel")
    return {**dict.fromkeys(names, 0), **figures, "absent": {}, "sources": {"kernel": "memory.stat: kernel + sock"}}


VICTIM = {"name": "busybox", "pid": 9, "init": False, "usage": 32 * M}
WORKER: dict[str, Any] = {
    "asked": "worker",
    "version": "v2",
    "alive": True,
    "alerts": {
        "oom_kill": _alert("oom_kill", 32 * M, evidence={"victims": [VICTIM]}),
        "memory_max_hit": _alert("memory_max_hit", 32 * M, threshold_bytes=32 * M),
    },
}
NUMBERS: dict[str, Any] = {
    "asked": "numbers",
    "version": "v1",
    "steps": [["", 0, _figures()], ["file", 12 * M, _figures(usage=12 * M, file=12 * M)]],
}
RESTART: dict[str, Any] = {"asked": "restart", "version": "v1", "before": 0, "told": [[{"evidence": {"count": 1}}], []]}


LEAKS: dict[str, Any] = {
    "asked": "leaks",
    "version": "v2",
    "found": {
        "anonymous": {"verdict": "leak", "leaking": ["anonymous"], "kinds": {}},
        "shmem": {"verdict": "leak", "leaking": ["shmem"], "kinds": {}},
        "sockets": {"verdict": "leak", "leaking": ["kernel"], "kinds": {"kernel": ["leak", ""]}},
        "dentries": {"verdict": "leak", "leaking": ["kernel"], "kinds": {"kernel": ["leak", ""]}},
        "cache": {"verdict": "cache", "leaking": [], "kinds": {}},
        "steady": {"verdict": "steady", "leaking": [], "kinds": {}},
    },
}


def _leaks(name: str, **changes: Any) -> dict[str, Any]:
    return {**LEAKS, "found": {**LEAKS["found"], name: {**LEAKS["found"][name], **changes}}}


UNCOUNTED = _leaks("sockets", verdict="steady", leaking=[], kinds={})


@pytest.mark.parametrize("record", [WORKER, NUMBERS, RESTART, LEAKS, UNCOUNTED, {"asked": "worker", "version": ""}])
def test_what_is_right(record: dict[str, Any]) -> None:
    """No fault; and none on a kernel without a memory controller."""
    assert watched.faults(record) == []


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ({**WORKER, "alive": False}, "init alive False"),
        (_leaks("cache", verdict="leak", leaking=["file"]), "cache: leak, leaking ['file']: {}"),
        (_leaks("shmem", verdict="steady", leaking=[]), "shmem: steady, leaking []: {}"),
        (
            _leaks("dentries", verdict="steady", leaking=[], kinds={"kernel": ["steady", ""]}),
            "dentries: steady, leaking []: {'kernel': ['steady', '']}",
        ),
        ({**LEAKS, "found": {}}, "anonymous: not in the recording: []"),
        ({**WORKER, "alerts": {**WORKER["alerts"], "oom_kill": {}}}, "no alert oom_kill"),
        ({**WORKER, "problems": ["inotify"]}, "the watcher had a problem: inotify"),
        ({**RESTART, "told": [[], []]}, "kills told by three watchers: [0, 0, 0]"),
        ({**RESTART, "told": [[{"evidence": {"count": 1}}]] * 2}, "kills told by three watchers: [0, 1, 1]"),
        (
            {**NUMBERS, "steps": [["", 0, _figures()], ["file", 12 * M, _figures(usage=12 * M, anonymous=12 * M)]]},
            "file of 12582912 was taken, anonymous grew by 12582912, not 0",
        ),
        ({**NUMBERS, "text": "OSError: x"}, "OSError: x"),
    ],
)
def test_what_is_wrong(record: dict[str, Any], fault: str) -> None:
    """Each fault is named."""
    assert fault in " ".join(watched.faults(record))
