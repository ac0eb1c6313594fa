"""Podman's own words about systemd, cgroups and a container's state."""

from __future__ import annotations

from shim.diagnose.catalogue.buses import EXPORT, LINGER, NO_SYSTEMD
from shim.diagnose.entry import EACCES, EPERM, Entry

ENTRIES = (
    Entry(
        code="podman-without-user-session",
        title="podman finds no systemd session of the user",
        patterns=(
            r"[Tt]he cgroupv2 manager is set to systemd but there is no systemd user session available",
            r"For using systemd, you may need to (?:login|log in) using an? user session",
            (
                rf"[Ff]ailed to add (?:pause process|conmon|podman) to (?:the )?systemd (?:sandbox "
                rf"cgroup|user\.slice)[^\n]*"
                rf"(?:session bus|user bus|/run/user/|{EACCES}|{EPERM}|authentication)"
            ),
            r"[Ff]ailed to move the (?:rootless )?(?:netns )?\w+ process to the systemd user\.slice",
            r"Falling back to --cgroup-manager=cgroupfs",
            r"couldn't determine address of session bus",
        ),
        verdict="podman cannot reach a systemd of this user, and continues without it",
        cause="podman asks the user's own systemd for cgroups. After su or sudo, in cron, in CI and in services "
        "that session is missing. podman then falls back to cgroupfs, and limits of rootless containers do not hold.",
        remedy=(LINGER, EXPORT, f"Or do without systemd, and without the warning: {NO_SYSTEMD}"),
        reference="https://github.com/containers/podman/issues/6368",
        tell="loginctl show-user $USER -p Linger; ls -l /run/user/$(id -u)/bus; echo $XDG_RUNTIME_DIR",
        rank=46,
    ),
    Entry(
        code="podman-stats-need-cgroup2",
        title="podman has no statistics of rootless containers on v1",
        patterns=(
            r"stats is not supported in rootless mode without cgroups v2",
            r"(?:pause|unpause) is not supported for (?:cgroup ?v1 )?rootless containers(?: without cgroups v2)?",
            r"not supported (?:in|for) rootless (?:mode|containers) without cgroups? ?v2",
            r"can ?not pause container \S+ without (?:a )?cgroup",
            r"unable to load cgroup at /libpod_parent/\S+",
            r"no such directory for freezer\.state\s+Error: error pausing container",
        ),
        verdict="podman offers this for rootless containers only on cgroup2",
        cause="On v1 a user has no cgroup of its own from which usage could be read, or which could be frozen.",
        remedy=(
            "Boot with cgroup2: systemd.unified_cgroup_hierarchy=1 on the kernel's command line.",
            "Or run the container as root.",
        ),
        reference="https://github.com/containers/podman/issues/1793",
    ),
    Entry(
        code="container-paused",
        title="the container is paused, or in a state in which this cannot be done",
        patterns=(
            r"cannot exec in a paused (?:container|state)",
            r"the container [`'\"][^`'\"\n]*[`'\"] is (?:paused|not in ['`](?:created|stopped)['`][^\n]*state)",
            r"[Cc]ontainer \S+ is paused",
            r"container not paused",
        ),
        verdict="the container's state does not allow this: it is paused (frozen), or has been started before",
        cause="A paused container's cgroup is frozen, and so would be whatever entered it. A pause can be left over "
        "from docker commit, docker checkpoint or a runtime that was killed while it changed device rules.",
        remedy=(
            "docker, podman: unpause NAME; runc, crun: resume ID; ctr: tasks resume ID",
            "If it stays so: cat its cgroup.freeze (v1: freezer.state), and write 0 (v1: THAWED) into it.",
        ),
        reference="https://github.com/opencontainers/runc/issues/2205",
        rank=56,
    ),
    Entry(
        code="signal-not-permitted",
        title="the engine may not kill the container's process",
        patterns=(
            r"sending signal \d+ to pid \d+ caused:? \"?permission denied",
            r"(?:cannot|could not|unable to) (?:stop|kill|remove|restart) container:?[^\n]*: permission denied",
            r"unable to signal init: permission denied",
            r"[Cc]annot (?:kill|stop|destroy|remove|restart) container:? [^\n]*permission denied",
            r"signaling init process caused:? \"?permission denied",
            r"apparmor=\"DENIED\" operation=\"signal\"[^\n]*profile=\"docker-default\"[^\n]*peer=\"/usr/bin/docker",
            r"crun: kill process `\d+`: (?:permission denied|operation not permitted)",
        ),
        verdict="the engine may not send a signal to the container's process (EACCES): a security module forbids it",
        cause="AppArmor: the container's profile accepts signals from unconfined programs and from its own kind. The "
        "sender has a profile where docker comes from a snap, and from AppArmor 4 on (Ubuntu 23.10) where runc, crun "
        "and podman have one. Or the profile was loaded again while the container ran. EPERM: the process belongs to "
        "another user.",
        remedy=(
            'dmesg | grep \'apparmor="DENIED" operation="signal"\' names both profiles.',
            (
                'peer="runc", "crun", "podman": docker 26.1.3, a newer containerd or containers-common. Until '
                "then: ln -s /etc/apparmor.d/runc /etc/apparmor.d/disable/; apparmor_parser -R /etc/apparmor.d/runc"
            ),
            'peer="snap.docker...": only one docker; snap list docker; apt list --installed docker.io docker-ce.',
            "Else (peer /usr/bin/docker: a profile of the daemon): aa-remove-unknown; systemctl restart docker.",
        ),
        reference="https://github.com/moby/moby/issues/47749",
        tell="dmesg | grep -i 'apparmor.*signal'",
        rank=50,
    ),
    Entry(
        code="exit-file-missing",
        title="podman waits for the end of a container that its monitor never reported",
        patterns=(
            r"timed out waiting for file \S+/exits?/\S+",
            r"timed out waiting for runtime to create pidfile for exec session",
            r"conmon exited prematurely",
            r"conmon failed: [^\n]*",
            r"container creation timeout: internal libpod error",
        ),
        verdict="conmon, podman's monitor of the container, ended without a report",
        cause="conmon was killed, most often because it was in a service's cgroup that systemd emptied when the "
        "service ended or reached its memory limit. An old conmon (podman 3, 4.0) also ended in an exec with much "
        "output.",
        remedy=(
            (
                "Services: KillMode=none does not help; use Quadlet or podman generate systemd, which set Delegate=yes "
                "and Type=notify."
            ),
            (
                "Upgrade conmon and podman. podman --log-level=debug run ... shows conmon's own words; journalctl -t "
                "conmon too."
            ),
        ),
        reference="https://github.com/containers/podman/issues/5934",
        rank=58,
    ),
    Entry(
        code="podman-signal-denied",
        title="AppArmor keeps podman's runtime from a signal to the container",
        patterns=(r"unable to signal init: permission denied", r"sending signal to container \w+: [^\n]*"),
        beside=r"peer=\\?\"(?:podman|crun|runc)|\bpodman (?:stop|kill|rm)\b",
        verdict="AppArmor does not let podman's runtime send a signal to the container",
        cause="The container's profile names the peers that may signal it. On Ubuntu 24.04 and others with AppArmor 4, "
        "podman, crun and runc have profiles of their own, which older profiles of containers do not name.",
        remedy=(
            "Upgrade containers-common, then make the container again.",
            (
                "Or switch the runtimes' profiles off: aa-disable /etc/apparmor.d/podman /etc/apparmor.d/runc "
                "/etc/apparmor.d/crun"
            ),
            "Or --security-opt apparmor=unconfined for the container.",
        ),
        reference="https://github.com/containers/common/issues/2321",
        tell="journalctl -k | grep 'operation=\"signal\"'",
        rank=49,
    ),
    Entry(
        code="privileged-meets-closed-device",
        title="rootless podman --privileged takes all devices of the host, and one is closed to the user",
        patterns=(
            (
                rf"(?:error stat'ing file|cannot stat) `(?P<path>/dev/(?!dri|kvm|fuse|net/|snd|nvidia|video|"
                rf"tty)\w+/[^`\n]*)`: {EACCES}"
            ),
        ),
        beside=r"podman|OCI permission denied|crun",
        verdict="the runtime may not reach the device {path}",
        cause="With --privileged podman binds every device that it finds below /dev into the container. The directory "
        "of this "
        "one (VirtualBox, USB, and others) is closed to the user.",
        remedy=(
            (
                "Without --privileged: --device for what is needed, --cap-add and --security-opt label=disable for the "
                "rest."
            ),
            (
                "Or open the directory: join its group (vboxusers) and log in again, with --group-add keep-groups; or "
                "chmod o+x."
            ),
            "Upgrade podman: later versions leave out devices that the user cannot reach.",
        ),
        reference="https://github.com/containers/podman/issues/14284",
        tell="namei -l {path}",
        rank=20,
    ),
)
