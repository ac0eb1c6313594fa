"""The cgroup2 tree: which controllers reach the container, and the rules about processes and threads."""

from __future__ import annotations

from shim.diagnose.catalogue.delegation import MISSING_FILE, PERHAPS_MISSING, enabling
from shim.diagnose.checks import tree as look
from shim.diagnose.checks.configured import asked, asked_for
from shim.diagnose.entry import EACCES, EBUSY, EINVAL, ENOENT, EOPNOTSUPP, Entry, named, opening, writing
from shim.diagnose.host_words import NESTED_ENGINE, RASPBERRY_PI, ROOTLESS

CONTROL = "Linux Documentation/admin-guide/cgroup-v2.rst, Controlling Controllers"
NO_INTERNAL = "Linux Documentation/admin-guide/cgroup-v2.rst, No Internal Process Constraint"
THREADS = "Linux Documentation/admin-guide/cgroup-v2.rst, Threads"
NOT_AVAILABLE = (
    r"unified resource \\?\"[^\"\n]*\\?\" can't be set: controller \\?\"(?P<controller>\w+)\\?\" not available",
    r"the requested cgroup controller [`'\"]?(?P<controller>\w+)[`'\"]? is not available",
    r"controller [`'\"]?(?P<controller>\w+)[`'\"]? is not available under",
)
NOT_FOUND = r"failed to find (?P<controller>\w+) cgroup \(v2\)"  # k3s
MODE = r"cannot enter cgroupv2 \\?\"(?P<path>[^\"\\\n]+)\\?\" with domain controllers -- it is in "
UNIFIED_SET = r"(?:unable to set|can't set) unified resource \\?\"(?P<key>[^\"\\\n]+)\\?\""

