"""What an exit status, or the inspected state, says of the end of a container."""

from __future__ import annotations

from shim.diagnose.entry import Entry

STATUS = (
    r"(?:Restarting|[Ee]xit(?:ed|ing)?(?: with)?(?: (?:status|code))?(?: of)?|ExitCode\"?|[Ee]rror|code|status)"
    r"[:=]? ?\(?\"?"
)
NOT_OOM = r"OOMKilled\"?\s*[:=]\s*\"?false"
ARMV6 = r"\b(?:armv6|R?Pi (?:Zero|1|Model B\+?)\b)"

ENTRIES = (
    Entry(
        code="process-was-killed",
        title="the container's process was killed (137, SIGKILL), and no limit of its own is named",
        ambiguous=(
            NOT_OOM + r"(?:[^\n]*\n){0,12}[^\n]*ExitCode\"?\s*[:=]\s*137",
            r"ExitCode\"?\s*[:=]\s*137(?:[^\n]*\n){0,12}[^\n]*" + NOT_OOM,
            STATUS + r"137\b",
            r"\bline \d+: +\d+ Killed +\S",  # bash
            r"\bsignal 9\b|\bSIGKILL\b|^Killed$|\bKilled signal terminated program",
        ),
        verdict="the container's process got SIGKILL (137 = 128 + 9), and not for its own memory limit as far as the "
        "engine saw",
        cause="Either it did not end within the stop time (docker stop, compose down and restart wait 10 s, "
        "Kubernetes 30 s, then kill): that comes with a stop, a restart, a new version or a failed liveness probe. Or "
        "the host, or Docker Desktop's virtual machine, ran out of memory; or a child, not the first process, hit the "
        "limit.",
        remedy=(
            (
                "A stop: let the program end on SIGTERM (exec form of CMD, docker run --init), or a longer stop: "
                "docker stop -t 60; compose: stop_grace_period; Kubernetes: terminationGracePeriodSeconds."
            ),
            (
                "Memory: give the host, or Docker Desktop (Settings, Resources; WSL: memory= in .wslconfig), more, and "
                "every container a limit."
            ),
        ),
        reference="https://docs.docker.com/engine/containers/run/#exit-status",
        tell="journalctl -k | grep -iE 'oom|killed process' at that time: nothing there means a stop, or a person",
        offer=1,
        first_for=NOT_OOM,
        rank=67,
    ),
    Entry(
        code="image-needs-vsyscall",
        title="an old image crashes on a kernel without vsyscall (139, SIGSEGV)",
        ambiguous=(STATUS + r"139\b", r"vsyscall attempted with vsyscall=none"),
        verdict="the program crashed (139 = 128 + 11, SIGSEGV); images of CentOS 6, Debian 7 and older do so on new "
        "kernels",
        cause="C libraries before 2.14 call the kernel's vsyscall page, which kernels with CONFIG_LEGACY_VSYSCALL_NONE "
        "(WSL 2, Debian, Ubuntu, Amazon Linux) no longer have. With a newer image it is a fault of the program "
        "itself, emulation of another processor (qemu), or an image for ARMv7 on a Raspberry Pi 1 or Zero (ARMv6).",
        remedy=(
            (
                "Boot with vsyscall=emulate; WSL 2: kernelCommandLine = vsyscall=emulate under [wsl2] in .wslconfig, "
                "then wsl --shutdown."
            ),
            "Newer image: its own log; the right --platform; more memory does not help.",
        ),
        reference="https://github.com/microsoft/WSL/issues/4694",
        tell="dmesg | grep -E 'vsyscall|segfault'; docker run --rm IMAGE cat /etc/os-release",
        offer=1,
        rank=67,
    ),
    Entry(
        code="image-for-newer-arm",
        title="the image is for ARMv7, and the processor is ARMv6 (Raspberry Pi 1 and Zero)",
        patterns=(
            ARMV6 + r"(?:[^\n]*\n){0,12}[^\n]*" + STATUS + r"(?:139|132)\b",
            STATUS + r"(?:139|132)\b(?:[^\n]*\n){0,12}[^\n]*" + ARMV6,
        ),
        ambiguous=(r"(?:dockerd|containerd)\b[^\n]*\(code=dumped, signal=(?:SEGV|ILL)\)",),
        verdict="the program crashed at once (139, 132): on a Raspberry Pi 1 or Zero it is built for a newer ARM",
        cause="These boards are ARMv6. Debian's and Ubuntu's armhf images are for ARMv7, and docker picks them "
        "nevertheless; so do docker-ce 18.09.0 and other packages that were built for ARMv7.",
        remedy=(
            "docker pull --platform linux/arm/v6 IMAGE; Alpine and balenalib/rpi-* have images for it.",
            "The engine itself: docker-ce from Raspbian's repository of docker.com, or docker.io.",
        ),
        reference="https://github.com/docker/for-linux/issues/373",
        tell="uname -m: armv6l?",
        ours=False,
        offer=1,
        rank=66,
    ),
    Entry(
        code="program-needs-newer-processor",
        title="the program uses instructions that this processor does not have (132, SIGILL)",
        ambiguous=(
            STATUS + r"132\b",
            r"\b[Ii]llegal instruction\b",
            r"MongoDB 5\.0\+ requires a CPU with AVX support",
            r"Fatal glibc error: CPU does not support \S+",
        ),
        verdict="the program uses instructions that this processor does not have (132 = 128 + 4, SIGILL)",
        cause="MongoDB 5 and later need AVX or ARMv8.2, images of RHEL 9 x86-64-v2 and of RHEL 10 x86-64-v3. NAS "
        "processors, old servers, Raspberry Pi and virtual machines with the processor type kvm64 lack them. It is "
        "not about cgroups.",
        remedy=(
            "Proxmox, QEMU: processor type host.",
            "Otherwise an older version of the image (mongo:4.4.18), or another machine.",
        ),
        reference="https://www.mongodb.com/docs/manual/administration/production-notes/",
        tell="grep -m1 -oE 'avx2?|sse4_2' /proc/cpuinfo",
        ours=False,
        offer=1,
        rank=67,
    ),
    Entry(
        code="memory-not-counted",
        title="docker stats shows no memory at all: the memory controller is off",
        patterns=(r"\b0 ?B / (?:0 ?B\s+(?:0\.00%|--|0%)|[\d.]+ ?[GM]i?B\s+0\.00%)",),
        verdict="docker stats shows no memory in use: the host's memory controller is off, so no memory limit holds",
        cause="Raspberry Pi OS, Debian on ARM and some vendors boot with the memory controller disabled. docker "
        "accepts mem_limit, warns once, and starts the container without it (inspect shows Memory: 0).",
        remedy=(
            (
                "Add cgroup_enable=memory (Raspberry Pi: cgroup_enable=memory cgroup_memory=1 in "
                "/boot/firmware/cmdline.txt or /boot/cmdline.txt, on the one line), and reboot."
            ),
            "docker info | grep WARNING then no longer says: No memory limit support.",
        ),
        reference="https://github.com/docker/compose/issues/5144",
        tell="grep memory /proc/cgroups: is the last number 0? Or is memory missing in cgroup.controllers?",
        rank=45,
    ),
    Entry(
        code="engine-refused-to-run",
        title="docker or podman itself could not run the container (125)",
        ambiguous=(r"(?:exit status|exit code|exited with(?: code)?|status) 125\b",),
        verdict="docker or podman itself failed (125): the container never ran, and the reason is in its standard "
        "error",
        cause="125 is the engine's own failure, 126 a command that cannot be executed, 127 one that is not there. The "
        "program that called it did not pass its message on. For podman in a container, the usual one is its storage: "
        "overlay on overlay.",
        remedy=(
            "Run the same docker or podman command by hand, and explain what it prints.",
            "podman in a container: a volume at /var/lib/containers, or --storage-driver=vfs.",
        ),
        reference="https://docs.docker.com/engine/containers/run/#exit-status",
        tell="docker run --rm hello-world or podman run --rm hello-world, as the same user",
        ours=False,
        offer=1,
        last=True,
    ),
    Entry(
        code="memory-controller-off",
        title="the memory controller is switched off at boot",
        patterns=(r"\bmemory[ \t]+\d+[ \t]+\d+[ \t]+0(?=\s|$)",),
        verdict="/proc/cgroups says that the memory controller is off (0 in its last column)",
        cause="cgroup_disable=memory is on the kernel command line: by the firmware of a Raspberry Pi, Debian 7 and "
        "8, or an administrator. Its hierarchy cannot be mounted then, and no memory limit can be set.",
        remedy=(
            (
                "Add cgroup_enable=memory to the kernel command line (Raspberry Pi: cgroup_enable=memory "
                "cgroup_memory=1 in /boot/firmware/cmdline.txt or /boot/cmdline.txt); reboot."
            ),
            "cat /proc/cmdline shows whether cgroup_disable=memory is still there.",
        ),
        reference="https://github.com/raspberrypi/linux/issues/1198",
        tell="cat /proc/cmdline; grep memory /proc/cgroups",
        rank=48,
    ),
    Entry(
        code="engine-could-not-start-it",
        title="docker could not start the container at all (128)",
        patterns=(r"\bExit(?:ed)? \(?128\b\)?",),
        verdict="docker failed before the program began (128); the reason is in State.Error",
        cause="At boot it is mostly a volume whose disk or share was not mounted yet, a device, or a container whose "
        "network it shares. A restart policy does not repeat a failed start.",
        remedy=(
            "docker start NAME (docker compose up -d), when all is mounted.",
            (
                "At every boot: systemctl edit docker: [Unit] RequiresMountsFor=/mnt/share After=remote-fs.target; "
                "_netdev in /etc/fstab. A NAS with encrypted folders: a task with docker start NAME."
            ),
            "NFS, CIFS: a volume of docker's own (driver_opts) is mounted when the container starts.",
        ),
        reference="https://github.com/docker/for-linux/issues/293",
        tell="docker inspect NAME | grep -w Error; journalctl -u docker -b",
        rank=66,
    ),
    Entry(
        code="init-of-image-ended-at-once",
        title="the containers end at once with 255: their init could not start",
        patterns=(r"exited with code 255\b", r"Exited \(255\)"),
        verdict="the container's first program ended with 255; its own log has the reason",
        cause="An image with systemd inside ends so on a host with another cgroup version or without "
        "--privileged. After a crash or power cut of the host docker shows 255 for all containers that had been "
        "running.",
        remedy=(
            "docker logs NAME, podman logs NAME: explain its last lines.",
            (
                "systemd inside, on cgroup2: docker run --privileged --cgroupns=private (no mount of /sys/fs/cgroup); "
                "an "
                "image "
                "before systemd 232 needs v1: systemd.unified_cgroup_hierarchy=0."
            ),
            "After a crash of the host: docker start NAME, and a restart policy (--restart unless-stopped).",
        ),
        reference="https://github.com/spurin/diveintoansible-lab/issues/70",
        tell="docker inspect -f '{{{{.Config.Cmd}}}} {{{{.Config.Entrypoint}}}}' NAME: /sbin/init? stat -fc %T "
        "/sys/fs/cgroup",
        ours=False,
        rank=90,
    ),
)
