"""Families of failures: words that runtimes can print, and that no other entry knows, get the answer of their errno."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from shim.cli.explain import context
from shim.diagnose.catalogue import ENTRIES
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.explain import explain

if TYPE_CHECKING:
    from shim.diagnose.entry import Entry

# Formats as the sources have them, filled in: runc's libcontainer/cgroups/file.go ("failed to write %q: %w", 1.1.0 on)
# and crun's src/libcrun/cgroup.c, linux.c and seccomp.c ("write `%s`", 0.20 on; "write to `%s`", 1.8.7 on).
PRINTED = (
    ("Could not create the sandbox resource controller slice is not valid", "kata-sandbox-cgroup-refused"),
    ("error in executing command: failed to create container: Cgroup(V1(Manager(x)))", "youki-step-failed"),
    ("systemd[1]: Couldn't move remaining userspace processes, ignoring: Input/output error", "systemd-goes-on"),
    (
        "Error: crun: write `/sys/fs/cgroup/a/io.weight`: Read-only file system: OCI runtime error",
        "cgroup-not-writable",
    ),
    (
        'failed to write "1": write /sys/fs/cgroup/a/cgroup.procs: resource temporarily unavailable',
        "cgroup-room-missing",
    ),
    ("Error: crun: cannot destroy subsystem `memory` at path `/a`: Device or resource busy", "cgroup-busy"),
    ("Error: crun: write to `/proc/self/oom_score_adj`: Read-only file system", "proc-path-refused"),
    (
        'error mounting "x" to rootfs at "/y": mount x:/y, flags: 0x0: function not implemented',
        "mount-refused-by-kernel",
    ),
    (
        "systemd[1]: a.scope: Couldn't move process 4242 to requested cgroup '/a.scope': Operation not supported",
        "cgroup-operation-unsupported",
    ),
    ("[conmon:e]: Failed to bind to console-socket: Invalid argument", "conmon-step-failed"),
    ("Error: crun: mount `tmpfs` to `tmp`: Cannot allocate memory", "mount-without-memory"),
    ("Error: crun: setrlimit `RLIMIT_NOFILE`: Invalid argument", "rlimit-soft-above-hard"),
    ("Error: crun: seccomp GET_NOTIF_SIZES: Invalid argument", "seccomp-filter-failed"),
    (  # runc's libcontainer/rootfs_linux.go until 1.0
        'starting process caused "rootfs_linux.go:56: creating device nodes caused \\"operation not permitted"',
        "runc-step-refused",
    ),
)


@pytest.mark.parametrize(("text", "code"), PRINTED)
def test_words_of_a_source_get_the_answer_of_their_errno(text: str, code: str) -> None:
    """Nothing is confirmed: the words say no more than the errno does."""
    found = explain(text, context(Elsewhere(), text, "", None))
    assert (found.code, found.confirmed) == (code, False)


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.last], ids=lambda entry: entry.code)
def test_what_is_asked_last_claims_nothing(entry: Entry) -> None:
    """Such an entry only ever offers: it has words that are ambiguous, and nothing that confirms it."""
    assert entry.ambiguous
    assert not entry.patterns
    assert entry.confirm is None


@pytest.mark.parametrize(
    "words",
    [
        "write /sys/fs/cgroup/memory/x/memory.max ",
        "failed to create cgroup /a ",
        "Couldn't move process 1 to requested cgroup '/a ",
        "mount `cgroup` to `/sys/fs/cgroup/",
        "memory.max: ",
        "memory.",
        "pasta failed with exit code 1  ",
    ],
)
def test_a_long_line_of_the_same_words_ends(words: str) -> None:
    """No two parts of a pattern match the same characters: such a line took minutes, then hours."""
    text = words * (2000 // len(words))
    started = time.process_time()
    explain(text, context(Elsewhere(), text, "", None))
    assert time.process_time() - started < 20  # seconds; a hundredth of it is usual
