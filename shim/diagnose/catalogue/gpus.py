"""What NVIDIA's toolkit says of GPUs that a container does not get."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
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
        code="gpu-not-in-wsl",
        title="the NVIDIA driver of Windows is not visible in WSL 2",
        patterns=(
            r"nvidia-container-cli[\w.]*: [^\n]*WSL environment detected but no adapters were found[^\n]*",
            r"nvidia-container-cli[\w.]*: [^\n]*driver error: failed to process request[^\n]*",
            r"(?:dxcore|libdxcore\.so)[^\n]*(?:failed|not found|cannot open|no such)[^\n]*",
        ),
        verdict="the hook reaches no GPU: in WSL, the driver of Windows or the version of WSL does not offer one",
        cause="WSL 2 has the GPU from the driver of Windows, through /dev/dxg. No adapters: WSL 1, no such GPU or a "
        "driver without WSL support. Failed to process request: Windows, its driver or the toolkit is too old for the "
        "other, or a Linux driver was installed inside WSL. On a real Linux: nvidia-smi fails there, too.",
        remedy=(
            "Windows: the newest driver from nvidia.com, wsl --update, wsl --set-version NAME 2, then wsl --shutdown.",
            "Inside WSL: no Linux driver (apt-get purge 'nvidia-driver*'); upgrade nvidia-container-toolkit.",
        ),
        reference="https://docs.nvidia.com/cuda/wsl-user-guide/",
        tell="uname -r (WSL2?); ls /dev/dxg /usr/lib/wsl/lib; nvidia-smi in WSL and in Windows",
        rank=40,
    ),
)
