"""What podman and crun of one version, or of one build, say: an upgrade or a package is the remedy."""

from __future__ import annotations

from shim.diagnose.entry import EAGAIN, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, Entry

CRUN = "https://github.com/containers/crun/issues"
UPGRADE = "Upgrade crun (crun --version; podman info --format '{{{{.Host.OCIRuntime.Version}}}}')."

ENTRIES = (
    Entry(
        code="command-not-found-by-old-crun",
        title="crun does not find the command of the image, and does not name it",
        patterns=(
            rf"(?:^|Z: |: )executable file not found in \$PATH: {ENOENT}",
            rf"executable file `[^`\n]*` not found in \$PATH: {ENOENT}[^\n]*\n[^\n]*error creating container for",
        ),
        verdict="the command is not in the container's PATH",
        cause="The image does not have it (an image from scratch has no shell), or PATH in the image does not lead to "
        "it. crun of 2019 did not find some commands that are there.",
        remedy=(
            "Give the command's absolute path, or another image: podman run --rm --entrypoint ls IMAGE -l /bin",
            "buildah: a RUN or buildah run needs a shell and the program in the image.",
            "It is there: upgrade crun.",
        ),
        reference=f"{CRUN}/133, https://github.com/containers/buildah/issues/2400",
        ours=False,
        rank=22,
    ),
    Entry(
        code="crun-remount-of-proc-refused",
        title="crun cannot make a file of /proc read-only",
        patterns=(rf"\bremount `[^`\n]*/proc/(?:sysrq-trigger|sys|bus|fs|irq|asound)[^`\n]*`: {EINVAL}",),
        verdict="crun could not make a path below /proc read-only (EINVAL)",
        cause="crun 0.12 asks for a change of a mount that kernels of that time (RHEL 8: 4.18) refuse. Cgroups have "
        "nothing to do with it.",
        remedy=(UPGRADE, "Until then: podman --runtime runc, or --security-opt unmask=ALL."),
        reference=f"{CRUN}/291",
        rank=30,
    ),
    Entry(
        code="crun-mount-point-is-a-link",
        title="a mount point of the container is a link, which this crun does not follow",
        patterns=(
            rf"(?:^|Error: |crun: )openat2 `(?P<name>localtime|resolv\.conf|hosts|hostname|timezone)`: {ENOENT}",
        ),
        verdict="crun cannot mount onto {name}: it is a link in the image, or its directory is not there",
        cause="crun 0.14.0 does not follow a link at the end of a mount point (/etc/localtime is one in most images). "
        "Newer ones fail only if the link leads nowhere.",
        remedy=(
            "Upgrade crun to 0.14.1 or later.",
            "Or mount onto what the link names: podman run --rm --entrypoint ls IMAGE -l /etc/{name}",
        ),
        reference="https://github.com/containers/podman/issues/6854",
        rank=29,
    ),
    Entry(
        code="podman-without-seccomp",
        title="this podman was built without seccomp",
        patterns=(r"seccomp (?:is )?not enabled in this build",),
        verdict="this podman (or buildah, CRI-O) was built without seccomp and cannot load a profile",
        cause="The build had no libseccomp headers or no build tag `seccomp`. The kernel and the runtime are not "
        "asked.",
        remedy=(
            (
                "Install the distribution's package, or build again: libseccomp-dev (libseccomp-devel) installed, "
                'make BUILDTAGS="seccomp systemd"'
            ),
            (
                'Until then: --security-opt seccomp=unconfined, or seccomp_profile = "unconfined" in containers.conf; '
                "the containers then have no filter."
            ),
        ),
        reference="https://github.com/containers/podman/issues/18609",
        rank=20,
    ),
    Entry(
        code="engine-seccomp-profile-missing",
        title="the engine's own seccomp profile is not on the host",
        patterns=(
            rf"opening seccomp profile failed: open (?P<path>/[^\n:]+): {ENOENT}",
            rf"opening seccomp profile \(?(?P<path2>/usr/[^\n:)]+)\)?[^\n]*: {ENOENT}",
        ),
        verdict="podman (or buildah, CRI-O) does not find its seccomp profile {path}",
        cause="The file comes with the package containers-common. A static binary, or a script that copied it to "
        "another directory, leaves it out. Warnings about discarded limits in front of it did not stop the start.",
        remedy=(
            "Install containers-common (golang-github-containers-common), or put the file there.",
            "Or name it: seccomp_profile under [containers] in containers.conf; CRI-O: seccomp_profile in crio.conf.",
        ),
        reference="https://github.com/unifi-utilities/unifi-common/issues/188",
        rank=30,
    ),
    Entry(
        code="memory-swap-not-parsed",
        title="this podman does not read --memory-swap -1",
        patterns=(r"invalid value for memory-swap: invalid size: '?-1'?",),
        verdict="this podman does not read --memory-swap -1 (no limit for swap)",
        cause="podman before 1.8.1 takes only sizes there. No limit was set, and no container was made.",
        remedy=(
            "Upgrade podman, or leave --memory-swap out: swap then is limited to as much as --memory.",
            "Or give a size: --memory 500m --memory-swap 2g",
        ),
        reference="https://github.com/containers/podman/issues/5091",
        rank=20,
    ),
    Entry(
        code="selinux-denies-user-namespace",
        title="SELinux forbids the engine to make a user namespace",
        patterns=(
            r"avc: +denied +\{ create \}[^\n]*tclass=user_namespace",
            r"SELinux is preventing \S+ from create access on the user_namespace",
        ),
        verdict="SELinux forbids this program to make a user namespace, which every rootless container needs",
        cause="The policy (secureblue, a hardened desktop, a local module) has the class user_namespace and denies "
        "`create` to the domain in scontext=. Sysctls do not change that.",
        remedy=(
            "secureblue: ujust --list | grep -i userns names the switch for containers.",
            "Else a module of your own: ausearch -m avc -ts recent | audit2allow -M userns; semodule -i userns.pp",
        ),
        reference="https://github.com/secureblue/secureblue/issues/754",
        rank=25,
    ),
    Entry(
        code="crun-changes-mode-of-link",
        title="an old crun changes the mode of a symbolic link, which newer kernels refuse",
        patterns=(rf"crun: chmod `(?P<path>[^`\n]*)`: {EOPNOTSUPP}",),
        verdict="crun cannot change the mode of {path}: in the image it is a symbolic link",
        cause="Linux 6.6, and the stable kernels of autumn 2023, refuse chmod of a symbolic link. crun before 1.9.1 "
        "tries it "
        "where an image has a link below a tmpfs that copies its directory (run/shm).",
        remedy=(
            "Upgrade crun to 1.9.1 or later (podman info | grep -A5 ociRuntime shows which is used).",
            "Until then: podman --runtime runc, or a directory in place of the link in the image.",
        ),
        reference="https://github.com/containers/crun/issues/1308",
        tell="crun --version; uname -r",
        rank=30,
    ),
    Entry(
        code="crun-does-not-try-again",
        title="an old crun gives up where the kernel wants it to try again",
        patterns=(rf"\bopenat2 `(?P<path>[^`\n]*)`: {EAGAIN}",),
        verdict="the kernel could not be sure of {path}, and crun did not try again (EAGAIN)",
        cause="openat2(2) says EAGAIN when something is renamed or mounted on the host at that moment. crun of 2021 "
        "takes it for a failure.",
        remedy=("Start it again: it is a race.", "Upgrade crun: those of 2022 and later try again."),
        reference="https://github.com/containers/crun/issues/725",
        rank=30,
    ),
    Entry(
        code="runc-takes-bind-for-file-system",
        title="runc mounts a directory as a file system of the type bind",
        patterns=(rf"\bmounting \\*\"(?P<source>/[^\"\\\n]*)\\*\" to rootfs at [^\n]* caused:? \\*\"?{ENODEV}",),
        verdict="runc mounts {source} as a file system of its own: the options of the mount lack bind",
        cause="The configuration has a mount of type bind without bind or rbind among its options. runc then asks the "
        "kernel "
        "for a file system named bind, which does not exist; crun binds it. podman 2.1 wrote such a one.",
        remedy=(
            "Upgrade podman (the fault was mended after 2.1.0), or use crun: podman --runtime crun.",
            'A config.json of your own: "options": ["rbind", "rw"] for this mount.',
        ),
        reference="https://github.com/containers/podman/issues/7652",
        rank=30,
    ),
)
