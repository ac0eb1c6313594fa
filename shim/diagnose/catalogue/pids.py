"""Limits on the number of processes."""

from __future__ import annotations

from shim.diagnose.checks import devices as look
from shim.diagnose.checks import said
from shim.diagnose.entry import EINVAL, WROTE, Entry, writing

PIDS = "Linux Documentation/admin-guide/cgroup-v1/pids.rst"

ENTRIES = (
    Entry(
        code="pids-limit-above-maximum",
        title="pids.limit is above the kernel's maximum",
        ambiguous=(WROTE + writing(r"pids\.max", EINVAL),),
        stated=said.too_many_pids,
        excluded=said.unless(said.too_many_pids),
        tell="is --pids-limit (compose: pids_limit; kubelet: podPidsLimit) above 4194304?",
        offer=1,
        verdict="pids.limit is above the kernel's maximum of 4194304 (EINVAL)",
        cause="The kernel cannot have more processes than that.",
        remedy=("Set pids.limit to -1 for no limit (docker: --pids-limit -1).",),
        reference=PIDS,
        confirm=look.pids_too_many,
    ),
    Entry(
        code="pids-limit-negative",
        title="crun before 1.13 cannot write pids.limit -1 on v1",
        ambiguous=(WROTE + writing(r"pids\.max", EINVAL),),
        stated=said.negative,
        excluded=said.unless(said.negative),
        tell="is --pids-limit (compose: pids_limit) negative? crun --version: before 1.13?",
        offer=2,
        verdict="this runtime cannot write a negative pids.limit (EINVAL)",
        cause="crun before 1.13 writes -1 unchanged on v1, but the kernel expects max.",
        remedy=("Remove pids.limit, which means no limit, or upgrade crun to 1.13 or later.",),
        reference=PIDS,
        confirm=look.pids_negative,
    ),
    Entry(
        code="pids-limit-zero",
        title="pids.limit 0 changed its meaning",
        ambiguous=(r"failed to create new OS thread \(have \d+ already; errno=11\)",),
        verdict="pids.limit 0 leaves no room for a single process: runc 1.4 takes it literally",
        cause="runc before 1.4, and every crun, read 0 as no limit. runc 1.4 and later write the smallest limit.",
        remedy=("Set pids.limit to -1 for no limit, or to a real number.",),
        reference="https://github.com/opencontainers/runc/issues/5332",
        confirm=look.pids_zero,
        tell="is pids.limit 0 in config.json, or --pids-limit 0 given?",
        offer=2,
        rank=40,
    ),
    Entry(
        code="pids-limit-reached",
        title="a pids limit on the path is used up",
        patterns=(
            r"unable to spawn stage-\d: resource temporarily unavailable",
            r"\bexec /[^\s:]+: resource temporarily unavailable",
        ),
        ambiguous=(
            r"pthread_create failed: resource temporarily unavail\w*",
            r"failed to create new OS thread \(have \d+ already; errno=11\)",
            r"\bBlockingIOError: \[Errno 11\] Resource temporarily unavailable",
            r"\b(?:clone|fork|fork/exec [^\n:]+|to fork(?:: \w+)?): resource temporarily unavailable",
        ),
        verdict="no more processes can be created here: a pids limit is used up (EAGAIN)",
        cause="The limit of an ancestor, systemd's TasksMax and the user's process limit also count the runtime.",
        remedy=(
            "Raise pids.max of the cgroup shown, or systemctl set-property UNIT TasksMax=NUMBER",
            "Days after the start: zombies that process 1 does not collect: docker run --init (compose: init: true).",
        ),
        reference="https://github.com/docker/for-linux/issues/343",
        confirm=look.pids_full,
        tell="grep -H . /sys/fs/cgroup/pids/*/pids.{{current,max}} /sys/fs/cgroup/*/pids.{{current,max}}; ulimit -u; "
        "sysctl kernel.threads-max kernel.pid_max",
        offer=1,
    ),
)
