"""What systemd itself says of a unit whose processes, cgroup or device rules it could not set up."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EBUSY, EINVAL, ENOENT, EOPNOTSUPP, EPERM, EROFS, Entry

JOIN = r"(?:Failed to attach to cgroup (?P<path>/[^\n:]*)|Failed to spawn executor)"
DOCKER_BUS = "systemctl status dbus; busctl status org.freedesktop.systemd1; systemctl daemon-reexec"

# systemd's own words; a journal's prefix, which would say whose systemd it is, is not kept.
SCOPE_REFUSED = rf"Failed to add PIDs to scope's control group: (?:{EACCES}|{EPERM})"

ENTRIES = (
    Entry(
        code="systemd-not-on-bus",
        title="nothing answers on the bus under systemd's name",
        patterns=(
            r"The name org\.freedesktop\.systemd1 was not provided by any \.service files",
            r"Name \\*\"?org\.freedesktop\.systemd1\\*\"? does not exist",
            r"Launch helper exited with\s+(?:unknown\s+)?return\s+code\s+\d+",
            r"(?<!sd-bus call: )Process org\.freedesktop\.systemd1 exited with status 1",
        ),
        verdict="systemd was asked over D-Bus and nothing answers there under its name: the request never reached it",
        cause="The bus runs, and systemd is not on it. Either systemd is not the first process (a container, OpenRC, "
        "WSL without systemd), or it lost its connection when dbus was restarted or replaced (a container with the "
        "host's /var/run/dbus as a volume that starts a dbus-daemon does that, too), or the user's bus was "
        "started by hand (dbus-launch, dbus-run-session, VNC) beside the session's own.",
        remedy=(
            f"As root, with systemd: {DOCKER_BUS}; then restart the engine.",
            (
                "A container took the bus: docker ps -q | xargs docker inspect -f '{{{{.Name}}}} {{{{.Mounts}}}}' "
                "| grep run/dbus; run it without that volume; reboot if systemctl has no bus."
            ),
            (
                "Without systemd: docker: native.cgroupdriver=cgroupfs; containerd: SystemdCgroup = false; podman, "
                'CRI-O: cgroup_manager = "cgroupfs"; kubelet: cgroupDriver: cgroupfs'
            ),
            (
                "Rootless: export DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$(id -u)/bus (not the address of "
                "dbus-launch), and systemctl --user status must answer."
            ),
        ),
        reference="https://github.com/moby/moby/issues/47824",
        tell="ps -p 1 -o comm=; ls -d /run/systemd/system; busctl list | grep systemd1; echo $DBUS_SESSION_BUS_ADDRESS",
        rank=42,
    ),
    Entry(
        code="conmon-scope-in-use",
        title="podman's scope for the container's monitor exists already",
        patterns=(r"Failed to add conmon to systemd sandbox cgroup: Unit (?P<unit>libpod-conmon-\S+) already exists",),
        verdict="podman could not give conmon a scope of its own, because {unit} exists; the command itself goes on",
        cause="podman 3.4.3 asked for the same scope again in each exec of a container of root. It is a warning: only "
        "the monitor of this exec stays in the caller's cgroup.",
        remedy=("Upgrade podman to 3.4.5 or later. Until then ignore it.",),
        reference="https://github.com/containers/podman/pull/12538",
        rank=30,
    ),
    Entry(
        code="scope-move-denied-to-systemd",
        title="systemd itself may not move the container's process into its scope",
        ambiguous=(SCOPE_REFUSED,),
        verdict="the system's own systemd may not move the process into the scope: a security module or an outer "
        "container forbids it",
        cause="Root's systemd needs no delegation. SELinux denies it with an old policy (container-selinux), and "
        "inside LXC the outer container does. The container then runs outside its scope.",
        remedy=(
            "ausearch -m avc -ts recent, or dmesg | grep -i denied: is systemd named? dnf upgrade container-selinux",
            "In a container: security.nesting=true (LXD, Incus), features nesting=1 (Proxmox), and cgroup2.",
        ),
        reference="https://github.com/opencontainers/runc/issues/2313",
        tell="does systemd[1] log it? ausearch -m avc -ts recent; getenforce; systemd-detect-virt",
        offer=2,
    ),
    Entry(
        code="unit-process-outside-cgroup",
        title="systemd cannot start a unit's process in the unit's cgroup",
        patterns=(
            rf"{JOIN}: (?:{ENOENT}|{EBUSY}|{EINVAL}|{EOPNOTSUPP}|{EACCES}|{EPERM}|{EROFS})",
            r"Failed at step CGROUP spawning[^\n]*",
            r"status=219/CGROUP",
        ),
        verdict="systemd cannot put the process of the unit into the unit's cgroup, so the unit does not start",
        cause="EBUSY: cgroup2 lets no process into a cgroup that has controllers enabled for its children, as a "
        "container's program may have set it. EOPNOTSUPP: it is threaded. ENOENT, EROFS, EACCES: in a container the "
        "cgroups are read-only, or several systemds share one tree (a mounted /sys/fs/cgroup) and remove each other's "
        "cgroups.",
        remedy=(
            "EBUSY: cat cgroup.subtree_control of that cgroup; stop what is below it, or reboot; Delegate=yes.",
            "user@UID.service, logins that follow each other fast: loginctl enable-linger USER, or a newer systemd.",
            "Delegate=yes with ExecStartPost= or ExecReload=: systemd 240 or later.",
            "Containers: no -v /sys/fs/cgroup; docker --privileged --cgroupns=private; podman --systemd=always.",
        ),
        reference="https://github.com/systemd/systemd/issues/20939",
        tell="journalctl -b -u the unit: the errno; cat cgroup.procs, cgroup.subtree_control and cgroup.type there",
        rank=51,
    ),
    Entry(
        code="systemd-device-filter-failed",
        title="systemd cannot load a unit's device filter",
        patterns=(
            r"[Dd]evice cgroup BPF program failed: [^\n]*",
            r"Attaching device control BPF program to cgroup [^\n]*",
            r"[Cc]onfiguring device BPF failed[^\n]*",
            r"unit configures device ACL, but the local system doesn't seem to support the BPF-based device control",
        ),
        verdict="systemd could not load the device filter of a unit: its device rules do not hold",
        cause="On cgroup2 device rules are a program (eBPF). The kernel lacks CONFIG_CGROUP_BPF, or systemd runs in a "
        "container or user session that may not load programs. If the unit starts, this is only a notice.",
        remedy=(
            "zgrep -E 'CGROUP_BPF|BPF_SYSCALL' /proc/config.gz /boot/config-$(uname -r): use a kernel with both.",
            "In a container: ignore it, or an override without PrivateDevices= and DeviceAllow=.",
        ),
        reference="systemd.resource-control(5), DeviceAllow=",
        rank=66,
    ),
    Entry(
        code="systemd-hierarchy-not-bindable",
        title="a rootless container cannot have the v1 hierarchy of systemd",
        ambiguous=(rf"mounting \\*\"/sys/fs/cgroup/systemd\\*\" to rootfs[^\n]*caused[^\n]*{EPERM}",),
        verdict="the v1 hierarchy name=systemd cannot be bound into this rootless container (EPERM)",
        cause="For an image whose first process is systemd, podman binds /sys/fs/cgroup/systemd. In a user namespace "
        "the flags of that mount are locked, and on v1 the user owns no cgroup in it.",
        remedy=(
            "Boot with cgroup2: systemd.unified_cgroup_hierarchy=1; there podman --systemd works rootless.",
            "podman run --systemd=false where no systemd is needed; or run it as root. Upgrade podman (2.1 on).",
        ),
        reference="https://github.com/containers/podman/issues/7639",
        tell="is it rootless, and stat -fc %T /sys/fs/cgroup not cgroup2fs? Then it is this",
        offer=1,
        first_for=r"/sys/fs/cgroup/systemd",
        layout="v1",
        rank=40,
    ),
    Entry(
        code="systemd-property-malformed",
        title="an annotation of the container names a property of systemd's that is malformed",
        patterns=(
            r"[Aa]nnotation (?P<key>org\.systemd\.property\.[^\s=]+)(?:=[^\n]*?)? (?:name incorrect|value parse error)",
            r"invalid systemd property name `(?P<key2>[^`'\n]+)[`']",
            # crun 1.29 on the value of such an annotation
            r"crun: (?:invalid (?:string|variant|value for)|unknown type for) `(?P<key3>[^`\n]*)`",
            r"crun: invalid character found `[^`\n]*`",
        ),
        verdict="the annotation {key} is not a property that the runtime can pass to systemd",
        cause="After org.systemd.property. comes a name of letters, at least three; the value is a variant of D-Bus: "
        "text in quotes, numbers with their type.",
        remedy=(
            "As --annotation org.systemd.property.TimeoutStopUSec='uint64 123456789', or .CollectMode=\"'inactive'\".",
            "Or leave the annotation out: the engine needs none.",
        ),
        reference="https://github.com/opencontainers/runc/blob/main/docs/systemd.md",
        rank=20,
    ),
    Entry(
        code="systemd-device-rules-narrower",
        title="crun cannot express the device rules as properties of systemd",
        patterns=(
            r"systemd does not support deny rules for devices",
            r"updating device access list not supported when using BPFProgram",
            r"devices rule with wildcard for major is not supported and it is ignored with systemd",
        ),
        verdict="crun passes device rules to systemd, which cannot express these or cannot change them",
        cause="With the systemd driver crun sets DeviceAllow, which only allows, or BPFProgram, which no update can "
        "exchange. An update of any limit fails so when the engine sends the device rules along (podman update of a "
        "privileged container).",
        remedy=(
            "Set the limit when the container is created.",
            "Or use the cgroupfs driver: podman --cgroup-manager=cgroupfs, or use runc.",
        ),
        reference="https://github.com/containers/crun/blob/main/src/libcrun/cgroup-systemd.c",
        rank=20,
    ),
    Entry(
        code="delegate-cgroup-refused",
        title="crun's annotation run.oci.delegate-cgroup cannot be followed",
        patterns=(
            r"invalid `\.\.` component in delegate-cgroup",
            r"delegate-cgroup not supported on cgroup v1",
        ),
        verdict="crun does not follow the annotation run.oci.delegate-cgroup",
        cause="It names a cgroup below the container's own, without '..', and works on cgroup2 only.",
        remedy=("Give a plain name (run.oci.delegate-cgroup=/init), or leave the annotation out.",),
        reference="https://github.com/containers/crun/blob/main/src/libcrun/cgroup.c",
        rank=20,
    ),
    Entry(
        code="memory-limit-of-wrong-type",
        title="runc of 2017 hands systemd a memory limit of the wrong type",
        patterns=(r"applying cgroup configuration for process caused[:\s\\\"]*no such device or address",),
        verdict="systemd refused the scope (ENXIO): this runc hands it the memory limit with the wrong type",
        cause="runc of 2017 (Docker 17.06.1 and 17.09.0, and distributions' packages of then) sends a signed number. "
        "It shows only with the systemd driver and a memory limit.",
        remedy=(
            "Upgrade Docker and runc: both had the fix by 2018.",
            "Until then: --exec-opt native.cgroupdriver=cgroupfs, or no --memory.",
        ),
        reference="https://github.com/opencontainers/runc/issues/1557",
        rank=30,
    ),
)
