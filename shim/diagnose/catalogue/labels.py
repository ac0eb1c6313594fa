"""Security labels and profiles that this host cannot apply."""

from __future__ import annotations

from shim.diagnose.checks import mounts as look
from shim.diagnose.entry import EACCES, EINVAL, EOPNOTSUPP, EPERM, EROFS, Entry

ENTRIES = (
    Entry(
        code="selinux-not-enabled",
        title="SELinux labels without SELinux",
        patterns=(
            r"selinux label is specified in config, but selinux is disabled or not supported",
            rf"write to `/proc/self/attr/(?:keycreate|exec)`: {EINVAL}|write /proc/self/attr/keycreate: {EINVAL}",
        ),
        verdict="the container has an SELinux label that this host does not have, or SELinux is not enabled on it",
        cause="config.json was made for a host with SELinux, or SELinux was switched off at boot. EINVAL where it is "
        "enabled: the policy does not have this type (label=type:NAME).",
        remedy=("Remove linux.mountLabel and process.selinuxLabel (podman, docker: --security-opt label=disable).",),
        reference="OCI runtime-spec, config.md, Linux Process",
        confirm=look.label_support("/sys/fs/selinux/enforce", "SELinux", ("process", "selinuxLabel")),
    ),
    Entry(
        code="selinux-relabel-refused",
        title="the file system does not support SELinux labels",
        patterns=(
            rf"relabel failed \\?\"?(?P<source>/[^\"\\\n:]*)\\?\"?: {EOPNOTSUPP}",
            rf"\blsetxattr \\?\"?(?P<source2>/[^\"\\\n:]*)\\?\"?: {EOPNOTSUPP}",
            r"relabel \\?\"(?P<source4>/[^\"\\\n]*)\\?\" with [^\n]* failed: lsetxattr[^\n]*",
            rf"failed to set file label on (?P<source5>/\S+): (?:{EOPNOTSUPP}|{EROFS})",
        ),
        verdict="{source} cannot be relabelled for SELinux (:z, :Z)",
        cause="The file system stores no security labels (NFS, vfat, FUSE, many network file systems), or is read-only "
        "or protected. With seLinuxOptions in a pod the engine relabels each volume, whatever its driver.",
        remedy=(
            "Mount without :z or :Z and with --security-opt label=disable, or mount the file system with context=.",
            "Kubernetes: seLinuxMount: true in the CSIDriver, readOnly in the volume, or no seLinuxOptions in the pod.",
        ),
        reference="https://github.com/containers/podman/issues/21405",
    ),
    Entry(
        code="apparmor-not-enabled",
        title="an AppArmor profile without AppArmor",
        patterns=(
            r"set apparmor profile \S+: (?:no such file|permission denied)[^\n]*",
            r"(?:AppArmor|SELinux) not initialized correctly",
            rf"write (?:to )?file [`'](?:/proc/)?(?:thread-)?self/attr/(?:apparmor/)?exec[`']: {EINVAL}",
            rf"unable to apply apparmor profile: (?![^\n]*{EPERM})[^\n]*",
            r"AppArmor is not initialized correctly",
            r"apparmor: config provided but apparmor not supported",
            r"AppArmor profile \\?\"[^\"\n]+\" is not loaded",
            r"Could not check if \S+ AppArmor profile was loaded: [^\n]*",
            r"write(?: to)? (?:file )?`?(?:/proc/)?(?:thread-)?self/attr/(?:apparmor/)?exec`?: (?:no such file|ENOENT)",
            rf"apparmor failed to apply profile: (?![^\n]*{EPERM})[^\n]*",
            r"apply apparmor profile `(?P<profile>[^`\n]*)`: profile not loaded",  # crun from 1.30 on
            rf"/proc/(?:self|\d+)/attr/(?:apparmor/)?(?:current|exec)[`'\"]?: {EINVAL}",
        ),
        verdict="the container's AppArmor profile cannot be applied on this host",
        cause="AppArmor is not enabled in this kernel or another security module is in its place (EINVAL), or the "
        "profile is not loaded (ENOENT). Config provided but not supported: this runc was built without AppArmor "
        "(another "
        "one in the path, a static download). EPERM, EACCES: the starting process is confined itself (a snap, "
        "dockerd with "
        "a profile, an exec out of a container), or set no_new_privs, and its profile forbids the change. "
        "SELinux's context goes into the same file: a type or level that its policy does not know is EINVAL.",
        remedy=(
            (
                "apt-get install apparmor, if aa-status is not there; apparmor_parser -r "
                "/etc/apparmor.d/containers/<profile>, or --security-opt apparmor=unconfined"
            ),
            "Inside LXC: security.nesting=true (LXD, Incus), features nesting=1 (Proxmox), and a newer host kernel.",
            (
                "EINVAL: another module is first: upgrade runc (1.0.0-rc94 and later use AppArmor's own file), or boot "
                "with lsm= and apparmor before the others. SELinux: correct seLinuxOptions."
            ),
            "EPERM: journalctl -k | grep -i 'apparmor.*change' names the profile that needs the rule change_profile.",
        ),
        reference="OCI runtime-spec, config.md, Linux Process",
        confirm=look.label_support("/sys/kernel/security/apparmor", "AppArmor", ("process", "apparmorProfile")),
    ),
    Entry(
        code="apparmor-profile-switch-refused",
        title="AppArmor does not allow the change to the container's profile",
        patterns=(
            rf"(?:apparmor failed to apply|unable to apply apparmor) profile: [^\n]*{EPERM}",
            rf"write(?: to)? (?:file )?[`']?(?:/proc/)?(?:thread-)?self/attr/(?:apparmor/)?exec[`']?: {EPERM}",
        ),
        verdict="the kernel does not allow the change to the container's AppArmor profile (EPERM)",
        cause="The runtime, or the container for an exec, is already confined by a profile: of an outer container, of "
        "LXC, or of a snap (microk8s, docker). With no_new_privs (allowPrivilegeEscalation: false, --security-opt "
        "no-new-privileges) a process can only change to a profile that allows less than its own.",
        remedy=(
            "Kubernetes: allowPrivilegeEscalation: true for this container, or appArmorProfile: type: Unconfined.",
            "docker, podman: without no-new-privileges, or --security-opt apparmor=unconfined.",
            (
                "Nested: security.nesting=true (LXD, Incus), nesting=1 (Proxmox). snap: snap refresh, or a package of "
                "the distribution."
            ),
        ),
        reference="https://github.com/canonical/microk8s/issues/784",
        tell="aa-status on the host: in which profile does the engine run? grep NoNewPrivs /proc/1/status inside",
        rank=45,
    ),
    Entry(
        code="device-filter-not-readable",
        title="runc may not read the device filter that is attached already",
        patterns=(rf"cannot fetch program from id: get program by id: (?:{EACCES}|{EPERM})",),
        verdict="runc may not read the BPF program that filters the container's devices",
        cause="runc 1.0.0 looks at the program that systemd attached, which SELinux's policy of then does not permit.",
        remedy=(
            "Upgrade runc (1.0.1 and later) and container-selinux.",
            "ausearch -m avc -ts recent shows whether it is SELinux; setenforce 0 for one trial.",
        ),
        reference="https://github.com/containerd/containerd/issues/5759",
        rank=30,
    ),
    Entry(
        code="rootlesskit-may-not-mount",
        title="rootlesskit may not change the mounts of its own namespace",
        patterns=(rf"failed to share mount point: /: (?:{EACCES}|{EPERM})",),
        verdict="rootlesskit may not set the propagation of / in its new mount namespace",
        cause="An outer container's AppArmor profile (EACCES) or its seccomp filter (EPERM) forbids mount.",
        remedy=(
            "Kubernetes: securityContext with appArmorProfile and seccompProfile of type Unconfined.",
            "Docker: --security-opt apparmor=unconfined --security-opt seccomp=unconfined",
        ),
        reference="https://github.com/moby/buildkit/blob/master/docs/rootless.md",
        tell="dmesg | grep -i apparmor, on the node",
        rank=30,
    ),
    Entry(
        code="apparmor-may-not-change-profile",
        title="the outer profile does not let the runtime set a profile",
        patterns=(r"attr/apparmor/exec[`'\"]?: (?:OCI runtime error: )?unable to assign security attribute",),
        verdict="the runtime may not set the container's AppArmor profile: it is confined by a profile itself",
        cause="It runs in a container whose profile has no rule change_profile for the inner one.",
        remedy=(
            "Outer container: --security-opt apparmor=unconfined, or a profile with the rule: change_profile -> **,",
            "Or the inner one: --security-opt apparmor=unconfined (compose: security_opt: [apparmor=unconfined]).",
            "Upgrade containers-common, whose profile is newer.",
        ),
        reference="https://github.com/containers/podman/issues/28992",
        tell="cat /proc/self/attr/apparmor/current where the engine runs; journalctl -k | grep change_",
        rank=44,
    ),
    Entry(
        code="apparmor-file-broken",
        title="a file of AppArmor on the host cannot be parsed",
        patterns=(
            (
                r"AppArmor parser error[^\n]* in (?P<path>/etc/apparmor\.d/[\w./@-]+) at line (?P<line>\d+): "
                r"(?:Found unexpected|syntax error)[^\n]*"
            ),
        ),
        verdict="AppArmor cannot read {path} on this host: line {line} is damaged",
        cause="Every profile includes this file, so the engine cannot load its own.",
        remedy=(
            "Correct line {line} of {path}, or bring the package's file back: apt-get install --reinstall apparmor",
            "apparmor_parser -p {path} shows what it reads. Then: systemctl restart apparmor docker",
        ),
        reference="https://github.com/docker/for-linux/issues/1067",
        rank=51,
    ),
    Entry(
        code="namespace-files-hidden",
        title="runc cannot see /proc/self/ns, and takes a namespace for unsupported",
        patterns=(r"namespace NEW(?P<name>IPC|NET|NS|PID|USER|UTS|CGROUP) is not supported",),
        verdict="runc found no file for the namespace {name} in /proc/self/ns",
        cause="The kernel was built without it, or runc may not look: an AppArmor profile for the runc binary, or an "
        "outer container, keeps it from /proc/self/ns.",
        remedy=(
            (
                "aa-status | grep runc: /etc/apparmor.d/runc has to be unconfined; otherwise: aa-disable runc, or "
                "remove it."
            ),
            "A board's kernel: CONFIG_NAMESPACES, CONFIG_IPC_NS, CONFIG_USER_NS, CONFIG_PID_NS and CONFIG_NET_NS.",
        ),
        reference="https://github.com/opencontainers/runc/issues/5305",
        tell="ls -l /proc/self/ns; journalctl -k | grep 'apparmor=' | grep runc",
        rank=45,
    ),
    Entry(
        code="relabel-of-system-directory",
        title="the engine does not relabel a directory of the system",
        patterns=(
            r"relabeling content in (?P<path>/\S*) is not allowed",
            r"SELinux relabeling of (?P<path2>\S+) is not allowed",
        ),
        verdict="{path} is a directory of the system, which :z and :Z may not relabel",
        cause="With other labels on /, /usr, /etc, /home, /root or /tmp the host's own programs could not use them, so "
        "the engine refuses it for them and for what is below /usr.",
        remedy=(
            "Put the data elsewhere, such as /srv/NAME, and mount that with :z.",
            "Or mount it without :z, with --security-opt label=disable.",
            "Or label your own directory alone: chcon -Rt container_file_t DIR, and mount it without :z.",
        ),
        reference="https://github.com/moby/moby/issues/40092",
        rank=40,
    ),
    Entry(
        code="label-not-copied-to-volume",
        title="docker cannot copy SELinux labels into a volume",
        patterns=(
            (
                rf"failed to copy xattrs: failed to set xattr \\*\"security\.selinux\\*\" on (?P<path>[^\n]*?): "
                rf"{EOPNOTSUPP}"
            ),
        ),
        verdict="the volume's file system stores no SELinux labels, and docker copies them there: {path}",
        cause="An empty named volume gets the files of the image, with their labels. NFS, CIFS and some plugins refuse "
        "them.",
        remedy=(
            (
                "Copy nothing: -v NAME:/path:nocopy, --mount type=volume,src=NAME,dst=/path,volume-nocopy; compose: "
                "volume: {{nocopy: true}}"
            ),
            "Or NFS 4.2 with security_label in the server's exports, or a local volume.",
        ),
        reference="https://github.com/moby/moby/issues/38155",
        rank=40,
    ),
    Entry(
        code="apparmor-parser-too-old",
        title="apparmor_parser is older than the engine's profile",
        patterns=(
            (
                r"AppArmor parser error[^\n]*(?:cri-containerd|docker-default|containers-default|nerdctl-default)[^\n]*"
                r"syntax error, unexpected TOK_\w+"
            ),
        ),
        verdict="the host's apparmor_parser does not know the syntax of the engine's profile",
        cause="The engine writes its profile for a newer AppArmor, with rules such as signal (receive) peer=..., which "
        "2.9 brought.",
        remedy=(
            "Upgrade the package apparmor, or the distribution.",
            (
                "Or no profile: --security-opt apparmor=unconfined; containerd: disable_apparmor = true in the CRI "
                "section of config.toml."
            ),
        ),
        reference="https://github.com/containerd/containerd/issues/8737",
        tell="apparmor_parser --version",
        rank=45,
    ),
    Entry(
        code="container-selinux-not-found",
        title="the package container-selinux is not found",
        patterns=(r"(?:Requires:|nothing provides|requires) container-selinux >= [\w.:-]+",),
        verdict="container-selinux is in a repository of the distribution that is switched off",
        cause="Docker's own repository does not have it. RHEL 7 has it in rhel-7-server-extras-rpms, CentOS 7 in "
        "extras, RHEL 8 and later in AppStream.",
        remedy=(
            (
                "RHEL 7: subscription-manager repos --enable=rhel-7-server-extras-rpms; CentOS 7: yum-config-manager "
                "--enable extras"
            ),
            "RHEL 8 and later: dnf install container-selinux; if a module hides it: dnf module reset container-tools",
        ),
        reference="https://github.com/docker/for-linux/issues/577",
        tell="yum list container-selinux; yum repolist all | grep -i extras",
        ours=False,
        rank=40,
    ),
)
