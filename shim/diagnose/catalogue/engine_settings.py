"""An engine's own settings, the programs that it needs on its host, and docker in docker."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

PROGRAMS = (
    r"apparmor_parser|modprobe|iptables|ip6tables|nft|mount|umount|nsenter|newuidmap|newgidmap|conmon|conmonrs|criu"
    r"|fuse-overlayfs|slirp4netns|pasta|netavark|aardvark-dns|nvidia-container-\S+|nvidia-ctk|crictl|tc|ethtool|socat"
    r"|conntrack|docker-init|docker-proxy|containerd|dockerd|rootlesskit|systemctl|busctl|ip|e2fsck|mkfs\.\w+"
)

ENTRIES = (
    Entry(
        code="docker-setting-twice",
        title="a setting of docker is both a flag and in its file",
        patterns=(
            r"directives are specified both as a flag and in the configuration file: (?P<key>[\w-]+)",
            r"directives don't match any configuration option: (?P<key2>[\w-]+)",
            r"configure the Docker daemon with file [^\n:]*: the following directives (?:are sp|don't ma)",  # cut
        ),
        verdict="dockerd does not start: the setting {key} is given in two places, or does not exist",
        cause="The unit starts dockerd with flags (ExecStart=, /etc/default/docker, drop-ins of the distribution or of "
        "kubespray), and /etc/docker/daemon.json sets the same one. exec-opts with native.cgroupdriver, "
        "default-ulimits and hosts are the usual ones.",
        remedy=(
            (
                "systemctl cat docker | grep ExecStart: remove the flag there (systemctl edit docker), or the key from "
                "daemon.json; systemctl daemon-reload; systemctl restart docker."
            ),
        ),
        reference="https://docs.docker.com/engine/daemon/troubleshoot/",
        rank=40,
    ),
    Entry(
        code="docker-settings-malformed",
        title="docker cannot read its configuration file",
        patterns=(r"unable to configure the Docker daemon with file (?P<path>[^:\n]+): (?!the following)[^\n]*",),
        verdict="dockerd does not start: it cannot read {path}",
        cause="The file is not valid JSON: a comma too many or too few, a quote, a comment, or a value of another kind "
        "than the setting wants.",
        remedy=("python3 -m json.tool {path} shows where; dockerd --validate --config-file={path}.",),
        reference="https://docs.docker.com/engine/daemon/troubleshoot/",
        rank=41,
    ),
    Entry(
        code="containerd-systemd-setting-misplaced",
        title="the setting for the systemd driver is at the wrong place in containerd's file",
        patterns=(
            r"`?systemd_cgroup`? only works for runtime",
            r"invalid plugin config: [^\n]*(?:systemd_cgroup|SystemdCgroup)[^\n]*",
        ),
        verdict="containerd's CRI plugin does not load: systemd_cgroup is a setting of the old runtime v1",
        cause="For runc through the v2 shim the driver is set by SystemdCgroup in the options of the runtime.",
        remedy=(
            (
                "/etc/containerd/config.toml: systemd_cgroup = false, and under "
                '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]: SystemdCgroup = true.'
            ),
            "Or the default: containerd config default > /etc/containerd/config.toml, then SystemdCgroup = true.",
        ),
        reference="https://kubernetes.io/docs/setup/production-environment/container-runtimes/#containerd-systemd",
        rank=40,
    ),
    Entry(
        code="host-program-missing",
        title="a program that the engine needs is not installed on the host",
        patterns=(
            rf"exec: \\*\"(?P<program>(?:/\S*/)?(?:{PROGRAMS}))\\*\": (?:executable file not found|[^\n]*{ENOENT})",
        ),
        verdict="the engine did not find {program} on its host (not in the image)",
        cause="The engine, the runtime or the kubelet runs it: apparmor_parser loads a profile, modprobe, iptables "
        "or conntrack for the network, newuidmap for user namespaces. Its package is not installed, or PATH of the "
        "service does not have /usr/sbin.",
        remedy=(
            "Install it: apparmor, kmod, iptables, conntrack, socat, uidmap, fuse-overlayfs, slirp4netns, passt.",
            "Installed? systemctl show -p Environment of the service: PATH must have /usr/sbin and /sbin.",
        ),
        reference="https://github.com/containerd/containerd/issues/8087",
        rank=44,
    ),
    Entry(
        code="program-replaced-while-running",
        title="an engine's program was replaced while it ran",
        patterns=(rf"fork/exec [^\n\"]*(?:\(deleted\)|\.#prelink#)[^\n]*: {ENOENT}",),
        verdict="the engine starts itself again by its path, and that file was replaced or deleted",
        cause="An upgrade, a reinstallation or prelink put another file in place while the daemon was running.",
        remedy=("systemctl restart docker (containerd); without prelink: exclude /usr/bin/dockerd in prelink.conf.",),
        reference="https://github.com/kubernetes/kubeadm/issues/507",
        rank=30,
    ),
    Entry(
        code="docker-cannot-limit-memory",
        title="docker on this host cannot limit memory",
        patterns=(
            r"does not support memory limit capabilities or the cgroup is not mounted(?!\.? *Limitation)",
            r"Your cgroup does not allow setting memory",
        ),
        verdict="docker says that it cannot limit memory here, so the tool starts its node without a limit",
        cause="The memory controller is off in the kernel (Raspberry Pi, old Debian kernels), docker is rootless and "
        "memory is not delegated, or the host has cgroup2 and docker or minikube is too old for it (minikube before "
        "1.20, docker before 20.10).",
        remedy=(
            "Boot with cgroup_enable=memory (Raspberry Pi: cmdline.txt, also cgroup_memory=1). Upgrade minikube.",
            "Rootless: Delegate=cpu cpuset io memory pids for user@.service.",
        ),
        reference="https://github.com/kubernetes/minikube/issues/10986",
        tell="docker info -f '{{{{.MemoryLimit}}}} {{{{.CgroupVersion}}}}'; cat /sys/fs/cgroup/cgroup.controllers",
        rank=55,
    ),
    Entry(
        code="cpu-throttled-alert",
        title="a container is throttled by its CPU limit",
        patterns=(
            r"[\d.]+ ?% throttling of CPU in namespace",
            r"\bCPUThrottlingHigh\b",
        ),
        verdict="the kernel stops the container's processes for a part of the time: its CPU limit is used up",
        cause="A limit of 500m means 50 ms of CPU time in every 100 ms, over all threads. Many threads use it up in a "
        "few milliseconds and then wait, though the average use is low.",
        remedy=(
            (
                "Raise resources.limits.cpu or remove it and keep the request; fewer threads (GOMAXPROCS, "
                "-XX:ActiveProcessorCount)."
            ),
            "cat /sys/fs/cgroup/cpu.stat in the container: nr_throttled against nr_periods; cgshimctl watch NAME.",
        ),
        reference="https://runbooks.prometheus-operator.dev/runbooks/kubernetes/cputhrottlinghigh/",
        rank=60,
    ),
    Entry(
        code="node-reservation-exceeded-alert",
        title="the system services of a node use more memory than is reserved",
        patterns=(
            r"System memory usage of \S+ on (?:Node )?\S+ exceeds \d+% of the reservation",
            r"\bSystemMemoryExceedsReservation\b",
        ),
        verdict="what runs beside the pods on the node (system.slice) uses more memory than is reserved for it",
        cause="systemReserved is what the scheduler leaves free for the kubelet, the engine and the services. If they "
        "need more, the whole node can run out of memory, and the kernel kills pods that are within their limits.",
        remedy=(
            "OpenShift: KubeletConfig with autoSizingReserved: true, or systemReserved: memory: 3Gi.",
            "systemd-cgtop -m on the node shows which service it is.",
        ),
        reference=""
        "https://docs.openshift.com/container-platform/latest/nodes/nodes/nodes-nodes-resources-configuring.html",
        rank=60,
    ),
    Entry(
        code="container-keeps-ending",
        title="the container ends again and again",
        ambiguous=(
            r"[Bb]ack-off (?:\S+ )?restarting failed (?:container|docker container)[^\n]*",
            r"\bCrashLoopBackOff\b",
        ),
        verdict="the container starts and ends again; why it ends is said elsewhere",
        cause="The event only says that the kubelet waits before the next start. The program's own error, a limit that "
        "is too low (OOMKilled, exit code 137), or a failed liveness probe ends it.",
        remedy=(
            "kubectl logs NAME --previous; kubectl describe pod NAME: Last State, Reason, Exit Code.",
            "Then cgshimctl explain with these lines.",
        ),
        tell="kubectl get pod NAME -o jsonpath='{{.status.containerStatuses[*].lastState.terminated}}'",
        reference="https://kubernetes.io/docs/tasks/debug/debug-application/debug-running-pod/",
        offer=9,
        last=True,
    ),
    Entry(
        code="containerd-settings-malformed",
        title="containerd's configuration cannot be read",
        patterns=(
            r"containerd: (?:containerd: )?(?:Near line \d+|\(\d+, \d+\): |toml: )[^\n]*",
            r"failed to load TOML[^\n]*",
        ),
        verdict="containerd does not start: its configuration is not valid TOML",
        cause='A key with dots or slashes needs quotes in a section ([plugins."io.containerd.grpc.v1.cri"]) and cannot '
        "stand before =; a section may occur once.",
        remedy=(
            "containerd config dump shows the line. Correct /etc/containerd/config.toml and restart containerd.",
            "Or the default: containerd config default > /etc/containerd/config.toml, then SystemdCgroup = true.",
        ),
        reference="https://kubernetes.io/docs/setup/production-environment/container-runtimes/#containerd",
        rank=44,
    ),
    Entry(
        code="agent-finds-no-cgroups",
        title="a program that watches containers finds no cgroups",
        patterns=(r"Can't find mounted cgroups\.",),
        verdict="the agent finds no cgroup hierarchy of the host in its container",
        cause="It was started before the hierarchies were mounted, or /sys/fs/cgroup of the host is not mounted in it.",
        remedy=(
            "docker run -v /sys/fs/cgroup:/host/sys/fs/cgroup:ro -v /proc:/host/proc:ro (Datadog), then restart it.",
        ),
        reference="https://github.com/DataDog/docker-dd-agent/issues/29",
        rank=45,
    ),
    Entry(
        code="jenkins-does-not-see-its-container",
        title="Jenkins does not know that it runs in a container",
        patterns=(r"(?:Jenkins|\S+) does not seem to be running inside a container",),
        verdict="Jenkins does not recognise its own container, so it mounts the workspace from the docker host",
        cause="The plugin reads /proc/self/cgroup, which on cgroup2 says only 0::/. If Jenkins runs in a container, "
        "the build container gets an empty workspace; if it does not, this is a notice.",
        remedy=(
            "Upgrade the plugin docker-workflow (563 and later read mountinfo).",
            "Or mount the workspace under the same path on the host, or start with --cgroupns=host.",
        ),
        reference="https://github.com/jenkinsci/docker-workflow-plugin/pull/280",
        rank=60,
    ),
    Entry(
        code="engine-package-incomplete",
        title="the engine does not find its own containerd",
        patterns=(
            (
                r"failed to start containerd: exec: \\*\"(?P<program>(?:docker-)?containerd)\\*\": executable file "
                r"not found[^\n]*"
            ),
        ),
        verdict="dockerd wants to start {program}, and it is not in PATH",
        cause="The package of containerd is missing or broken (Arch's 1.6.0-1 put it into /usr/usr/bin), an upgrade "
        "stopped half way, or dockerd was started with another PATH.",
        remedy=(
            "Reinstall or upgrade: pacman -Syu containerd; apt-get install --reinstall containerd.io (or containerd).",
            (
                "Static binaries: copy all of the archive's programs to /usr/bin (containerd, the shim, runc), not "
                "dockerd alone."
            ),
            "Started by hand: PATH=$PATH:/usr/local/bin:/usr/sbin dockerd.",
        ),
        reference="https://github.com/containerd/containerd/issues/6561",
        tell="command -v containerd; find / -xdev -name containerd -type f",
        rank=40,
    ),
)
