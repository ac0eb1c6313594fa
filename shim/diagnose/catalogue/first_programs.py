"""What an image's own first programs say: its init, its entrypoint, and an emulator below them."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, EPERM, Entry

ENTRIES = (
    Entry(
        code="image-init-not-first-process",
        title="the init of the image does not run as process 1",
        patterns=(r"s6-overlay-suexec: fatal: can only run as pid 1",),
        verdict="/init of the image (s6-overlay) must be process 1 of the container, and is not",
        cause="Something starts before it: --init (tini), a shell or script in the entrypoint; or the container shares "
        "a PID namespace with others. The Supervisor of Home Assistant puts docker's init before an add-on.",
        remedy=(
            (
                "docker run: without --init; compose: without init: true; ECS: initProcessEnabled false; daemon.json: "
                'without "init": true.'
            ),
            'Home Assistant: "init": false in the config of the add-on; as its user: update it.',
            'Your own image: ENTRYPOINT ["/init"] as a list, and no shell, tini or su before it.',
            "Kubernetes: without shareProcessNamespace and hostPID; docker, podman: without --pid=host.",
        ),
        reference="https://github.com/just-containers/s6-overlay/blob/master/README.md",
        tell="docker inspect NAME | grep -wE 'Init|PidMode|Entrypoint'",
        rank=40,
    ),
    Entry(
        code="image-init-needs-own-run",
        title="the init of the image may not give /run to its user",
        patterns=(
            r"preinit: fatal: /run belongs to uid \d+ instead of \d+[^\n]*",
            rf"(?:s6-chown|s6-overlay-preinit): fatal: unable to chown /(?:var/)?run\S*: {EPERM}",
            r"s6-overlay-suexec: fatal: unable to gain root privileges[^\n]*",
        ),
        verdict="s6-overlay in the image needs a /run of its own user, and may not change its owner",
        cause="It changes the owner by a suid program. no-new-privileges (allowPrivilegeEscalation: false) and dropped "
        "capabilities forbid that.",
        remedy=(
            'compose: tmpfs: /run:exec,uid=1000,gid=1000,mode=0755 with user: "1000:1000" (your ids).',
            (
                "Or without user:, cap_drop: ALL (or with CHOWN, SETUID and SETGID) and no-new-privileges; images of "
                "LinuxServer: PUID and PGID in place of user:."
            ),
            "A read-only root: S6_READ_ONLY_ROOT=1 in the environment, and a tmpfs at /run with exec.",
            (
                "Kubernetes: an emptyDir at /run with fsGroup, and "
                "S6_YES_I_WANT_A_WORLD_WRITABLE_RUN_BECAUSE_KUBERNETES=1 (s6-overlay 3.2.1.0)."
            ),
        ),
        reference="https://github.com/just-containers/s6-overlay/issues/600",
        tell="docker inspect NAME | grep -wE 'User|CapDrop|SecurityOpt|ReadonlyRootfs'",
        rank=40,
    ),
    Entry(
        code="image-init-needs-exec-run",
        title="/run of the container is mounted noexec, and the init of the image executes scripts there",
        patterns=(
            rf"exec: /run/s6/[^:]*: {EACCES}",
            rf"s6-supervise[^\n]*unable to spawn \./run[^\n]*: {EACCES}",
        ),
        verdict="/run of the container is mounted noexec, and s6-overlay executes its scripts there",
        cause="docker and podman mount --tmpfs /run, and podman with --read-only also its own /run, with noexec.",
        remedy=(
            "docker run --tmpfs /run:exec; compose: tmpfs: /run:exec",
            "podman run --tmpfs /run:rw,exec,mode=755 (with --read-only: --read-only-tmpfs=false).",
            "A read-only root: S6_READ_ONLY_ROOT=1 as well.",
        ),
        reference="https://github.com/just-containers/s6-overlay/issues/397",
        tell="grep ' /run ' /proc/mounts in the container",
        rank=38,
    ),
    Entry(
        code="entrypoint-may-not-change-user",
        title="the entrypoint of the image may not change to its user",
        patterns=(
            rf"error: failed switching to \\*[\"'](?P<user>[^\"'\\\n]*)\\*[\"']: {EPERM}",
            rf"su-exec: set(?:groups|gid|uid)\(?[^\n]*: {EPERM}",
            rf"setpriv: set(?:res[ug]id|groups|[ug]id) failed: {EPERM}|su: cannot set groups: {EPERM}",
        ),
        verdict="the entrypoint may not change to its user: it has no CAP_SETUID or CAP_SETGID",
        cause="gosu, su-exec, setpriv and su change from root to a user. cap_drop: ALL took the capabilities away, or "
        "the container does not start as root (user:, runAsUser, OpenShift).",
        remedy=(
            "compose: cap_add: SETUID, SETGID, CHOWN, FOWNER beside cap_drop: ALL; docker run --cap-add the same.",
            "Started with --user or user:: leave it out, and use the image's own setting (PUID, PGID).",
            (
                "Kubernetes: securityContext.capabilities.add: SETUID, SETGID, CHOWN; OpenShift: another image, or "
                "the SCC anyuid."
            ),
        ),
        reference="https://github.com/tianon/gosu/issues/11",
        tell="docker inspect NAME | grep -wE 'User|CapDrop|CapAdd'",
        ours=False,
        rank=40,
    ),
    Entry(
        code="program-open-for-writing",
        title="a program is still open for writing, and cannot be executed",
        patterns=(r"\s(?P<path>/[\w./-]{1,200}): ?\\*\"?[Tt]ext file busy", r"\btext file busy\b"),
        verdict="the kernel does not execute a program that is open for writing (ETXTBSY): {path}",
        cause="chmod or a copy right before it (aufs and overlay copy the file up), or an update of the file in a "
        "volume that is not done.",
        remedy=(
            "Set the mode when the image is built: COPY --chmod=755 start.sh /start.sh; no chmod in CMD or entrypoint.",
            "Or: chmod +x /start.sh && sync && /start.sh",
            "A volume: write to another name, and mv it when it is complete.",
        ),
        reference="https://github.com/moby/moby/issues/9547",
        ours=False,
        rank=45,
    ),
    Entry(
        code="interpreter-missing",
        title="a script is there, and the interpreter that its first line names is not",
        patterns=(
            (
                rf"(?:^|[\s=\"])(?:exec|standard_init_linux\.go:\d+: exec user process caused[: \"\\]+) "
                rf"?(?P<path>/\S+\.sh)\\*\"?: {ENOENT}"
            ),
            r"(?:env|exec): \W?[\w/]*(?:bash|sh|python3?|node|perl|ruby)\\?r\W?: No such file or directory",
            r"/bin/(?:ba)?sh\^M: bad interpreter",
        ),
        verdict="{path} is there, and the interpreter in its first line is not: it ends in CR, or the image lacks it",
        cause="Lines that end as on Windows (CR LF) make the kernel look for a program whose name ends in CR. Or the "
        "image has no such program: Alpine has no /bin/bash.",
        remedy=(
            "sed -i 's/\\r$//' entrypoint.sh (dos2unix), *.sh text eol=lf in .gitattributes; docker build --no-cache",
            "In the Dockerfile: RUN sed -i 's/\\r$//' /entrypoint.sh && chmod +x /entrypoint.sh",
            "Alpine: #!/bin/sh, or RUN apk add --no-cache bash",
            "A volume over its directory hides the file: docker inspect NAME, Mounts.",
        ),
        reference="https://github.com/moby/moby/issues/38222",
        tell="docker run --rm --entrypoint head IMAGE -n1 PATH | od -c: \\r before \\n?",
        ours=False,
        rank=30,
    ),
    Entry(
        code="emulator-crashed",
        title="the emulator of another processor crashed, not the program",
        patterns=(r"qemu: uncaught target signal (?P<number>\d+) \((?P<name>[^)\n]*)\)",),
        verdict="qemu, which translates the image's programs for this processor, crashed ({name})",
        cause="The image is for another processor than the machine (amd64 on Apple Silicon or an ARM server). On its "
        "own processor it runs.",
        remedy=(
            "An image for this processor: a newer tag, docker pull --platform linux/arm64, or your own build.",
            (
                "Docker Desktop: softwareupdate --install-rosetta; Settings, General: Apple Virtualization framework "
                "and Rosetta. Colima: colima start --vm-type vz --vz-rosetta"
            ),
            "Linux: docker run --privileged --rm tonistiigi/binfmt --install all brings a newer qemu.",
        ),
        reference="https://github.com/docker/for-mac/issues/7172",
        tell="docker image inspect IMAGE | grep Architecture, against uname -m",
        ours=False,
        rank=30,
    ),
    Entry(
        code="program-of-other-machine-in-image",
        title="a program for one processor is in an image for another one",
        patterns=(
            r"qemu-(?P<machine>\w+): Could not open '(?P<path>/lib\S*/ld-[^']*)'",
            r"rosetta error: failed to open elf at (?P<path2>/lib\S*/ld-\S+)",
        ),
        verdict="the image is for this machine, and a program in it for another: its loader {path} is missing",
        cause="The image was built or pulled for arm64, as the machine is, and the program (a download, node_modules "
        "of another machine) is for x86-64.",
        remedy=(
            "All for x86-64: docker build and docker run with --platform linux/amd64 (compose: platform:).",
            "All for arm64: in the Dockerfile, download the program's build by TARGETARCH.",
            "node_modules or a virtualenv of another machine: install them in the image; name them in .dockerignore.",
            "Alpine: the program wants glibc: a Debian image, or apk add gcompat.",
        ),
        reference="https://github.com/docker/for-mac/issues/7644",
        tell="docker image inspect IMAGE | grep Architecture; file on the program",
        ours=False,
        rank=30,
    ),
)
