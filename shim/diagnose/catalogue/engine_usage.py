"""What an engine refuses or reports by itself when a container is made: stores, GPUs, builds, ports, other machines."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EBUSY, EINVAL, ELOOP, ENODEV, ENOENT, EPERM, Entry

LIMITS_OF_COMPOSE = (
    r"(?:mem(?:ory)?|mem_?swap|cpus?|cpu_?set|pids|oom|blkio|ulimits|cgroup|deploy|shm|devices?|gpus|runtime|resources|"
    r"storage)"
    r"(?:[-_.][\w.-]+)?"
)

ENTRIES = (
    Entry(
        code="layers-not-mounted",
        title="the engine cannot mount the layers of the container with overlay",
        patterns=(
            rf"error creating overlay mount to [^\n]*: (?:{ELOOP}|{EBUSY}|{EINVAL}|{ENOENT}|{ENODEV}|{EPERM}|{EACCES})",
            r"error creating (?:aufs|zfs|btrfs) mount to [^\n]*",
            r"rootfs \(\\*\"[^\"\n]*/(?:docker|containers)[^\n]*/rootfs\\*\"\) does not exist",
            r"failed to mount rootfs component[^\n]*overlay[^\n]*: [^\n]+",
        ),
        verdict="the engine cannot put the container's root file system together from its layers",
        cause="Busy, too many links: a virus scanner (Symantec, McAfee, ESET) or another container that mounted "
        "/var/lib/docker holds the layers. No such file: the store is damaged (a full disk, a power cut, files deleted "
        "by hand). Invalid argument, no such device: the kernel's overlay does not fit the file system or the options "
        "(an engine on overlay, NFS, more than 128 layers on old kernels). Not permitted: an unprivileged container.",
        remedy=(
            "Stop the scanner for /var/lib/docker; docker rm the container, and make it again; restart docker.",
            "Damaged: docker image rm and pull the image; at last docker system prune -a.",
            'Not for overlay: fuse-overlayfs or vfs as "storage-driver", or a volume of ext4 at /var/lib/docker.',
        ),
        reference="https://docs.docker.com/engine/storage/drivers/overlayfs-driver/",
        tell="dmesg | tail; grep -l overlay2 /proc/*/mountinfo; stat -f -c %T /var/lib/docker",
        rank=59,
    ),
    Entry(
        code="compose-option-unknown",
        title="this version of Compose, or of the file's format, does not know an option about limits",
        patterns=(
            (
                rf"{LIMITS_OF_COMPOSE}(?: value)? Additional propert(?:y|ies)(?: [^\n]*)? (?:is|are|were) (?:not "
                rf"allowed|unexpected)[^\n]*"
            ),
            rf"Unsupported config option for (?:services\.)?\S+ ?:? '{LIMITS_OF_COMPOSE}'",
        ),
        verdict="Compose refuses the file: it does not know one of the options about limits there",
        cause="The format decides: version 2.x knows mem_limit, memswap_limit, mem_swappiness, cpus and cpuset, 3.x "
        "only deploy.resources (from 3.0 on; pids from 3.9), and docker stack deploy never takes the former. "
        "docker-compose 1.x goes by the version line; Compose v2 takes both.",
        remedy=(
            "Use docker compose (v2), and take the version line out of the file.",
            "docker stack deploy: deploy: resources: limits: cpus, memory, pids. Swap cannot be set there.",
        ),
        reference="https://docs.docker.com/reference/compose-file/deploy/",
        tell="docker compose version; docker-compose --version; grep version: docker-compose.yml",
        rank=59,
    ),
    Entry(
        code="compose-deploy-ignored",
        title="docker-compose 1.x leaves out the deploy section",
        patterns=(
            r"The following deploy sub-keys are not supported and have been ignored: (?P<keys>[^\n]+)",
            r"Some services \((?P<services>[^)\n]*)\) use the 'deploy' key, which will be ignored",
            r"Compose does not support 'deploy' configuration",
        ),
        verdict="docker-compose ignores deploy, or a part of it, so these limits are not set: {keys}",
        cause="docker-compose 1.x takes limits from deploy.resources only with --compatibility (1.20 and later), and "
        "1.27 and later take limits but no cpus reservation: the engine has none outside Swarm.",
        remedy=(
            "Use docker compose (v2), which sets deploy.resources; or docker-compose --compatibility up.",
            "Or format 2.4 with mem_limit, cpus and cpu_shares instead of deploy.",
        ),
        reference="https://docs.docker.com/reference/compose-file/deploy/",
        tell="docker inspect NAME --format '{{{{.HostConfig.Memory}}}} {{{{.HostConfig.NanoCpus}}}}': 0 means no limit",
        rank=57,
    ),
    Entry(
        code="gpu-not-offered",
        title="the engine does not know the GPU that the container asks for",
        patterns=(
            r"could not select device driver (?:\\*\"(?P<driver>[^\"\n\\]*)\\*\" )?with capabilities",
            r"unresolvable CDI devices? (?P<name>[^\n:]+)",
            r"(?:failed to inject CDI devices|CDI device injection failed|CDI registry initialization failure)[^\n]*",
            r"(?:stat|lstat|device) (?P<name2>nvidia\.com/gpu[^\s:]*): no such file or directory",
            r"no known GPU vendor found",
        ),
        verdict="the engine finds no driver, and no description (CDI), of the GPU that the container asks for",
        cause="The NVIDIA container toolkit is not installed, not registered with this engine, or its description is "
        "missing or older than the GPUs. A rootless engine and Docker Desktop look in their own configuration; an old "
        "podman or compose takes the name for a file.",
        remedy=(
            (
                "docker: apt-get install nvidia-container-toolkit; nvidia-ctk runtime configure --runtime=docker "
                "(rootless: --config=$HOME/.config/docker/daemon.json); systemctl restart docker."
            ),
            "Docker from a snap does not use the host's toolkit: snap list docker; snap remove docker, and a package.",
            (
                'CDI: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml; docker: "features": {{"cdi": true}} in '
                'daemon.json before 28.3; "cdi-spec-dirs" for a rootless engine.'
            ),
            "nvidia-ctk cdi list: does it name what you ask for? podman 4.1 or later knows CDI.",
        ),
        reference="https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html",
        tell="nvidia-ctk cdi list; docker info | grep -iE 'runtimes|cdi'",
        ours=False,
        rank=45,
    ),
    Entry(
        code="buildkit-step-ended",
        title="BuildKit reports that a step ended, and not why",
        patterns=(
            r"executor failed running \[[^\n]*?\]: (?:buildkit-)?runc did not terminate suc+ess?ful+y",
            r"failed to solve[^\n]*: (?:buildkit-)?runc did not terminate suc+ess?ful+y",
        ),
        verdict="a step of the build ended with an error; this BuildKit hides whether it was the command or runc",
        cause="BuildKit before 0.8 (docker before 20.10) says so for every status: the command itself failed, was "
        "killed for memory, or is for another processor; or runc could not start it (an engine in a container or "
        "workspace).",
        remedy=(
            "docker build --progress=plain --no-cache: the lines above belong to the command; or DOCKER_BUILDKIT=0.",
            (
                "If not even RUN true works: it is runc; upgrade docker and buildx, or give the outer container "
                "privileges."
            ),
        ),
        reference="https://github.com/docker/buildx/issues/426",
        tell="a Dockerfile with FROM alpine and RUN true: does it build?",
        rank=57,
    ),
    Entry(
        code="path-not-shared",
        title="Docker Desktop does not share this path with its virtual machine",
        patterns=(
            r"Mounts denied: [^\n]*",
            r"[Tt]he path (?P<path>\S+) is not shared from (?:the )?(?:host|OS X)[^\n]*",
            r"user declined directory sharing (?P<path2>[^\n]+)",
        ),
        verdict="Docker Desktop does not share the path with its virtual machine",
        cause="Only shared directories of Windows or macOS can be volumes.",
        remedy=("Settings, Resources, File sharing: add it; or use a named volume, or a path inside WSL.",),
        reference="https://docs.docker.com/desktop/settings-and-maintenance/settings/",
        ours=False,
        rank=45,
    ),
    Entry(
        code="engine-gave-up-waiting",
        title="the engine waited too long for containerd, the shim or the runtime",
        patterns=(
            r"(?:create|start)[^\n]*(?:shim|task|container)[^\n]*(?<!timeout): context deadline exceeded",
            r"container did not start before the specified timeout",
            r"(?:did not|didn't) (?:start|respond) (?:before|within) [^\n]*(?:shim|containerd)[^\n]*",
        ),
        verdict="the engine gave up waiting for the start of the container",
        cause="The host is out of memory, CPU or I/O (slow cards and disks, many containers at once), containerd "
        "hangs, a network volume (NFS, CIFS) does not answer, or a hook or a plugin waits.",
        remedy=(
            "top, iostat -x 1, free -m at that moment; start fewer containers at once.",
            "journalctl -u containerd -u docker -e; systemctl restart containerd docker.",
        ),
        reference="https://github.com/moby/moby",
        tell="cat /proc/pressure/io /proc/pressure/memory; ps -eo stat,wchan:30,cmd | grep ^D",
        rank=64,
    ),
    Entry(
        code="old-engine-hides-reason",
        title="an old Docker (before 1.10) gives only the errno of a failed start",
        ambiguous=(
            r"\[\d\] System error: [a-z ]+$",
            (
                r"Cannot start container [0-9a-f]{12,}: +(?:\(exit status \d+\)|file exists|operation not supported|"
                r"no such device|permission denied|operation not permitted|invalid argument|no space left on device)$"
            ),
        ),
        verdict="Docker before 1.10 says only which errno a step of the start gave, and not which step",
        cause="Usual on old and vendors' kernels: an option is missing (overlay, cgroups, namespaces, veth), the "
        "storage driver's file system lacks extended attributes, or the kernel is older than 3.10. The AppArmor "
        "profile is not loaded (no such file), or an outer LXC forbids a mount. File exists: what a killed container "
        "left. Exit status: the program in the container ended at once, or was killed for memory.",
        remedy=(
            "Upgrade docker: newer versions name the step and the file. File exists: restart docker; docker rm -f.",
            "check-config.sh of moby (contrib) lists the kernel's missing options.",
        ),
        reference="https://github.com/moby/moby/blob/master/contrib/check-config.sh",
        tell="uname -r; docker -D info; dmesg | tail",
        offer=1,
        last=True,
    ),
)
