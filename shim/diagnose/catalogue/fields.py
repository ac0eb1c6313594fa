"""Fields of config.json, and options of engines, that do not go together."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

ENTRIES = (
    Entry(
        code="namespace-needed",
        title="a field needs a namespace of the container's own",
        patterns=(
            r"(?P<field>hostname|domainname) requires the (?P<kind>UTS) namespace",
            r"unable to set (?P<field2>\w+) without a private (?P<kind2>UTS) namespace",
            (
                r"unable to (?P<field3>restrict sys entries|apply network settings) without a private (?P<kind3>\w+) "
                r"namespace"
            ),
            r"sysctl \"(?P<field4>[^\"\n]+)\" (?:is )?not allowed in (?:the )?hosts? (?P<kind4>\w+) namespace",
            r"(?P<kind5>[tT]ime|USER|user) namespaces? aren't enabled in the kernel",
            r"sysctl [`\"](?P<field5>[^`\"\n]+)[`\"] (?:is not allowed as it )?conflicts with (?:the )?OCI [^\n]*field",
        ),
        verdict="the configuration sets {field}, but the container has no {kind} namespace of its own for it",
        cause="The field would change the host itself. The container shares the host's namespace (--uts=host, "
        "--network=host, --ipc=host, hostNetwork: true), or the kernel has no such namespace.",
        remedy=(
            (
                "Remove the field (docker, podman: --hostname, --sysctl; Kubernetes: hostname, "
                "securityContext.sysctls), or the --uts=host, --network=host, --ipc=host beside it."
            ),
        ),
        reference="OCI runtime-spec, config-linux.md, Namespaces",
    ),
    Entry(
        code="process-user-not-mapped",
        title="the container's user or groups have no id in its user namespace",
        patterns=(
            r"Failed to set (?:GID|UID) to (?P<number3>\d+): [Ii]nvalid argument",
            r"cannot set ?(?:uid|gid) to unmapped (?:user|[ug]id \d+) in user namespace",
            r"cannot set any additional groups in a rootless container",
            r"\bsetresuid to [`'](?P<number>\d+)[`']: invalid argument",
            r"(?:setuid|setgid|setgroups)(?: failed)?[: ]+(?P<number2>\d+)?[^\n]*invalid argument",
        ),
        verdict="the container's user, or one of its groups, is not mapped in the user namespace",
        cause="The image's USER, --user or --group-add has an id that the user namespace does not hold; without lines "
        "in /etc/subuid and /etc/subgid only id 0 exists in it. Additional groups need newgidmap or setgroups.",
        remedy=(
            "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER; podman system migrate",
            "Or choose another user: --user 0; podman: --group-add keep-groups in place of ids.",
        ),
        reference="user_namespaces(7)",
    ),
    Entry(
        code="idmap-options-conflict",
        title="the options of an id-mapped mount cannot be combined",
        patterns=(
            r"id-mapped mounts (?:are (?:not|only) supported|must have|cannot)[^\n]*",
            r"mount configuration cannot contain recAttr for MOUNT_ATTR_IDMAP",
            r"could not find a user namespace mapping for the relative mapping [^\n]*",
            r"specified a relative mapping without user namespace mappings",
            r"invalid mappings specified for the mount on [^\n]*",
        ),
        verdict="the runtime cannot use the mappings of an id-mapped mount",
        cause="An id-mapped mount is a bind mount with both uidMappings and gidMappings, needs root, and a relative "
        "mapping (@id) must lie in the container's user namespace.",
        remedy=("podman: --volume SRC:DST:idmap without ids of its own, as root; or :U, which changes the owners.",),
        reference="OCI runtime-spec, config.md, Mounts",
    ),
    Entry(
        code="resctrl-not-available",
        title="the configuration asks for Intel RDT, which this host does not offer",
        patterns=(
            r"intelRdt\.\w+ is specified in config, but Intel RDT/\w+ is not enabled",
            r"the resctl file system is not mounted",
            r"the resctl group `[^`\n]*` (?:does not exist|has a different configuration)",
            r"Intel RDT(?:/\w+)?: [^\n]* (?:schema )?is not enabled",
            rf"(?:open|mkdir|write) /sys/fs/resctrl[^\n]*: {ENOENT}",
        ),
        verdict="linux.intelRdt needs the resctrl file system, which is not mounted or not offered here",
        cause="Cache and bandwidth allocation needs a processor that has it, CONFIG_X86_CPU_RESCTRL and the mount at "
        "/sys/fs/resctrl; virtual machines mostly lack it.",
        remedy=("mount -t resctrl resctrl /sys/fs/resctrl", "Or remove linux.intelRdt (CRI-O, containerd: rdt class)."),
        reference="Linux Documentation/filesystems/resctrl.rst",
    ),
    Entry(
        code="working-directory-outside",
        title="the working directory lies outside the container",
        patterns=(
            r"current working directory is (?:outside of container mount namespace root|not absolute)[^\n]*",
            r"the (?:current )?working directory is not (?:accessible from the current namespace|an absolute path)",
            r"failed to verify if current working directory is safe[^\n]*",
        ),
        verdict="the runtime refuses the working directory, which does not lie in the container",
        cause="process.cwd leads out of the container, as /proc/self/fd/N of an attack does (CVE-2024-21626); a volume "
        "or FUSE mount whose directory was removed or replaced meanwhile looks the same.",
        remedy=(
            "Correct WORKDIR of the image and --workdir; distrust an image that has /proc/self/fd there.",
            "Start the container again where the directory was replaced.",
        ),
        reference="https://github.com/opencontainers/runc/security/advisories/GHSA-xr7r-f8xq-vfvv",
    ),
    Entry(
        code="own-root-gone",
        title="the container's own root file system, or the runtime's program, is gone",
        patterns=(rf"(?:fork/exec|exec) /proc/self/(?:exe|fd/\d+): {ENOENT}",),
        verdict="the container's root file system is not there any more (or the runtime's program was replaced)",
        cause="Go reports the directory in which it starts a process so: the container's root was unmounted or removed "
        "while its processes still run, as after an engine's restart, a prune, a disk that failed, or an upgrade.",
        remedy=(
            (
                "Make the container again: docker compose up -d --force-recreate; podman rm -f and run; kubectl delete "
                "pod."
            ),
            "If all containers have it: restart the engine; ls /proc on this host.",
        ),
        reference="https://github.com/Mailu/Mailu/issues/2684",
        rank=45,
    ),
    Entry(
        code="podman-options-conflict",
        title="options for cgroups and namespaces cannot be combined",
        patterns=(
            (
                r"cannot (?:set|specify) (?:cgroup parent|resource limits|--cgroup-mode=split)[^\n]*"
                r"(?:cgroup|disabled)[^\n]*"
            ),
            r"containers not creating [Cc]groups must create a private PID namespace[^\n]*",
            (
                r"(?:device cgroup rules are not supported|cannot set max size for user namespace when not running) "
                r"[^\n]*rootless"
                r"[^\n]*"
            ),
            r"(?:this container|container \S+) (?:does not have|did not create|is not creating) (?:a )?[Cc]groups?",
            r"requested OCI runtime \S+ is not compatible with NoCgroups",
            (
                r"rootless systemd driver doesn't support cgroup v1|native\.cgroupdriver=systemd requires cgroup v2 "
                r"for "
                r"rootless"
            ),
            r"invalid (?:default )?cgroup (?:namespace )?mode[:\s][^\n]*",
            r"unknown cgroups? (?:manager|mode) (?:specified )?[^\n]*",
            r"delegate-cgroup not supported on cgroup v1",
            r"option WritableCgroups conflicts with[^\n]*",
            r"cannot use container-init binary with systemd=always",
            r"cannot join another container's PID namespace if not creating cgroups[^\n]*",
            r"cannot run top on container \S+ as it did not create a cgroup",
            r"OCI runtime \"[^\"\n]*\" does not support cgroups|--separate-pull-cgroup is supported only with systemd",
        ),
        verdict="the options given for cgroups and namespaces cannot be combined",
        cause="Without a cgroup of its own (--cgroups=disabled) a container cannot be limited, paused or measured; "
        "some options need root, cgroup2, or no user namespace.",
        remedy=(
            "Leave out one of the options that the message names.",
            'NoCgroups: runc cannot do it; --runtime crun, or cgroups = "enabled" in containers.conf.',
        ),
        reference="podman-run(1), --cgroups, --cgroupns, --userns",
        rank=56,
    ),
)
