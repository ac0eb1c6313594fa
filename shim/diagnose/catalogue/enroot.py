"""enroot and pyxis: containers of a job's user, without an engine."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EBUSY, EINVAL, ENOENT, EPERM, EROFS, Entry

ENROOT = "https://github.com/NVIDIA/enroot/blob/main/doc/requirements.md"
FAILED = r"(?:[Ff]ailed|[Cc]ould(?: not|n't)|[Cc]an(?: ?not|'t)|[Uu]nable)"
ERRNO = rf"(?:{EPERM}|{EACCES}|{ENOENT}|{EROFS}|{EBUSY}|{EINVAL})"

ENTRIES = (
    Entry(
        code="enroot-directory-not-made",
        title="enroot's directories do not exist, and the user may not make them",
        patterns=(
            rf"(?:enroot|pyxis)[^\n]*mkdir: cannot create directory [`'\"](?P<path>[^`'\"\n]+)['\"]: {ERRNO}",
            rf"pyxis: couldn't (?:mkdir|chown|open) (?P<path3>/[^\n:]+): {ERRNO}",
            rf"mkdir: cannot create directory [`'\"](?P<path2>/run/enroot[^`'\"\n]*)['\"]: {ERRNO}",
        ),
        verdict="enroot may not make its directory {path}",
        cause="enroot runs as the user. The parents of ENROOT_RUNTIME_PATH, ENROOT_CACHE_PATH, ENROOT_DATA_PATH and "
        "ENROOT_TEMP_PATH (enroot.conf) must exist on each node and be writable for him; /run is empty after a boot, "
        "and without a login (Slurm) there is no XDG_RUNTIME_DIR.",
        remedy=(
            (
                "At boot (tmpfiles.d) or in the prolog: mkdir -p and chmod 1777 of /run/enroot, /raid/enroot ... "
                "; or one directory for each user: mkdir; chown $SLURM_JOB_UID; chmod 0700."
            ),
            "Or choose places that exist: ENROOT_RUNTIME_PATH /tmp/enroot-run-$(id -u) in /etc/enroot/enroot.conf.",
            "pyxis's own: /run/pyxis, made at boot; or runtime_path=/tmp/pyxis after spank_pyxis.so in plugstack.conf.",
        ),
        reference="https://github.com/NVIDIA/pyxis/issues/12",
        tell="enroot info 2>&1 | head; grep PATH /etc/enroot/enroot.conf; ls -ld the parents",
        rank=30,
    ),
    Entry(
        code="enroot-mount-refused",
        title="enroot cannot make a mount of the container",
        patterns=(rf"enroot-mount: {FAILED} to mount: (?P<path>[^\n]+?) at (?P<destination>[^\n:]+): [^\n]+",),
        verdict="enroot cannot mount {path} in the container",
        cause="Permission denied: the source cannot be reached (NFS with root_squash for root, a FUSE or automounted "
        "directory, a home that is closed). Operation not permitted: flags of the source (nosuid, nodev, ro) that a "
        "user namespace must keep. No such file or directory: source or target is missing.",
        remedy=(
            "NFS: run the job as its user, not as root; ls the source as that user on the node.",
            "Options after the path: --container-mounts=/src:/dst:ro,nosuid,nodev; enroot start --mount SRC:DST",
            "A hook of enroot (/etc/enroot/mounts.d, hooks.d) names the same path: correct it there.",
        ),
        reference=ENROOT,
        tell="ls -ld the source as that user; findmnt -T the source",
        rank=30,
    ),
    Entry(
        code="enroot-namespace-refused",
        title="enroot may not make or enter a namespace",
        patterns=(
            r"enroot-(?:nsenter|switchroot|mksquashovlfs): failed to (?:create|join|open|switch)[^\n]*",
            r"enroot-\w+: failed to set capabilities: [^\n]*",
            r"kernel lacks support for ambient capabilities, consider using --remap-root instead",
        ),
        verdict="enroot may not make its user or mount namespace",
        cause="EPERM: user namespaces are switched off or restricted (a sysctl, AppArmor on Ubuntu 23.10 and later), "
        "or this is already in a container or chroot. EACCES: SELinux, as for jobs of a confined slurmd. ENOSPC, "
        "EUSERS: user.max_user_namespaces is 0 (RHEL 7). EINVAL: the kernel lacks them.",
        remedy=(
            (
                "sysctl user.max_user_namespaces user.max_mnt_namespaces kernel.unprivileged_userns_clone "
                "kernel.apparmor_restrict_unprivileged_userns; set them in /etc/sysctl.d."
            ),
            "RHEL 7: user.max_user_namespaces=65536, and boot with user_namespace.enable=1 namespace.unpriv_enable=1.",
            (
                "Only within Slurm: ausearch -m avc -ts recent; getenforce. enroot's self-test: enroot-check_*.run "
                "--verify"
            ),
        ),
        reference=ENROOT,
        tell="unshare -Ur true, by hand and with srun; dmesg | grep -i denied",
        rank=16,
    ),
    Entry(
        code="enroot-filter-refused",
        title="enroot or pyxis cannot load its seccomp filter",
        patterns=(
            r"pyxis: seccomp filter failed[^\n]*",
            r"enroot-nsenter: failed to register seccomp filter[^\n]*",
        ),
        verdict="the kernel does not take the seccomp filter with which enroot and pyxis feign root's calls",
        cause="ENOSYS: the kernel has no seccomp(2): it is older than 3.17, and its distribution did not add it. "
        "EINVAL: it does not know the filter's flag (speculation, 4.17), or is built without "
        "CONFIG_SECCOMP_FILTER.",
        remedy=(
            "A newer kernel on that node, the same as on the nodes where it works (stateless images: rebuild them).",
            "pyxis needs the filter only as root: srun --no-container-remap-root. Upgrade pyxis.",
        ),
        reference="https://github.com/NVIDIA/pyxis/issues/17",
        tell="uname -r; grep SECCOMP /boot/config-$(uname -r)",
        rank=16,
    ),
    Entry(
        code="enroot-program-not-executed",
        title="enroot cannot execute the container's first program",
        patterns=(r"enroot-switchroot: failed to execute: (?P<path>[^\n:]+): [^\n]+",),
        verdict="enroot cannot execute {path} in the container",
        cause="enroot runs /etc/rc of the image with /bin/sh or /bin/bash. ENOENT: the image has no shell, was "
        "unpacked only in part (a full disk, several tasks that wrote one directory at the same time, a "
        "name of a container that is left), or is for another processor. EACCES: the data path is mounted "
        "noexec.",
        remedy=(
            "srun --container-image=... --no-container-entrypoint COMMAND; an image that has /bin/sh.",
            (
                "Import once, on one node: enroot import -o IMAGE.sqsh docker://...; then "
                "--container-image=/path/IMAGE.sqsh; enroot remove of what is left; df -h ENROOT_DATA_PATH."
            ),
        ),
        reference="https://github.com/NVIDIA/pyxis/wiki",
        rank=20,
    ),
    Entry(
        code="pyxis-not-loaded",
        title="Slurm does not know pyxis's options here",
        patterns=(
            r"SPANK plugin \"pyxis\" option \"[\w-]+\" not found",
            r"(?:srun|sbatch|salloc): unrecognized option '--container-[\w-]+'",
        ),
        verdict="pyxis is not loaded by the part of Slurm that says this",
        cause="srun and slurmstepd load SPANK plugins by themselves: plugstack.conf and spank_pyxis.so must be "
        "the same on the login node and on each compute node, and slurmd read them when it started. With "
        "another configuration (configless, slurmd -f) another plugstack.conf counts.",
        remedy=(
            (
                "On both: srun --help | grep container-image; cat plugstack.conf (include "
                "/etc/slurm/plugstack.conf.d/*); ls -l spank_pyxis.so; systemctl restart slurmd."
            ),
            "Build pyxis against this version of Slurm; scontrol show config | grep -i plugstack.",
        ),
        reference="https://github.com/NVIDIA/pyxis/wiki/Setup",
        rank=30,
    ),
    Entry(
        code="slurm-container-not-started",
        title="pyxis reports that the container of a job did not start",
        ambiguous=(
            r"pyxis: (?:container start failed|child \d+ failed|couldn't (?:start|execute|get)|failed to )[^\n]*",
            r"required plugin spank_pyxis\.so: [^\n]*failed[^\n]*|Failed to invoke spank plugin stack",
        ),
        verdict="pyxis could not start the job's container; the indented line of enroot's log says why",
        cause="pyxis prints enroot's own log below 'printing enroot log file'. Usual: directories that do not exist on "
        "the node, user namespaces that are switched off, a mount, the image or its registry, NVIDIA's hook.",
        remedy=(
            "Explain the line of enroot, enroot-..., mkdir or nvidia-container-cli in that log.",
            "On the node as that user: enroot import docker://ubuntu; enroot create ubuntu.sqsh; enroot start ubuntu.",
        ),
        reference="https://github.com/NVIDIA/pyxis",
        tell="srun -w NODE enroot list; srun -w NODE unshare -Ur true",
        offer=2,
        last=True,
    ),
)
