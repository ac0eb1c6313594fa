"""The rows of `integration.failures.provocations` about the root, hidden paths, sysctls, agents, hooks and cgroups that
vanish: what public reports show and this host can be made to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration.failures.provocations import RUNNING, Config, Provocation, both, crun, limits, placed, runc, sleeping

if TYPE_CHECKING:
    from collections.abc import Callable

CHILD = "d=/sys/fs/cgroup/cpuset$OWN; mkdir -p $d/c/in; for e in $d $d/c $d/c/in; do echo 0 > $e/cpuset.mems; "
GONE = (
    RUNNING + "; p=$(cat /sys/fs/cgroup/memory$OWN/c/cgroup.procs); "
    "for c in /sys/fs/cgroup/*; do if [ -d $c$OWN/c ]; then echo $p > $c/cgroup.procs; rmdir $c$OWN/c; fi; done"
)
FILTER = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "listenerPath": "/run/cgshim-no-agent.sock",
    "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
}


def linux(**fields: object) -> Callable[[Config], None]:
    """These fields of `linux`."""

    def change(config: Config) -> None:
        config["linux"].update(fields)

    return change


def file_as_root(config: Config) -> None:
    """root.path names a file."""
    config["root"]["path"] = "$TOP/file"


def without_proc(config: Config) -> None:
    """No mount of proc."""
    config["mounts"] = [mount for mount in config["mounts"] if mount["type"] != "proc"]


def closed_hook(config: Config) -> None:
    """A createContainer hook that is not executable."""
    config["hooks"] = {"createContainer": [{"path": "$TOP/file"}]}


def sharing(kind: str) -> Callable[[Config], None]:
    """Without a namespace of this kind of its own."""

    def change(config: Config) -> None:
        config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] != kind]
        config["hostname"] = "web"

    return change


def host_sysctl(config: Config) -> None:
    """A sysctl of the network, and the host's network."""
    config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] != "network"]
    config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}


def few_ids(config: Config) -> None:
    """A user namespace of ten ids, and a user that is not among them."""
    ids = [{"containerID": 0, "hostID": 100000, "size": 10}]
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"].update(uidMappings=ids, gidMappings=ids)
    config["process"]["user"] = {"uid": 50, "gid": 50}


def mounting(**mount: object) -> Callable[[Config], None]:
    """One mount more, at /tmp."""

    def change(config: Config) -> None:
        config["mounts"].append({"destination": "/tmp", **mount})

    return change


HALF_MAPPED = {
    "type": "bind",
    "source": "/tmp",
    "options": ["rbind"],
    "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}],
}
START = (
    Provocation("root-is-file", file_as_root, runc("rootfs-is-a-file", "a file, not a directory")),
    Provocation("mask", linux(maskedPaths=["/bin/true/x"]), runc("masked-path-refused")),
    Provocation("no-proc", without_proc, runc("proc-not-in-container", "no mount of type proc")),
    Provocation("closed-hook", closed_hook, runc("hook-not-reachable")),
    Provocation(
        "cpuset-in-use",
        placed("/c", cpu={"cpus": "0", "mems": "0"}),
        both("cpuset-in-use"),
        prepare=CHILD + "echo 0-1 > $e/cpuset.cpus; done",
    ),
    Provocation(
        "exec-vanished",
        sleeping(),
        runc("container-cgroup-vanished", "/c: absent"),
        prepare=GONE,
        call=("exec", "$ID", "/bin/true"),
    ),
    Provocation("shared-uts", sharing("uts"), runc("namespace-needed")),
    Provocation("sysctl-of-host", host_sysctl, runc("namespace-needed")),
    Provocation("rdt", linux(intelRdt={"l3CacheSchema": "L3:0=f"}), runc("resctrl-not-available")),
    Provocation("few-ids", few_ids, runc("process-user-not-mapped")),
    Provocation("half-mapped", mounting(**HALF_MAPPED), crun("idmap-options-conflict")),
    Provocation("unknown-fs", mounting(type="nosuchfs", source="nosuchfs"), runc("filesystem-unknown", "no nosuchfs")),
    Provocation("no-such-device", mounting(type="ext4", source="/dev/nosuch"), runc("mount-place-missing")),
    Provocation(
        "exec-paused",
        sleeping(),
        runc("container-paused"),
        prepare=RUNNING + "; $RUNTIME pause $ID",
        call=("exec", "$ID", "/bin/true"),
    ),
)
NOT_OURS = (
    Provocation("sysctl-value", linux(sysctl={"net.ipv4.ip_forward": "abc"}), both("sysctl-value-refused")),
    Provocation("sysctl-unknown", linux(sysctl={"net.ipv4.no_such": "1"}), both("sysctl-unknown")),
    Provocation("agent", linux(seccomp=FILTER), both("seccomp-agent-unreachable")),
    Provocation("device-type", limits(devices=[{"allow": True, "type": "q", "access": "rwm"}]), runc("field-refused")),
)
