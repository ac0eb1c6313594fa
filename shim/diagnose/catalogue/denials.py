"""Lines of the kernel's log and of the audit log, and messages of programs in a container that are denied an
operation.
"""

from __future__ import annotations

from shim.diagnose.entry import EAGAIN, EPERM, Entry

ENTRIES = (
    Entry(
        code="apparmor-denied",
        title="the kernel's log says that AppArmor denied something",
        patterns=(r"apparmor=\\?\"DENIED\\?\" operation=\\?\"(?P<operation>\w+)\\?\"[^\n]*",),
        verdict="AppArmor denied the operation {operation}; profile= and name= in the line say to whom and what",
        cause="The profile of the container, of the engine or of an outer container (LXC, snap) has no rule for it. "
        "change_profile and change_onexec with 'label not found': the profile is not loaded in this namespace of "
        "AppArmor, which nests only one level deep.",
        remedy=(
            (
                "mount, pivotroot: Proxmox nesting=1, LXD and Incus security.nesting=true; docker, podman: "
                "--security-opt apparmor=unconfined"
            ),
            "signal, ptrace: reload the profile (apparmor_parser -r) so that both sides name each other as peer.",
            "Label not found: load the profile here, or start the container unconfined.",
        ),
        reference="apparmor.d(5)",
        rank=60,
    ),
    Entry(
        code="selinux-denied",
        title="the audit log says that SELinux denied something",
        patterns=(
            r"SELinux is preventing \S+ from (?P<operation2>[^\n]*?)(?: access)? on [^\n]*",
            r"avc: +denied +\{ (?P<operation>[^}\n]+?) \}[^\n]*",
        ),
        verdict="SELinux denied {operation}; scontext=, tcontext= and name= in the line say to whom and what",
        cause="The container's domain (container_t) has no such right on the object: a volume without :z or :Z, a "
        "device, or /sys/fs/cgroup, which systemd in a container writes to.",
        remedy=(
            "A volume: :Z (its own) or :z (shared). systemd in a container: setsebool -P container_manage_cgroup 1",
            "To see whether it is that: --security-opt label=disable. ausearch -m avc -ts recent lists all of them.",
        ),
        reference="container_selinux(8)",
        rank=60,
    ),
    Entry(
        code="cgroup-fork-rejected",
        title="the kernel's log says that a pids limit was reached",
        patterns=(r"\bfork rejected by pids controller in (?P<path>/\S*)",),
        verdict="the pids limit of {path} is used up: the kernel refused a new process there",
        cause="pids.max of this cgroup or one above it counts processes and threads; systemd's TasksMax is the same "
        "limit.",
        remedy=(
            (
                "docker, podman: --pids-limit; Kubernetes: podPidsLimit of the kubelet; a unit: TasksMax=. Raise it, "
                "or find what does not end its threads."
            ),
        ),
        reference="Linux Documentation/admin-guide/cgroup-v1/pids.rst",
    ),
    Entry(
        code="cgroup-option-unknown-to-kernel",
        title="this kernel does not know an option of the cgroup2 mount",
        patterns=(r"cgroup2: unknown option \"?(?P<option>[\w,]+)", r"cgroup2: Unknown parameter '(?P<option2>\w+)'"),
        verdict="the kernel does not know the mount option {option} of cgroup2; systemd tries again without it",
        cause="nsdelegate came with Linux 4.13, memory_recursiveprot with 5.7. It is a notice of an old kernel "
        "(Jetson, vendors' boards), not the failure; such a kernel often lacks CONFIG_CGROUP_BPF, which cgroup2 needs "
        "for devices.",
        remedy=(
            (
                "Look for the engine's own error. A newer kernel, or systemd.unified_cgroup_hierarchy=0 for v1, helps "
                "where it is about bpf_prog_query or devices."
            ),
        ),
        reference="Linux Documentation/admin-guide/cgroup-v2.rst, Mounting",
        rank=70,
    ),
    Entry(
        code="sandbox-without-namespaces",
        title="a sandboxing program may not make namespaces",
        patterns=(
            (
                r"bwrap: (?:Creating new namespace failed|No permissions to cre(?:ate|ating|at) (?:a )?new namespace|"
                r"setting up "
                r"uid "
                r"map)[^\n]*"
            ),
            rf"unshare: (?:unshare failed|write failed [^\n]*|cannot [^\n]*): {EPERM}",
            rf"nsenter: (?!reassociate)[^\n]*: {EPERM}",
            r"rootlesskit[^\n]*fork/exec /proc/self/exe: permission denied",
            r"Failed to move to new namespace: PID namespaces supported[^\n]*",
            r"ch-run(?:\[\d+\])?: (?:error: )?can't init user\+mount namespaces[^\n]*",  # Charliecloud
            r"ch-run: error: Invalid argument \(ch-run\.c:\d+ 22\)",
            r"linux-sandbox-pid1\.cc:\d+: \"(?:mount|fopen\(/proc/self/uid_map\)|unshare)\"[^\n]*",  # Bazel
            r"credentials\.cc\(\d+\)[^\n]*Permission denied",
            r"operation=\\?\"userns_create\\?\"[^\n]*",
        ),
        verdict="this user or container may not make user namespaces",
        cause="Ubuntu from 23.10 on lets only programs with an AppArmor profile make them "
        "(kernel.apparmor_restrict_unprivileged_userns); in a container the seccomp filter or missing CAP_SYS_ADMIN "
        "forbids it; older Debian and RHEL 7 have them switched off; a kernel without CONFIG_USER_NS has none. In "
        "a chroot they are never allowed.",
        remedy=(
            (
                "Ubuntu: a profile with userns for the program in /etc/apparmor.d, or: "
                "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
            ),
            (
                "In a container: --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt "
                "systempaths=unconfined, or --privileged"
            ),
            (
                "Others: sysctl -w user.max_user_namespaces=28633 kernel.unprivileged_userns_clone=1 (RHEL 7.4: boot "
                "with namespace.unpriv_enable=1 as well)"
            ),
            "A chroot: run it outside, or use a container (systemd-nspawn) in its place.",
        ),
        reference="https://rootlesscontaine.rs/getting-started/common/apparmor/",
        rank=17,
    ),
    Entry(
        code="thread-refused-by-old-filter",
        title="a program in the container may not start threads: the seccomp filter is older than its C library",
        patterns=(
            rf"(?:pthread_create|clone3|\bthread\b(?!-self))[^\n]*(?:failed|create|start)[^\n]*: {EPERM}",
            r"runtime/cgo: pthread_create failed: Operation not permitted",
            rf"(?:OS )?can't spawn worker thread: {EPERM}|failed to spawn thread: Os \{{ code: 1,",
            rf"pthread_create: {EPERM}|Failed to create timer thread: {EPERM}",
            rf"pthread_create failed \({EPERM}\)[^\n]*",  # Java, which then speaks of memory
            r"failed to create new OS thread \(have \d+ already; errno=1\)",
        ),
        verdict="the container's programs cannot start threads (EPERM): the seccomp filter does not know clone3",
        cause="glibc 2.34 and later call clone3. Filters of docker before 20.10.10 and of libseccomp before 2.5 answer "
        "with EPERM, where ENOSYS would make it fall back.",
        remedy=(
            "Upgrade docker (20.10.10), containerd.io (1.5), runc (1.0) and libseccomp (2.5) on the host.",
            "Until then: --security-opt seccomp=unconfined, or an image with an older distribution.",
        ),
        reference="https://github.com/moby/moby/issues/42680",
    ),
    Entry(
        code="threads-used-up",
        title="a program in the container gets no more threads or processes",
        ambiguous=(
            (
                rf"(?:fork|pthread_create|can't start new thread|Cannot create (?:worker )?(?:GC )?thread)[^\n]*: "
                rf"(?:retry: )?"
                rf"{EAGAIN}"
            ),
            (
                r"(?:unable to create (?:new )?native thread|can't start new thread|blas_thread_init: pthread_create "
                r"failed)"
                r"[^\n]*"
            ),
            rf"fork: (?:retry: )?{EAGAIN}",
            rf"can't fork: {EAGAIN}",
            rf"(?:Failed to create thread|libgomp: Thread creation failed|can't spawn worker thread)[^\n]*{EAGAIN}",
            rf"can(?:'|no)?t create thread[^\n]*{EAGAIN}",
        ),
        verdict="the container gets no more threads or processes (EAGAIN): a pids limit, or the user's process limit",
        cause="pids.max of the container, its pod or its unit counts threads; RLIMIT_NPROC counts those of the user on "
        "the whole host. Old engines with a seccomp filter that does not know clone3 lead to the same words.",
        remedy=(
            (
                "docker, podman: --pids-limit, --ulimit nproc=; Kubernetes: podPidsLimit; systemd: TasksMax=; "
                "CRI-O: pids_limit"
            ),
            "Days after the start: zombies that process 1 does not collect: docker run --init (compose: init: true).",
            "Where the counts are low: upgrade docker and libseccomp, or try --security-opt seccomp=unconfined.",
        ),
        reference="Linux Documentation/admin-guide/cgroup-v1/pids.rst",
        tell="cat /sys/fs/cgroup/pids.current /sys/fs/cgroup/pids.max in the container; ulimit -u",
        offer=1,
        last=True,
    ),
    Entry(
        code="sysctl-closed-in-container",
        title="a program in the container may not set a sysctl",
        patterns=(
            (
                r"sysctl: (?:error )?setting key ['\"`](?P<key>[^'\"`\n]+)['\"`][^\n]*: "
                r"(?:Read-only|Permission|Operation)[^\n]*"
            ),
            r"(?:sysctl|error): permission denied on key ['\"`]?(?P<key2>[\w./-]+)[^\n]*",
            (
                r"^(?![^\n]*write sysctl key )[^\n]*?(?P<path>/proc/sys/(?:vm|kernel|net|fs)/[\w./-]+): (?:Read-only "
                r"file system|Permission denied)"
            ),
            r"[Ff]ailed to write '[^'\n]*' to '(?P<path2>/proc/sys/[^'\n]+)'[^\n]*",
            r"Sysctl error: IO Error: Read-only file system",
            r"Updating kernel flag failed[^\n]*|sysctl: setting key \"(?P<key5>[\w.-]+)\": error code (?:30|13|1)\b",
            (
                r"setup_sysctl_parameters:\d+ - (?:[^\n]* - )?Failed to setup sysctl parameters (?P<key4>[\w.-]+) to "
                r"[^\n]*"
            ),
        ),
        verdict="sysctls cannot be set from inside this container: /proc/sys is read-only, or belongs to the host",
        cause="EROFS: engines mount /proc/sys read-only into a container, and an engine inside it finds it so. EACCES: "
        "this sysctl is the host's, or a user may not write it in a namespace of his own (kernel.shm*, kernel.msg* "
        "before Linux 6.9). Only net.*, kernel.shm*, kernel.msg* and fs.mqueue.* belong to namespaces.",
        remedy=(
            "Of a namespace: docker, podman: --sysctl key=value; compose: sysctls; Kubernetes: securityContext.sysctls",
            (
                "Others: sysctl -w on the host; the kubelet in LXC or rootless: the feature gate "
                "KubeletInUserNamespace, and protectKernelDefaults: false"
            ),
            (
                "EROFS: podman in a container: default_sysctls = [] in its containers.conf, or unmask /proc for the "
                "outer container. netavark: do not mount the host's /sys or /proc into it."
            ),
            "EACCES: rootless podman: run it as root, or set it on the host and use the host's namespace (--ipc=host).",
        ),
        reference="OCI runtime-spec, config-linux.md, Sysctl; proc_sys(5)",
        beside=r"\A(?!(?s:.)*Error response from daemon)",  # which says why nothing started
        rank=62,
    ),
    Entry(
        code="kubelet-needs-kmsg",
        title="the kubelet finds no /dev/kmsg, as in LXC",
        patterns=(r"open /dev/kmsg: (?:no such file or directory|permission denied|operation not permitted)",),
        verdict="the kubelet cannot open /dev/kmsg, from which it learns of OOM kills",
        cause="Containers of LXC, LXD and Incus have no /dev/kmsg, or no right to read it. Nor has a node in a pod "
        "(k3k, vcluster, "
        "kind) where containerd has privileged_without_host_devices = true.",
        remedy=(
            (
                "Proxmox, LXC: lxc.mount.entry: /dev/kmsg dev/kmsg none defaults,bind,create=file; LXD, Incus: a "
                "device of type unix-char with source=/dev/kmsg"
            ),
            "Or: ln -s /dev/console /dev/kmsg at each start (tmpfiles.d: L /dev/kmsg - - - - /dev/console).",
            "Kubernetes 1.22 on: the feature gate KubeletInUserNamespace ignores it.",
        ),
        reference="https://github.com/kubernetes-sigs/kind/issues/662",
    ),
    Entry(
        code="process-gone-before-move",
        title="the process had ended before it could be put into its cgroup",
        patterns=(
            r"Couldn't move process (?P<number>\d+) to (?:directly )?requested cgroup[^\n]*(?:No such process|'$)",
            r"Failed to (?:add PIDs? to|attach \d+ to)[^\n]*No such process",
            r"No PIDs left to attach to the scope's control group",
            (
                r"(?:write|writing file|write to) [`'\"]?/sys/fs/cgroup/[^\n]*(?:cgroup\.procs|tasks)[`'\"]?: [Nn]o "
                r"such "
                r"process"
            ),
            r"failed to write \d+ to (?:cgroup\.procs|tasks)[^\n]*: no such process",
        ),
        verdict="the process was gone before it could be moved into the container's cgroup",
        cause="The first process ended at once, or was killed: a race at the end of a container or a service, podman "
        "started by systemd with Type=forking and KillMode=, or an init that dies (memory limit, seccomp).",
        remedy=(
            "Look at why the first process ends: its own log, journalctl -k | grep -i oom.",
            "podman in units: Quadlet, or podman generate systemd --new, in place of a unit of one's own.",
            "systemctl reset-failed removes the failed scopes.",
        ),
        reference="https://github.com/containers/podman/issues/5340",
        rank=56,
    ),
    Entry(
        code="snap-not-confined",
        title="a snap does not start: its AppArmor profile is not loaded",
        patterns=(
            r"snap-confine has elevated permissions and is not confined[^\n]*",
            r"snap-confine is packaged without necessary permissions[^\n]*",
            r"cannot change profile for the next exec call: [^\n]*",
            r"cannot (?:apply|join) (?:mount namespace|AppArmor) [^\n]*snap[^\n]*",
        ),
        verdict="the snap's AppArmor profile is not loaded, so snap-confine refuses to start it",
        cause="The services that load the profiles did not run: inside LXD or LXC, where AppArmor is unconfined or not "
        "nested, in WSL 2, and after an upgrade of snapd.",
        remedy=(
            "systemctl enable --now apparmor snapd.apparmor; or apparmor_parser -r /var/lib/snapd/apparmor/profiles/*",
            (
                "LXD, Incus: security.nesting=true; do not set lxc.apparmor.profile=unconfined without loading them at "
                "boot."
            ),
            "Or the program as a package in place of the snap (docker.io, k3s in place of microk8s).",
        ),
        reference="https://microk8s.io/docs/install-lxd",
        tell="aa-status | grep snap; systemctl status snapd.apparmor",
        rank=25,
    ),
)
