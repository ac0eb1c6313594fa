"""Processes of units around containers: what is left over, what does not end, buses of another user, and nspawn."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EPERM, EROFS, Entry

DENIED = rf"(?:{EACCES}|{EPERM}|{EROFS})"

ENTRIES = (
    Entry(
        code="unit-leaves-processes",
        title="processes of a container stay in the cgroup of the service that started it",
        patterns=(
            r"[Ff]ound left-over process \d+ \((?P<program>[^)\n]+)\) in control group while starting unit[^\n]*",
            r"Unit process \d+ \((?P<program2>[^)\n]+)\) remains running after unit stopped",
            r"This usually indicates unclean termination of a previous run, or service implementation deficiencies",
        ),
        verdict="a notice: {program} was still in the service's cgroup when systemd stopped or started the service",
        cause="What a service starts stays in its cgroup unless it gets a scope of its own: conmon, pasta, slirp4netns "
        "of rootless podman, shims of containerd (KillMode=process leaves them on purpose), the pause process. Where "
        "systemd ends them with the service (KillMode=control-group), the containers end, too.",
        remedy=(
            (
                "A service of yours that calls podman: podman's user session must work (loginctl enable-linger), "
                "so that it makes scopes; or Quadlet; or --cgroups=split with Delegate=yes."
            ),
            "podman.service, podman.socket: nothing is lost; podman system migrate ends a stale pause process.",
            "docker, containerd: as intended (live-restore, shims). Left for good: systemctl kill UNIT.",
        ),
        reference="systemd.kill(5)",
        rank=86,
    ),
    Entry(
        code="bus-of-another-user",
        title="the bus belongs to another user than the caller",
        patterns=(
            rf"Failed to (?:connect to|create)[\w ,]*bus(?: connection)?(?: via [\w ]+)?: (?:{EPERM}|{EACCES})",
            r"consider using --machine=<user>@\.host --user to connect to bus of other user",
            r"dial unix /run/user/\d+/bus: connect: permission denied",
        ),
        verdict="the caller is another user than the owner of the bus, which refuses him",
        cause="XDG_RUNTIME_DIR and DBUS_SESSION_BUS_ADDRESS name the session of another user (su, sudo, become of "
        "Ansible), or this is root only inside a user namespace (podman unshare, a rootless container): the bus sees "
        "the ids outside.",
        remedy=(
            (
                "podman: log in as the user itself (ssh), not with su; export XDG_RUNTIME_DIR=/run/user/$(id -u) "
                "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$(id -u)/bus"
            ),
            "As that user: sudo machinectl shell USER@ (or ssh USER@localhost), or systemctl --user -M USER@ ...",
            (
                "sudo -u USER XDG_RUNTIME_DIR=/run/user/$(id -u USER) systemctl --user ...; as root for the system: "
                "sudo -i."
            ),
            "In a container: systemctl has nothing to reach there; use the host, or podman --systemd=always.",
        ),
        reference="systemctl(1), --machine=",
        tell="id -u; echo $XDG_RUNTIME_DIR; ls -ln /run/user; cat /proc/self/uid_map",
        rank=43,
    ),
    Entry(
        code="nspawn-payload-without-cgroups",
        title="the systemd in an nspawn container may not write its cgroups",
        patterns=(
            (
                rf"Failed to (?:create|realize)[^\n]*cgroups?[^\n]*/machine\.slice/(?:systemd-nspawn@|machine-)[^\n]*: "
                rf"{DENIED}"
            ),
            rf"Failed to create compat systemd cgroup (?P<path>/[^\n:]*): {DENIED}",
        ),
        verdict="the container's own systemd may not write its cgroups: they were not given to the container's ids",
        cause="With -U (private users) nspawn must give the container's cgroup to the mapped root. It does so for the "
        "cgroup version that it detects in the container; an older systemd inside, a hybrid host or "
        "UNIFIED_CGROUP_HIERARCHY= then meets the other one.",
        remedy=(
            (
                "The same version in and out: SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 (or 0) systemd-nspawn ... "
                "(before 233: UNIFIED_CGROUP_HIERARCHY), exported, not only set."
            ),
            "Without private users: --private-users=no, PrivateUsers=no in the .nspawn file.",
            "Host with cgroup2 alone and a systemd of 233 or later in the container; upgrade systemd on the host.",
        ),
        reference="https://github.com/systemd/systemd/issues/4181",
        tell="stat -fc %T /sys/fs/cgroup on the host; systemctl --version inside; ls -ln the container's cgroup",
        rank=35,
    ),
    Entry(
        code="conmon-too-old",
        title="podman refuses conmon as too old, or finds none that runs",
        patterns=(
            r"outdated conmon version",
            r"conmon: option parsing failed: Unknown option[^\n]*",
            r"[Cc]onmon at (?P<path>\S+) (?:is )?invalid: [^\n]*",
        ),
        verdict="podman does not take its monitor conmon: it is older than podman needs, or cannot be run",
        cause="podman and conmon come from different sources (a podman built by hand or from another "
        "repository), or an old conmon lies in an earlier directory of conmon_path; or conmon's library "
        "(libsystemd) is missing.",
        remedy=(
            (
                "Upgrade conmon together with podman (dnf, apt); remove a second one: ls -l /usr/libexec/podman/conmon "
                "/usr/local/libexec/podman/conmon /usr/bin/conmon."
            ),
            'conmon_path = ["/usr/bin/conmon"] under [engine] in containers.conf; conmon --version must run.',
        ),
        reference="https://github.com/containers/podman/issues/4665",
        rank=28,
    ),
    Entry(
        code="engine-passed-no-path",
        title="crun is given an empty path",
        patterns=(r"(?:opening file|open|openat2?|readlink|stat|access|mount) ``(?: for writing)?: [^\n]+",),
        verdict="the runtime was given an empty path: a part of the container's configuration is missing",
        cause="podman made the container in another version than the one that starts it now (an upgrade, a "
        "downgrade, a pre-release), or a unit passes an empty value (a variable that is not set, %t without a "
        "session).",
        remedy=(
            "Make the container again (podman rm, podman run; toolbox create, distrobox create); new ones start.",
            "Upgrade podman and crun together; a pre-release: go back to the release before.",
            "In a unit: systemctl cat UNIT: empty variables, --cidfile, --conmon-pidfile, log paths.",
        ),
        reference="https://github.com/containers/podman/issues/10274",
        tell="podman --version; podman inspect NAME | grep -n '\"\"'; does a new container start?",
        rank=45,
    ),
    Entry(
        code="scope-request-refused",
        title="systemd does not take the processes that it is asked to put into a unit",
        patterns=(
            r"Scope has no PIDs\. Refusing",
            (
                r"Process (?P<pid>\d+) (?:is a (?:manager process|kernel thread), refusing|not owned by "
                r"(?:client|target unit)'s UID)"
            ),
            (
                r"(?:Process migration not available on non-cgroup units|Subcgroups "
                r"only available on units with control group delegation)"
            ),
        ),
        verdict="systemd does not put the process into the scope, or the unit, that it was asked for",
        cause="A scope takes over running processes. At least one of them must still be alive, belong to the user who "
        "asks (only root may move other users' processes), and not be a kernel thread. systemd-run "
        "--machine=USER@ --user --scope moves root's own process, which is not the user's. A subgroup "
        "needs Delegate=yes.",
        remedy=(
            (
                "As that user: machinectl shell USER@ and systemd-run --user --scope there; or without --scope: "
                "systemd-run --machine=USER@ --user COMMAND makes a service."
            ),
            (
                "A program of one's own: give PIDs=[pid] to StartTransientUnit, and keep that process alive until "
                "the job is done."
            ),
        ),
        reference="https://systemd.io/CGROUP_DELEGATION/",
        rank=30,
    ),
)
