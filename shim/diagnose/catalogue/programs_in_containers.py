"""What programs in a container say of limits that host or engine set: ulimits, locked memory, sysctls, systemd."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EMFILE, ENOENT, ENOMEM, EPERM, Entry

TOP = r"/sys/fs/cgroup/(?:memory|cpu|cpuset|pids|io|cgroup)\.[\w.]+"
RLIMITS = r"(?:NOFILE|NPROC|MEMLOCK|CORE|STACK|nofile|nproc|memlock|core|stack|\w+)"

ENTRIES = (
    Entry(
        code="program-may-not-raise-limit",
        title="a program in the container may not raise a limit of its own (ulimit)",
        patterns=(
            r"\bulimit: (?:[\w /(),.-]+: )?(?:cannot modify limit|error setting limit|can't set limit)[^\n]*",
            rf"\bprlimit: failed to set the {RLIMITS} resource limit: {EPERM}",
            rf"[Cc]ould not set limit for '{RLIMITS}'[^\n]*: {EPERM}",
            rf"(?<!crun: )(?:setrlimit|prlimit64?)\b[^\n]{{0,60}}: (?:{EPERM}|{EACCES})",
            rf"[Ff]ailed to (?:adjust|set|raise|increase) (?:resource limit )?RLIMIT_{RLIMITS}[^\n]*: {EPERM}",
            r"max file descriptors \[\d+\] for \w+ process is too low[^\n]*",
        ),
        verdict="a program may not raise its limit: the hard limit of its container is lower",
        cause="A start script calls ulimit for more files, processes or locked memory than the engine gave. Raising a "
        "hard limit needs CAP_SYS_RESOURCE in the initial user namespace, which containers do not have.",
        remedy=(
            (
                "docker, podman: --ulimit nofile=65536:65536 --ulimit memlock=-1 --ulimit nproc=65536. Compose: "
                "ulimits. For all containers: default-ulimits in /etc/docker/daemon.json."
            ),
            "The engine itself is limited (rootless, in a container, LXC): raise LimitNOFILE= of its unit first.",
            "Or take the ulimit line out of the script: an engine's own limits are usually higher already.",
        ),
        reference="https://docs.docker.com/reference/cli/docker/container/run/#ulimit",
        tell="docker exec NAME sh -c 'cat /proc/self/limits'; cat /proc/$(pidof dockerd)/limits",
        rank=61,
    ),
    Entry(
        code="memory-not-lockable",
        title="a program in the container may not lock its memory",
        patterns=(
            rf"Unable to lock JVM Memory[^\n]*|\bmlock(?:all)?\b[^\n]{{0,60}}: (?:{ENOMEM}|{EPERM})",
            r"memory locking requested for \w+ process but memory is not locked",
            r"[Ff]ailed to (?:lock|mlock) memory[^\n]*|ibv_(?:reg_mr|create_cq|create_qp)[^\n]*failed[^\n]*",
        ),
        verdict="a program could not lock its memory (RLIMIT_MEMLOCK)",
        cause="Containers get the engine's limit of locked memory, often 64 KiB or 8 MiB. Elasticsearch, Vault, "
        "databases and RDMA ask for more.",
        remedy=(
            (
                "docker, podman: --ulimit memlock=-1:-1 (Vault: --cap-add IPC_LOCK, too). Compose: ulimits: memlock: "
                "{{soft: -1, hard: -1}}."
            ),
            "Kubernetes has no field: LimitMEMLOCK=infinity in a drop-in of containerd.service, or IPC_LOCK.",
            "Or switch it off: bootstrap.memory_lock=false, disable_mlock = true; and turn swap off.",
        ),
        reference="https://docs.docker.com/reference/cli/docker/container/run/#ulimit",
        tell="grep 'locked memory' /proc/PID/limits",
        rank=61,
    ),
    Entry(
        code="host-sysctl-too-low",
        title="a program in a container wants a sysctl of the host to be higher",
        patterns=(
            r"max virtual memory areas vm\.max_map_count \[\d+\] (?:is |likely )?too low[^\n]*",
            r"Memory overcommit must be enabled![^\n]*|overcommit_memory is set to 0![^\n]*",
            r"TCP backlog setting of \d+ cannot be enforced because[^\n]*",
            r"(?:aio-max-nr|max_map_count|shmmax|threads-max|somaxconn)[^\n]*(?:too low|is lower|insufficient)[^\n]*",
        ),
        verdict="a program in the container finds a sysctl of the host too low",
        cause="vm.*, fs.* and kernel.threads-max belong to the whole host: no container has its own, and --sysctl "
        "refuses them. Docker Desktop's host is its virtual machine.",
        remedy=(
            "On the host: sysctl -w vm.max_map_count=262144, and a file in /etc/sysctl.d that keeps it.",
            (
                "Docker Desktop: wsl -d docker-desktop sysctl -w vm.max_map_count=262144 (or kernelCommandLine = "
                '"sysctl.vm.max_map_count=262144" in .wslconfig). Kubernetes: a privileged init container.'
            ),
            "net.* has one value for each network namespace: docker run --sysctl net.core.somaxconn=1024.",
        ),
        reference="https://docs.docker.com/reference/cli/docker/container/run/#sysctl",
        rank=61,
    ),
    Entry(
        code="systemd-compat-cgroup-missing",
        title="systemd in a container does not find its directory in the hierarchy name=systemd",
        patterns=(rf"Failed to attach \d+ to compat systemd cgroup (?P<path>/[^\s:]+): {ENOENT}",),
        verdict="on a hybrid host, the systemd in the container has no directory {path} in the hierarchy name=systemd",
        cause="On a hybrid host systemd keeps its own tree twice: in cgroup2 and in name=systemd. docker with the "
        "cgroupfs driver makes the container's directory outside the host's systemd, which removes it from one of "
        "them, at the latest when the container starts again. Services in the container often run nevertheless.",
        remedy=(
            (
                'Let systemd make the cgroups: "exec-opts": ["native.cgroupdriver=systemd"] in /etc/docker/daemon.json '
                "(balena: balena-engine's), then restart the engine."
            ),
            "Or boot the host with one layout: systemd.unified_cgroup_hierarchy=1 (or 0).",
            "Once: mkdir -p /sys/fs/cgroup/systemd{path} on the host, and start the container again.",
        ),
        reference="https://github.com/balena-os/meta-balena/issues/1645",
        tell="grep cgroup /proc/self/mountinfo: cgroup2 at /sys/fs/cgroup/unified is hybrid",
        rank=57,
    ),
    Entry(
        code="terminal-of-other-devpts",
        title="the runtime does not find the terminal of its caller below /dev/pts",
        patterns=(
            (
                rf"(?:crun|runc|conmon|oci runtime|setns process)[^\n]*\bopen(?:at)?2? "
                rf"[`'\"]?(?P<path>/dev/pts/\d{{1,6}})[`'\"]?:"
                rf" {ENOENT}"
            ),
        ),
        verdict="the terminal {path} of the caller does not exist in this system's /dev/pts",
        cause="The terminal belongs to another instance of devpts: the shell came from outside (lxc exec, a console of "
        "ChromeOS or WSL, docker exec, su without a terminal of its own), and its number means nothing here.",
        remedy=(
            "Give the command a terminal of this system: script -q -c 'COMMAND' /dev/null, tmux, screen or ssh.",
            "Or without a terminal: leave -t out, and < /dev/null. Newer crun and podman no longer open it by name.",
        ),
        reference="https://github.com/89luca89/distrobox/issues/1517",
        tell="tty; ls /dev/pts",
        rank=52,
    ),
    Entry(
        code="systemd-finds-no-cgroups",
        title="systemd in a container finds no cgroup file system, or cannot mount one",
        patterns=(
            r"Failed to determine whether the unified cgroups? hierarchy is used[^\n]*",
            (
                r"Failed to mount cgroup2? (?:\(type cgroup2?\) )?(?:at|on) /sys/fs/cgroup/(?:systemd|unified)[^\n]*: "
                rf"(?:[Dd]evice or resource busy|{ENOENT}|[Ii]nvalid argument)"
            ),
            r"Failed to create /\S* control group: (?:Structure needs cleaning|Input/output error|Invalid argument)",
        ),
        verdict="systemd in the container finds no usable cgroup file system at /sys/fs/cgroup",
        cause="Nothing, a tmpfs or a part of the host's tree lies there: a bind of /sys/fs/cgroup with another cgroup "
        "namespace than the container's, a host that mounts v1 where the image's systemd wants cgroup2 (or the other "
        "way round), or a hybrid host whose unified tree is taken. Structure needs cleaning: a cgroup that is deleted.",
        remedy=(
            "docker run --privileged --cgroupns=private, without -v /sys/fs/cgroup; podman run --systemd=always.",
            (
                "On v1: -v /sys/fs/cgroup:/sys/fs/cgroup:rw --cgroupns=host; an image whose systemd knows the host's "
                "layout."
            ),
        ),
        reference="https://systemd.io/CONTAINER_INTERFACE/",
        tell="docker exec NAME grep cgroup /proc/self/mountinfo /proc/1/cgroup",
        rank=57,
    ),
    Entry(
        code="buildkit-not-allowed",
        title="the build needs a right that this BuildKit does not give",
        patterns=(
            r"granting entitlement (?P<name>security\.insecure|network\.host|device) is not allowed[^\n]*",
            r"rootless mode requires to be executed as the mapped root in a user namespace[^\n]*",
            r"no worker found, rebuild the buildkit daemon",
            r"(?P<name2>security\.insecure|network\.host) is not allowed",
        ),
        verdict="BuildKit does not allow what the build asks for, or buildkitd has no worker",
        cause="RUN --security=insecure and --network=host need the consent of the daemon and of the client. Rootless "
        "buildkitd must run under rootlesskit. No worker: neither runc nor containerd is usable where buildkitd runs; "
        "its lines above say why.",
        remedy=(
            (
                "docker buildx create --use --buildkitd-flags '--allow-insecure-entitlement security.insecure', then "
                "docker buildx build --allow security.insecure."
            ),
            (
                "rootlesskit buildkitd; in Kubernetes the image moby/buildkit:rootless with its documented security "
                "context."
            ),
        ),
        reference="https://docs.docker.com/reference/cli/docker/buildx/build/#allow",
        rank=45,
    ),
    Entry(
        code="terminals-used-up",
        title="no pseudo-terminal is left",
        patterns=(
            r"open(?:ing)? [`'\"]?/dev/ptmx[`'\"]?: (?:no space left on device|ENOSPC)",
            r"(?:openpty|posix_openpt|forkpty|grantpt)[^\n]{0,40}(?:No space left on device|out of pty devices)",
        ),
        verdict="the limit of pseudo-terminals is reached",
        cause="The kernel has kernel.pty.max terminals for the whole host (4096), fewer where a devpts is mounted with "
        "max=. Shells, docker exec -t in scripts or a program that does not close them use them up.",
        remedy=(
            "cat /proc/sys/kernel/pty/nr; ls /dev/pts | wc -l: end the program that holds them (lsof /dev/ptmx).",
            "sysctl -w kernel.pty.max=8192; docker exec without -t in scripts and health checks.",
        ),
        reference="Linux Documentation/admin-guide/sysctl/kernel.rst (pty)",
        tell="cat /proc/sys/kernel/pty/nr /proc/sys/kernel/pty/max",
        rank=45,
    ),
    Entry(
        code="descriptor-limit-too-high",
        title="a program makes a table for every file descriptor that it may have",
        patterns=(
            r"unable to allocate file descriptor table - out of memory",
            r"mysqld: Out of memory \(Needed \d{10,} bytes\)",
        ),
        verdict="the limit of open files is so high that the program has no memory for its table of them",
        cause="containerd's and docker's units had LimitNOFILE=infinity, which is a billion where systemd raises "
        "fs.nr_open so far (Fedora, Arch, RHEL 9), and containers inherit it. Old Java, MySQL, rpm, cups and others "
        "allocate or close as many.",
        remedy=(
            "docker run --ulimit nofile=65536:65536; compose: ulimits: nofile: 65536.",
            (
                'For all: "default-ulimits": {{"nofile": {{"Name": "nofile", "Soft": 1024, "Hard": 524288}}}} in '
                "daemon.json; or LimitNOFILE=1024:524288 in a drop-in of containerd.service."
            ),
        ),
        reference="https://github.com/moby/moby/issues/38814",
        tell="docker run --rm alpine sh -c 'ulimit -n': more than a million?",
        rank=45,
    ),
    Entry(
        code="program-descriptors-used-up",
        title="a program has reached the limit of open files that its container was given",
        patterns=(
            rf"envoy[^\n]*{EMFILE}",
            rf"(?:ztunnel|Failed TCP handshake)[^\n]*{EMFILE}",
            rf"socket\(\d\) failed, got error: {EMFILE}",
        ),
        verdict="the program in the container has no descriptors left: the soft limit of open files (EMFILE)",
        cause="The engine hands its own LimitNOFILE to every container. Newer units of containerd and some clouds' "
        "images have 1024 as soft limit, and a program that does not raise it (Envoy, Istio, Consul) runs out.",
        remedy=(
            (
                "The node: systemctl edit containerd (docker): [Service] LimitNOFILE=1048576; daemon-reload, restart "
                "it, and make the pod again."
            ),
            "In the pod: command: sh -c 'ulimit -n 65536; exec PROGRAM', up to the hard limit.",
            "docker: --ulimit nofile=65536:65536; compose: ulimits: nofile.",
        ),
        reference="https://github.com/awslabs/amazon-eks-ami/issues/1551",
        tell="kubectl exec POD -- grep 'open files' /proc/1/limits",
        rank=45,
    ),
)
