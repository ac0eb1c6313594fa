"""containerd's shims: where containerd looks for them, their versions, why one does not start or answer."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

SHIM = r"[\w./-]*containerd-shim[\w.-]*"

ENTRIES = (
    Entry(
        code="shim-not-found",
        title="containerd does not find the program of its shim on the host",
        patterns=(
            rf"exec: \\*\"?(?P<program>{SHIM})\\*\"?: executable file not found in \$PATH",
            rf"\bfork/exec (?P<program2>{SHIM}): {ENOENT}",
            rf"binary not installed \\*\"?(?P<program3>{SHIM})\\*\"?: file does not exist",
        ),
        verdict="containerd cannot start {program} on the host; it is not about the image",
        cause="containerd looks for it in the PATH of its own unit, and beside itself. Environment= in the unit "
        "without a PATH (a proxy, for example), a package that is installed only in part, or a runtime that is "
        "configured and not installed. Where the file is there, the working directory is gone: /run/containerd was "
        "cleared while containerd ran.",
        remedy=(
            (
                "command -v {program}; systemctl show containerd -p Environment: with a PATH of its own it must have "
                "/usr/local/bin:/usr/bin too; then systemctl daemon-reload, systemctl restart containerd."
            ),
            "kata, gVisor, wasm: install containerd-shim-NAME-v2 in /usr/local/bin, or correct runtime_type.",
        ),
        reference="https://github.com/containerd/containerd/issues/2481",
        tell="ls -l the program, and the PATH in tr '\\0' '\\n' < /proc/$(pgrep -o -x containerd)/environ",
        rank=14,
    ),
    Entry(
        code="shim-of-other-version",
        title="containerd, its shim, the runtime or the client are of different versions",
        patterns=(
            r"unsupported shim version \(\d+\)",
            r"unknown service containerd\.(?:task|runtime|services)\.[\w.]+",
            r"ttrpc: (?:cannot marshal unknown type|(?:err: )?unknown service)[^\n]*",
            (
                r"(?:runtime|shim) \"?io\.containerd\.(?:runtime\.v1\.linux|runc\.v1)\"?[^\n]*"
                r"(?:not found|removed|not supported|unknown)[^\n]*"
            ),
            (
                r"json: cannot unmarshal \w+ into Go (?:value of type \[\]string|struct field "
                r"(?:Spec|Process|Linux|Root|Mount|Hook)\w*\.[^\n]*)"
            ),
        ),
        verdict="containerd runs in one version, and its shim (or its client) is of another: it was not restarted",
        cause="An upgrade replaced the programs while the daemon kept running, or two containerds are installed "
        "(of the distribution and of Docker, k3s, microk8s), and one finds the other's shim. 'json: cannot "
        "unmarshal' of a container's configuration: the runtime is too old for it.",
        remedy=(
            "systemctl restart containerd docker (k3s, rke2, microk8s.daemon-containerd); containers keep running.",
            "type -a containerd containerd-shim-runc-v2 runc crun; each --version: take all of them from one source.",
        ),
        reference="https://github.com/containerd/containerd/issues/10984",
        rank=42,
    ),
    Entry(
        code="shim-built-without-v1",
        title="a shim for WebAssembly was built for cgroup2 only",
        patterns=(r"v1 cgroup feature is required, but was not enabled during compile time",),
        verdict="the shim was built without cgroup v1, and takes this host for one with v1",
        cause="Shims of runwasi (Spin, Wasmtime, WasmEdge) use youki's libcontainer without its part for v1. It also "
        "takes a hybrid host for v1: v1 hierarchies and cgroup2 at /sys/fs/cgroup/unified (WSL, older distributions, "
        "nodes of kind and k3d on them).",
        remedy=(
            (
                "Use cgroup2 alone: systemd.unified_cgroup_hierarchy=1; WSL: kernelCommandLine = cgroup_no_v1=all in "
                ".wslconfig; colima, Lima: a newer image."
            ),
            "Or a version of the shim that is built with v1.",
        ),
        reference="https://github.com/containerd/runwasi/issues/288",
        tell="stat -fc %T /sys/fs/cgroup in the node: cgroup2fs is cgroup2 alone, tmpfs v1 or hybrid",
        rank=40,
    ),
    Entry(
        code="shim-not-started",
        title="containerd's shim ends while it starts",
        ambiguous=(r"failed to start shim: (?:start failed: )?(?P<said>[^\n\"]{2,200}?)(?:: unknown)?\"?$",),
        verdict="containerd's shim did not start: {said}",
        cause="The last words are the shim's own. Usual: its directory or socket below /run/containerd is left over "
        "(file exists, address in use), the disk of /run is full, no memory or processes are left on the host, or "
        "the runtime's options in config.toml do not fit this shim.",
        remedy=(
            "df -h /run; free -m; ls /run/containerd/io.containerd.runtime.v2.task: containers that no longer run.",
            "journalctl -u containerd -e; systemctl restart containerd; drain and reboot the node.",
        ),
        tell="ctr -n k8s.io tasks ls: does the same id run already?",
        reference="https://github.com/containerd/containerd/blob/main/core/runtime/v2/README.md",
        offer=3,
        last=True,
    ),
    Entry(
        code="shim-socket-refused",
        title="containerd's shim cannot make its socket",
        patterns=(
            (
                r"(?:shim socket|listen): [^\n]{0,40}listen unix (?P<path>\S*/s/[0-9a-f]{64})(?:\.\w+)?: bind: "
                r"(?P<reason>[^\n:]+)"
            ),
            r"(?:create new|opening) shim socket: listen unix (?P<path2>\S+): bind: (?P<reason2>[^\n:]+)",
        ),
        verdict="containerd's shim cannot make its socket {path}: {reason}",
        cause="Permission denied: containerd runs rootless and sees the host's /run/containerd instead of one of its "
        "own. Address already in use: a shim of the same container still runs. No such file: something cleared "
        "/run/containerd/s. Invalid argument: the path is longer than 107 characters.",
        remedy=(
            "Rootless: containerd-rootless-setuptool.sh, or the unit k3s-rootless: they mount a /run of their own.",
            "In use: pgrep -af 'containerd-shim.*ID', kill it, and delete the pod, so that it gets another id.",
            "Missing: systemctl restart containerd. Too long: a shorter state directory in config.toml.",
        ),
        reference="https://github.com/containerd/containerd/blob/main/core/runtime/v2/README.md",
        tell="ls -ld /run/containerd /run/containerd/s as containerd's user; pgrep -af containerd-shim | wc -l",
        rank=35,
    ),
    Entry(
        code="shim-does-not-answer",
        title="a shim does not tell containerd the state of its container",
        patterns=(
            r"get state for \S+ error=\"?context deadline exceeded[^\n]*",
            r"failed to get (?:task|shim) (?:status|state|info)[^\n]*context deadline exceeded[^\n]*",
        ),
        verdict="containerd asks the shim for the container's state, and gets no answer within two seconds",
        cause="The node is overloaded (CPU, disk, memory that swaps or is reclaimed), a process in the container hangs "
        "(state D), or the shim itself is stuck. Probes, exec and kubectl logs then fail by time, and the node may "
        "become NotReady.",
        remedy=(
            "uptime; iostat -x 1; cat /proc/pressure/*: relieve the node, and reserve for it (systemReserved).",
            "One container only: kill its shim (pgrep -af 'containerd-shim.*ID'), then delete the pod.",
            "Upgrade containerd and runc; as a last step drain and reboot the node.",
        ),
        reference="https://github.com/containerd/containerd/issues/8982",
        tell="ps -eo pid,stat,wchan:30,cmd | awk '$2 ~ /D/'; time ctr -n k8s.io tasks ls",
        rank=60,
    ),
    Entry(
        code="shim-ended-notice",
        title="containerd notes that a container's shim has ended",
        ambiguous=(r"(?:cleaning up after )?shim disconnected\b", r"cleaning up dead shim"),
        verdict="a notice: containerd's shim of this container has ended, as it does whenever a container ends",
        cause="Each container has a shim, which ends after it. The lines say nothing of why the container ended. If "
        "docker ps still shows it as running, the shim was killed (out of memory, kill, an upgrade of containerd).",
        remedy=(
            (
                "docker inspect NAME: State.ExitCode, State.OOMKilled, State.Error; docker logs NAME: explain what "
                "it says."
            ),
            "Still running in the list: docker rm -f, or restart docker; journalctl -k | grep -i killed.",
        ),
        reference="https://github.com/moby/moby/issues/47757",
        tell="docker events --since 10m --filter container=NAME",
        rank=84,
        offer=1,
        last=True,
    ),
    Entry(
        code="runtime-cannot-be-loaded",
        title="the OCI runtime cannot be loaded (exit status 127)",
        patterns=(r"(?P<program>runc|crun|[\w./-]*/runc) did not terminate suc+ess?ful+y: exit status 127\b",),
        verdict="{program} cannot be loaded: it ended with status 127 before its first line",
        cause="127 comes from the dynamic loader: a library of {program} is missing or too old. Mostly libseccomp "
        "before 2.4 (CentOS 7), with a runc from another source than the distribution.",
        remedy=(
            "{program} --version names the library or the symbol; ldd $(command -v {program})",
            "Upgrade libseccomp (2.5 or later), or use the distribution's runc, or the static one of the runc project.",
        ),
        reference="https://github.com/opencontainers/runc/releases",
        tell="{program} --version; rpm -q libseccomp, or dpkg -l libseccomp2",
        rank=57,
    ),
)
