"""The systemd cgroup driver, and drivers that do not agree."""

from __future__ import annotations

from shim.diagnose.checks import systemd as look
from shim.diagnose.checks.configured import value_is
from shim.diagnose.entry import EINVAL, EPERM, Entry

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
                r"recipient|Connection |Transport |Launch helper )[^\n]+)"
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
        remedy=(
            "systemctl status {unit}; systemctl reset-failed {unit}",
            "Rootless: systemctl --user status {unit}; systemctl --user reset-failed {unit}",
            "Its container was killed (OOM) and the scope stayed failed: raise its limit; a newer crun resets it.",
        ),
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
    Entry(
        code="pod-slice-of-systemd-251",
        title="a new slice of a pod is reported as existing",
        patterns=(r"Unit (?P<unit>\S*libpod_pod_[0-9a-f]{64}\.slice) already exists",),
        verdict="systemd says that the slice of a new pod exists already, though its name is random: a fault of "
        "systemd 251 and podman 4.2",
        cause="The slice is loaded as soon as something refers to it, and this systemd refuses to start a transient "
        "unit of that name. It is not left over from another pod.",
        remedy=(
            "Upgrade podman to 4.3 or later, and systemd.",
            'Until then: cgroup_manager = "cgroupfs" in containers.conf.',
        ),
        reference="https://github.com/containers/podman/issues/16264",
        tell="podman --version; systemctl --version",
        rank=45,
    ),
    Entry(
        code="unit-limit-below-usage",
        title="the memory limit of a unit is below what it uses already",
        patterns=(
            (
                r"(?P<unit>[\w@.-]+\.(?:slice|service)): Failed to set (?:attribute )?'memory\.limit_in_bytes' "
                r"attribute on [^\n]* to '(?P<limit>\d+)': Device or resource busy"
            ),
        ),
        verdict="the kernel did not take the limit of {limit} bytes for {unit}: it uses more already",
        cause="v1 refuses a limit below the usage that it cannot reclaim. The old limit stays, though systemctl show "
        "names the new one.",
        remedy=(
            "Free memory in {unit} (restart it), then set the limit again; or choose a limit above the usage.",
            "Set MemoryMax= (MemoryLimit=) in the unit, so that it applies from the start.",
            "On cgroup2 the kernel takes any limit, and reclaims or kills.",
        ),
        reference="https://docs.kernel.org/admin-guide/cgroup-v1/memory.html",
        tell="cat /sys/fs/cgroup/memory/{unit}/memory.usage_in_bytes",
        rank=19,
    ),
    Entry(
        code="bus-of-hidden-processes",
        title="busctl may not see the process behind the bus: /proc hides it",
        patterns=(rf"busctl --user[^\n]*Failed to get credentials: {EPERM}",),
        verdict="the user's bus is there, but busctl may not read its process: /proc is mounted with hidepid",
        cause="With hidepid=1 or 2 a user sees no process of another one in /proc, and systemd's bus cannot tell who "
        "is at its other end.",
        remedy=(
            "mount -o remount,hidepid=0 /proc; or hidepid=2,gid=GROUP with the user in that group.",
            "Apptainer without cgroups: unset XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS, and give it no limits.",
        ),
        reference="https://github.com/apptainer/apptainer/issues/1779",
        tell="grep ' /proc ' /proc/self/mountinfo: does it say hidepid?",
        rank=44,
    ),
    Entry(
        code="kubelet-slice-exists",
        title="the kubelet takes its own slice for an obstacle",
        patterns=(r"Unit (?P<unit>kubepods(?:-besteffort|-burstable)?\.slice) already exists",),
        verdict="systemd has the slice {unit} already, from an earlier start, and this kubelet refuses that",
        cause="Kubelets of 2021 (1.21, 1.22, by their runc) take the existing slice for an error.",
        remedy=(
            "systemctl stop {unit} (the pods end); systemctl restart kubelet",
            "Upgrade Kubernetes; minikube: minikube delete, then start.",
        ),
        reference="https://github.com/kubernetes/minikube/issues/12232",
        tell="systemctl list-units 'kubepods*'",
        rank=45,
    ),
)
