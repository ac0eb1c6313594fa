"""Session keys, seccomp and the early steps of a runtime's own init process."""

from __future__ import annotations

from shim.diagnose.checks import nested
from shim.diagnose.entry import EACCES, EDQUOT, EINVAL, ENOSYS, EPERM, Entry

KEYRING = r"\b(?:create|join)(?:ing)? (?:session )?key(?:ring)?(?: `[^`\n]*`)?"
NO_KEYRING = (
    "podman: keyring = false under [containers] in containers.conf. runc and crun: --no-new-keyring (containerd: "
    "NoNewKeyring = true in the runtime's options)"
)
KILLED = "journalctl -k | grep -iE 'denied|seccomp|segfault|oom' shows who ended the runtime's process"
PIPE = (
    r"(?:write (?:init-p|parent): broken pipe|read (?:init-p|parent): connection reset by peer"
    r"|(?:writing|sending) config to (?:pipe|init process)[^\n]*broken pipe"
    r"|copying bootstrap data to pipe[^\n]*(?:broken pipe|EOF)|container init exited prematurely"
    r"|getting pipe fds for pid \d+ caused"
    r"|cannot start a (?:stopped process|container that has (?:run and )?stopped)"
    r"|(?:executing setns process|exec setns process for init) caused:? \"?exit status \d+"
    r"|container init caused:? ?(?:\\*\"\\*\"|\Z))"
)
CHILD_PID = (
    r"waiting for init preliminary setup[^\n]*(?:caused)?:? \\*\"?EOF|getting the final child's pid from pipe caused:? "
    r"\"?EOF|can't get final child's PID from pipe: EOF"
)

