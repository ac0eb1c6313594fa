"""What keeps a host's NVIDIA driver from its containers: updates, boots, Docker Desktop, WSL."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

ENTRIES = (
    Entry(
        code="cdi-file-of-old-driver",
        title="the CDI file names libraries of a driver that was updated since",
        patterns=(
            (
                rf"(?:cannot stat|error stat'ing file|statfs|mounting|stat) \\*[`\"]?(?P<path>/[^\n`\"]*(?:nvidia|"
                rf"libcuda|"
                rf"libnv|nvoptix)[^\n`\"\s]*\.(?:so\.)?\d{{3}}\.\d+(?:\.\d+)?)[^\n]*{ENOENT}"
            ),
        ),
        verdict="a container wants {path} of the NVIDIA driver, and the host has another version of the driver",
        cause="CDI mounts the driver's files by their full names, with the version. The driver was updated after the "
        "file was "
        "written. Containers that were made before keep the old names, too.",
        remedy=(
            (
                "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml (first reboot if nvidia-smi fails); delete "
                "an "
                "older "
                "one in /var/run/cdi."
            ),
            "Make the container again: podman rm NAME; podman run ... A podman start asks for the old files.",
            (
                "For later updates: systemctl enable --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service (toolkit "
                "1.18)."
            ),
        ),
        reference="https://github.com/NVIDIA/nvidia-container-toolkit/issues/450",
        tell="cat /proc/driver/nvidia/version; grep -h hostPath /etc/cdi/nvidia.yaml /var/run/cdi/nvidia.yaml | head",
        rank=20,
    ),
    Entry(
        code="driver-libraries-not-where-docker-runs",
        title="the engine does not find the NVIDIA driver's libraries where it runs",
        patterns=(r"nvidia-container-cli[\w.]*:\s+[^\n]*load library failed: libnvidia-ml\.so\S*[^\n]*",),
        verdict="NVIDIA's hook finds no libnvidia-ml.so where this engine runs",
        cause="If nvidia-smi works on the host, docker does not use this host: Docker Desktop for Linux is a virtual "
        "machine "
        "without the GPU, a snap sees its own files, or the hook was told another root. Otherwise there is no driver.",
        remedy=(
            "nvidia-smi fails, too: install the driver (WSL: NVIDIA's for Windows, then wsl --update; wsl --shutdown).",
            "Docker Desktop: docker context use default (docker-ce of the host, with nvidia-container-toolkit).",
            (
                "Snap: snap remove docker; install docker-ce; nvidia-ctk runtime configure --runtime=docker; restart "
                "docker."
            ),
            (
                'root = "/run/nvidia/driver" in /etc/nvidia-container-runtime/config.toml: # before it, unless the GPU '
                "operator's "
                "driver runs here."
            ),
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/1647",
        tell="nvidia-smi; docker context show; docker info --format '{{{{.OperatingSystem}}}} {{{{.DockerRootDir}}}}'",
        ours=False,
        rank=46,
    ),
    Entry(
        code="driver-module-not-loaded",
        title="the NVIDIA driver is installed, but its kernel module is not loaded",
        patterns=(
            r"nvidia-container-cli[\w.]*:\s+[^\n]*nvml error: driver not [^\n]*",
            r"nvml: Driver Not Loaded",
            r"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver",
        ),
        verdict="the NVIDIA driver's libraries are there, and its kernel module is not loaded",
        cause="The module does not exist for the kernel that was booted (an update without headers or DKMS), Secure "
        "Boot "
        "refuses it, nouveau has the card, or the card is bound to vfio-pci for a virtual machine.",
        remedy=(
            (
                "Not built: apt-get install linux-headers-$(uname -r) dkms; dkms autoinstall; modprobe nvidia (Fedora: "
                "akmods "
                "--force). Or boot the kernel before."
            ),
            "Key was rejected: enrol the key (mokutil --import), use signed modules, or switch Secure Boot off.",
            "nouveau in lspci -k: blacklist nouveau in /etc/modprobe.d, update-initramfs -u (or dracut -f), reboot.",
            "An app without a GPU: no runtime nvidia and no --gpus for it.",
        ),
        reference="https://github.com/Project-HAMi/HAMi/issues/713",
        tell="modprobe nvidia says why; lspci -k -d 10de: names the driver in use; dkms status; uname -r",
        rank=40,
    ),
    Entry(
        code="wsl-passes-no-gpu",
        title="Windows passes no NVIDIA GPU to WSL",
        patterns=(
            r"WSL environment detected but no adapters were found",
            r"GPU access blocked by the operating system",
        ),
        verdict="the toolkit runs in WSL and finds no adapter",
        cause="This computer has no NVIDIA GPU, the driver for Windows or WSL is too old, it is WSL 1, or the card is "
        "in TCC "
        "mode, which WSL cannot use.",
        remedy=(
            (
                "No NVIDIA GPU: no --gpus all; compose: delete deploy.resources.reservations.devices; the image's CPU "
                "variant."
            ),
            "Install NVIDIA's driver for Windows; wsl --update; wsl --shutdown. WSL 1: wsl --set-version NAME 2.",
            (
                "No Linux driver inside WSL: apt-get purge 'nvidia-driver-*' 'libnvidia-compute-*'; /usr/lib/wsl/lib "
                "has "
                "them."
            ),
            "TCC (Tesla, L40S): as administrator in Windows nvidia-smi -i 0 -dm 0, then reboot; else run Linux itself.",
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/1786",
        tell="in WSL: ls -l /dev/dxg /usr/lib/wsl/lib/libcuda.so.1; in Windows: wsl -l -v; nvidia-smi (WDDM or TCC)",
        rank=30,
    ),
    Entry(
        code="cdi-file-too-new-for-engine",
        title="the CDI file is there, but this engine cannot read it",
        patterns=(r"unresolvable CDI devices (?P<name>nvidia\.com/\S+)",),
        beside=r"Found \d+ CDI devices|additionalGids|CDI registry",
        verdict="nvidia-ctk lists the device {name}, and the engine cannot read the file that has it",
        cause="An engine leaves out CDI files that it cannot parse (toolkit 1.19.1 writes CDI 0.7.0, podman before 5 "
        "knows "
        "less), may not read, or that lie where it does not look.",
        remedy=(
            "unknown field: upgrade podman to 5, or hold the toolkit at 1.18.2, and generate the file again.",
            "Both /etc/cdi and /var/run/cdi are read: delete the bad one of the two.",
            "permission denied (rootless): sudo chmod 644 /etc/cdi/nvidia.yaml; sudo chmod 755 /etc/cdi",
            "Another directory (NixOS: /run/cdi): podman --cdi-spec-dir=/run/cdi run ...",
        ),
        reference="https://github.com/NVIDIA/nvidia-container-toolkit/issues/1940",
        tell="podman --log-level=debug run --rm --device nvidia.com/gpu=all alpine true 2>&1 | grep -i cdi",
        rank=20,
    ),
    Entry(
        code="gpu-driver-starts-too-slowly",
        title="the GPU driver needs longer to start than NVIDIA's hook waits",
        patterns=(r"nvidia-container-cli[\w.]*:\s+[^\n]*driver (?:rpc )?error: timed out",),
        verdict="the GPU driver did not start in time for NVIDIA's hook",
        cause="Without persistence mode the driver initialises all GPUs at each start of a container. With many or "
        "large "
        "GPUs this takes longer than the hook waits.",
        remedy=(
            "sudo nvidia-smi -pm 1 (until the next boot), then start the container.",
            "For good: systemctl enable --now nvidia-persistenced.",
            "nvidia-smi hangs even so: dmesg | grep -iE 'xid|nvrm': a card that fell off the bus; reboot.",
        ),
        reference="https://github.com/NVIDIA/nvidia-container-toolkit/issues/202",
        tell="time nvidia-smi (many seconds?); nvidia-smi -q | grep -i persistence",
        rank=30,
    ),
    Entry(
        code="gpu-device-nodes-not-made",
        title="the NVIDIA device nodes have not been made since this boot",
        patterns=(
            (
                rf"(?:stat|open|lstat)[^\n]*[\"`' ](?P<path>/dev/nvidia(?:-modeset|-uvm(?:-tools)?|ctl|"
                rf"\d+))\\*[\"`']?:[^\n]*{ENOENT}"
            ),
            r"mount error: stat failed: (?P<path3>/dev/nvidia[\w-]*): no such",
            r"error executing hook `(?P<path2>\S*nvidia-container-(?:toolkit|runtime-hook))` \(exit code: 1\)",
        ),
        verdict="the NVIDIA device nodes may not be there yet: {path}",
        cause="On a host without a display nobody makes /dev/nvidia* until a program of root uses the GPU. A rootless "
        "engine "
        "cannot make them, and CDI and --device want to find them.",
        remedy=(
            (
                "sudo nvidia-ctk system create-device-nodes --control-devices --load-kernel-modules; or "
                "nvidia-modprobe -c "
                "0 -u, "
                "and nvidia-modprobe -m for modeset."
            ),
            "At each boot: systemctl enable nvidia-persistenced, or a unit with that command before the engine.",
            "Then nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
            (
                "Rootless with the hook: no-cgroups = true in /etc/nvidia-container-runtime/config.toml; or CDI in its "
                "place."
            ),
        ),
        reference="https://github.com/NVIDIA/nvidia-container-runtime/issues/142",
        tell="ls -l /dev/nvidia*; does it work after sudo nvidia-smi?",
        rank=30,
    ),
)
