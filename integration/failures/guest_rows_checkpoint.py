"""Rows for guests in which CRIU works: what it refuses to save or to bring back, and what runtimes say of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.failures.provocations import Provocation, both, crun, mounting, nothing, process, runc, sleeping
from integration.failures.provocations_checkpoint import CHECKPOINT, IMAGE, NO_CRIU, OLD_CRIU, RESTORE
from integration.failures.provocations_mounts import together

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.failures.provocations import Config

# A running container whose standard streams are pipes and /dev/null, as an engine's are: CRIU can bring those back.
# It looks at the host's /dev/pts where the container has one.
DEVPTS = "mkdir -p /dev/pts; [ -e /dev/pts/ptmx ] || mount -t devpts devpts /dev/pts"
PIPED = (
    f"{DEVPTS}; cd $TOP/bundle; $RUNTIME run --detach --pid-file $TOP/pid $ID </dev/null 2>&1 | "
    "cat >$TOP/output 2>&1 & until [ -s $TOP/pid ] && $RUNTIME state $ID 2>&1 | grep -q running; do sleep 0.2; done; "
    "cd - >/dev/null; pid=$(cat $TOP/pid)"
)
SAVED = (
    f"{PIPED}; $RUNTIME checkpoint {' '.join(IMAGE)} $ID >$TOP/saving 2>&1 || "
    f"{{ cat $TOP/saving; grep Error {IMAGE[-1]}/dump.log; exit 1; }}"
)
# The next process gets the number after this one; no other is started in between by a shell that does nothing else.
OCCUPIED = (
    "until [ -d /proc/$pid ]; do echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid; sleep 60 >$TOP/output 2>&1 & done"
)
# PTRACE_SEIZE, which lasts through exec(2).
TRACE = (
    "import ctypes, os, sys; pid = int(open(sys.argv[1]).read()); "
    "assert ctypes.CDLL(None).ptrace(0x4206, pid, None, None) == 0; os.execvp(sys.argv[2], sys.argv[2:])"
)
TRACED = ("python3", "-c", TRACE, "$TOP/pid")
# prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER) with one instruction, SECCOMP_RET_ALLOW: as in a container with a filter.
FILTER = (
    "import ctypes, os, struct, sys; code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000)); "
    "program = ctypes.create_string_buffer(struct.pack('HxxxxxxP', 1, ctypes.addressof(code))); "
    "assert ctypes.CDLL(None).prctl(22, 2, program) == 0; os.execvp(sys.argv[1], sys.argv[1:])"
)
# thread_core_entry.seccomp_mode (criu/images/core.proto) 2, a filter, becomes 7, which no CRIU knows: an image by a
# later one.
MODE = (
    "import sys; name = sys.argv[1] + '/core-1.img'; data = open(name, 'rb').read(); old = bytes((88, 2, 96, 0)); "
    "assert data.count(old) == 1; open(name, 'wb').write(data.replace(old, bytes((88, 7, 96, 0))))"
)
TALK = "sleep 300 | busybox nc -l -p 7777 & sleep 1; while :; do sleep 300 | busybox nc 127.0.0.1 7777; done"
# What the mount at b shows of its file system is all that is left of that in the container.
COVERED = (
    "cd /tmp; busybox mkdir a b; busybox mount -t tmpfs t a; busybox mkdir a/s; busybox mount --bind a/s b; "
    "busybox umount a"
)
OTHER_CRIU = ("env", "PATH=$TOP/old:/usr/sbin:/usr/bin:/sbin:/bin")


def without(*kinds: str) -> Callable[[Config], None]:
    """No namespace of these kinds."""

    def change(config: Config) -> None:
        config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] not in kinds]

    return change


def with_filter(config: Config) -> None:
    """A container with a seccomp filter."""
    denied = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denied]}


def saving(
    name: str, expect: dict[str, tuple[str, str]], *changes: Callable[[Config], None], **more: str
) -> Provocation:
    """A checkpoint of a container in the guest's own network, where CRIU has no firewall program to look for."""
    changes = (sleeping(), *changes, without("network"))
    return Provocation(name, together(*changes), expect, "host", more.get("prepare", PIPED), call=CHECKPOINT)


def restoring(
    name: str, expect: dict[str, tuple[str, str]], *changes: Callable[[Config], None], prepare: str
) -> Provocation:
    """The same, and what is done before it is brought back."""
    return saving(name, expect, *changes, prepare=f"{SAVED}; {prepare}")._replace(call=RESTORE)


