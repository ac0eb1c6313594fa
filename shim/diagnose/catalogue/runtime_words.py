"""What runc and its cgroup library can say of a device rule, an id map, a value or their own start, by the kind."""

from __future__ import annotations

from shim.diagnose.catalogue.families_of_steps import ERRNO
from shim.diagnose.entry import EMFILE, ENOENT, Entry

ENTRIES = (
    Entry(
        code="device-rules-not-applicable",
        title="runc cannot make its device rules from the configuration or from the outer list",
        patterns=(
            r"emulated cgroupv2 devices ruleset had [^\n]*",
            r"malformed devices\.list rule [^\n]*",
            r"error (?:parsing line [^\n]*|adding devices\.list rule|reading devices\.list lines)[^\n]*",
            r"requested rule \[[^\n]*not supported by devices cgroupv1[^\n]*",
            r"cannot add rule \[[^\n]* with non-cgroup type",
            r"unable to (?:apply rule|get simplified rules) for systemd: [^\n]*",
            r"device type \S+ has no group prefix|invalid device type for DeviceAllow|reading /proc/devices: [^\n]*",
            r"resulting devices cgroup doesn't precisely match target",
            r"parse access mode: contained unknown modes or is empty",
            r"cgroup manager is not configured to set device rules",
        ),
        verdict="runc cannot make the container's device rules",
        cause="runc computes what to write from the device list that the outer layer shows, and from the rules of the "
        "container. LXC, OpenVZ and vendors' kernels show lists of another form; rules that allow all and then deny "
        "one (v1), or a class of devices (systemd's driver), cannot be expressed.",
        remedy=(
            "Leave out --device-cgroup-rule (compose: device_cgroup_rules), and name single devices: --device.",
            "With the systemd driver: /proc/devices must be readable; or use the cgroupfs driver.",
            "Upgrade runc; words with 'internal error' are a fault of its own, for its developers.",
        ),
        reference="https://github.com/opencontainers/cgroups/blob/main/devices/devices_emulator.go",
        rank=52,
    ),
    Entry(
        code="cgroup-file-of-other-form",
        title="a file of a cgroup does not have the form that the runtime expects",
        patterns=(
            r"line \\?\"[^\"\n]*\\?\" is not in \\?\"key value\\?\" format",
            r"bad value for \\?\"?[\w.]+\\?\"?: [^\n]*",
            r"unknown freezer\.state \S*|unknown \\?\"(?:freezer\.self_freezing|cgroup\.freeze)\\?\" state",
            r"invalid psi data: |invalid \w+ PSI value: |Unable to parse RDMA entry",
            r"invalid cgroup entry: must contain at least two colons",
        ),
        verdict="a file of the container's cgroup does not have the form that the runtime expects",
        cause="A vendor's kernel (Android, NAS systems), LXCFS, gVisor or sysbox shows a file of its own in that "
        "place, or the file was empty because the cgroup was just removed.",
        remedy=(
            "cat the file: a kernel's own has lines of a name and a number.",
            "Upgrade the runtime, or LXCFS; statistics (docker stats) fail, while containers run.",
        ),
        reference="https://github.com/opencontainers/cgroups/blob/main/fscommon/utils.go",
        rank=64,
    ),
    Entry(
        code="cgroup-path-is-elsewhere",
        title="what the runtime opens below /sys/fs/cgroup is not on a cgroup file system",
        patterns=(
            r"cgroupRootHandle \d+ unexpectedly opened to (?P<place>\S+) != [^\n]*",
            r"(?:/sys/fs/cgroup/[^\n:]*: )?\bnot a cgroup file\b",
            r"cannot get dir FD for (?P<path>/sys/fs/cgroup\S*)",
            r"no directory specified for (?P<file>[\w.]+)",
        ),
        verdict="what the runtime opened below /sys/fs/cgroup does not lie on a cgroup file system",
        cause="Something was mounted over /sys/fs/cgroup after the engine had started, a part of it is a symbolic link "
        "or an ordinary directory (tmpfs) where a hierarchy should be, or the engine runs in a chroot or another mount "
        "namespace. 'no directory' means that the controller has no hierarchy at all.",
        remedy=(
            "grep ' /sys/fs/cgroup' /proc/self/mountinfo; stat -f -c %T /sys/fs/cgroup /sys/fs/cgroup/*",
            "Unmount what covers it, mount the missing hierarchy, and restart the engine.",
        ),
        reference="https://github.com/opencontainers/cgroups/blob/main/file.go",
        rank=54,
    ),
    Entry(
        code="unified-value-not-converted",
        title="the systemd driver cannot translate a value of cgroup2",
        patterns=(
            r"unified resource \\?\"(?P<file>[\w.]+)\\?\"[^\n]*(?:conversion error|value invalid)[^\n]*",
            r"resources\.CPU\.(?:Cpus|Mems)=\\?\"(?P<asked>[^\"\\\n]*)\\?\" conversion error[^\n]*",
        ),
        verdict="a value of the container's configuration cannot be translated for systemd",
        cause="With the systemd driver runc turns cgroup2 files and lists of CPUs into properties of the unit. The "
        "value does not have the file's form: cpu.max is two numbers or max, lists are such as 0-3,7.",
        remedy=("Correct linux.resources.unified (podman: --cgroup-conf; crictl: unified), or --cpuset-cpus.",),
        reference="https://github.com/opencontainers/cgroups/blob/main/systemd/v2.go",
        rank=50,
    ),
    Entry(
        code="runtime-id-map-refused",
        title="runc cannot write the id map of the container's user namespace",
        patterns=(
            r"failed to update /proc/\S+/(?:[ug]id_map|setgroups): [^\n]+",
            r"failed to write '[^'\n]*' to /proc/\d+/setgroups[^\n]*",
            r"failed to use new[ug]id ?map on \d+[^\n]*",
            r"mapping tool not present[^\n]*",
            r"cannot allow setgroup in an unprivileged user namespace setup",
        ),
        verdict="runc cannot write the ids of the container's user namespace",
        cause="EPERM: the ids are not the caller's: rootless without newuidmap and newgidmap (package uidmap), a range "
        "that /etc/subuid does not grant, or an outer user namespace (LXC) that does not have them. EINVAL: ranges "
        "overlap, or too many lines. ESRCH: the child has been killed.",
        remedy=(
            "apt-get install uidmap; grep $USER /etc/subuid /etc/subgid; ls -l $(command -v newuidmap): is it setuid?",
            "Inside LXC: lxc.idmap of the outer container needs the range; Incus, LXD: security.idmap.size.",
            "docker userns-remap: the range in /etc/subuid of dockremap must exist where dockerd runs.",
        ),
        reference="user_namespaces(7)",
        rank=46,
    ),
    Entry(
        code="runtime-library-missing",
        title="the runtime cannot be executed: a library is missing or too old",
        patterns=(
            (
                r"(?:\b|/)(?P<program>crun|krun|(?:docker-)?runc|runsc|youki|conmon(?:rs)?|podman|buildah|crio|"
                r"containerd\S*|dockerd|netavark|slirp4netns|fuse-overlayfs|apptainer|singularity|starter|lxc-[a-z]+|"
                r"nspawn|criu|catatonit): (?:symbol lookup error: |error while loading shared libraries: |"
                r"/\S+: version `[^'\n]*' not found)[^\n]*"
            ),
            r"(?P<program2>[\w./-]+): symbol lookup error: [^\n]*undefined symbol: seccomp_\w+",
            r"(?P<program3>krun|crun): could not (?:allocate memory for krun_config|load libkrun)[^\n]*",
            r"(?:(?P<program4>crun|krun): )?(?:could not load|failed to open) `?lib\w+\.so[\w.]*[^\n]*",
            r"requires libseccomp version >= [\d.]+",
        ),
        verdict="{program} cannot be executed: a library is missing, or older than it needs",
        cause="It was built for another distribution or release (often libseccomp or glibc of this host is older), an "
        "update was cut short, or the package of an optional handler (libkrun, wasmedge) is not installed.",
        remedy=(
            (
                "undefined symbol: its first word names the library (criu_: criu-libs, seccomp_: libseccomp2, krun_: "
                "libkrun): install or upgrade that; a missing library: ldd $(command -v {program})."
            ),
            "Take the package of this very release (docker-ce: its own repository), or the static binary of upstream.",
            "krun: install libkrun, and check /dev/kvm.",
        ),
        reference="https://github.com/moby/moby/issues/35906",
        rank=40,
    ),
    Entry(
        code="terminal-options-conflict",
        title="runc is asked for a terminal in a way that does not fit",
        patterns=(
            r"cannot allocate (?:tty|pseudo-TTY) (?:if runc will detach )?without setting (?:a )?console socket",
            r"cannot use console socket if runc will not detach or allocate tty",
        ),
        verdict="runc cannot give the container a terminal: --detach and process.terminal need --console-socket",
        cause="runc create and run --detach end before the container does, so somebody else must hold the terminal.",
        remedy=("Set process.terminal to false in config.json, give --console-socket, or run without --detach.",),
        reference="https://github.com/opencontainers/runc/blob/main/docs/terminals.md",
    ),
    Entry(
        code="runc-step-refused",
        title="an older runc failed at a step of the start, with an errno",
        ambiguous=(
            (
                r"(?:process|rootfs|standard_init|setns_init|init)_linux\.go:\d+: (?P<step>"
                r"(?!mounting|setting cgroup config|[^\n]*(?:/sys/fs/cgroup/|\bsd-|dbus))[a-z][^:\n]{3,90}?) caused"
                rf":? \\*\"?(?P<reason>[^\"\\\n]{{0,160}}?{ERRNO})"
            ),
            rf"\bnsexec(?:-\d)?\[\d+\]: (?P<step2>[^\n]{{3,120}}?): (?P<reason2>{ERRNO}|no such process)",
            rf"\bnsenter: (?P<step3>[^\n]{{3,120}}?): (?P<reason3>{ERRNO}|no such process)",
        ),
        verdict="runc failed at the step '{step}': {reason}",
        cause="Device nodes and ptmx: user namespaces and LXC forbid mknod, or the image has a file in that place. "
        "Rlimits: a --ulimit above the daemon's own hard limit. The root read-only, or changing into it: its flags are "
        "locked, or a directory on the way is closed to remapped ids (chmod o+x the data root). Namespaces: the other "
        "process has ended, or ids are not mapped.",
        remedy=(
            "Inside LXC, OpenVZ: --privileged or nesting for the outer container; with userns-remap: --userns=host.",
            "Leave out --ulimit, --read-only, --device and --sysctl one by one, to see which one it is.",
            "Upgrade docker and runc: newer ones name the file.",
        ),
        reference="https://github.com/opencontainers/runc/blob/main/libcontainer/rootfs_linux.go",
        tell="dmesg | grep -iE 'denied|oom'; namei -l on docker's data root; ulimit -a of the daemon",
        offer=6,
        last=True,
    ),
    Entry(
        code="runc-lost-its-handle-of-proc",
        title="runc with libpathrs 0.2.5 loses its handle of /proc before the container starts",
        patterns=(rf"(?:write|open|openat2?) /\d+/task/\d+/\S*: {ENOENT}", r"libpathrs[^\n]*(?:SIGABRT|fatal)"),
        verdict="runc lost its handle of /proc: the path in the message lacks /proc, and it is not about the profile",
        cause="runc 1.5.1 with libpathrs 0.2.5 uses a handle of /proc that is closed by then. AppArmor, SELinux, "
        "mounts and "
        "seccomp can fail of it.",
        remedy=(
            "Upgrade to a build of runc with libpathrs 0.2.6 or later.",
            'Until then: runc 1.4, or crun (podman --runtime crun; CRI-O: default_runtime = "crun").',
        ),
        reference="https://github.com/opencontainers/runc/issues/5438",
        tell="runc --version names libpathrs and its version",
        rank=30,
    ),
    Entry(
        code="own-limit-of-open-files-too-small",
        title="the container's own limit of open files is too small for its start",
        patterns=(
            rf"(?:unable to start container process|re-opening handle|error creating device nodes)[^\n]*{EMFILE}",
            r"fatal error: runtime: eventfd failed[^\n]*",
        ),
        verdict="the runtime's init ran out of file descriptors: the container's limit (nofile) applies to it, too",
        cause="runc from 1.2.8 and 1.3.3 on sets the container's ulimit nofile before it makes the devices. With few "
        "descriptors, or hundreds of devices (--privileged on a large host), the init does not get through.",
        remedy=(
            (
                "Raise it: docker run --ulimit nofile=65536:65536; compose: ulimits: nofile; all: default-ulimits in "
                "/etc/docker/daemon.json."
            ),
            "Kubernetes: LimitNOFILE= in the unit of containerd or CRI-O. ctr gives 1024: use nerdctl.",
            "In place of --privileged give only the devices that are needed (--device).",
        ),
        reference="https://github.com/opencontainers/runc/issues/5021",
        tell="docker inspect NAME --format '{{{{.HostConfig.Ulimits}}}}'; ls /dev | wc -l on the host",
        rank=34,
    ),
)
