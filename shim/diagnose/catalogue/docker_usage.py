"""What docker refuses for one container: what it should share, devices, volumes, places in a swarm, its machine."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, EROFS, Entry

MOBY = "https://github.com/moby/moby"
OTHERS = r"(?:network(?: namespace)?|IPC(?: namespace)?|PID(?: namespace)?|namespace)"
LIMIT = (
    r"(?:mem_limit|memswap_limit|mem_reservation|mem_swappiness|shm_size|cpus|cpu_\w+|cpuset|pids_limit|ulimits?|"
    r"nofile|nproc|oom_score_adj|resources|limits|reservations|memory|size)"
)

ENTRIES = (
    Entry(
        code="shared-namespace-gone",
        title="the container whose namespace should be shared does not run, or does not share it",
        patterns=(
            (
                rf"(?:cannot|can't) join (?:the )?{OTHERS} of (?:a non[- ]running )?container:? "
                r"(?:container )?(?P<name>[\w.-]+)[^\n]*"
            ),
            r"[Nn]o such container: (?P<name2>[\w.-]+) *\(?(?:[^\n]*network_mode)[^\n]*",
            r"joining network namespace of container: No such container: (?P<name3>[\w.-]+)",
            r"Cannot link to a non running container: /?(?P<name4>[\w.-]+)",
            r"non-shareable IPC \(hint: use IpcMode:shareable[^\n]*",
            r"failed to join (?:IPC|PID|network) namespace[^\n]*|/dev/shm is not mounted, but must be for --ipc=host",
        ),
        verdict="the container {name}, whose namespace this one should share, does not run or does not share it",
        cause="--network container:NAME (compose: network_mode: service:NAME), --ipc and --pid join a container that "
        "runs. If that one has failed, all that depend on it fail with this message: its own failure is the cause. "
        "After it was made again, containers still name the old id. At boot dockerd starts containers in any order, "
        "and does not try this one again.",
        remedy=(
            "docker ps -a; docker logs {name}: start that container first, and explain its own error.",
            (
                "It runs by now (after a reboot): docker compose up -d. At every boot: a unit After=docker.service "
                "with ExecStart=/usr/bin/docker compose -f FILE up -d."
            ),
            (
                "Made again (VPN containers, updates by Watchtower): make the dependents again, too: docker compose up "
                "-d --force-recreate."
            ),
            "IPC: the giver needs --ipc=shareable (compose: ipc: shareable).",
        ),
        reference="https://docs.docker.com/engine/network/#container-networks",
        rank=57,
    ),
    Entry(
        code="device-is-directory",
        title="a path given as a device is not a device node",
        patterns=(
            (
                r"error gathering device information while add ?ing custom device \\*\"(?P<device>[^\"\\\n]*)\\*\": "
                r"not a device node"
            ),
        ),
        verdict="{device} is not a device node on the engine's host, and contains none",
        cause="--device takes a device, or (since Docker 1.7) a directory with devices in it. A directory without any "
        "on the engine's host (Docker Desktop and WSL: a virtual machine), a plain file that stands in for a device, "
        "or a link such as /dev/serial/by-id that leads nowhere are none.",
        remedy=(
            "ls -lR {device} on the host of the engine. Name a node itself: /dev/dri/renderD128, /dev/ttyUSB0.",
            "Docker Desktop sees no USB and GPU devices of the host but NVIDIA's: docker-ce on Linux, usbipd on WSL.",
            (
                "A directory whose devices come and go (USB): -v {device}:{device} with --device-cgroup-rule='c "
                "189:* rmw'."
            ),
        ),
        reference="https://docs.docker.com/reference/cli/docker/container/run/#device",
        rank=57,
    ),
    Entry(
        code="read-only-volume-covers-engine-file",
        title="a read-only volume covers the place of resolv.conf, hosts or hostname",
        patterns=(
            (
                r"mounting \\*\"[^\"\n]*/containers/[0-9a-f]{12,}/(?:resolv\.conf|hosts|hostname)\\*\" to rootfs"
                rf"[^\n]* at \\*\"(?P<destination>[^\"\\\n]*)\\*\"(?:: | caused:? \\*\"?)[^\n]*{EROFS}"
            ),
            rf"open /\S*/(?:rootfs|merged)(?P<destination2>/etc/(?:resolv\.conf|hosts|hostname)): {EROFS}",
        ),
        verdict="the engine cannot put {destination} into the container: a read-only volume lies over /etc",
        cause="docker mounts its own resolv.conf, hosts and hostname over files in the container's /etc, and "
        "makes them "
        "where they are missing. A volume with :ro at /etc (or an image of another platform, or a damaged layer) "
        "does not let it.",
        remedy=(
            "Mount single files or a directory below /etc (/etc/myapp), not /etc itself; or leave out :ro.",
            "No volume there? docker image rm, and pull the image again.",
        ),
        reference="https://docs.docker.com/engine/storage/bind-mounts/",
        rank=40,
    ),
    Entry(
        code="vm-runtime-update-refused",
        title="the virtual machine of a container does not take more memory or CPUs",
        patterns=(
            (
                r"[Cc]annot update container[^\n]*(?:kata|clear|qemu|cc-)[^\n]*(?:QMP|hot-?plug|memory|vcpu|"
                r"did not terminate)(?![^\n]*cpuset)[^\n]*"
            ),
            r"(?:hot-?plug|hotplug)[^\n]*(?:memory|vCPU|cpu)[^\n]*(?:failed|not supported|exceed|unable)[^\n]*",
            r"(?:exceeds?|[Uu]nable to hotplug)[^\n]*(?:maximum memory|slots?|max(?:imum)? vcpus?)[^\n]*",
        ),
        verdict="the runtime could not change the memory or CPUs of the container's virtual machine while it runs",
        cause="Kata adds memory and CPUs by hot plug. It needs free slots (memory_slots, default_maxvcpus), a block "
        "size that the guest accepts, and a hypervisor that can do it; it cannot take memory away. Early versions "
        "managed only one update.",
        remedy=(
            "Set the limits when the container is made: docker rm, then docker run --memory --cpus.",
            (
                "Upgrade Kata; raise memory_slots and default_maxvcpus in configuration.toml "
                "(static_sandbox_resource_mgmt switches hot plug off)."
            ),
        ),
        reference="https://github.com/kata-containers/kata-containers/tree/main/docs/design",
        rank=40,
    ),
    Entry(
        code="stack-option-ignored",
        title="docker stack deploy leaves out options that Swarm does not have",
        patterns=(r"Ignoring (?:unsupported|deprecated) options: (?P<options>[^\n]+)",),
        verdict="Swarm does not take these options of the file, so nothing of them is set: {options}",
        cause="docker stack deploy knows less than docker compose: ulimits came with docker 20.10; privileged, "
        "devices, cgroup_parent, security_opt, mem_limit and cpus have no place in Swarm.",
        remedy=(
            (
                "Limits: deploy: resources: limits: cpus, memory, pids. ulimits: docker 20.10 or later on all nodes, "
                "or default-ulimits in /etc/docker/daemon.json."
            ),
            "What Swarm does not have: docker compose up on the node itself.",
        ),
        reference="https://docs.docker.com/reference/compose-file/deploy/",
        rank=57,
    ),
    Entry(
        code="engine-init-covered",
        title="the small init of docker --init is not where the engine put it",
        patterns=(
            (
                r"exec: \\*\"?(?P<path>/dev/init|/sbin/docker-init|/run/podman-init|/dev/shm/init)\\*\"?: stat "
                r"[^\n]*no such "
                r"file or directory"
            ),
        ),
        verdict="the container should start with the engine's init at {path}, and a volume covers that place",
        cause='--init (compose: init: true; default with "init": true in daemon.json) mounts a small init program at '
        "/dev/init (docker before 19.03), /sbin/docker-init or /run/podman-init. A volume at /dev, /sbin or /run "
        "hides it.",
        remedy=(
            "Without --init, or without the volume: --device or -v /dev/NAME:/dev/NAME instead of -v /dev:/dev.",
            "Upgrade docker: since 19.03 it is /sbin/docker-init.",
        ),
        reference="https://github.com/home-assistant/core/issues/45946",
        rank=30,
    ),
    Entry(
        code="limit-value-not-understood",
        title="docker or Compose cannot read the value of a limit",
        patterns=(
            (
                r"invalid argument \"(?P<value>[^\"\n]*)\" for "
                r"\"(?P<option>[^\"\n]*--(?:memory|cpu|cpus|shm-size|ulimit|pids|"
                r"kernel-memory|blkio|device-|storage-opt|tmpfs|oom)[\w-]*)\" flag"
            ),
            (
                rf"interpolating services\.[\w.<>-]*\.(?P<option2>{LIMIT})[\w.]*: failed to cast[^\n]*parsing "
                r"\"(?P<value2>[^\"\n]*)\": invalid syntax"
            ),
            rf"(?P<option3>[\w.]*\b{LIMIT}) to appropriate type: \"(?P<value3>[^\"\n]*)\" is not a valid \w+",
            rf"(?P<option4>[\w.-]*\b{LIMIT}) contains an invalid type, it should be an? \w+",
            r"strconv\.Parse(?:Int|Uint|Float): parsing \"(?P<value5>\d+(?:\.\d+)? ?[kmgt]i?b?)\": invalid syntax",
        ),
        verdict="the value of the limit cannot be read: {value}",
        cause="docker wants a number with b, k, m or g for memory (512m, not 0.5GB of RAM or 512 MB), a decimal number "
        "for cpus, name=soft:hard for ulimits. An empty variable leaves nothing or only the unit. Compose 2.0 and 2.1 "
        "took no units from variables; docker-compose 1.27 wants memory as a string; mem_swappiness is a whole number.",
        remedy=(
            'Quote it in the file: mem_limit: "512m", cpus: "0.5"; give variables a default: ${{MEM:-1g}}.',
            "docker compose config shows what is read. Upgrade Compose (2.2 or later takes units everywhere).",
        ),
        reference="https://docs.docker.com/reference/compose-file/extension/#specifying-byte-values",
        rank=46,
    ),
    Entry(
        code="swarm-cpu-too-small",
        title="a service asks for less CPU than swarm can give",
        patterns=(r"invalid cpu value (?P<value>[\d.]+): Must be at least (?P<least>[\d.]+)",),
        verdict="swarm does not take {value} CPUs: the least is {least}",
        cause="Limits and reservations of a service are counted in thousandths of a CPU.",
        remedy=("Raise cpus in deploy.resources (limits or reservations) to {least} or more, or leave it out.",),
        reference="https://github.com/docker/docs/issues/5271",
        rank=40,
    ),
    Entry(
        code="rootless-docker-misses-program",
        title="dockerd-rootless.sh misses a program",
        patterns=(r"dockerd-rootless\.sh: (?:line )?\d+: (?P<name>[\w.-]+): (?:command )?not found",),
        verdict="dockerd-rootless.sh does not find the program {name}",
        cause="The script needs it at the start, and this host or image does not have it.",
        remedy=(
            (
                "Install it: sysctl and pgrep are in procps (Alpine: procps-ng), ip in iproute2, iptables in iptables, "
                "newuidmap in uidmap (shadow-uidmap)."
            ),
            "An older image whose script does not need it.",
        ),
        reference="https://docs.docker.com/engine/security/rootless/",
        tell="command -v {name}",
        rank=30,
    ),
    Entry(
        code="namespace-giver-ended",
        title="the process whose namespace is shared has ended",
        patterns=(
            (
                rf"(?:lstat|stat|open) (?<!get runtime: open )(?P<path>/proc/(?P<pid>[1-9]\d*)/ns/"
                rf"(?P<kind>ipc|net|pid|uts|user|mnt)): {ENOENT}"
            ),
        ),
        verdict="process {pid}, whose {kind} namespace the container shares, has ended",
        cause="The container joins the namespaces of another one (container:NAME, the pause container of a pod) by "
        "/proc/PID/ns. That process ended, or was replaced after a crash or a restart of the engine.",
        remedy=(
            (
                "Start the other container, then make the ones that depend on it again: docker compose up -d "
                "--force-recreate. A restart alone keeps the old path."
            ),
            "Kubernetes: kubectl delete pod NAME: a new pod has a new pause container.",
            "dmesg shows whether the process was killed for memory.",
        ),
        reference="https://github.com/opencontainers/runc/issues/1476",
        tell="ls -d /proc/{pid}; docker inspect NAME | grep -E 'NetworkMode|IpcMode|PidMode'",
        rank=44,
    ),
)
