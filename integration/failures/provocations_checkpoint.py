"""The rows of `integration.failures.provocations` about checkpoints: CRIU absent, silent, too old, or refusing."""

from __future__ import annotations

import base64

from integration.failures.provocations import RUNNING, Provocation, crun, nothing, runc, sleeping

IMAGE = ("--image-path", "$TOP/image", "--work-path", "$TOP/work")
CHECKPOINT = ("checkpoint", *IMAGE, "$ID")
RESTORE = ("restore", *IMAGE, "$ID")

# A CRIU that answers the question for its version with 2.9 (criu/images/rpc.proto: type VERSION, success, 2, 9).
ANSWER = bytes((8, 10, 16, 1, 82, 4, 8, 2, 16, 9))
OLD = (
    "#!/usr/bin/python3\nimport socket, sys\ns = socket.socket(fileno=int(sys.argv[2]))\n"
    f"s.recv(65536)\ns.send({ANSWER!r})\n"
)
OLD_CRIU = f"mkdir $TOP/old; echo {base64.b64encode(OLD.encode()).decode()} | base64 -d > $TOP/old/criu; "
OLD_CRIU += "chmod 755 $TOP/old/criu"
# The runtime's directory with nothing but the runtime.
NO_CRIU = "mkdir $TOP/sbin; cp $(command -v runc) $TOP/sbin; mount --bind $TOP/sbin /usr/sbin"

# Without CRIU, or with something else in its place.
CRIU = (
    Provocation(
        "criu-elsewhere",
        sleeping(),
        runc("criu-not-installed", "/nonexistent/criu: absent"),
        prepare=RUNNING,
        flags=("--criu", "/nonexistent/criu"),
        call=CHECKPOINT,
    ),
    Provocation(
        "criu-absent",
        sleeping(),
        runc("criu-not-installed", "/usr/sbin/criu: absent"),
        prepare=f"{NO_CRIU}; {RUNNING}",
        call=CHECKPOINT,
    ),
    Provocation(
        "criu-silent",
        sleeping(),
        runc("criu-does-not-answer"),
        prepare=RUNNING,
        flags=("--criu", "/bin/false"),
        call=CHECKPOINT,
    ),
    Provocation(
        "criu-2.9",
        sleeping(),
        runc("criu-too-old"),
        prepare=f"{OLD_CRIU}; {RUNNING}",
        flags=("--criu", "../old/criu"),
        call=CHECKPOINT,
    ),
    Provocation("crun-plain", nothing, crun("runtime-without-criu"), call=CHECKPOINT),
    Provocation(
        "no-image",
        nothing,
        runc("checkpoint-image-missing", "$TOP/image/descriptors.json: absent"),
        call=RESTORE,
    ),
    # What CRIU 3.17 finds out of the kernel before it comes to the vDSO, which it does not understand here.
    Provocation(
        "criu-sysctl",
        sleeping(),
        runc("criu-kernel-features-missing", "Can't open sysctl kernel/cap_last_cap: No such file or directory"),
        prepare=f"{RUNNING}; mount -t tmpfs tmpfs /proc/sys/kernel",
        call=CHECKPOINT,
    ),
    Provocation(
        "criu-loopback",
        sleeping(),
        runc("criu-kernel-features-missing", "Unable to connect a socket: Network is unreachable"),
        prepare=RUNNING,
        before=("unshare", "--net"),
        call=CHECKPOINT,
    ),
)
# A CRIU that is older than the kernel.
NEWER_KERNEL = (
    Provocation(
        "criu-vdso",
        sleeping(),
        runc("criu-older-than-kernel", "vdso: Unexpected rt vDSO area bounds"),
        prepare=RUNNING,
        call=CHECKPOINT,
    ),
)
