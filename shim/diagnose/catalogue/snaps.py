"""Snaps, which snapd starts in a cgroup of their own."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
    Entry(
        code="snap-has-no-scope",
        title="a snap does not start: it could not be given a cgroup of its own",
        patterns=(r"(?P<path>/\S*?)(?:/(?P<unit>[\w@.:\\-]+\.(?:service|scope|slice)))? is not a snap cgroup",),
        verdict="snapd could not give the snap a cgroup of its own: it is still in {path}/{unit}",
        cause="On cgroup2 a snap runs in a scope, for which snapd asks systemd over the user's session bus. A service, "
        "cron, su, sudo, dbus-run-session, VNC or a container has no such bus, and snap-confine refuses to go on in "
        "the caller's cgroup.",
        remedy=(
            (
                "export XDG_RUNTIME_DIR=/run/user/$(id -u) "
                "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$(id -u)/bus before the call (in a unit: Environment=)."
            ),
            "A user who does not log in: loginctl enable-linger USER; apt-get install dbus-user-session",
            (
                "In services and containers, use a build that is not a snap: google-chrome-stable as .deb, Chromium of "
                "Playwright, Firefox from packages.mozilla.org."
            ),
        ),
        reference="https://github.com/chrome-php/chrome/issues/479",
        tell="echo $DBUS_SESSION_BUS_ADDRESS; systemctl --user is-system-running",
        rank=40,
    ),
    Entry(
        code="snap-finds-no-hierarchy",
        title="a snap is started where no cgroup file system is mounted",
        patterns=(r"cannot find tracking cgroup",),
        verdict="snap-confine finds no cgroup file system below /sys/fs/cgroup",
        cause="ip netns exec, and programs that put a VPN around others, mount a new /sys without it. chroots and "
        "containers often have none.",
        remedy=(
            (
                "As root in that shell: mount -t cgroup2 cgroup2 /sys/fs/cgroup; mount -t securityfs securityfs "
                "/sys/kernel/security"
            ),
            "Or enter the network namespace alone, which leaves /sys as it is: nsenter --net=/run/netns/NAME",
            "Or use a package that is not a snap.",
        ),
        reference="https://forum.snapcraft.io/t/31113",
        tell="grep cgroup /proc/self/mountinfo, in the same shell",
        rank=40,
    ),
    Entry(
        code="snap-notice-of-cgroup2",
        title="an old snapd does not know cgroup2 in full",
        patterns=(r"cgroup v2 is not fully supported yet, proceeding with partial confinement",),
        verdict="an old snapd starts the snap without the device rules of its confinement: it is a notice",
        cause="snap-confine prints this line for every snap (lxc, multipass, docker) on a host with cgroup2. What "
        "failed, if anything did, says another line.",
        remedy=("Upgrade snapd: snap refresh snapd core, or the distribution's package.",),
        reference="https://github.com/oscartbeaumont/ElectronPlayer/issues/46",
        rank=85,
    ),
)
