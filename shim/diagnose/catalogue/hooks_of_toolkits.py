"""Hooks of NVIDIA's toolkit and of CDI specifications that fail for a reason that their own words name."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

ISSUES = "https://github.com/NVIDIA/nvidia-container-toolkit/issues"
CDI = "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"

ENTRIES = (
    Entry(
        code="hook-program-missing",
        title="the program of a hook is not on the host",
        patterns=(
            (
                rf"error running (?:(?P<hook>\w+) )?hook #\d+: (?:fork/exec|exec:) \\*\"?(?P<path>/[^\n:\"\\]+)\\*\"?: "
                rf"(?:{ENOENT})"
            ),
            rf"error executing hook `(?P<path2>/[^`\n]+)`: {ENOENT}",
        ),
        verdict="the hook {path} is not there; the image and its command have nothing to do with it",
        cause="The engine, its hooks.d directory, or a CDI specification (/etc/cdi, /var/run/cdi) names a program that "
        "was moved, removed or never installed. A script whose interpreter (#!) is missing says the same.",
        remedy=(
            "ls -l {path}; grep -rn {path} /etc/cdi /var/run/cdi /etc/containers /usr/share/containers",
            f"NVIDIA: install or upgrade nvidia-container-toolkit, then: {CDI}",
            "Others: install the package that has the hook, or remove the file that names it.",
        ),
        reference="https://github.com/void-linux/void-packages/issues/55062",
        rank=44,
    ),
    Entry(
        code="cdi-hook-failed",
        title="a hook of NVIDIA's toolkit failed",
        patterns=(
            r"error executing hook `(?P<path>/[^`\n]*nvidia-(?:ctk|cdi-hook))` \(exit code: \d+\)",
            r"\bfailed to create link \[[^\]\n]*\][^\n]*",
            r"(?:nvidia-ctk|nvidia-cdi-hook)[^\n]*level=error msg=[^\n]*",
        ),
        verdict="a hook of NVIDIA's toolkit failed in the container; this is not about cgroups",
        cause="Its hooks make links, change modes below /dev/dri, and update the library cache. They fail where the "
        "image has such a link already (toolkit 1.17.0), where the host's /dev is mounted over the container's, or "
        "where the container's root is read-only.",
        remedy=(
            "Unexpected link target: upgrade nvidia-container-toolkit to 1.17.1 or later.",
            "With -v /dev:/dev: leave that mount out, or delete the chmod hook from the CDI specification.",
            f"Otherwise upgrade the toolkit and write the specification again: {CDI}",
        ),
        reference=f"{ISSUES}/772, {ISSUES}/143",
        rank=43,
    ),
    Entry(
        code="nvidia-ldconfig-missing",
        title="NVIDIA's hook does not find ldconfig on the host",
        patterns=(rf"ldcache error *: open failed: (?P<path>/[^\n:]+): {ENOENT}",),
        verdict="NVIDIA's hook does not find {path} on the host",
        cause="ldconfig = \"@/sbin/ldconfig\" in the hook's settings: the @ means the host's program. NixOS, Yocto and "
        "hosts with musl have none there; Debian's and Ubuntu's is ldconfig.real.",
        remedy=(
            "ls -l {path}; command -v ldconfig ldconfig.real",
            (
                "Put the host's real path, with the @, into ldconfig= in /etc/nvidia-container-runtime/config.toml, or "
                "install ldconfig on the host."
            ),
            f"Or use CDI: {CDI}",
        ),
        reference="https://github.com/OE4T/meta-tegra/pull/1427",
        rank=36,
    ),
    Entry(
        code="nvidia-driver-state-incomplete",
        title="the host's NVIDIA driver has not all its files below /proc/driver/nvidia",
        patterns=(
            rf"mount error:(?:[^\n]*\n)?[^\n]*/proc/driver/nvidia/[^\s:]+:\s{ENOENT}",
            rf"mount error: stat failed: /(?P<model>GeForce|Tesla|Quadro|NVIDIA|TITAN)[^\n]*{ENOENT}",
        ),
        verdict="NVIDIA's hook looks for a file of the driver that this driver does not have",
        cause="The hook and the driver do not fit together: modules of an older driver are still loaded after an "
        "update, or libnvidia-container is older than the driver (before 1.0.2 it took a model's name for a path).",
        remedy=(
            "Reboot, or unload and load the nvidia modules; nvidia-smi must work on the host.",
            "Upgrade libnvidia-container1 and libnvidia-container-tools (1.0.2 or later).",
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/957, "
        "https://github.com/NVIDIA/nvidia-docker/issues/1068",
        rank=36,
    ),
    Entry(
        code="nvidia-ldconfig-ended",
        title="ldconfig, which NVIDIA's hook starts, ended with an error",
        patterns=(r"ldcache error *: process \S*ldconfig\S* (?:failed with error code|terminated)[^\n]*",),
        verdict="ldconfig, which NVIDIA's hook starts in the container's root, ended with an error",
        cause="The hook starts the host's ldconfig behind a seccomp filter and with few rights: a kernel without "
        "CONFIG_SECCOMP_FILTER, a root without room or read-only, a broken /etc/ld.so.conf of the image, or a path to "
        "ldconfig that is a script (Ubuntu's /sbin/ldconfig, where ldconfig.real is meant).",
        remedy=(
            'Ubuntu: ldconfig = "@/sbin/ldconfig.real" in /etc/nvidia-container-runtime/config.toml',
            "grep Seccomp /proc/self/status: nothing means a kernel without it; df -h and df -i for the data root.",
            f"Or use CDI: {CDI}",
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/552",
        rank=42,
    ),
    Entry(
        code="nvidia-files-in-image",
        title="the image has a file where NVIDIA's hook mounts the driver's",
        patterns=(
            (
                r"nvidia-container-cli[\w.]*:\s+mount error:\s+file creation failed:\s+"
                r"[^:]*?/(?:rootfs|merged)(?P<path>/[^\s:]+):\s+file exists"
            ),
        ),
        verdict="NVIDIA's hook cannot put the driver's {path} into the container: the image has one",
        cause="The image was built with parts of a driver in it, or committed from a container that ran with a GPU. "
        "An older libnvidia-container does not accept the file; if it worked before, the node has such a one now.",
        remedy=(
            (
                "Build the image without it: RUN rm -f {path} (and libcuda.so*, libnvidia-*), or from a base "
                "without a driver."
            ),
            "Or upgrade libnvidia-container and the toolkit on the node (EKS: an AMI after or before that release).",
        ),
        reference="https://github.com/awslabs/amazon-eks-ami/issues/2165",
        tell="nvidia-container-cli --version on the node; docker run --rm --entrypoint ls IMAGE -l {path} without a "
        "GPU",
        rank=42,
    ),
    Entry(
        code="hook-needs-newer-glibc",
        title="a hook's program was built for a newer glibc than the host has",
        patterns=(
            (
                r"error running (?:\w+ )?hook[^\n]*?(?P<path>/[\w./-]+): /\S*libc\.so\.6: version "
                r"?[`']?GLIBC_(?P<name>[\d.]+)'? not found[^\n]*"
            ),
        ),
        verdict="the hook's program {path} needs glibc {name}, and the host has an older one",
        cause="It was built on a newer distribution. Below /usr/local/nvidia/toolkit it came from the image of "
        "NVIDIA's GPU operator; its ubuntu and ubi8 images do not run on CentOS 7 or Amazon Linux 2.",
        remedy=(
            "GPU operator: the toolkit image of the host's age (a -centos7 or -ubi7 tag) in toolkit.version.",
            "EKS with a GPU AMI: the toolkit is there already: toolkit.enabled=false, driver.enabled=false.",
            "Or nodes with a newer distribution, or the toolkit from the distribution's packages.",
        ),
        reference="https://github.com/awslabs/data-on-eks/issues/557",
        tell="ldd --version on the host",
        rank=40,
    ),
    Entry(
        code="nvidia-cli-crashed",
        title="nvidia-container-cli itself crashes",
        patterns=(
            r"comm=\"nvc:\[\w+\]\"[^\n]*sig=(?:11|6|7|4)\b",
            r"nvc:\[\w+\]\[\d+\]: segfault|nvidia-container[\w-]*\[\d+\]: segfault[^\n]*",
            r"nvidia-container-cli[^\n]*(?:core dumped|[Ss]egmentation fault)",
        ),
        verdict="nvidia-container-cli crashed: it is the toolkit that fails, not the driver",
        cause="This build of libnvidia-container has a fault (meta-tegra's of 2021 had), or does not fit the driver's "
        "libraries.",
        remedy=(
            (
                "Upgrade libnvidia-container and nvidia-container-toolkit; Yocto: a later commit of meta-tegra, "
                "and build again."
            ),
            "Then nvidia-container-cli -k -d /dev/tty info must end without a signal.",
        ),
        reference="https://github.com/OE4T/tegra-demo-distro/issues/177",
        tell="dmesg | grep -E 'segfault|sig=11'",
        rank=38,
    ),
)
