"""Runtimes and schedulers beside the usual ones: Kata's guests, sysbox, Nomad's drivers."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ECONNREFUSED, ENOENT, Entry

KATA = "https://github.com/kata-containers/kata-containers/blob/main/docs/how-to/how-to-set-sandbox-config-kata.md"

ENTRIES = (
    Entry(
        code="kata-resources-not-added",
        title="Kata cannot give its virtual machine the CPUs or the memory of a limit",
        patterns=(
            r"[Uu]nable to hotplug \d+ MiB memory[^\n]*",
            r"failed to hot ?(?:add|plug) (?:v?CPUs?|memory)[^\n]*",
            (
                r"(?:query-hotpluggable-cpus|hot-?plug(?:ging)?)[^\n]*(?:not enabled|not support(?:ed)?|does not "
                r"support)[^\n]*"
            ),
            r"[Uu]nable to hotplug memory device[^\n]*|(?:msg=\"hotplug (?:memory|cpu)\"|hotplug \w+ failed)[^\n]*",
            r"(?:vcpus?|memory)[^\n]{0,60}(?:greater|larger|more|exceeds?)[^\n]{0,40}(?:max_?vcpus|maximum|default_maxmemory)",
        ),
        verdict="Kata could not add the CPUs or the memory of the container's limits to the running virtual machine",
        cause="Kata starts a small machine and adds what the limits ask for. The limit is above what the host has or "
        "default_maxvcpus, default_maxmemory allow; or this kind of machine adds nothing later (arm64's virt, "
        "Firecracker, a confidential guest).",
        remedy=(
            "static_sandbox_resource_mgmt=true in configuration.toml: the machine is made with its full size at once.",
            (
                "Or larger from the start: default_vcpus, default_memory (also as annotations of the pod), and "
                "no higher limit than the node has."
            ),
            "Or without limits for CPU and memory in that pod; upgrade Kata.",
        ),
        reference=KATA,
        tell="journalctl -t kata | grep -i hotplug; uname -m; kata-runtime env | grep -i -A3 hypervisor",
        rank=30,
    ),
    Entry(
        code="kata-sandbox-cgroup-refused",
        title="Kata cannot make the cgroup of its sandbox on the host",
        ambiguous=(
            r"[Cc]ould not create the sandbox (?:cgroup|resource controller)[^\n]*",
            r"failed to add (?:hypervisor|shim) (?:PID|pid)[^\n]*cgroup[^\n]*",
        ),
        verdict="Kata could not make, or enter, the cgroup of the sandbox on the host",
        cause="Engine and Kata use different cgroup drivers (a path of the form slice:prefix:name, or none), this "
        "version does not know cgroup2 (before 2.5), or the parent is threaded or gone.",
        remedy=(
            "One driver: SystemdCgroup = true of containerd with Kata 3, or cgroupfs everywhere with older ones.",
            "sandbox_cgroup_only=true in configuration.toml (needed on cgroup2); upgrade Kata.",
        ),
        reference="https://github.com/kata-containers/kata-containers/blob/main/docs/design/host-cgroups.md",
        tell="stat -fc %T /sys/fs/cgroup; grep sandbox_cgroup_only configuration.toml; kata-runtime --version",
        offer=2,
        last=True,
    ),
    Entry(
        code="sysbox-daemon-not-reachable",
        title="sysbox-runc does not reach sysbox's daemons",
        patterns=(
            r"failed to register with sysbox-(?:mgr|fs)[^\n]*",
            rf"/run/sysbox/sys(?:mgr|fs)\.sock: (?:connect: )?(?:{ENOENT}|{ECONNREFUSED}|{EACCES})",
            (
                r"sysbox-(?:mgr|fs)[^\n]*(?:grpc|rpc error)[^\n]*(?:[Uu]navailable|connection "
                r"error|DeadlineExceeded)[^\n]*"
            ),
        ),
        verdict="sysbox-runc could not reach sysbox-mgr or sysbox-fs, which do a part of its work",
        cause="The service sysbox is not running: it was not started (built from source, WSL), ended with an "
        "error of its own, or is busy (a huge image is shifted, so that the call times out).",
        remedy=(
            (
                "systemctl restart sysbox; systemctl status sysbox sysbox-mgr sysbox-fs; journalctl -u sysbox-mgr -u "
                "sysbox-fs -e shows why it ended."
            ),
            "It hangs at the check of shiftfs: sysbox-mgr --disable-shiftfs in its unit (kernel 5.12 or later).",
            "Restart docker (or CRI-O) after it.",
        ),
        reference="https://github.com/nestybox/sysbox/blob/master/docs/user-guide/troubleshoot.md",
        rank=30,
    ),
    Entry(
        code="youki-step-failed",
        title="youki failed at a step that its log names",
        ambiguous=(
            r"error in executing command: [^\n]*",
            r"(?:crates/)?(?:libcontainer|libcgroups)(?:::|/)\w[^\n]*(?:failed|error)[^\n]*",
            r"Error: failed to (?:create|start|run|exec|delete|kill) container\b[^\n]*\s+Caused by",
            r"(?i:\byouki\b)[^\n]*(?:failed|error)[^\n]*",
        ),
        verdict="youki could not do this; the last of its causes is the kernel's or systemd's answer",
        cause="Usual: cgroups that it may not write (rootless without a session, another container), its systemd "
        "driver on v1 or without a D-Bus session, a kernel that is too old (clone3), a field of config.json that "
        "it does not know.",
        remedy=(
            "youki --debug create ... (RUST_BACKTRACE=1): explain the last line below Caused by.",
            "youki info shows cgroup version and features. The same bundle with runc or crun: does it start?",
        ),
        reference="https://github.com/youki-dev/youki/blob/main/docs/src/user/basic_usage.md",
        tell="youki info; runc run -b the same bundle",
        offer=3,
        last=True,
    ),
)
