"""Programs that start containers, nodes or jobs on top of an engine: kind, Nomad, Slurm, runc called by hand."""

from __future__ import annotations

from shim.diagnose.catalogue.aftermath import OOM_TABLE, SIGKILL
from shim.diagnose.entry import EACCES, ENOENT, V1_NAMES, Entry

NOT_V1 = rf"(?!(?:[a-z_]+,)*{V1_NAMES}[,/]|unified/|systemd/)"
V1_ONLY = r"(?:devices\.(?:allow|deny)|memory\.\w+_in_bytes|cpu\.(?:shares|cfs_\w+)|freezer\.state|blkio\.\w+)"

ENTRIES = (
    Entry(
        code="kind-node-not-booted",
        title="kind or minikube waited for the node's systemd in vain",
        patterns=(
            r"command \\?\"(?:docker|podman|nerdctl) exec --privileged \S+ [^\n]* failed with error: exit status \d+",
            r"could not find a log line that matches \\*\"Reached target[^\n]*",
            r"unable to inspect a not running container to get SSH port",
            r"GUEST_PROVISION_CONTAINER_EXITED",
        ),
        verdict="the systemd in the node's container (kind, minikube) did not come up in time; its own log says why",
        cause="Usual: fs.inotify limits that are used up (several nodes), an engine without "
        "delegated cgroups (rootless, no systemd on the host), a node image too old or too new for the host's cgroup "
        "version, a slow disk.",
        remedy=(
            "kind create cluster --retain; docker logs kind-control-plane (or minikube); cgshimctl explain with it.",
            "sysctl -w fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512",
            "Rootless: Delegate=cpu cpuset io memory pids for user@.service, and log in again.",
        ),
        reference="https://kind.sigs.k8s.io/docs/user/known-issues/",
        tell="docker logs kind-control-plane: its last lines",
        rank=60,
    ),
    Entry(
        code="nomad-cgroup-not-made",
        title="Nomad did not make the cgroup of a task",
        patterns=(
            r"unable to configure cgroups: [^\n]*",
            r"\bcgroup path must be set\b",
            r"failed to configure container, process isolation will not work",
            r"failed to create nomad cgroup: [^\n]*",
            rf"/sys/fs/cgroup/(?:[a-z]+/)?nomad(?:\.slice)?/(?:share|reserve)[^\n]*: (?:{ENOENT}|{EACCES})",
        ),
        verdict="Nomad's client did not make its cgroups (nomad.slice), so the task has none",
        cause="The client does so when it starts. It is not root, runs in a container (LXC, Docker) with read-only or "
        "foreign cgroups, or found a controller missing; its log of that moment says which. Nomad 1.7 and 1.8.1 also "
        "had faults here in raw_exec and qemu.",
        remedy=(
            "grep cgroup in the client's log from its start; ls -d /sys/fs/cgroup/nomad.slice (v1: cpuset/nomad)",
            "Run the client as root; in a container with --privileged and --cgroupns=host, or Proxmox: nesting=1.",
            "Upgrade Nomad (1.8.2 or later).",
        ),
        reference="https://github.com/hashicorp/nomad/issues/23595",
        tell="nomad node status -verbose -self | grep cgroup; ls -d /sys/fs/cgroup/nomad.slice",
        rank=45,
    ),
    Entry(
        code="v1-file-outside-hierarchy",
        title="a file of v1 is looked for where no v1 hierarchy is",
        patterns=(rf"/sys/fs/cgroup/{NOT_V1}(?P<path>[^\s:]*/)?(?P<file>{V1_ONLY})[`'\"]?: (?:{ENOENT}|{EACCES})",),
        verdict="{file} is a file of v1, and is looked for in a directory that belongs to no v1 hierarchy of its own",
        cause="Either all v1 controllers are mounted together at /sys/fs/cgroup itself (an fstab line of old guides), "
        "and this one is not among them; or this is cgroup2, and the program knows only v1.",
        remedy=(
            "Together: remove the line from fstab, reboot; apt-get install cgroupfs-mount mounts one by one.",
            "cgroup2: upgrade the program, or boot with systemd.unified_cgroup_hierarchy=0.",
        ),
        reference="https://github.com/hashicorp/nomad/issues/4808",
        tell="stat -fc %T /sys/fs/cgroup: cgroup2fs is cgroup2; cgroupfs is all of v1 at one place",
        rank=32,
    ),
    Entry(
        code="runtime-state-not-writable",
        title="the runtime may not make its own directory of state",
        patterns=(
            rf"mkdir (?P<path>/run/(?:runc|crun|containerd|docker|youki)(?:/[^\s:]*)?): {EACCES}",
            rf"mkdir (?P<path2>/run/user/\d+): {EACCES}",
            rf"failed to create directory (?P<path3>/run/(?:youki|runc|crun)\S*)\s+Caused by:\s+{EACCES}",
        ),
        verdict="this user may not make {path}, where the runtime or the engine keeps its state",
        cause="/run/runc and the like belong to root. /run/user/<id> is made by systemd-logind at a login, and is "
        "missing after su or sudo and in cron.",
        remedy=(
            "Run it as root, or name another directory: runc --root $XDG_RUNTIME_DIR/runc run ID (crun: the same).",
            "Rootless engines: loginctl enable-linger $USER; export XDG_RUNTIME_DIR=/run/user/$(id -u)",
        ),
        reference="https://github.com/opencontainers/runc/issues/1413",
        rank=45,
    ),
    Entry(
        code="vendor-cpuacct-unknown",
        title="cAdvisor does not understand a vendor's cpuacct.stat",
        patterns=(r"cpuacct\.stat is expected to have 4 fields",),
        verdict="cAdvisor does not understand this kernel's cpuacct.stat, so CPU figures are missing",
        cause="Some vendors' kernels (Alibaba's among them) add lines to this file of v1. A kubelet before 1.20 may "
        "then have no figures of the root at all, and not start: 'failed to get rootfs info: unable to find data'.",
        remedy=(
            "Upgrade the kubelet or cAdvisor, boot with cgroup2, or use the distribution's own kernel.",
            "If only the figures are missing: a notice; look for another message if something failed.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/71704",
        rank=56,
    ),
    Entry(
        code="kernel-without-cgroups",
        title="the kernel shows no cgroups at all",
        patterns=(
            rf"open(?:ing)?(?: file)? [`'\"]?/proc/(?:self/cgroup|cgroups)[`'\"]?: {ENOENT}",
            r"stat /proc/(?:self/)?cgroups?: no such file or directory",
        ),
        verdict="/proc/self/cgroup or /proc/cgroups is not there: this kernel has no cgroups, or /proc is not its own",
        cause="The kernel was built without CONFIG_CGROUPS (embedded systems, vendors' kernels), /proc is not mounted "
        "(a chroot), or a sandbox shows a /proc of its own.",
        remedy=(
            "mount -t proc proc /proc, where ls /proc is empty.",
            "Else use a kernel with CONFIG_CGROUPS=y and the controllers: check-config.sh of moby lists them.",
        ),
        reference="https://github.com/k3s-io/k3s/issues/2216",
        tell="ls /proc/self; zgrep CONFIG_CGROUPS /proc/config.gz; grep cgroup /proc/filesystems",
        rank=55,
    ),
    Entry(
        code="task-ended-before-look",
        title="the engine looks at a process that has ended",
        patterns=(
            rf"(?:open|read|opening|stat) [`'\"]?/proc/\d+/(?:cgroup|oom_score_adj|stat|status)[`'\"]?: {ENOENT}",
        ),
        verdict="the process had ended when the engine looked at it in /proc",
        cause="The container's first process ended at once, or in this moment. The reason is in its own log.",
        remedy=(
            "docker, podman: logs NAME, inspect NAME (State.ExitCode); kubectl logs --previous",
            "journalctl -k | grep -i oom: was it killed?",
        ),
        reference="proc(5)",
        rank=66,
    ),
    Entry(
        code="cgroup-found-nowhere",
        title="containerd finds no cgroup of the task in any hierarchy",
        ambiguous=(r"\bcgroup deleted\b",),
        verdict="containerd finds the task's cgroup in no hierarchy: hierarchies are mounted only in part, or are not "
        "the runtime's",
        cause="containerd looks in the hierarchies that it knows. On hosts without systemd (Alpine, WSL, Termux) some "
        "are not mounted, or were mounted after containerd started.",
        remedy=(
            "Alpine: rc-update add cgroups boot; rc-service cgroups start; then restart containerd, docker or k3s.",
            "Others without systemd: apt-get install cgroupfs-mount && cgroupfs-mount",
        ),
        reference="https://github.com/k3s-io/k3s/issues/660",
        tell="grep cgroup /proc/self/mountinfo: is every controller of /proc/cgroups mounted? Else the task just ended",
        offer=3,
        layout="v1",
    ),
    Entry(
        code="container-does-not-die",
        title="a killed container does not end",
        patterns=(
            r"tried to kill container, but did not receive an exit event",
            r"an error occurs during waiting for container [^\n]*to be killed",
        ),
        verdict="the container was killed, and its end was not reported",
        cause="A process hangs in the kernel (state D: a disk or network file system), containerd's shim was lost or "
        "hangs, or AppArmor denies the signal (docker from snap beside another).",
        remedy=(
            "State D: bring the storage back, or reboot. Shim: kill its containerd-shim, then restart docker.",
            "dmesg | grep -i 'apparmor.*signal'; snap list docker: only one docker on a host.",
        ),
        reference="https://github.com/moby/moby/issues/38501",
        tell="ps -eo pid,stat,wchan:30,cmd | grep -w the container's process; pgrep -af containerd-shim",
        rank=45,
    ),
    Entry(
        code="host-out-of-memory",
        title="the host itself ran out of memory, and the kernel killed a process",
        patterns=(
            r"System OOM encountered(?:, victim process: (?P<name>[^,\n]+))?",
            r"oom-kill:constraint=CONSTRAINT_NONE[^\n]*",
            r"(?<!group )\bOut of memory: Kill(?:ed)? process \d+[^\n]*",
        ),
        ambiguous=(
            r"invoked oom-killer: gfp_mask[^\n]*(?:\n[^\n]*\bcpuset=/ mems_allowed[^\n]*)?",
            r"process of this unit has been killed by the OOM killer",
            r"oom_reaper: reaped process \d+[^\n]*|Failed with result 'oom-kill'",
            OOM_TABLE,
            *SIGKILL,
        ),
        verdict="the whole host ran out of memory: no limit of a container was reached",
        cause="The kernel then picks a victim by oom_score_adj and size, often in a container that did nothing wrong. "
        "Containers without a memory limit, or limits that add up to more than there is, are the usual reason. "
        "mysqld, haproxy, RabbitMQ and rpcbind take many GB in their first second where `ulimit -n` in the "
        "container is a billion.",
        remedy=(
            "Give every container a limit; Kubernetes: requests near limits, systemReserved and kubeReserved.",
            "A billion files: docker run --ulimit nofile=65536:65536; or LimitNOFILE=1048576 for containerd.service.",
            "journalctl -k | grep -A60 'invoked oom-killer' lists who used what.",
        ),
        reference="Linux Documentation/admin-guide/mm/concepts.rst, OOM killer",
        tell="journalctl -k | grep constraint=: CONSTRAINT_NONE is the host, CONSTRAINT_MEMCG a limit",
        offer=2,
        first_for=r"gfp_mask=0x[0-9a-f]+\(GFP_HIGHUSER|\bcpuset=/ mems_allowed",
        rank=60,
    ),
    Entry(
        code="nvidia-hook-reads-no-device-cgroup",
        title="NVIDIA's hook cannot find the devices' cgroup of the container",
        patterns=(r"nvidia-container-cli[\w.]*:\s+container error: failed to get device cgroup [^\n]*",),
        verdict="NVIDIA's hook cannot find out where, or in which version, the container's device rules are",
        cause="libnvidia-container 1.8.0 misread the cgroups of nested containers and lacked a permission. Otherwise "
        "/proc or the cgroup mounts that the hook sees are not the host's (LXC, rootless, a hybrid host).",
        remedy=(
            "Upgrade libnvidia-container (1.8.1 or later) and nvidia-container-toolkit.",
            "Rootless or LXC: no-cgroups = true in /etc/nvidia-container-runtime/config.toml, or CDI.",
        ),
        reference="https://github.com/NVIDIA/libnvidia-container/issues/158",
        tell="nvidia-container-cli --version; grep cgroup /proc/1/mountinfo",
        rank=40,
    ),
    Entry(
        code="nvidia-hook-other-failure",
        title="NVIDIA's hook failed for a reason of the driver or the image",
        patterns=(
            # What says that the driver is missing has an entry of its own.
            (
                r"nvidia-container-cli[\w.]*:\s+(?P<kind>ldcache|requirement|detection|initialization|device) error: "
                r"(?![^\n]*(?:unknown device|driver not |timed out|no adapters|libnvidia-ml\.so|driver error|"
                r"driver/library "
                r"version))[^\n]+"
            ),
        ),
        verdict="NVIDIA's hook failed with its own {kind} error, which is not about cgroups",
        cause="ldcache: ldconfig failed in the container's root. requirement: the image needs a newer driver. "
        "detection, device, initialization: driver and libraries do not fit, or the GPU is not there.",
        remedy=(
            "nvidia-smi and nvidia-container-cli -k -d /dev/tty info on the host; reboot after a driver's update.",
            'ldcache: ldconfig = "@/sbin/ldconfig" in /etc/nvidia-container-runtime/config.toml',
            "Or use CDI in place of the hook: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
        ),
        reference="https://github.com/NVIDIA/nvidia-container-toolkit",
        ours=False,
        rank=45,
    ),
    Entry(
        code="setns-tool-missing-on-host",
        title="a program that the engine needs is not installed on the host",
        patterns=(
            (
                r"exec: \"(?P<program>[^\"\n]*(?:systemd-run|newuidmap|newgidmap|nsenter|slirp4netns|pasta|conmon|"
                r"fuse-overlayfs|netavark|aardvark-dns|iptables|nft|catatonit|busctl|systemctl|criu|rootlesskit|crun|"
                r"runc))\": executable file not found"
            ),
        ),
        verdict="the engine itself needs {program}, which is not installed on this host (or not in its PATH)",
        cause="The message is the engine's, not the container's: the program belongs to the host.",
        remedy=(
            (
                "apt-get install uidmap (newuidmap), slirp4netns or passt, fuse-overlayfs, iptables, conmon, systemd "
                "(systemd-run)"
            ),
            "Services and cron have a short PATH: Environment=PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin",
        ),
        reference="https://github.com/containers/podman/blob/main/troubleshooting.md",
        tell="command -v the program, as the engine's user",
        rank=20,
    ),
)
