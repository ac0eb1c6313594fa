"""Checkpoint and restore: the runtime reports only "criu failed"; the cause is in CRIU's log."""

from __future__ import annotations

from shim.diagnose.checks import criu as look
from shim.diagnose.entry import EINVAL, ENOENT, EPERM, Entry

# runc from 1.2 and crun from 1.28 quote lines of the log before they report that CRIU failed.
QUOTING = r'--- (?:Quoting|excerpt from CRIU log) ["`](?P<log>[^"`\n]+)["`](?:\n[^\n]*)*?'
FAILED = (
    r"criu failed: type (?P<stage>\w+) errno \d+\s+log file: (?P<log>\S*[^\s:])",
    r"CRIU (?P<stage>checkpointing|restoring) failed -?\d+\.?\s+Please check CRIU logfile `?(?P<log>[^\s`]*[^\s`:])",
    rf"{QUOTING}\n(?:criu failed: type (?P<stage>\w+) errno|CRIU (?P<stage2>checkpointing|restoring) failed: -?\d)",
)


def logged(line: str) -> str:
    """Match a line of CRIU's log, with the log's name if a runtime quotes the line."""
    return f"(?:{QUOTING})?{line}"


TID = logged(r"seccomp: Can't find entry on tid_real (?P<tid>\d+)")
TRACED = r"(?:Unseizable non-zombie (?P<tid>\d+) found|zombie (?P<tid2>\d+) \(comm [^)\n]*\) found while seizing)"
CHECK = "criu check --all names what is missing"

