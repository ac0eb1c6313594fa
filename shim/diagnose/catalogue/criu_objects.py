"""What CRIU cannot dump or restore, by the part of it that said so."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
    Entry(
        code="criu-object-not-supported",
        title="CRIU cannot dump or restore something that the container uses",
        ambiguous=(
            r"Error \((?:criu/)?(?:[\w-]+/)*(?P<file>[\w-]+\.c):\d+\): (?P<said>[^\n]+)",
            r"\((?P<file2>[\w-]+\.c):\d+\): Error[^\n]*",
        ),
        verdict="CRIU refused in {file}: {said}",
        cause="tty: a terminal from outside. sk-unix: a Unix socket whose other end is outside. files-reg: a deleted "
        "(ghost) file that is too large, or a file that changed or is missing at the restore. mount: a bind mount that "
        "CRIU was not told of. proc_parse, files-ext: a device (GPU, /dev/fuse) or mapping that it cannot save. tun, "
        "net, iptables: a kernel module is missing. cr-restore, pid: the id or file is taken.",
        remedy=(
            (
                "tty: start without -t; criu --shell-job. sk-unix: --ext-unix-sk. Ghost files: ghost-limit 100M. TCP: "
                "--tcp-established. Locks: --file-locks. These may stand in /etc/criu/default.conf (runc: "
                "/etc/criu/runc.conf), one a line, without dashes."
            ),
            "Restore: the same image, volumes and kernel; the files named must be as they were.",
            (
                "Devices: not without a plugin of CRIU (CUDA, amdgpu). Modules: modprobe tun, nf_tables, *_diag; criu "
                "check --all."
            ),
        ),
        reference="https://criu.org/What_cannot_be_checkpointed",
        tell="the first line with Error in dump.log (restore.log): that one is the reason",
        offer=2,
        last=True,
    ),
)
