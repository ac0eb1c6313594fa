"""The way from a runtime to systemd: buses, sessions and what systemd's own jobs come to."""

from __future__ import annotations

from shim.diagnose.checks import systemd as look
from shim.diagnose.entry import EACCES, ENOENT, EPERM, Entry

LINGER = (
    "loginctl enable-linger $USER, then log in as that user itself (ssh, machinectl shell user@), not with su or sudo"
)
NO_SYSTEMD = (
    'podman --cgroup-manager cgroupfs, or cgroup_manager = "cgroupfs" in containers.conf (rootless containers then '
    "have no limits)"
)
EXPORT = "export XDG_RUNTIME_DIR=/run/user/$(id -u) DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$(id -u)/bus"
PRIVATE = r"read unix [^\n]*systemd/private: read: connection reset by peer"
ASK = "systemctl --user status: does it answer? ls -l /run/user/$(id -u)/bus; loginctl show-user $USER -p Linger"

ENTRIES = (
    Entry(
        code="user-session-missing",
        title="there is no systemd session of the user, so systemd asks for a password",
        patterns=(r"Interactive authentication required", r"interactive authentication is required"),
        verdict="systemd refuses to create the container's scope for this user: the user has no session",
        cause="Without a systemd instance of the user, the runtime asks the system's, which creates units only for "
        "root. This happens after su or sudo, in cron, in CI and in a service without a login.",
        remedy=(
            "dockerd rootless: apt-get install dbus-user-session; systemctl --user start dbus.socket; restart it.",
            LINGER,
            EXPORT,
            f"Or do without systemd: {NO_SYSTEMD}",
        ),
        reference="https://github.com/containers/podman/issues/25824",
        tell=ASK,
        confirm=look.no_user_bus,
        rank=40,
    ),
    Entry(
        code="user-bus-closed",
        title="the bus of the user's session does not answer",
        patterns=(
            (
                r"(?P<path>/run/user/\d+/(?:bus|systemd/private)): "
                r"(?:connect: )?(?:connection refused|no such file or directory|ECONNREFUSED|ENOENT)"
            ),
            r"(?P<path2>/run/(?:systemd/private|dbus/system_bus_socket)): (?:connect: )?(?:connection |ECONN)refused",
            (
                r"sd-bus call: (?:Transport endpoint is not connected|Connection reset by peer|Connection refused"
                r"|Broken pipe|Process org\.freedesktop\.systemd1 exited)"
            ),
            (
                r"(?:Failed to connect to (?:user scope )?bus|cannot open (?:sd-bus|user bus)): (?:Connection refused"
                r"|Transport endpoint is not connected|Permission denied)"
            ),
            r"dbus[^\n]*: (?:connection reset by peer|broken pipe)",
            r"Message recipient disconnected from message bus without replying",
        ),
        ambiguous=(PRIVATE,),
        offer=2,
        verdict="the bus to systemd does not answer: it, or the session of a rootless user, was restarted or has ended",
        cause="The socket exists, or the environment names it, but no process listens: the session has ended, dbus "
        "was restarted, or systemd re-executed itself during an upgrade.",
        remedy=(
            "Rootless: log in again, then: systemctl --user start dbus.socket. If it happens again: " + LINGER,
            "Root (dockerd, the kubelet): try again; systemctl status dbus systemd-logind; systemctl daemon-reexec",
            "In a build container or CI there is no bus: buildah --isolation chroot, or " + NO_SYSTEMD,
        ),
        reference="https://github.com/containers/podman/issues/25824",
        tell=ASK,
        confirm=look.no_user_bus,
        rank=41,
    ),
    Entry(
        code="user-bus-missing",
        title="no D-Bus session for the user",
        patterns=(
            r"failed to connect to dbus \(hint: for rootless containers",
            r"could not detect DBUS_SESSION_BUS_ADDRESS from (?:the environment|`systemctl)",
            r"rootless cgroups require a D-Bus session|\[ERROR\] Needs systemd \(systemctl --user\)",
            r"Failed to connect to (?:user scope )?bus: (?:No medium found|No such file or directory|ENOENT)",
            rf"sd-bus (?:call|add match|match signal): (?:{EACCES}|{EPERM})",
            r"no valid bus path found in list unix:path=|failed to create session dbus client",  # youki
            r"session bus address \S+ does not exist",  # youki
            r"\$?DBUS_SESSION_BUS_ADDRESS and \$?XDG_RUNTIME_DIR not defined",
            r"dbus: invalid bus address \(invalid or unsupported transport\)",
            r"\$?XDG_RUNTIME_DIR (?:is not set|environment variable is not set|not set|is unset)",
        ),
        ambiguous=(rf"cannot open (?:sd-bus|user bus): {ENOENT}", PRIVATE),
        verdict="the user's systemd cannot be reached: there is no D-Bus session for this user",
        cause="XDG_RUNTIME_DIR and DBUS_SESSION_BUS_ADDRESS are unset, or the user has no session (sudo, su, cron). "
        "Where systemctl --user works and a call is denied, SELinux or systemd itself refuses to move this process.",
        remedy=(LINGER, EXPORT, "apt-get install dbus-user-session", f"Or do without systemd: {NO_SYSTEMD}"),
        reference="https://github.com/containers/podman/issues/6368",
        tell=ASK,
        confirm=look.no_user_bus,
        excluded=look.is_root,
        offer=1,
        rank=45,
    ),
    Entry(
        code="systemctl-without-systemd",
        title="systemctl was called where systemd is not the first process",
        patterns=(r"System has not been booted with systemd",),
        ambiguous=(r"Failed to (?:connect to|create) bus(?: connection)?: Host is down",),
        verdict="systemctl cannot do anything here: the first process of this system, or container, is not systemd",
        cause="WSL without systemd, Alpine, Devuan, and nearly every container: its first process is the command that "
        "it "
        "was started with, also where the image has systemd (molecule and CI replace the command by bash or sleep).",
        remedy=(
            "WSL: sudo service docker start; or [boot] systemd=true in /etc/wsl.conf, then wsl --shutdown.",
            (
                "A container: run the program itself instead of its service; or podman run --systemd=always IMAGE "
                "/sbin/init."
            ),
            "molecule: command: /sbin/init, or override_command: false. Alpine: rc-service NAME start.",
            "Where an engine says so: native.cgroupdriver=cgroupfs (docker), cgroupDriver: cgroupfs (kubelet).",
        ),
        reference="sd_booted(3)",
        tell="cat /proc/1/comm: is it systemd? ls -d /run/systemd/system",
        confirm=look.not_running,
        offer=2,
        rank=44,
    ),
    Entry(
        code="systemd-not-running",
        title="the systemd driver on a host without systemd",
        patterns=(
            r"systemd not running on this host, cannot use systemd cgroups manager",
            r"systemd cgroup flag passed, but systemd support for managing cgroups is not available",
            r"systemd cgroup manager not available",
            rf"/run/(?:systemd/private|dbus/system_bus_socket): (?:connect: )?{ENOENT}",
        ),
        ambiguous=(rf"cannot open (?:sd-bus|system bus): {ENOENT}",),
        verdict="the systemd cgroup driver is chosen, but systemd does not run here",
        cause="The driver asks systemd over D-Bus for every cgroup. WSL 1, chroots, Alpine, Devuan and most containers "
        "run without systemd.",
        remedy=(
            (
                'docker: "exec-opts": ["native.cgroupdriver=cgroupfs"] in /etc/docker/daemon.json; containerd: '
                "SystemdCgroup = "
                'false; kubelet: cgroupDriver: cgroupfs; CRI-O and podman: cgroup_manager = "cgroupfs"'
            ),
            "WSL 2: [boot] systemd=true in /etc/wsl.conf, then wsl --shutdown",
            "Rootless with systemd, an old runc: runc 1.0.0-rc93 or later, or crun.",
        ),
        reference="sd_booted(3)",
        tell="ls -d /run/systemd/system: does it exist? It does only if systemd is the first process",
        confirm=look.not_running,
        offer=2,
        rank=44,
    ),
    Entry(
        code="runtime-built-without-systemd",
        title="the runtime was built without its systemd driver",
        patterns=(
            r"systemd not supported",
            r"systemd cgroup feature is required, but was not enabled during compile time",  # youki
            r"systemd support (?:is )?not (?:compiled|built)",
        ),
        verdict="this runtime was built without systemd, and the engine asks for its systemd cgroup driver",
        cause="crun --version shows +SYSTEMD if it has the driver. Builds for Buildroot, Yocto, Alpine and OpenWrt "
        "often lack it.",
        remedy=(
            (
                'podman: cgroup_manager = "cgroupfs" in containers.conf; CRI-O: the same in crio.conf; containerd: '
                "SystemdCgroup = false; docker: native.cgroupdriver=cgroupfs"
            ),
            (
                "Or build crun with libsystemd (--enable-systemd), youki with its feature systemd (which its rootless "
                "containers need), or use runc."
            ),
        ),
        reference="https://github.com/containers/podman/issues/17196",
    ),
    Entry(
        code="systemd-unit-failed",
        title="systemd accepted the container's unit, but its job failed",
        patterns=(
            (
                r"(?:error|timed out) moving conmon with pid \d+ to systemd unit (?P<unit4>\S+?):?(?: got "
                r"(?P<result4>\w+))?$"
            ),
            r"error [`']?creating[`']? systemd unit [`'\"](?P<unit>[^`'\"\n]+)[`'\"]: got [`'\"](?P<result>[^`'\"\n]+)",
            r"(?:unable|failed) to start unit \"(?P<unit2>[^\"\n]+)\"[^\n]*: (?:job )?result (?P<result2>\w+)",
            (
                r"error (?:starting|creating) (?:the )?(?:systemd )?(?:unit|scope) (?P<unit3>\S+): "
                r"(?P<result3>failed|timeout"
                r"|canceled|dependency|skipped)"
            ),
        ),
        verdict="systemd could not start {unit}: its job ended with {result}",
        cause="systemd accepted the request, but could not carry it out: it cannot apply a property or enable a "
        "controller, a process ended at once, or a failed unit has that name.",
        remedy=(
            "journalctl -b -u {unit} shows systemd's own reason.",
            "systemctl reset-failed {unit}, then start the container again.",
        ),
        reference="https://github.com/opencontainers/runc/issues/3312",
        rank=59,
    ),
    Entry(
        code="systemd-too-slow",
        title="systemd does not finish the container's unit in time",
        patterns=(
            r"[Tt]imeout waiting for systemd to (?P<what>create|remove) (?P<unit>\S+)",
            r"[Tt]imed out while waiting for (?:StartTransientUnit|systemd)[^\n]*(?P<unit2>\S+\.(?:scope|slice))?",
            r"sd-bus call: (?:Connection|Operation) timed out",
            r"Failed to start transient \w+ unit: Connection timed out",
            r"Failed to activate service 'org\.freedesktop\.systemd1': timed out",
            r"Activation of org\.freedesktop\.systemd1 timed out",
        ),
        verdict="systemd did not finish the container's unit in time",
        cause="systemd is busy (many units or mounts, a daemon-reload with thousands of mounts), or hangs.",
        remedy=(
            "systemctl is-system-running; systemctl list-jobs; systemd-analyze dump | wc -l show how busy systemd is.",
            "Upgrade systemd and runc: runc 1.1.4 and later wait longer. Fewer mounts on the host help too.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/120103",
        rank=52,
    ),
    Entry(
        code="terminal-device-denied",
        title="the container's processes may not open their terminal",
        patterns=(rf"\bopen(?:ing file)? [`'\"]?/dev/(?:pts/\d+|ptmx|tty)[`'\"]?(?: for writing)?: {EPERM}",),
        verdict="the container may not open its terminal: the rule for /dev/pts in its device filter is lost (EPERM)",
        cause="runc 1.1.3 gives systemd device rules without /dev/pts. A systemctl daemon-reload applies these rules "
        "again, and from then on exec with a terminal fails.",
        remedy=(
            "Upgrade runc to 1.1.4 or later, and start the container again.",
            "Until then restart the container (Kubernetes: delete the pod); exec without a terminal works.",
        ),
        reference="https://github.com/opencontainers/runc/issues/3551",
    ),
    Entry(
        code="slice-not-found",
        title="systemd does not have the slice in which the container should start",
        patterns=(
            r"(?P<unit2>\S+\.slice): Failed to open /run/systemd/transient/[^\n]*",
            r"Slice (?P<unit3>\S+\.slice) not found",
            r"(?P<unit2>\S+\.slice): Failed to open /run/systemd/transient/[^\n]*",
            r"Slice (?P<unit3>\S+\.slice) not found",
            r"Unit (?P<unit>\S+\.slice) not (?:found|loaded)",
        ),
        verdict="systemd does not know the slice {unit}, in which the container should start",
        cause="A pod's slice is created and removed with the pod. The pod is being removed, systemd lost the unit, or "
        "systemd cannot write /run/systemd/transient.",
        remedy=(
            "journalctl -b -u {unit}; ls -ld /run/systemd/transient: does it exist?",
            (
                "systemctl daemon-reload, then delete the pod, so that it is created again. If the error comes back, "
                "restart the kubelet."
            ),
        ),
        reference="https://github.com/cri-o/cri-o/issues/9082",
    ),
    Entry(
        code="bus-connection-stale",
        title="a daemon keeps using a connection to systemd that dbus has closed",
        patterns=(r"dbus: connection closed by user",),
        verdict="the kubelet, or the engine, still uses a connection to systemd that was closed",
        cause="dbus was restarted, often by an upgrade, and the daemon does not connect again. What it starts itself "
        "fails until it is restarted, while the runtime's own calls work.",
        remedy=(
            "systemctl restart kubelet (or crio, containerd, docker)",
            "Upgrade it: programs built with the library of runc 1.0.0-rc94 or later connect again.",
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/100328",
        rank=45,
    ),
)