ENTRIES = (
    Entry(
        code="criu-plugin-against-freezer",
        title="the CUDA plugin of CRIU does not work with a frozen container",
        patterns=(logged(r"One or more plugins are incompatible with the freezer cgroup"),),
        ambiguous=(TID, *FAILED),
        verdict="CRIU's CUDA plugin refuses the frozen container, and CRIU 4.0 then fails with a "
        "misleading seccomp error",
        cause="The engine freezes the container before the dump, and the plugin cannot work with that. CRIU 4.0 loses "
        "the error, continues without any task, and fails in its seccomp code. Seccomp, users and capabilities are "
        "not at fault, and the container need not use a GPU.",
        remedy=(
            "Upgrade CRIU to 4.1 or later: criu --version (only 4.0 is affected; 3.19 has no such plugin)",
            "or move the plugin away if no GPU is used: mv /usr/lib/criu/cuda_plugin.so /root/",
        ),
        reference="https://github.com/checkpoint-restore/criu/issues/2508",
        confirm=look.incompatible_plugin,
        rank=20,
    ),
    Entry(
        code="criu-task-not-seized",
        title="CRIU could not seize the container's processes",
        patterns=(TID, logged(TRACED)),
        ambiguous=FAILED,
        verdict="CRIU could not seize the container's processes",
        cause="CRIU attaches to every process as a debugger does, and a process can have only one: strace, gdb or a "
        "profiler is in the way. If only the seccomp collector complains, the cause is earlier in the log. With CRIU "
        "4.0 it is often a plugin that refuses a frozen container.",
        remedy=(
            "grep TracerPid /proc/<pid>/status names the debugger; end it",
            "grep -n Error dump.log | sort -u -k 2; criu --version; ls /usr/lib/criu/*.so",
        ),
        reference="https://github.com/checkpoint-restore/criu/pull/2514",
        confirm=look.logged(rf"Can't find entry on tid_real|{TRACED}"),
        rank=40,
    ),
    Entry(
        code="criu-seccomp-not-supported",
        title="the kernel cannot suspend or dump seccomp",
        patterns=(
            logged(rf"suspending seccomp failed: (?:{EINVAL}|{EPERM})"),
            logged(r"Kernel doesn't support PTRACE_O_SUSPEND_SECCOMP"),
            logged(r"Dumping seccomp filters not supported"),
        ),
        ambiguous=FAILED,
        verdict="CRIU cannot suspend seccomp: the kernel does not support it, or CRIU lacks the permission",
        cause="It needs CONFIG_CHECKPOINT_RESTORE, Linux 4.3 or later, and CAP_SYS_ADMIN. A seccomp filter on CRIU "
        "itself forbids it, too.",
        remedy=(CHECK, "or start the container with --security-opt seccomp=unconfined before the checkpoint"),
        reference="https://github.com/checkpoint-restore/criu/issues/112",
        confirm=look.logged(r"suspending seccomp failed"),
        rank=45,
    ),
    Entry(
        code="criu-seccomp-mode-unknown",
        title="CRIU meets a seccomp mode that it does not know",
        patterns=(
            logged(r"seccomp: Unknown seccomp mode (?P<mode>-?\d+)"),
            logged(r"SECCOMP_MODE_FILTER not currently supported"),
        ),
        ambiguous=FAILED,
        verdict="CRIU does not know the seccomp mode of the container's processes",
        cause="The checkpoint was made by a newer CRIU, or the CRIU in use is older than seccomp filters (1.8).",
        remedy=("Use the same CRIU version for checkpoint and restore: criu --version",),
        reference="https://github.com/checkpoint-restore/criu/issues/25",
        confirm=look.logged(r"Unknown seccomp mode|SECCOMP_MODE_FILTER"),
        rank=45,
    ),
    Entry(
        code="criu-older-than-kernel",
        title="CRIU does not understand this kernel's vDSO",
        patterns=(logged(r"vdso: Unexpected rt vDSO area bounds"), logged(r"Failed to fill self vdso symtable")),
        ambiguous=FAILED,
        verdict="this CRIU is too old for this kernel: it does not understand the kernel's vDSO",
        cause="The layout of the vDSO changes between kernels, and CRIU must know it to start at all.",
        remedy=("Upgrade CRIU: criu --version; uname -r; criu check",),
        reference="https://github.com/checkpoint-restore/criu/releases",
        confirm=look.logged(r"vDSO area bounds|vdso symtable"),
        rank=42,
    ),
    Entry(
        code="criu-kernel-features-missing",
        title="the kernel lacks what CRIU needs",
        patterns=(
            logged(r"Could not initialize kernel features detection"),
            logged(r"\w+ failed when initializing kerndat"),
            logged(r"some kernel features are missing"),
        ),
        ambiguous=FAILED,
        verdict="CRIU cannot work here: its detection of kernel features failed",
        cause="The kernel lacks CONFIG_CHECKPOINT_RESTORE or a feature that this CRIU needs, or CRIU lacks the "
        "permission to check.",
        remedy=(CHECK, "grep CHECKPOINT_RESTORE /boot/config-$(uname -r)"),
        reference="https://criu.org/Linux_kernel",
        confirm=look.reasons(r"initializing kerndat|kernel features"),
        rank=44,
    ),
    Entry(
        code="criu-not-installed",
        title="CRIU is not installed",
        patterns=(
            rf"CRIU version check failed: fork/exec (?P<path>\S+): {ENOENT}",
            r"CRIU version check failed: exec: \\?\"criu\\?\": executable (?:file )?not found",
            rf"Can't exec criu swrk: {ENOENT}",
            r"could not load `?(?P<library>libcriu\.so[.\d]*)",
        ),
        verdict="CRIU, which runtimes need for checkpoints, is not installed or not where {runtime} looks for it",
        cause="Runtimes call CRIU for checkpoint and restore. It is a package of its own.",
        remedy=(
            "apt-get install criu, and libcriu2 for crun (dnf install criu criu-libs)",
            "runc: --criu <path> names another location",
        ),
        reference="https://criu.org/Installation",
        confirm=look.no_criu,
    ),
    Entry(
        code="criu-does-not-answer",
        title="the program that is called as CRIU does not answer",
        patterns=(
            r"CRIU version check failed: (?:read|write) criu-xprt-cln",
            r"CRIU: failed checking version",
        ),
        verdict="the program called as CRIU ended without an answer",
        cause="CRIU crashed at its start, or the file is another program.",
        remedy=("criu --version; criu check",),
        reference="https://criu.org/Check_the_kernel",
    ),
    Entry(
        code="criu-too-old",
        title="the runtime needs a newer CRIU",
        patterns=(
            r"CRIU version (?P<version>\d+) must be (?P<needed>\d+) or higher",
            r"libcriu is too old",
            r"requires at least CRIU (?P<needed3>\d+)",
            r"CRIU version too old\.? need at least (?P<needed2>[\d.]+)",
        ),
        verdict="this CRIU is older than {runtime} needs",
        cause="The interface between runtime and CRIU has a minimum version.",
        remedy=("Upgrade CRIU: criu --version",),
        reference="https://criu.org/Installation",
    ),
    Entry(
        code="criu-tcp-connection",
        title="CRIU dumps open TCP connections only if asked",
        patterns=(logged(r"Connected TCP socket, consider using --tcp-established"),),
        ambiguous=FAILED,
        verdict="the container has open TCP connections, which CRIU dumps only with --tcp-established",
        cause="A restored connection needs the same address, so CRIU has an option for it.",
        remedy=("podman container checkpoint --tcp-established; runc checkpoint --tcp-established",),
        reference="https://criu.org/TCP_connection",
        confirm=look.logged(r"Connected TCP socket"),
        rank=45,
    ),
    Entry(
        code="criu-external-mount",
        title="a mount of the container is not known to CRIU",
        patterns=(
            logged(r"mnt: \d+:[^\n]* doesn't have a proper root mount"),
            logged(r"mnt: Mount \d+ [^\n]* has unreachable sharing"),
            r"unable to resolve external bind mount `(?P<path>[^`\n]*)` under rootfs",
        ),
        ambiguous=(
            *FAILED,
            rf"\bstat `?(?P<source>/[^\n:\"`]*)`?: {ENOENT}",  # at the restore, before CRIU is called
            rf"\bmount src=(?P<source>/[^\n,]*), dst=[^\n]*: {ENOENT}",
        ),
        verdict="CRIU cannot find the other side of one of the container's mounts",
        cause="A mount from outside must be declared as external, and must exist again at the restore. Below "
        "/sys/fs/cgroup it is the engine's own mount, which old kernels and CRIU cannot look behind.",
        remedy=(
            "Make the mount's source and destination exist as at the checkpoint; keep its path unchanged.",
            "A mount that came into the running container from outside: unmount it before the checkpoint.",
            "Below /sys/fs/cgroup: upgrade CRIU, the engine and the kernel.",
        ),
        reference="https://criu.org/External_bind_mounts",
        confirm=look.external_mount,
        rank=45,
    ),
    Entry(
        code="criu-pid-in-use",
        title="a PID of the checkpoint is already in use",
        patterns=(
            logged(r"Can't fork for (?P<pid>\d+): File exists"),
            logged(r"Pid (?P<pid2>\d+) do(?:es)? not match expected"),
        ),
        ambiguous=FAILED,
        verdict="a process ID of the checkpoint is already in use",
        cause="A restored process keeps its ID. Without a PID namespace of its own, it needs the same ID on the host.",
        remedy=("Stop the original container first, or restore into a PID namespace of its own.",),
        reference="https://criu.org/When_C/R_fails",
        confirm=look.logged(r"Can't fork for \d+: File exists|not match expected"),
        rank=45,
    ),
    Entry(
        code="criu-network-lock",
        title="CRIU cannot lock the container's network",
        patterns=(logged(r"Locking network failed"),),
        ambiguous=FAILED,
        verdict="CRIU cannot lock the container's network namespace while it saves it: its firewall program fails",
        cause="CRIU drops packets with iptables-restore and ip6tables-restore, or with nftables if configured. This "
        "needs the program, and netfilter with the mark match in the kernel.",
        remedy=(
            "apt-get install iptables (dnf install iptables)",
            "or echo 'network-lock nftables' >> /etc/criu/runc.conf (CRIU 3.17 and later; crun.conf for crun)",
        ),
        reference="https://criu.org/CLI/opt/--network-lock",
        confirm=look.reasons(r"Locking network failed"),
        rank=45,
    ),
    Entry(
        code="checkpoint-image-missing",
        title="there is no checkpoint to restore",
        patterns=(rf"\bopen(?:ing file)? `?(?P<path>/[^\s`]*/descriptors\.json)`?(?: for reading)?: {ENOENT}",),
        ambiguous=FAILED,
        verdict="{runtime} finds no checkpoint at the place to restore from",
        cause="The checkpoint was saved elsewhere, failed, or was deleted. descriptors.json is a file that runtimes "
        "add to it.",
        remedy=("Give --image-path of the checkpoint: ls <image-path>/inventory.img <image-path>/descriptors.json",),
        reference="https://github.com/opencontainers/runc/blob/main/docs/checkpoint-restore.md",
        confirm=look.no_image,
        rank=45,
    ),
    Entry(
        code="runtime-without-criu",
        title="the runtime was built without CRIU",
        patterns=(
            r"unknown command (?:checkpoint|restore)",
            r"Checkpoint/Restore not supported|CRIU support not built in",
        ),
        verdict="{runtime} was built without checkpoint and restore",
        cause="Some distributions build crun without CRIU. crun --version shows +CRIU if it is included.",
        remedy=("Use runc for this container, or a crun built with CRIU.",),
        reference="https://github.com/containers/crun",
    ),
    Entry(
        code="criu-failed",
        title="CRIU failed for another reason",
        patterns=(
            *FAILED,
            r"criu failed: type (?P<stage>\w+) errno \d+",
            r"CRIU (?P<stage>checkpointing|restoring) failed:? -?\d+",
        ),
        verdict="CRIU failed ({stage}); the first errors of its log give the reason",
        cause="Runtimes do not pass on CRIU's reason. It is in {log}.",
        remedy=("grep -n Error {log} | head", CHECK),
        reference="https://criu.org/When_C/R_fails",
        confirm=look.first_error,
        rank=70,
    ),
    Entry(
        code="criu-cgroups-not-restored",
        title="CRIU cannot restore the cgroups of the checkpoint",
        patterns=(
            r"cg: Can't mount (?P<path3>[^\n]*cgyard[^\n]*)",
            r"Can't mount cgyard[^\n]*",
            r"cg: (?:Can't|Failed to|Unable to) [^\n]+",
            r"cg: Can't move (?:\d+ )?into (?P<path>\S+)",
            r"cg: Failed (?:closing|writing) (?P<path2>[^\n]+)",
            r"cg: Restoring [^\n]* failed",
        ),
        verdict="CRIU cannot restore the cgroup of the checkpoint, or one of its values: {path}",
        cause="CRIU restores the cgroups of the checkpoint, although the runtime has already created one for the "
        "container. It fails if the layout or the name differs, or if this host refuses a limit.",
        remedy=(
            "Leave the cgroups to the runtime: runc restore --manage-cgroups-mode ignore (since 1.2).",
            "Restore on a host with the same cgroup layout, and upgrade CRIU.",
        ),
        reference="https://github.com/opencontainers/runc/pull/3447",
        rank=58,
    ),
)
