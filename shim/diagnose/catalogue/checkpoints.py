"""What podman, docker and runtimes say about a checkpoint that failed, besides CRIU's own words."""

from __future__ import annotations

from shim.diagnose.entry import Entry

CRIU_PODMAN = "https://criu.org/Podman"
CALL = r"(?:crun|runc|youki)\b[^\n`]{0,60} (?:checkpoint|restore) [^\n`]*"

ENTRIES = (
    Entry(
        code="checkpoint-needs-root",
        title="a rootless container cannot be checkpointed or restored",
        patterns=(
            rf"{CALL}--image-path (?P<path>(?:/var)?/home/\S+)",
            r"(?:checkpoint|restor)ing a container requires root",
            (
                r"[Cc]heckpoint(?:ing)?(?:/restore)?[^\n]*(?:not (?:supported|available)[^\n]*rootless|requires? "
                r"root)[^\n]*"
            ),
            r"Must be root to (?:checkpoint|restore)",
        ),
        verdict="this container belongs to a user: CRIU checkpoints and restores need root",
        cause="CRIU needs CAP_CHECKPOINT_RESTORE and more over the processes and namespaces. podman supports it for "
        "root's containers alone.",
        remedy=(
            "Make and checkpoint it as root: sudo podman run ...; sudo podman container checkpoint NAME",
            "podman machine (macOS, Windows): podman machine set --rootful, and start it again.",
        ),
        reference=CRIU_PODMAN,
        rank=20,
    ),
    Entry(
        code="checkpoint-option-refused",
        title="podman refuses to checkpoint this container as it was started",
        patterns=(
            r"cannot checkpoint containers that have been started with '--rm'[^\n]*",
            r"cannot (?:export checkpoints of|checkpoint) containers? [^\n]*(?:depend|terminal|--rm|volumes)[^\n]*",
            r"configured runtime does not support checkpoint/restore",
            r"a complete checkpoint for this container cannot be found, cannot restore[^\n]*",
            r"is not running, cannot checkpoint[^\n]*|is running or paused, cannot restore[^\n]*",
        ),
        verdict="podman refuses the checkpoint or restore: the container's options or state do not allow it",
        cause="With --rm the container, and its checkpoint, would be removed; a container in a pod, or with others "
        "that depend on it, cannot be exported; the runtime (crun without CRIU, runsc) may not support it; or it is "
        "not in the state for it.",
        remedy=(
            (
                "--rm: podman container checkpoint --export FILE.tar.gz NAME; restore: podman container restore "
                "--import FILE.tar.gz"
            ),
            "Runtime: podman --runtime runc (package criu, or crun +CRIU in crun --version).",
        ),
        reference=CRIU_PODMAN,
        rank=40,
    ),
    Entry(
        code="checkpoint-log-has-reason",
        title="the runtime says only that the checkpoint or restore failed",
        ambiguous=(
            rf"{CALL}`? failed: exit status \d+",
            r"(?:[Ff]ailed to|[Cc]annot|could not) (?:checkpoint|restore) container(?! with containerd)[^\n]*",
            r"criu\.c:? ?do_(?:dump|restore)[^\n]*|(?:Checkpointing|Restoring) \S+ failed|snapshot dump failed",
        ),
        verdict="the checkpoint or restore failed; CRIU's log has the reason",
        cause="dump.log or restore.log is in the directory behind --work-path. Usual: established TCP connections, a "
        "terminal or socket from outside, external mounts, a kernel or CRIU that is too old, no right to it "
        "(rootless).",
        remedy=(
            "grep -n Error <work-path>/dump.log (restore.log) | head; then cgshimctl explain with these lines.",
            "podman: --tcp-established, --file-locks; podman --log-level=debug; keep the log with --keep.",
        ),
        reference=CRIU_PODMAN,
        tell="criu check; id -u; grep -n Error dump.log",
        offer=3,
        last=True,
    ),
)
