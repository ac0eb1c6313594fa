"""What NVIDIA's toolkit says of GPUs that a container does not get."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, Entry

ENTRIES = (
    Entry(
        code="nvidia-hook-process-hidden",
        title="NVIDIA's hook does not see the container's process",
        patterns=(
            r"nvidia-container-cli[\w.]*: container error: stat failed: /proc/(?P<pid>\d+): no such file or directory",
        ),
        verdict="NVIDIA's hook cannot see the container's process {pid} in /proc",
        cause="The hook gives up root (user = in its config) and looks into /proc. hidepid= hides the process "
        "there from "
        "all but its owner and the group gid=; or the container's process had ended already.",
        remedy=(
            'user = "root:root" under [nvidia-container-cli] in /etc/nvidia-container-runtime/config.toml.',
            "Or mount -o remount,hidepid=0 /proc.",
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/645",
        tell="grep ' /proc ' /proc/mounts: hidepid?",
        rank=40,
    ),
    Entry(
        code="nvidia-hook-not-direct",
        title="NVIDIA's hook was called without NVIDIA's runtime",
        patterns=(
            r"invoking the NVIDIA Container Runtime Hook directly[^\n]*",
            r"failed to (?:create NVIDIA Container Runtime|construct (?:OCI )?(?:spec )?modifier)[^\n]*",
        ),
        verdict="NVIDIA's toolkit does not set the container up: it is in another mode than the one it was called in",
        cause="In the mode csv (Jetson) or cdi, --gpus calls the hook alone, which then refuses: the container "
        "must run "
        "under the runtime nvidia. 'failed to construct' names what is missing: a description (CDI), a driver that the "
        "image requires, or a mount list.",
        remedy=(
            "docker run --runtime=nvidia -e NVIDIA_VISIBLE_DEVICES=all, in place of --gpus; compose: runtime: nvidia.",
            (
                "nvidia-ctk runtime configure --runtime=docker; systemctl restart docker. podman: --device "
                "nvidia.com/gpu=all"
            ),
        ),
        reference="https://github.com/NVIDIA/nvidia-container-toolkit",
        tell="grep mode /etc/nvidia-container-runtime/config.toml; docker info | grep -i runtimes",
        rank=40,
    ),
    Entry(
        code="nvidia-hook-refuses-request",
        title="NVIDIA's hook refuses what the container asks of it",
        patterns=(
            r"unknown driver capability: (?P<what>\w+)|unsupported capabilities found in '(?P<what2>[^'\n]*)'",
            r"cannot set MIG_(?:CONFIG|MONITOR)_DEVICES in non privileged container",
            r"insufficient privileges to read device list from NVIDIA_VISIBLE_DEVICES envvar",
            r"couldn't find (?:binary )?nvidia-container-cli in (?:path|PATH)[^\n]*",
            r"requesting a CDI device with vendor 'runtime\.nvidia\.com' is not supported[^\n]*",
        ),
        verdict="NVIDIA's hook refuses the environment of the container, or misses its own program",
        cause="NVIDIA_DRIVER_CAPABILITIES names what this toolkit does not know or allow: old ones (JetPack 4) do not "
        "know all. The image sets it, or --gpus. MIG devices need --privileged; an unprivileged container may not name "
        "devices where accept-nvidia-visible-devices-envvar-when-unprivileged = false.",
        remedy=(
            "-e NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics,video; or upgrade nvidia-container-toolkit.",
            "An image that fits: on a Jetson of the host's own L4T version.",
        ),
        reference="https://github.com/NVIDIA/nvidia-container-toolkit",
        tell="docker inspect IMAGE --format '{{{{.Config.Env}}}}'; nvidia-ctk --version",
        rank=40,
    ),
    Entry(
        code="nvidia-runtime-not-default",
        title="a pod for GPUs runs without NVIDIA's runtime",
        patterns=(
            r"Failed to initialize NVML: could not load NVML library[^\n]*",
            r"did you set the docker default runtime to `nvidia`",
            r"If this is a GPU node, did you (?:set|configure) [^\n]*nvidia[^\n]*",
        ),
        verdict="NVIDIA's libraries are not in this container: the engine started it with plain runc",
        cause="The device plugin and programs with GPUs need the driver's libraries, which only "
        "nvidia-container-runtime "
        "(or CDI) puts into a container. It is not installed, or not the default runtime, or the engine was not "
        "restarted.",
        remedy=(
            "nvidia-ctk runtime configure --runtime=docker (or containerd, crio) --set-as-default; restart the engine.",
            (
                "Kubernetes: or runtimeClassName: nvidia in the pod. k3s, microk8s have a containerd configuration "
                "of their "
                "own: microk8s enable gpu."
            ),
            "A node without a GPU: nothing is wrong there.",
        ),
        reference="https://github.com/NVIDIA/k8s-device-plugin#prerequisites",
        rank=40,
    ),
    Entry(
        code="nvidia-device-unknown",
        title="NVIDIA's hook knows no GPU of the name that it was given",
        patterns=(
            r"nvidia-container-cli[\w.]*:\s+device error: (?P<name>[^\s:]+): unknown device",
            r"nvidia-container-cli[\w.]*:\s+device error: unknown device id: (?P<name2>[^\s\\]+)",
        ),
        verdict="this host has no GPU with the name {name}",
        cause="--gpus device=, device_ids or NVIDIA_VISIBLE_DEVICES names an index or UUID that nvidia-smi -L does not "
        "list: fewer GPUs than asked for, a card that was replaced or fell off the bus, another name for a MIG device "
        "since driver 470 (MIG-UUID). no-gpu-has-...: the plugin that shares GPUs found none with enough free memory. "
        "/var/run/nvidia-container-devices: a plugin passes devices as volumes, and the toolkit is not set to read "
        "them.",
        remedy=(
            (
                "nvidia-smi -L; write one of its indices or UUIDs; --gpus all. After a change of cards: make the "
                "container "
                "again."
            ),
            (
                "Volumes: accept-nvidia-visible-devices-as-volume-mounts = true in "
                "/etc/nvidia-container-runtime/config.toml."
            ),
        ),
        reference="https://github.com/NVIDIA/nvidia-container-toolkit/issues/29",
        tell="nvidia-smi -L; docker inspect NAME: DeviceRequests, and NVIDIA_VISIBLE_DEVICES under Env",
        ours=False,
        rank=44,
    ),
    Entry(
        code="nvidia-imex-not-understood",
        title="NVIDIA's hook does not know the IMEX channels that its wrapper passes",
        patterns=(r"error parsing IMEX info: [^\n]*",),
        verdict='nvidia-container-cli does not know the IMEX channels "all", which the toolkit gave it for an '
        "old image",
        cause="The first versions of nvidia-container-toolkit 1.17 took all as the default for images of the first "
        "generation of CUDA images, and nvidia-container-cli knows numbers only.",
        remedy=(
            (
                "Upgrade nvidia-container-toolkit and libnvidia-container-tools to 1.17.3 or later, both to the same "
                "version."
            ),
            "Or set NVIDIA_IMEX_CHANNELS to an empty value for the container.",
        ),
        reference="https://github.com/NVIDIA/nvidia-container-toolkit/issues/797",
        ours=False,
        rank=44,
    ),
    Entry(
        code="nvidia-driver-root-missing",
        title="NVIDIA's hook is told to look for the driver in a directory that is not there",
        patterns=(rf"nvidia-container-cli[\w.]*:\s+initialization error: change root failed: {ENOENT}",),
        verdict="NVIDIA's hook cannot change into the driver's root: that directory does not exist",
        cause='root = "/run/nvidia/driver" in its configuration is for a driver in a container (GPU operator), which '
        "has not mounted it. With a driver on the host itself the line must not be there.",
        remedy=(
            "/etc/nvidia-container-runtime/config.toml: comment root = ... out, if nvidia-smi works on the host.",
            "GPU operator: kubectl get pods -n gpu-operator: the driver's pod has to be ready first.",
        ),
        reference="https://github.com/NVIDIA/nvidia-container-toolkit/issues/184",
        tell="grep -n root /etc/nvidia-container-runtime/config.toml; ls /run/nvidia/driver",
        rank=44,
    ),
    Entry(
        code="nvidia-hook-may-not-read-root",
        title="NVIDIA's hook may not read the container's root",
        patterns=(rf"nvidia-container-cli[\w.]*:\s+container error: file lookup failed: (?P<path>\S+): {EACCES}",),
        verdict="NVIDIA's hook may not read the container's root: {path}",
        cause="It runs with ids or without rights that the file system does not let in: a shared file system that maps "
        "root away (root_squash), or directories above the container's root that only their owner may enter.",
        remedy=(
            "Keep the containers on a local disk (enroot: ENROOT_DATA_PATH in enroot.conf; podman: graphroot).",
            "Or give every directory on the way x for others, and export it with no_root_squash.",
        ),
        reference="https://github.com/NVIDIA/pyxis/issues/166",
        tell="namei -l on the path after /proc/<pid>/root, as the user",
        rank=44,
    ),
    Entry(
        code="nvidia-driver-not-usable",
        title="NVIDIA's driver cannot be initialised",
        patterns=(
            (
                r"nvidia-container-cli[\w.]*:\s+initialization error: (?:nvml error|driver error): failed to "
                r"process request"
            ),
        ),
        verdict="NVIDIA's hook could not initialise the driver: it is not loaded, or cannot be used",
        cause="No driver is installed on the host, its kernel modules are not loaded or do not fit the libraries, the "
        "device nodes are missing, or the hook may not change into the driver's root.",
        remedy=(
            "nvidia-smi on the host must work first; then nvidia-container-cli -k -d /dev/tty info shows the step.",
            "modprobe nvidia nvidia_uvm; after a driver's update: reboot. Driver and libraries must be of one version.",
            "Jetson: the container packages of JetPack (nvidia-container), and docker run --runtime nvidia.",
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/1225",
        tell="nvidia-smi; lsmod | grep nvidia; dmesg | grep -i nvrm",
        rank=44,
    ),
    Entry(
        code="cuda-newer-than-driver",
        title="the image needs a newer NVIDIA driver",
        patterns=(r"requirement error: unsatisfied condition: (?P<condition>\w+ *[<>=]+ *[\d.]+)",),
        verdict="the image asks for {condition}, and the host's driver is older",
        cause="The CUDA in an image needs a driver that is new enough. nvidia-smi shows the newest CUDA that the "
        "driver can serve.",
        remedy=(
            "Install a newer driver on the host, and reboot.",
            "Or an image with an older CUDA. NVIDIA_DISABLE_REQUIRE=1 skips the check, if it is known to work.",
        ),
        reference="https://docs.nvidia.com/deploy/cuda-compatibility/",
        tell="nvidia-smi | head -4",
        rank=44,
    ),
    Entry(
        code="nvidia-libraries-outside-snap",
        title="the docker of the snap does not see the host's NVIDIA libraries",
        patterns=(rf"nvidia-container-cli[\w.]*:\s+[^\n]*libnvidia-ml\.so[^\n]*{ENOENT}",),
        beside=r"snap (?:install|list|info|refresh) docker|/snap/docker|\bsnap\.docker\b|/var/snap/docker",
        verdict="docker was installed as a snap, which is confined and does not see the host's driver libraries",
        cause="nvidia-smi works on the host. Within the snap the hook looks for libnvidia-ml.so.1 and does not find "
        "it.",
        remedy=(
            "snap remove docker; then install docker-ce or docker.io and nvidia-container-toolkit with apt-get.",
            "Or a newer docker snap, on Ubuntu Core with the snap of NVIDIA's support.",
        ),
        reference="https://github.com/canonical/docker-snap/issues/148",
        tell="snap list docker; readlink -f $(which docker)",
        ours=False,
        rank=44,
    ),
)
