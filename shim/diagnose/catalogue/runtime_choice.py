"""The runtime that an engine took: of another age, in another place, or with an owner of its own."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, Entry

ENTRIES = (
    Entry(
        code="buildah-takes-runtime-from-path",
        title="podman build and buildah look for a runtime that is not installed",
        patterns=(
            (
                r"error (?:running|creating) container[^\n]*exec: \\*\"(?P<program>runc|crun)\\*\": executable file "
                r"not "
                r"found[^\n]*"
            ),
        ),
        beside=r"building at STEP|error creating container for \[|buildah|STEP \d+|podman build",
        verdict="buildah wants {program}, which is not in PATH; it does not ask for podman's own runtime",
        cause="Before podman 3.0.1 (buildah 1.19.4) a build takes runc from PATH, even if podman run uses crun. On "
        "cgroup "
        "v2 newer ones want crun.",
        remedy=(
            "Name the one that is there: podman --runtime=crun build ..., or export BUILDAH_RUNTIME=/usr/bin/crun.",
            "Or install {program} (apt-get, dnf or zypper install {program}).",
            "Upgrade podman to 3.0.1 or later: a build then uses the runtime of podman run.",
            "In a container or CI without any runtime: buildah bud --isolation=chroot, or BUILDAH_ISOLATION=chroot.",
        ),
        reference="https://github.com/containers/podman/issues/9384",
        tell="command -v runc crun; podman info --format '{{{{.Host.OCIRuntime.Path}}}} {{{{.Host.BuildahVersion}}}}'",
        rank=18,
    ),
    Entry(
        code="runtime-newer-than-docker",
        title="the runtime is newer than this old docker, and does not know its option",
        patterns=(r"flag provided but not defined: -(?P<key>console|shim)\b",),
        verdict="this old docker gives the option --{key}, which the runtime on the host no longer has",
        cause="Docker before 17.06 calls runc with --console. runc since 1.0-rc3 has --console-socket in its place: a "
        "newer "
        "runc has replaced the one that belongs to this docker.",
        remedy=(
            (
                "Upgrade docker itself: docker-ce with containerd.io; remove docker-engine or docker.io 1.12. A newer "
                "runc does "
                "not help."
            ),
            "Or bring this docker's own runc back: reinstall its package, and remove the separate runc.",
        ),
        reference="https://github.com/docker/cli/issues/2297",
        tell="docker version --format '{{{{.Server.Version}}}}': below 17.06? type -a docker-runc runc; runc --version",
        rank=50,
    ),
    Entry(
        code="crun-refuses-newer-version",
        title="this crun is too old for the OCI version that the engine writes",
        patterns=(r"unknown version specified",),
        verdict="this crun accepts configurations of OCI version 1.0 only, and the engine writes a newer one",
        cause="crun before 1.16 refuses ociVersion 1.1 and later, which podman 5 and docker 25 write. podman takes "
        "/usr/bin/crun before /usr/local/bin/crun, whatever the order in PATH.",
        remedy=(
            (
                "Put crun 1.16 or later where podman looks: /usr/bin/crun (the static one of crun's releases, or the "
                "package)."
            ),
            (
                'Or name the new one: containers.conf, [engine.runtimes] crun = ["/usr/local/bin/crun"]; docker: its '
                "path under "
                "runtimes in daemon.json."
            ),
            'Or take runc: podman --runtime runc; for good: [engine] runtime = "runc" in containers.conf.',
        ),
        reference="https://github.com/actions/runner-images/issues/14473",
        tell="podman info --format '{{{{.Host.OCIRuntime.Path}}}}', then that file with --version (Debian 12: 1.8.1)",
        rank=50,
    ),
    Entry(
        code="gpu-operator-runtime-not-entered",
        title="the GPU operator has not entered its runtime in this node's engine",
        patterns=(
            r"no runtime for \\*\"(?P<program>nvidia)\\*\" is configured",
            r"failed to find runtime handler \\*\"?(?P<program2>nvidia)\b",
        ),
        beside=r"gpu-operator|nvidia-device-plugin|gpu-feature-discovery|nvidia-dcgm|nvidia-operator-validator|"
        r"nvidia-cuda-validator",
        verdict="the node's engine has no runtime {program}: the GPU operator enters it, and has not (yet)",
        cause="The pod nvidia-container-toolkit-daemonset writes it into the engine's configuration and restarts the "
        "engine, "
        "once the driver's pod is ready. Until then, and after anything that rewrites the file, such pods wait.",
        remedy=(
            (
                "Some minutes after a boot this is normal. The driver's pod is not Running: kubectl -n gpu-operator "
                "logs "
                "ds/nvidia-driver-daemonset."
            ),
            "The file was rewritten: kubectl -n gpu-operator delete pod -l app=nvidia-container-toolkit-daemonset",
            (
                "toolkit.enabled=false: nvidia-ctk runtime configure --runtime=containerd on every node, or set it to "
                "true."
            ),
            (
                "k3s, rke2: in toolkit.env CONTAINERD_SOCKET=/run/k3s/containerd/containerd.sock, and no "
                "CONTAINERD_CONFIG."
            ),
        ),
        reference="https://github.com/NVIDIA/gpu-operator/issues/1651",
        tell="kubectl -n gpu-operator get pods -o wide | grep -E 'driver|toolkit': both Running on that node?",
        rank=12,
    ),
    Entry(
        code="nvidia-runtime-ended-without-words",
        title="NVIDIA's runtime failed before it called runc; its own log has the reason",
        patterns=(r"(?:\S*/)?nvidia-container-runtime(?:-experimental)? did not terminate suc+ess?ful+y[^\n]*",),
        verdict="nvidia-container-runtime failed before it called runc",
        cause="It is a wrapper: it reads its configuration, looks for its hook and for runc, then calls runc. No runc "
        "in its "
        "PATH, a hook of another version (a half upgrade), or a crash in a library ends it before it has a log for "
        "docker.",
        remedy=(
            (
                "All packages of one version: apt-get install --reinstall nvidia-container-toolkit "
                "nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1."
            ),
            'Its log says "find runc path": name runc with its full path under runtimes in config.toml.',
            (
                "A trace of Go or a signal: the release before (1.18.0 crashes on some hosts, 1.17.9 does not), or a "
                "newer "
                "one."
            ),
        ),
        reference="https://github.com/NVIDIA/nvidia-docker/issues/1017",
        tell="remove the # of debug = in /etc/nvidia-container-runtime/config.toml; start again; tail "
        "/var/log/nvidia-container-runtime.log",
        rank=50,
    ),
    Entry(
        code="engine-may-not-execute-its-program",
        title="the engine is not allowed to execute a program of the host",
        patterns=(
            (
                rf"\bfork/exec (?P<path>/\S*/(?:conmon|runc|crun|youki|kata-runtime|nvidia-container-runtime|newuidmap|"
                rf"newgidmap)): "
                rf"{EACCES}"
            ),
        ),
        verdict="the engine may not execute {path} (EACCES)",
        cause="SELinux: the program lacks its label, or a version of container-selinux lacks the rule (2.177 of Fedora "
        "35). "
        "Otherwise the file is not executable, or on a file system that is mounted noexec.",
        remedy=(
            "SELinux: dnf upgrade container-selinux (or downgrade it, if it worked before); restorecon -v {path}",
            "chmod 0755 {path}; findmnt -no OPTIONS -T {path}: no noexec.",
            "Snap: aa-status; the program must be one that the snap may execute.",
        ),
        reference="https://github.com/containers/container-selinux/issues/170",
        tell="ls -lZ {path}; ausearch -m avc -ts recent | grep execute",
        rank=30,
    ),
)