ENTRIES = (
    Entry(
        code="controller-owned-by-v1",
        title="the controller is bound to a v1 hierarchy, so cgroup2 does not have it",
        ambiguous=(*NOT_AVAILABLE, MISSING_FILE, NOT_FOUND),
        layout="v2",
        verdict="the {controller} controller is not in cgroup2: a v1 hierarchy owns it",
        cause="A controller belongs to one hierarchy at a time. While a v1 hierarchy has it, cgroup2 does not.",
        remedy=(
            (
                "Unmount the v1 hierarchy everywhere, once its last child cgroup is gone: umount "
                "/sys/fs/cgroup/{controller}"
            ),
            "or boot with cgroup2 only: systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all",
        ),
        reference=CONTROL,
        confirm=look.owned_by_v1,
        rank=36,
        tell="grep -w {controller} /proc/self/mountinfo: is it mounted as v1?",
        offer=5,
    ),
    Entry(
        code="controller-disabled-at-boot",
        title="cgroup_disable= took the controller away",
        ambiguous=(*NOT_AVAILABLE, MISSING_FILE),
        layout="v2",
        verdict="the {controller} controller is switched off on this host by the boot option cgroup_disable=",
        cause="A controller disabled at boot exists in no hierarchy.",
        remedy=(
            (
                "Remove it from cgroup_disable= on the kernel command line (Raspberry Pi: put cgroup_enable=memory on "
                "the one line of cmdline.txt), and reboot."
            ),
        ),
        reference="Linux Documentation/admin-guide/kernel-parameters.txt, cgroup_disable",
        confirm=look.disabled_at_boot,
        rank=35,
        tell="grep -o 'cgroup_[a-z]*=[a-z,]*' /proc/cmdline: does it name {controller}? On a Raspberry Pi memory is "
        "off unless cgroup_enable=memory is there.",
        offer=4,
        first_beside=RASPBERRY_PI,
    ),
    Entry(
        code="domain-controller-in-threaded-subtree",
        title="a controller without thread support is asked for in a threaded subtree",
        ambiguous=(opening(r"(?:memory|io|hugetlb|rdma)\.\S+?", ENOENT), *NOT_AVAILABLE),
        layout="v2",
        verdict="the {controller} controller does not work in a threaded cgroup subtree",
        cause="memory, io, hugetlb and rdma work only in domain cgroups, and an ancestor is threaded. crun itself "
        "makes it threaded if the parent of the container's cgroup holds processes.",
        remedy=(
            (
                "Move the processes out of the parent into a leaf: cd <parent> && mkdir main && xargs -rn1 < "
                "cgroup.procs > main/cgroup.procs"
            ),
            "Or choose a cgroupsPath outside the threaded subtree, or empty and recreate the threaded cgroup.",
        ),
        reference=THREADS,
        confirm=look.threaded,
        rank=34,
    ),
    Entry(
        code="controller-not-delegated",
        tell="cat /sys/fs/cgroup/user.slice/user-$(id -u).slice/user@$(id -u).service/cgroup.controllers "
        "(rootless only)",
        title="systemd did not delegate the controller to this user",
        ambiguous=(*NOT_AVAILABLE, MISSING_FILE, *PERHAPS_MISSING),
        offer=2,
        # systemd delegates memory and pids without being asked.
        first_for=r"requested cgroup controller|not available under|`(?:cpu|io)[\w.]+` for writing: Permission denied",
        layout="v2",
        verdict="the {controller} controller is not delegated to this user's cgroups",
        cause="systemd delegates only some controllers to user@.service by default.",
        remedy=(
            "mkdir -p /etc/systemd/system/user@.service.d",
            (
                "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' > "
                "/etc/systemd/system/user@.service.d/delegate.conf"
            ),
            "systemctl daemon-reload, then log in again",
        ),
        reference="https://github.com/containers/podman/issues/22147",
        confirm=look.not_delegated,
        rank=37,
        first_beside=ROOTLESS,
    ),
    Entry(
        code="controller-not-enabled",
        tell="cat /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup/cgroup.subtree_control: is {controller} in both?",
        title="the controller is not enabled on the container's path",
        ambiguous=(*NOT_AVAILABLE, MISSING_FILE, *PERHAPS_MISSING),
        offer=1,
        layout="v2",
        verdict="the {controller} controller is not enabled on the way to the container's cgroup",
        cause="A cgroup has a controller only if every ancestor names it in cgroup.subtree_control.",
        remedy=(
            "echo +{controller} > /sys/fs/cgroup/cgroup.subtree_control, and the same in each cgroup on the way down",
            "or start the container without the {controller} limit",
        ),
        reference=CONTROL,
        confirm=look.not_enabled,
    ),
    Entry(
        code="no-internal-processes",
        title="the parent holds processes, so its children are domain invalid",
        patterns=(MODE + "an invalid state",),
        verdict="{path} cannot hold the container: its parent holds processes and threaded "
        "controllers (domain invalid)",
        cause="On cgroup2 a cgroup either holds processes or hands domain controllers to its children. The parent "
        "does both.",
        remedy=(
            "Move the parent's processes into a leaf before enabling controllers, as init does in docker-in-docker:",
            (
                "mkdir -p /sys/fs/cgroup/init && xargs -rn1 < /sys/fs/cgroup/cgroup.procs > "
                "/sys/fs/cgroup/init/cgroup.procs"
            ),
        ),
        reference=NO_INTERNAL,
        confirm=look.named_type,
    ),
    Entry(
        code="threaded-domain",
        title="the parent is threaded, but limits need a domain cgroup",
        patterns=(MODE + r"(?:domain )?threaded mode",),
        verdict="{path} is threaded, and the container's limits need an ordinary (domain) cgroup",
        cause="For runc, limits of memory, io, hugetlb and cpu need a domain cgroup.",
        remedy=(
            (
                "Choose a cgroupsPath outside of it (docker: cgroup-parent in daemon.json; OpenRC's service is "
                "/docker itself)."
            ),
            "Which children made it threaded: grep -r threaded {path}/*/cgroup.type",
            (
                "A cgroup that holds processes and enables controllers for its children has the same effect: move its "
                "processes into a leaf."
            ),
        ),
        reference=THREADS,
        confirm=look.named_type,
    ),
    Entry(
        code="threaded-cgroup-has-no-procs",
        title="the container's cgroup is threaded: its cgroup.procs cannot be used",
        patterns=(rf"\b(?:read|write|write to|writing file) {named('cgroup.procs')}: {EOPNOTSUPP}",),
        verdict="the container's cgroup is threaded, so {path} cannot be read or written",
        cause="In a threaded subtree only the cgroup at its top lists processes; the others return EOPNOTSUPP.",
        remedy=("Use another cgroupsPath.", "Or remove the cgroup: rmdir {directory}"),
        reference=THREADS,
        confirm=look.named_type,
    ),
    Entry(
        code="crun-parent-not-a-domain",
        title="crun tries to make its own parent threaded",
        patterns=(opening(r"cgroup\.type", EACCES),),
        verdict="crun cannot use this cgroup: it or its parent is not an ordinary domain cgroup",
        cause="crun before 1.8.5 then tries to change the type of the root cgroup, which is why the path and the "
        "errno mislead.",
        remedy=("Choose a cgroupsPath whose ancestors are all of type domain, or upgrade crun to 1.8.5 or later.",),
        reference="https://github.com/containers/crun/issues/1208",
        confirm=look.threaded,
    ),
    Entry(
        code="cgroup-hands-down-controllers",
        title="the container's cgroup has controllers enabled for children",
        patterns=(writing(r"cgroup\.procs", EBUSY), rf"failed to write \d+: write {named('cgroup.procs')}: {EBUSY}"),
        verdict="{path} takes no process: that cgroup has controllers enabled for its children",
        layout="v2",
        cause="A cgroup with controllers in its own cgroup.subtree_control may hold no processes (EBUSY). systemd as "
        "the container's "
        "first process enables them: exec then needs a runtime that enters its init's cgroup.",
        remedy=(
            "Use a leaf below it as cgroupsPath, or remove its children and empty cgroup.subtree_control.",
            "exec into a container with systemd: runc 1.0 or later, crun.",
            "gVisor on cgroup2: upgrade runsc, and use the systemd driver in the kubelet, containerd and runsc.",
        ),
        reference=NO_INTERNAL,
        confirm=look.has_children,
    ),
    Entry(
        code="controllers-need-empty-cgroup",
        tell="cat the parent's cgroup.procs: does it list processes?",
        title="a cgroup with processes cannot enable controllers for its children",
        patterns=(
            rf"sed: couldn't (?:flush stdout|write \d+ items? to stdout): {EBUSY}",
            r"sed: write error$",
            enabling(EBUSY),
        ),
        ambiguous=(*NOT_AVAILABLE, MISSING_FILE),
        offer=3,
        layout="v2",
        verdict="controllers cannot be enabled for the container: its parent cgroup holds processes",
        cause="On cgroup2 only a cgroup without processes can hand domain controllers to its children (EBUSY); "
        "and one is taken away only when no child has it enabled. "
        "Runtimes try it, ignore the error, and fail later because the controller is missing.",
        remedy=(
            "In the parent cgroup: mkdir init && xargs -rn1 < cgroup.procs > init/cgroup.procs",
            "or choose a cgroupsPath below a cgroup without processes",
            "docker in docker (sed: write error): image docker:20.10.16-dind or later, which moves its processes.",
        ),
        reference=NO_INTERNAL,
        confirm=look.has_processes,
        rank=39,
        first_beside=NESTED_ENGINE,
    ),
    Entry(
        code="unified-key-malformed",
        title="a key of linux.resources.unified is not CONTROLLER.FILE",
        patterns=(
            r"unified resource \\?\"(?P<key>[^\"\\\n]+)\\?\" must be (?:a file name|in the form CONTROLLER)",
            r"key `(?P<key>[^`\n]+)` must be a file name without any slash",
            r"the specified key has not the form CONTROLLER\.VALUE `(?P<key>[^`\n]+)`",
        ),
        verdict="linux.resources.unified has a key that is not a cgroup2 interface file: {key}",
        cause="Each key is the name of an interface file, such as memory.max. It has a dot and no slash.",
        remedy=("Correct the key in the container's configuration.",),
        reference="OCI runtime-spec, config-linux.md, Unified",
        confirm=look.unified_key,
    ),
    Entry(
        code="unified-value-refused",
        title="the kernel refuses a value of linux.resources.unified",
        ambiguous=(UNIFIED_SET + rf": [^\n]*{EINVAL}", writing(r"[a-z_]+\.[\w.]+", EINVAL)),
        excluded=look.not_unified,
        layout="v2",
        verdict="the kernel refuses the value of unified[{key}] (EINVAL)",
        cause="The value is written to the interface file unchanged; the kernel defines its format.",
        remedy=("Write the value as Documentation/admin-guide/cgroup-v2.rst describes it for this file.",),
        reference="Linux Documentation/admin-guide/cgroup-v2.rst, Controllers",
        confirm=look.unified_key,
        tell="compare linux.resources.unified in config.json with the kernel's description of the file",
        offer=5,
        rank=45,
    ),
    Entry(
        code="unified-file-unknown",
        title="linux.resources.unified names a file that this kernel does not have",
        patterns=(UNIFIED_SET + rf": [^\n]*{ENOENT}",),
        ambiguous=(opening(r"[a-z_]+\.[\w.]+", ENOENT),),
        excluded=look.not_unified,
        layout="v2",
        verdict="unified[{key}] names a file that this kernel does not have (ENOENT)",
        cause="The controller exists, but the file does not: the name is misspelt, or it belongs to a newer kernel.",
        remedy=("ls /sys/fs/cgroup/*/ shows the files that exist; correct or remove the key.",),
        reference="OCI runtime-spec, config-linux.md, Unified",
        confirm=look.unified_key,
        rank=45,
    ),
    Entry(
        code="unified-on-v1",
        title="linux.resources.unified on a v1 host",
        patterns=(r"cannot use unified on cgroup v1",),
        verdict="linux.resources.unified cannot be used here: the runtime works with v1 hierarchies",
        cause="unified names cgroup2 interface files, and no runtime translates them for v1.",
        remedy=(
            (
                "Use the classic fields: memory.max is memory.limit, pids.max is pids.limit, cpu.max is cpu.quota and "
                "cpu.period, cpu.weight is cpu.shares."
            ),
        ),
        reference="OCI runtime-spec, config-linux.md, Unified",
        confirm=asked("unified"),
    ),
    Entry(
        code="limits-without-cgroups",
        title="limits are given, but cgroups are disabled",
        patterns=(r"cannot set limits without cgroups",),
        verdict="the container has resource limits, but its cgroups are disabled",
        cause="With --cgroups=disabled, and for a user on v1, there is no cgroup that could carry a limit. podman "
        "sets one for pids by itself. crun up to 0.17 reports this. Later "
        "versions start the container without its limits, which cgshim refuses.",
        remedy=(
            "Remove the limits or --cgroups=disabled.",
            "A user on v1: podman run --pids-limit 0, or pids_limit = 0 in containers.conf; or boot with cgroup2.",
        ),
        reference="podman-run(1), --cgroups",
        confirm=asked_for(("memory",), ("cpu",), ("pids",)),
    ),
)
