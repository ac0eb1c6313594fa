"""What CRIU cannot dump or restore, by the part of it that said so."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EPERM, Entry

LIMITS = "https://criu.org/What_cannot_be_checkpointed"
FIRST = "the first line with Error in dump.log (restore.log): that one is the reason"
CONFIG = "/etc/criu/default.conf (runc: /etc/criu/runc.conf), one option a line, without dashes"


def said(files: str) -> str:
    """Match an error line of one of CRIU's source files; groups `file` and `said`."""
    return rf"Error \((?:\w+/)*(?P<file>{files})\.c:\d+\): (?P<said>[^\n]+)"


ENTRIES = (
    Entry(
        code="criu-parasite-refused",
        title="CRIU may not work inside the container's processes",
        patterns=(
            rf"infect\.c:\d+\): [^\n]*(?:{EACCES}|{EPERM})",
            r"parasite-syscall\.c:\d+\): Unable to connect[^\n]*",
        ),
        verdict="CRIU's helper inside a process may not connect back: a security module or filter forbids it",
        cause="CRIU puts code into each process, which talks to it over a socket. AppArmor's profile of the container "
        "(LXC, docker), SELinux, or a filter of system calls keeps it from doing so.",
        remedy=(
            (
                "dmesg | grep -i denied names the profile. LXC: lxc.apparmor.profile = unconfined; docker: "
                "--security-opt apparmor=unconfined; then start the container again, and checkpoint it."
            ),
            "Upgrade CRIU and LXC: newer profiles allow it.",
        ),
        reference="https://github.com/checkpoint-restore/criu/issues/552",
        rank=49,
    ),
    Entry(
        code="criu-terminal-outside",
        title="CRIU cannot save a terminal that comes from outside",
        patterns=(said("tty"),),
        verdict="CRIU cannot save the container's terminal: its other end is outside",
        cause="A container with -t, and LXC's consoles, have a terminal whose master belongs to the engine or the "
        "host.",
        remedy=(
            (
                "docker, podman: start the container without -t. LXC: lxc.console.path = none, lxc.tty.max = 0 (older: "
                "lxc.console = none, lxc.tty = 0), lxc.pty.max as needed; restart it."
            ),
            f"criu by hand: --shell-job. Engines: shell-job in {CONFIG}.",
        ),
        reference="https://criu.org/LXC",
        tell=FIRST,
        rank=55,
    ),
    Entry(
        code="criu-socket-not-saved",
        title="CRIU cannot save a socket of the container",
        patterns=(said(r"(?:sk-unix|sk-inet|sk-netlink|sk-packet|sockets|sk-queue)"),),
        verdict="CRIU cannot save a socket of the container: {said}",
        cause="A Unix socket is connected to a process outside (the journal, D-Bus, the engine), or data was in it, or "
        "a connection was just opening or closing. Old CRIU versions know fewer kinds (netlink with data, for one).",
        remedy=(
            (
                "Try again when the service is quiet; upgrade CRIU; take the mount of the host's socket out of the "
                "container."
            ),
            f"podman: --tcp-established. Others: ext-unix-sk, tcp-established, tcp-close in {CONFIG}.",
        ),
        reference=LIMITS,
        tell=FIRST,
        rank=55,
    ),
    Entry(
        code="criu-file-not-saved",
        title="CRIU cannot save, or find again, a file of the container",
        patterns=(said(r"(?:files-reg|files|files-ext|fifo|eventfd|inotify|fsnotify|bfd|file-lock|file-ids)"),),
        verdict="CRIU cannot save or restore an open file: {said}",
        cause="A deleted file that is still open (ghost) is larger than 1 MiB; a lock; a device (GPU, /dev/fuse) that "
        "no plugin saves; an inotify watch; or, at the restore, a file that is missing or has other size or mode: "
        "another image, an empty volume.",
        remedy=(
            f"ghost-limit 100M, file-locks, link-remap in {CONFIG}; podman: --file-locks.",
            (
                "Restore: the same image and volumes; podman container checkpoint --export takes changed files along "
                "(without --ignore-rootfs)."
            ),
        ),
        reference=LIMITS,
        tell=FIRST,
        rank=55,
    ),
    Entry(
        code="criu-object-not-supported",
        title="CRIU cannot dump or restore something that the container uses",
        ambiguous=(said(r"[\w-]+"), r"\((?P<file2>[\w-]+\.c):\d+\): Error[^\n]*"),
        verdict="CRIU refused in {file}.c: {said}",
        cause="mount: a bind mount that CRIU was not told of. proc_parse, mem: a device or mapping that it cannot "
        "save. tun, net, iptables, sockets: a kernel module is missing. cr-restore, pid: an id or file is taken; lines "
        "with cr-dump.c only say that it failed.",
        remedy=(
            "podman and runc name their mounts to CRIU; by hand: --external mnt[/path]:name, or --ext-mount-map auto.",
            "criu check --all; modprobe tun nf_tables and *_diag; upgrade CRIU: newer ones save more.",
        ),
        reference=LIMITS,
        tell=FIRST,
        offer=2,
        last=True,
    ),
    Entry(
        code="criu-finds-no-mount-of-program",
        title="CRIU does not find the mount of a container's own program (Ubuntu's overlayfs)",
        patterns=(r"Can't lookup mount=\d+ for fd=-3 path=(?P<path>/(?!tmp/)[^\s(]+)(?! \(deleted\))",),
        verdict="CRIU does not find the mount that {path} of the container comes from",
        cause="Kernels of Ubuntu (from 5.0 on) have changes of their own in overlayfs: for a mapped file they show a "
        "mount "
        "that the container does not have. A checkpoint then fails for every container on overlay2.",
        remedy=(
            (
                "Another kernel: a mainline one, one of Debian or Fedora, or a newer one of Ubuntu; then try the same "
                "again."
            ),
            (
                'Or without overlayfs: docker: "storage-driver": "vfs" (or btrfs, zfs) in daemon.json; podman '
                "--storage-driver vfs."
            ),
        ),
        reference="https://github.com/checkpoint-restore/criu/issues/860",
        tell="uname -v: Ubuntu? docker info -f '{{{{.Driver}}}}': overlay2?",
        rank=30,
    ),
)
