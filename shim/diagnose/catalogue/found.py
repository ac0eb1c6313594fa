"""Problems without a message, found by a check before the start or after it."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
    Entry(
        code="oom-certain-at-start",
        title="the memory limit is below what the runtime needs to start anything",
        verdict="the memory limit of {limit} bytes kills {runtime} before the container starts",
        cause="{runtime} itself runs inside the limit until the container's process takes over.",
        remedy=(
            "Give the container at least 12 MiB.",
            "In Kubernetes check the suffix: m means thousandths of a byte, Mi mebibytes.",
        ),
        reference="https://github.com/opencontainers/runc/issues/1980",
    ),
    Entry(
        code="memory-oom-deadlock",
        title="the container is out of memory and its OOM killer is switched off",
        verdict="the container's cgroup is out of memory, and nothing is killed: its processes wait forever",
        cause="memory.disableOOMKiller is set (oom_kill_disable 1), so the kernel stops the processes instead of "
        "killing one (under_oom 1, oom_kill does not rise).",
        remedy=("echo 0 > {path}/memory.oom_control, or raise memory.limit_in_bytes, or kill a process",),
        reference="Linux Documentation/admin-guide/cgroup-v1/memory.rst, OOM Control",
    ),
    Entry(
        code="container-oom-killed",
        title="the kernel killed processes of the container for lack of memory",
        verdict="the kernel killed {count} process(es) of the container for lack of memory",
        cause="The cgroup reached its limit and nothing more could be reclaimed.",
        remedy=("Raise the memory limit, or find what uses the memory: memory.stat of the cgroup",),
        reference="Linux Documentation/admin-guide/cgroup-v2.rst, memory.events",
    ),
    Entry(
        code="mounts-left-on-host",
        title="the container has no mount namespace, so its mounts stay on the host",
        verdict="the container has no mount namespace: its {count} mount(s) are made on the host and stay there when "
        "it ends",
        cause="linux.namespaces of config.json has no mount namespace. The bare runtime then mounts in the host's and "
        "changes how the host's mounts propagate. Nothing is unmounted at the end.",
        remedy=(
            'Add {{"type": "mount"}} to linux.namespaces of config.json.',
            "To clean up: grep <the container's root> /proc/self/mountinfo, then umount -R each mount.",
        ),
        reference="OCI runtime-spec, config-linux.md, Namespaces",
    ),
)
