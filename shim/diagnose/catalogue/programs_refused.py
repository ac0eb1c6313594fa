"""Programs in a container that the kernel refuses a call: tracing, and programs with capabilities in their file."""

from __future__ import annotations

from shim.diagnose.entry import EPERM, Entry

ENTRIES = (
    Entry(
        code="tracing-not-allowed",
        title="a program in the container may not trace or measure processes",
        patterns=(
            rf"ptrace\(PTRACE_\w+[^\n]*\): {EPERM}",
            r"Access to performance monitoring and observability operations is limited",
            r"(?:No permission to enable|You may not have permission to collect) [^\n]*(?:event|stats)[^\n]*",
        ),
        verdict="strace, gdb, perf and their like are not allowed in this container",
        cause="ptrace needs CAP_SYS_PTRACE in the container, or the same user and no yama (kernel.yama.ptrace_scope of "
        "the host); docker's seccomp filter allowed it without only from Linux 4.8 on. perf needs CAP_PERFMON or "
        "CAP_SYS_ADMIN and the call perf_event_open, which the filter forbids, and kernel.perf_event_paranoid of "
        "the host.",
        remedy=(
            "docker run --cap-add=SYS_PTRACE (compose: cap_add; Kubernetes: securityContext.capabilities.add).",
            (
                "perf: --cap-add=PERFMON (docker 20.10 and Linux 5.8; before: SYS_ADMIN), and on the host sysctl -w "
                "kernel.perf_event_paranoid=1."
            ),
            "A container that runs: from the host, nsenter is not needed: strace -p PID there.",
        ),
        reference="https://docs.kernel.org/admin-guide/perf-security.html",
        ours=False,
        rank=44,
    ),
    Entry(
        code="file-capability-not-held",
        title="a program has capabilities in its file that the container does not have",
        ambiguous=(rf"^(?:/bin/)?(?:sh|ash|bash|dash): (?:\d+: )?(?:line \d+: )?/[\w./-]+: {EPERM}",),
        verdict="the kernel does not execute a program whose file asks for a capability outside the container's set",
        cause="A file with effective capabilities (getcap) can be executed only where all of them are in the "
        "bounding set: "
        "ping with cap_net_raw, loolmount and coolmount with cap_sys_admin, in a container with --cap-drop or without "
        "--cap-add.",
        remedy=(
            "getcap on the file; then --cap-add for what it names, or setcap -r on it in the image.",
            "Collabora's mount program is only faster: without it, it copies.",
        ),
        reference="capabilities(7), File capabilities",
        tell="getcap FILE; grep CapBnd /proc/self/status",
        offer=2,
        ours=False,
    ),
)