ENTRIES = (
    Entry(
        code="session-key-quota",
        title="the user has no session key left",
        patterns=(rf"{KEYRING}[^\n]*: {EDQUOT}",),
        verdict="cannot create a session key: the quota of keys is used up (EDQUOT)",
        cause="A runtime creates one kernel key per container. The kernel counts the keys per user, over all "
        "containers (200 by default).",
        remedy=(
            (
                "sysctl -w kernel.keys.maxkeys=20000 kernel.keys.maxbytes=1000000 (for root: kernel.keys.root_maxkeys "
                "and root_maxbytes)"
            ),
            "To keep it: write the same into /etc/sysctl.d/90-keys.conf",
            f"Or create no keys. {NO_KEYRING}",
        ),
        reference="https://github.com/moby/moby/issues/22865",
        tell="cat /proc/key-users: the third number is keys in use, the quota is in /proc/sys/kernel/keys/",
        confirm=nested.session_keys,
    ),
    Entry(
        code="session-key-refused",
        title="the kernel's key service is blocked",
        patterns=(rf"{KEYRING}[^\n]*: (?:{EPERM}|{EACCES}|{ENOSYS})", r"could not create session key\"?$"),
        verdict="cannot create a session key: keyctl is blocked here",
        cause="An outer container (LXC, ChromeOS, a sandbox) or its seccomp profile forbids the keyctl system call, or "
        "the kernel has no keys (CONFIG_KEYS).",
        remedy=(
            (
                "Proxmox: pct set <id> --features keyctl=1,nesting=1, then restart the container. LXD, Incus: "
                "security.syscalls.intercept or security.nesting=true"
            ),
            f"Or create no keys. {NO_KEYRING}",
        ),
        reference="https://github.com/containers/podman/issues/11037",
    ),
    Entry(
        code="label-attribute-refused",
        title="the kernel refuses to set the process's key or exec label",
        patterns=(rf"(?:reset|write(?: to)?) `?/proc/(?:self|thread-self)/attr/keycreate`?: (?:{EPERM}|{EACCES})",),
        verdict="the kernel refuses a write to /proc/self/attr/keycreate",
        cause="The write sets the SELinux label of keys. The policy for containers is older than the runtime "
        "(container-selinux before 2.91 on RHEL and CentOS 7), or an outer container refuses it. Release candidates of "
        "Linux 5.13 refused it to everybody by mistake.",
        remedy=(
            "yum update container-selinux (2.91 or later). Linux 5.13-rc, 5.12.9: another kernel, or crun 0.20.1.",
            (
                "Or start without labels: podman run --security-opt label=disable; podman also has keyring = false in "
                "containers.conf."
            ),
        ),
        reference="https://github.com/containers/podman/issues/10623",
    ),
    Entry(
        code="seccomp-jit-memory",
        title="the kernel has no memory left for compiled seccomp filters",
        patterns=(
            r"loading seccomp filter[^\n]*: (?:errno 524|unknown error 524)",
            r"seccomp[^\n]*\berr(?:no|or) 524\b",
            r"error loading seccomp filter into kernel: (?:e[a-z ]*)?(?:\u2026|\.\.\.|\?|$)",  # cut off by the kubelet
        ),
        verdict="the seccomp filter cannot be loaded (errno 524): the memory for compiled BPF programs is used up",
        cause="524 is the kernel's ENOTSUPP. Its BPF compiler returns it when net.core.bpf_jit_limit is reached. Each "
        "container has a filter, and some kernels (5.10 and 5.15 among them) lose memory when containers end.",
        remedy=(
            "sysctl -w net.core.bpf_jit_limit=528482304; to keep it, write it into /etc/sysctl.d/90-bpf.conf",
            "Upgrade the kernel. A reboot frees the lost memory.",
        ),
        reference="https://github.com/awslabs/amazon-eks-ami/issues/1179",
        tell="sysctl net.core.bpf_jit_limit; grep bpf_jit /proc/vmallocinfo | awk '{{s+=$2}} END {{print s}}' shows "
        "the usage",
    ),
    Entry(
        code="seccomp-rule-refused",
        title="the runtime cannot translate a rule of the seccomp profile",
        patterns=(
            (
                rf"error adding seccomp (?:filter )?rule for syscall (?P<call>\w+): "
                rf"(?:{EACCES}|{EINVAL}|[^\n]*default action[^\n]*)"
            ),
        ),
        verdict="the runtime cannot add the seccomp rule for {call}",
        cause="The engine's profile is newer than the runtime and its libseccomp. They do not support a rule with an "
        "errno of its own (clone3), or the rule repeats the default action (bdflush).",
        remedy=(
            "Upgrade runc to 1.0.2 or later (Docker's package: containerd.io) and libseccomp to 2.5 or later.",
            "Or give an older profile: --security-opt seccomp=profile.json",
        ),
        reference="https://github.com/containerd/containerd/issues/6203",
    ),
    Entry(
        code="seccomp-not-supported",
        title="kernel or runtime has no seccomp, and the container has a profile",
        patterns=(
            r"SECCOMP_FILTER_FLAG_NEW_LISTENER[`']?(?: flag is)? not supported",
            r"seccomp notify support not available",
            r"seccomp is not enabled (?:in your kernel|on your system|in your docker daemon)",
            r"seccomp profiles are not supported on this daemon",
            r"seccomp (?:support )?(?:is )?not (?:compiled in|supported)",
            rf"prctl\(PR_SET_SECCOMP\)[^\n]*: {EINVAL}",
        ),
        verdict="the container has a seccomp profile, but this kernel or runtime has no seccomp",
        cause="The kernel lacks CONFIG_SECCOMP_FILTER, or the runtime was built without it.",
        remedy=(
            (
                "docker, podman: --security-opt seccomp=unconfined (the container then has no filter). Kubernetes: "
                "seccompProfile: type: Unconfined."
            ),
            "Or use a kernel with it: grep SECCOMP_FILTER /boot/config-$(uname -r); runc --version names seccomp.",
        ),
        reference="https://github.com/moby/moby/issues/43730",
    ),
    Entry(
        code="seccomp-load-refused",
        title="the kernel refuses the seccomp filter",
        patterns=(
            r"lxc_seccomp_load[^\n]*Error loading the seccomp policy",
            r"could not load seccomp policy",
            rf"error loading seccomp filter[^\n]*: (?:{EACCES}|{EPERM}|{EINVAL}|[^\n]*not supported)",
            rf"\bseccomp \(SECCOMP_SET_MODE_FILTER\): (?:{EACCES}|{EPERM}|{EINVAL})",
        ),
        verdict="the kernel refuses the container's seccomp filter",
        cause="An outer container or sandbox forbids filters (EACCES, EPERM), or the kernel does not know a flag or "
        "action of the profile (EINVAL).",
        remedy=(
            (
                "Inside another container: start that one with --security-opt seccomp=unconfined and "
                "no-new-privileges unset."
            ),
            "Or start this one with --security-opt seccomp=unconfined.",
        ),
        reference="seccomp(2), ERRORS",
        rank=55,
    ),
    Entry(
        code="seccomp-agent-unreachable",
        title="the seccomp agent does not listen",
        patterns=(
            r"failed to connect with seccomp agent[^\n]*",
            r"open seccomp receiver[^\n]*",
        ),
        verdict="the seccomp agent of linux.seccomp.listenerPath cannot be reached",
        cause="The profile passes system calls to a program of the user, and nothing listens on its socket.",
        remedy=("Start the agent before the container, or remove listenerPath and the SCMP_ACT_NOTIFY rules.",),
        reference="OCI runtime-spec, config-linux.md, Seccomp",
        ours=False,
    ),
    Entry(
        code="runtime-cannot-copy-itself",
        title="runc or crun cannot make the protected copy of itself that it runs from",
        patterns=(
            r"could not create sealable file for cloned binary",
            r"(?:O_TMPFILE creation failed|unlinking classic tmpfile|could not seal fd|copied binary size mismatch)",
            r"attempted to spawn a container with no /proc/self/exe protection",
            r"could not ensure we are a cloned binary",
            r"Failed to re-execute libcrun via memory file descriptor",
            (
                r"(?:failed|unable|could not) to (?:create|make|get) (?:a )?(?:sealed |cloned |safe "
                r")?(?:memfd|/proc/self/exe)"
            ),
            r"unable to (?:create|clone)[^\n]*(?:cloned binary|/proc/self/exe clone)",
        ),
        verdict="the runtime cannot make the protected copy of its own program from which containers start",
        cause="Since CVE-2019-5736 runc and crun run from a sealed copy of itself. It needs a working /proc, and "
        "either memfd_create (Linux 3.17) or a directory without noexec for a file without a name (O_TMPFILE).",
        remedy=(
            "Mount /proc where runc runs, and make /tmp or /run a tmpfs without noexec: findmnt -T /tmp",
            "Kernels before 3.17 (some NAS and VPS): upgrade the kernel, or runc to 1.1.13 or later.",
        ),
        reference="https://github.com/opencontainers/runc/issues/2552",
        rank=20,
    ),
    Entry(
        code="user-namespaces-switched-off",
        title="user namespaces are switched off, so the runtime's init process cannot start",
        ambiguous=(CHILD_PID, r"running exec setns process for init caused:? \\*\"?exit status 1\b"),
        verdict="the runtime's init process ended before it had a namespace: user namespaces may be switched off",
        cause="runc reports only that the pipe to its child was closed (EOF). If the container has a user namespace "
        "(rootless, userns-remap, sysbox), the likely reason is that the kernel refuses it: CentOS and RHEL 7 switch "
        "user namespaces off. docker 19.03.15 and 20.10.3 closed /var/lib/docker, which stopped sysbox until 0.3.",
        remedy=(
            (
                "sysctl -w user.max_user_namespaces=15000; Debian: also kernel.unprivileged_userns_clone=1; Ubuntu "
                "24.04: kernel.apparmor_restrict_unprivileged_userns=0"
            ),
        ),
        reference="https://github.com/moby/moby/issues/40835, https://github.com/nestybox/sysbox/issues/202",
        tell="sysctl user.max_user_namespaces: 0 means off; unshare --user true tries it",
        confirm=nested.no_user_namespaces,
        offer=1,
        rank=40,
    ),
    Entry(
        code="no-process-left-for-runtime",
        title="the host has no process, or no unbroken memory, left for another container",
        ambiguous=(CHILD_PID,),
        verdict="the runtime could not make a child: the host may have no process or no unbroken memory left",
        cause="A rented server has a limit of processes, pid_max is used up, or an old kernel (3.10) finds no pages "
        "side by "
        "side because caches fill the memory. Some containers start, others do not; a reboot helps for days.",
        remedy=(
            (
                "Caches: sync; echo 3 > /proc/sys/vm/drop_caches, then start it again. For good: a newer kernel, more "
                "memory."
            ),
            (
                "OpenVZ, Virtuozzo: fewer containers, or more numproc from the provider. pid_max: sysctl -w "
                "kernel.pid_max=4194304"
            ),
        ),
        reference="https://github.com/docker/for-linux/issues/825",
        tell="cat /proc/user_beancounters (numproc, failcnt); cat /proc/buddyinfo (zeros at the right); sysctl "
        "kernel.pid_max",
        offer=2,
        rank=62,
    ),
    Entry(
        code="runtime-init-ended",
        title="the runtime's init process ended before it was set up",
        patterns=(r"container process is already dead",),
        ambiguous=(
            r"(?:failed to sync with(?! dbus proxy)|unexpected sync) (?:child|parent|patent|grandchild)?[^\n]*",
            r"exec fifo is empty|procReady not received",
            r"read (?:pid |status )?from sync socket",
            r"parent closed synchronisation channel",
            r"decoding (?:init error|sync type) from pipe(?: caused)?:? \\*\"?EOF",
            r"sync socket closed",
            PIPE,
            CHILD_PID,
            r"sync socket: (?:broken pipe|connection reset by peer)",
        ),
        confirm=nested.ended_by_kernel,
        verdict="the runtime's init process ended before it was set up: another process ended it, or it could not run",
        cause="The message only reports that the process is gone. A security module, a seccomp filter around the "
        "engine, a hook, a memory limit or a full pids limit can end it; rootless also an --oom-score-adj below, or a "
        "--ulimit above, the caller's own.",
        remedy=(
            (
                "Rootless podman, distrobox with runc: install crun and use it (podman --runtime crun; podman "
                "system migrate)."
            ),
            "runc 1.4.0: upgrade to 1.4.1 (a container stops between create and start).",
            (
                "A seccomp profile of your own: try --security-opt seccomp=unconfined; the runtime needs calls "
                "that it must allow."
            ),
            "Start it once by hand as the engine's user: runc --debug run, and read the first error.",
        ),
        reference="https://github.com/containers/podman/issues/13987",
        tell=KILLED,
        offer=2,
        rank=60,
    ),
    Entry(
        code="namespace-unknown-to-runtime",
        title="the runtime does not know a kind of namespace",
        patterns=(
            r"namespace \{\\*\"(?P<namespace>[a-z]+)\\*\" \\*\"[^\"\n]*\"\} does not exist",
            r"Namespace type not supported: (?P<namespace2>[a-z]+)",  # youki
        ),
        verdict="this runtime does not know {namespace} namespaces, which the configuration asks for",
        cause="runc supports cgroup namespaces since 1.0-rc6 and time namespaces since 1.2; Docker asks for the latter "
        "since 29.5. The engine is newer than the runtime that it calls, or an older runc comes first in its PATH.",
        remedy=(
            "Upgrade the runtime (runc, youki) to a version as new as the engine: runc --version; which -a runc",
            "Docker: docker run --cgroupns=host asks for no cgroup namespace.",
        ),
        reference="https://github.com/docker/for-linux/issues/1198",
        rank=50,
    ),
)
