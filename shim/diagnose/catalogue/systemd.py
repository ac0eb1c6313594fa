"""The systemd cgroup driver, and drivers that do not agree."""

from __future__ import annotations

from shim.diagnose.checks import systemd as look
from shim.diagnose.checks.configured import value_is
from shim.diagnose.entry import EINVAL, Entry

SLICES = "systemd.slice(5)"

ENTRIES = (
    Entry(
        code="cgroups-path-not-a-slice",
        title="the systemd driver gets a cgroupfs path",
        patterns=(
            r"expected cgroupsPath to be of format \\?\"slice:prefix:name\\?\"(?:[^\n]*got \\?\"(?P<path>[^\"\\\n]*))?",
            rf"sd-bus call: Invalid unit name or type\.?: {EINVAL}",
            r"[Uu]nit name (?P<path3>/\S*) is not valid",
            r"invalid systemd cgroup path format: (?P<path2>\S+) \(expected slice",
            r"option --runc-systemd-cgroup requires --cgroup to be set",
        ),
        verdict="the systemd driver needs cgroupsPath as slice:prefix:name, but got a path of the cgroupfs driver",
        cause="The engine and the runtime use different cgroup drivers: one is configured for systemd, the other for "
        "cgroupfs.",
        remedy=(
            (
                "Make them agree. kubelet: cgroupDriver; containerd: SystemdCgroup = true in the runtime's options; "
                "docker: native.cgroupdriver; podman: cgroup_manager"
            ),
        ),
        reference="https://github.com/kubernetes-sigs/kubespray/issues/8122",
        confirm=look.path_form,
    ),
    Entry(
        code="slice-path-with-cgroupfs",
        title="the cgroupfs driver gets slice:prefix:name",
        verdict="cgroupsPath {path} is meant for the systemd driver, but the cgroupfs driver is in use",
        cause="The runtime creates a directory of exactly that name. The container then runs outside its slice, and "
        "the slice's limits do not apply to it. Nothing reports this.",
        remedy=("Pass --systemd-cgroup to the runtime (containerd: SystemdCgroup = true), or use a plain path.",),
        reference="https://github.com/kata-containers/runtime/issues/2818",
    ),
    Entry(
        code="cgroup-driver-quoted",
        title="the kubelet's cgroup driver has quotes in its value",
        patterns=(
            r"cgroup driver: \\*\"'(?P<name>\w+)'\\*\" is different from [\w ]+ cgroup driver: \\*\"(?P=name)\\*\"",
        ),
        verdict="the kubelet takes '{name}' with its quotes for the cgroup driver: both are {name}",
        cause="The option stands in quotes in a file that no shell reads (kubeadm-flags.env, a systemd unit), or "
        "minikube 1.7.1 wrote it so.",
        remedy=("Remove the quotes: --cgroup-driver={name}; then systemctl daemon-reload; systemctl restart kubelet.",),
        reference="https://github.com/kubernetes/kubernetes/issues/87918",
        rank=30,
    ),
    Entry(
        code="cgroup-drivers-disagree",
        title="engine and runtime use different cgroup drivers",
        patterns=(
            r"did not receive systemd slice as cgroup parent when using systemd to manage cgroups",
            r"configured with systemd cgroup manager, but did not receive slice as parent",
            r"cgroup-parent for systemd cgroup should be a valid slice",
            r"System error: Invalid unit type\.?|invalid systemd path: \"/[^\"\n]*\"",
            r"kubelet cgroup driver: [^\n]* is different from (?:docker|container runtime) cgroup driver",
        ),
        verdict="two programs use different cgroup drivers: one systemd, the other cgroupfs",
        cause="With the systemd driver every parent is a slice; a plain path comes from the cgroupfs driver, or stands "
        "in --cgroup-parent (compose: cgroup_parent; daemon.json, buildx: cgroup-parent). "
        "Where docker's is empty, docker did not answer, or is older than 1.11.",
        remedy=(
            (
                "Use one driver everywhere. kubelet: cgroupDriver: systemd; CRI-O: cgroup_manager; docker: "
                "native.cgroupdriver; podman: --cgroup-parent name.slice"
            ),
        ),
        reference="https://github.com/kubernetes/kubernetes/issues/43805",
    ),
    Entry(
        code="slice-name-invalid",
        title="the slice has an invalid name",
        patterns=(
            r"invalid slice name: (?P<slice>\S+)",
            r"cannot assemble cgroup path with base \"(?P<slice4>[^\"\n]*)\" - must end in \.slice",
            r"Slice name (?P<slice5>\S+) is not valid",
            rf"sd-bus call: Invalid unit name '(?P<slice2>[^']*)': {EINVAL}",
            r"Unit (?P<slice3>\S+\.slice) failed to load properly",
        ),
        verdict="the slice in cgroupsPath has an invalid name",
        cause="A slice ends in .slice, does not begin or end with a dash, and has no double dash.",
        remedy=("Correct the first part of cgroupsPath (docker, podman: --cgroup-parent), for example machine.slice.",),
        reference=SLICES,
        confirm=look.slice_form,
    ),
    Entry(
        code="systemd-unit-refused",
        title="systemd refuses the container's unit",
        patterns=(
            (
                r"unable to start unit \\?\"(?P<unit>[^\"\\\n]+)\\?\"[^\n]*\): (?P<reason>(?!dial |dbus|read "
                r"unix|Interactive|The name org\.freedesktop|Message "
                r"recipient|Connection |Transport )[^\n]+)"
            ),
            r"sd-bus call: (?P<reason2>Cannot set property [^\n:]+)",
        ),
        verdict="systemd refuses to create the container's unit: {reason}",
        cause="The last part of the message is systemd's own reason. crun may add an unrelated errno.",
        remedy=(
            "journalctl -b -u init.scope -e shows the same from systemd's side.",
            "Check the annotations org.systemd.property.* of the container, and its limits.",
        ),
        reference="systemd.resource-control(5)",
        confirm=look.running,
        rank=60,
    ),
    Entry(
        code="unit-name-in-use",
        title="a unit of that name exists already",
        patterns=(r"Unit (?P<unit>\S+) (?:already exists|was already loaded or has a fragment file)",),
        verdict="systemd already has a unit {unit}, perhaps left by an earlier container",
        cause="A failed unit keeps its name until it is reset. A running one belongs to another container.",
        remedy=("systemctl status {unit}; systemctl reset-failed {unit}",),
        reference="https://github.com/opencontainers/runc/issues/3132",
        confirm=look.running,
    ),
    Entry(
        code="runtime-lacks-systemd-driver",
        title="the runtime does not know --systemd-cgroup",
        patterns=(r"flag provided but not defined: -systemd-cgroup",),
        verdict="this runtime has no systemd cgroup driver, but the engine asks for it",
        cause="The engine passes --systemd-cgroup, and this runtime does not have that option.",
        remedy=("Use the cgroupfs driver with this runtime, or another runtime.",),
        reference="https://github.com/nestybox/sysbox/issues/165",
    ),
    Entry(
        code="unit-cpu-shares-out-of-range",
        title="systemd finds CPUShares out of range",
        patterns=(r"Value specified in CPUShares is out of range",),
        verdict="systemd refuses cpu.shares: it is out of range (2 to 262144)",
        cause="Some runtimes pass cpu.shares to systemd unchecked. 0 and 1 are not valid values.",
        remedy=("Set cpu.shares between 2 and 262144, or leave it out.",),
        reference="https://github.com/kata-containers/kata-containers/issues/6861",
        confirm=value_is(lambda value: not 2 <= value <= 262144, "cpu", "shares"),
    ),
)