CHECKPOINTS = (
    Provocation(
        "criu-network", sleeping(), both("criu-network-lock", "Locking network failed"), "host", PIPED, call=CHECKPOINT
    ),
    saving(
        "criu-file",
        both("criu-failed", "Can't lookup mount="),
        prepare=f"{DEVPTS}; cd $TOP/bundle; $RUNTIME run --detach $ID >$TOP/output 2>&1; cd - >/dev/null",
    ),
    saving(
        "criu-tcp",
        both("criu-tcp-connection", "inet: Connected TCP socket, consider using --tcp-established option."),
        process(args=["/bin/sh", "-c", TALK]),
        prepare=f"{PIPED}; until grep -q ' 0100007F:1E61 01 ' /proc/net/tcp; do sleep 0.2; done",
    ),
    saving(
        "criu-propagated",
        runc("criu-external-mount", "has unreachable sharing. Try --enable-external-masters."),
        mounting("/d", "bind", "$TOP/shared", "rbind", "rslave"),
        prepare="mkdir $TOP/shared; mount --bind $TOP/shared $TOP/shared; mount --make-shared $TOP/shared; "
        f"{PIPED}; mkdir $TOP/shared/sub; mount -t tmpfs tmpfs $TOP/shared/sub",
    ),
    saving(
        "criu-covered",
        both("criu-external-mount", "doesn't have a proper root mount"),
        prepare=f"{PIPED}; nsenter --target $pid --mount --root /bin/busybox sh -c '{COVERED}'",
    ),
    saving("criu-traced", both("criu-task-not-seized", "Unseizable non-zombie"))._replace(before=TRACED),
    saving(
        "criu-filtered",
        both("criu-seccomp-not-supported", "suspending seccomp failed: Operation not permitted"),
        with_filter,
    )._replace(before=("python3", "-c", FILTER)),
    saving(
        "criu-old",
        both("criu-too-old"),
        prepare=f"{OLD_CRIU}; {PIPED}",
    )._replace(before=OTHER_CRIU),
    saving("criu-absent", both("criu-not-installed", "/usr/sbin/criu: absent"), prepare=f"{NO_CRIU}; {PIPED}"),
    saving(
        "criu-silent",
        both("criu-does-not-answer"),
        prepare=f"mkdir $TOP/old; ln -s /bin/false $TOP/old/criu; {PIPED}",
    )._replace(before=OTHER_CRIU),
    saving(
        "criu-sysctl",
        both("criu-kernel-features-missing", "Can't open sysctl kernel/cap_last_cap"),
        prepare=f"{PIPED}; rm -f /run/criu.kdat; mount -t tmpfs tmpfs /proc/sys/kernel",
    ),
    restoring("restore-pid", both("criu-pid-in-use", "File exists"), without("pid"), prepare=OCCUPIED),
    restoring(
        "restore-external",
        both("criu-external-mount", "$TOP/src: absent"),
        mounting("/d", "bind", "$TOP/src", "bind"),
        prepare="rmdir $TOP/src",
    ),
    restoring(
        "restore-mode",
        both("criu-seccomp-mode-unknown", "seccomp: Unknown seccomp mode 7 on tid 1"),
        with_filter,
        prepare=f'python3 -c "{MODE}" $TOP/image',
    ),
    restoring(
        "restore-inventory",
        both("checkpoint-image-missing", "(empty-image)"),
        prepare="rm $TOP/image/inventory.img",
    ),
    Provocation(
        "restore-nothing",
        nothing,
        both("checkpoint-image-missing", "$TOP/image/descriptors.json: absent"),
        "host",
        "mkdir $TOP/image",
        call=RESTORE,
    ),
)
OLDER = tuple(row._replace(expect={"runc": row.expect["runc"]}) for row in CHECKPOINTS)
# CRIU 4.2 takes a process that it may not interrupt for a zombie.
NEWER = tuple(
    row._replace(expect=both("criu-task-not-seized", "(comm sleep) found while seizing"))
    if row.name == "criu-traced"
    else row
    for row in CHECKPOINTS
)
# A crun that knows CRIU, on a system without it.
NO_LIBRARY = (
    Provocation(
        "no-libcriu",
        sleeping(),
        crun("criu-not-installed", "libcriu.so.2: absent"),
        "host",
        PIPED,
        call=CHECKPOINT,
    ),
)
