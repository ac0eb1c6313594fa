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
            r"SELinux relabeling of (?P<source3>\S+) is not allowed",
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
            "Another module first (EINVAL): lsm=...,apparmor before others. SELinux: correct seLinuxOptions.",
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
)
