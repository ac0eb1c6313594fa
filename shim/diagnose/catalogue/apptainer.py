"""Apptainer and Singularity: user namespaces, images, binds and overlays of their containers."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EINVAL, ENOENT, ENOSPC, EPERM, Entry

ADMIN = "https://apptainer.org/docs/admin/main/installation.html"
USER = "https://apptainer.org/docs/user/main/"

ENTRIES = (
    Entry(
        code="apptainer-without-user-namespace",
        title="Apptainer or Singularity may not make a user namespace",
        patterns=(
            rf"Failed to (?:set mount propagation|propagate as SHARED|unshare root file system): {EACCES}",
            rf"Failed to (?:set mount propagation|propagate as SHARED): {EPERM}",
            r"[Ff]ailed to create user namespace: [^\n]*",
            rf"Failed to create (?:mount|container) namespace: (?:{EPERM}|{ENOSPC}|{EINVAL})",
            r"Could not write (?:parent )?info to (?:uid_map|gid_map|setgroups): [^\n]*",
            r"Failed to (?:write to [UG]ID map|enter in (?:fakeroot )?user namespace): [^\n]*",
            (
                r"(?:--userns|[Uu]ser namespaces?)[^\n]*(?:not available|not supported|disabled)[^\n]*(?:apptainer|"
                r"singularity)"
            ),
            r"Failed to create \w+ namespace: \w+ namespace requires privileges[^\n]*",
            rf"Failed to create container (?:namespaces|process: (?:{EINVAL}|{EPERM}|{ENOSPC}))",
            (
                r"User namespace not supported, and program not running privileged|Failed invoking the NEWUSER "
                r"namespace[^\n]*"
            ),
            r"error re-executing in root-mapped unprivileged user namespace[^\n]*",
            rf"Could not virtualize \w+(?: system)? namespace: {EPERM}|Failed to set process(?:us)? capabilities",
        ),
        verdict="Apptainer, or Singularity, may not make the user namespace that it needs without setuid",
        cause="EPERM, EACCES: Ubuntu's AppArmor restriction, kernel.unprivileged_userns_clone=0, or an outer container "
        "(docker, Kubernetes). ENOSPC: user.max_user_namespaces is 0 (RHEL 7) or used up. EINVAL: the kernel has none.",
        remedy=(
            (
                "sysctl -w user.max_user_namespaces=15000; Ubuntu 24.04: install the .deb, whose AppArmor profile "
                "allows it, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
            ),
            (
                "RHEL, CentOS 7: boot with user_namespace.enable=1 namespace.unpriv_enable=1 as well. Or the setuid "
                "part: apptainer-suid."
            ),
            (
                "In docker: --privileged, or --security-opt seccomp=unconfined --security-opt systempaths=unconfined "
                "--device /dev/fuse"
            ),
        ),
        reference=ADMIN,
        tell="unshare -Ur true; sysctl user.max_user_namespaces kernel.apparmor_restrict_unprivileged_userns",
        rank=30,
    ),
    Entry(
        code="apptainer-fakeroot-not-mapped",
        title="fakeroot of Apptainer or Singularity has no range of ids",
        patterns=(
            r"could not use fakeroot: [^\n]*",
            r"no mapping entry found in /etc/sub[ug]id for \S+",
            r"'[^'\n]*new[ug]idmap' execution failed\.[^\n]*",
            r"(?:newuidmap|newgidmap) (?:was )?not found in PATH[^\n]*required (?:for|with) fakeroot[^\n]*",
            r"while (?:getting|retrieving)[^\n]*fakeroot[^\n]*: [^\n]*",
        ),
        verdict="--fakeroot needs ids of the user in /etc/subuid and /etc/subgid, and newuidmap, and has not got them",
        cause="The user has no line there (users of LDAP, clusters), newuidmap lacks its setuid bit or capability, or "
        "the installation lies where setuid does not count (nosuid, NFS).",
        remedy=(
            (
                "Administrator: apptainer config fakeroot --add USER (or usermod --add-subuids ... --add-subgids ...); "
                "install uidmap, and check: ls -l $(which newuidmap)"
            ),
            (
                "Apptainer 1.1 and later also works without it: --fakeroot then maps root alone, if user namespaces "
                "are allowed."
            ),
        ),
        reference=f"{USER}fakeroot.html",
        rank=32,
    ),
    Entry(
        code="apptainer-installation-incomplete",
        title="Apptainer or Singularity is not installed with the right owner and setuid bit",
        patterns=(
            r"starter-suid doesn't have setuid bit set",
            r"must be owned by (?:the )?root(?: user)?[^\n]*",
            r"Running setuid workflow with user namespace is not allowed",
            r"(?:starter-suid|starter) [^\n]*(?:not found|no such file)[^\n]*",
            r"setuid installation (?:is )?required[^\n]*",
            r"Failed to set effective UID to 0",
        ),
        verdict="the installation's setuid part is missing or not owned by root",
        cause="It was copied or unpacked without root's rights, lies on a file system with nosuid, or its "
        "configuration does not belong to root.",
        remedy=(
            (
                "As root: chown root:root the file named and chmod 4755 libexec/apptainer/bin/starter-suid; or "
                "reinstall the package (apptainer-suid)."
            ),
            "Or without setuid: apptainer exec --userns, or allow setuid = no in apptainer.conf.",
        ),
        reference=ADMIN,
        rank=34,
    ),
    Entry(
        code="apptainer-image-not-mounted",
        title="Apptainer or Singularity cannot mount the image",
        patterns=(
            r"kernel reported a bad superblock for \w+ image partition[^\n]*",
            r"while mounting image \S+: (?!squashfuse)[^\n]*",
            r"(?:failed to find|could not attach image file to|[Ff]ailed to mount) (?:the )?loop device[^\n]*",
            r"no loop devices available[^\n]*",
            r"image partition contains a bad superblock[^\n]*|image format not recognized",
            r"(?:squashfs|ext3|overlay|fuse) filesystem seems not enabled and/or supported by your kernel",
            r"configuration disallows users from [^\n]*",
        ),
        verdict="the image cannot be mounted: it is damaged, or the host has no means for it",
        cause="A bad superblock is a file cut short (a download, a full disk) or a compression that this kernel "
        "does "
        "not know (zstd, xz). Loop devices: none left, a container without /dev/loop*, or a user namespace "
        '(--fakeroot, --userns), which may use none. "configuration disallows": '
        "the administrator's apptainer.conf.",
        remedy=(
            "apptainer inspect IMAGE; sha256sum it, and build or pull it again (mksquashfs args = -comp gzip).",
            'Loop devices: modprobe loop max_loop=256; "shared loop devices = yes" in apptainer.conf.',
            "Without mounting: apptainer build --sandbox DIR IMAGE, then run DIR; or --userns (with squashfuse).",
        ),
        reference=f"{USER}docker_and_oci.html",
        tell="file IMAGE; dmesg | tail; losetup -a | wc -l; ls /dev/loop*",
        rank=44,
    ),
    Entry(
        code="apptainer-bind-failed",
        title="Apptainer or Singularity cannot bind a directory into the container",
        patterns=(
            r"There was an error binding the path (?P<path6>[^\s:]+): [^\n]+",
            r"[Cc]ould not bind mount (?P<path7>/\S+)[^\n]*|Can't stat (?P<path8>/\S+) directory: [^\n]+",
            rf"Failed to (?:restore|change|open) current working directory: (?:{EACCES}|{ENOENT}|{EPERM})",
            r"while mounting (?P<path9>/\S+): could not mount \S+: operation not supported",
            r"destination (?P<path>/\S*) doesn't exist in container",
            r"mount source (?P<path2>/\S*) doesn't exist",
            rf"while mounting (?P<path3>/\S+): [^\n]*(?:{EACCES}|{EPERM}|{ENOENT}|not a directory|stale file handle)",
            r"mount (?P<path4>/\S+?)->/\S* error: (?!while mounting image)[^\n]*",
            r"could not bind (?:cwd|scratch) directory (?P<path5>\S+) into container[^\n]*",
            r"FATAL[^\n]*can't (?:change directory to|enter in current working directory)[^\n]*",
        ),
        verdict="{path} cannot be bound into the container",
        cause="The destination is not in the image and cannot be made (--writable, or no overlay and underlay), the "
        "source does not exist on this node, or root may not read it (NFS with root_squash, FUSE, a private home). The "
        "working directory counts, too. EOPNOTSUPP: overlay over an automount, in setuid mode. ENOTDIR, EISDIR: one of "
        "the two is a file and the other a directory, or a link to one (/etc/localtime).",
        remedy=(
            (
                "Destination: mkdir it in the image (%post, or in the sandbox), or use --writable-tmpfs in place of "
                '--writable; "enable underlay = yes" in apptainer.conf.'
            ),
            (
                "Source: ls -ld it on this node; leave it out: --no-mount home,cwd,tmp (or --contain), -B only what "
                "exists."
            ),
            "A file and a directory: --no-mount PATH leaves a mount out.",
            "root_squash, FUSE: run with --userns, or from another working directory (cd /tmp; --no-home).",
        ),
        reference=f"{USER}bind_paths_and_mounts.html",
        tell="ls -ld the source; apptainer exec IMAGE ls -ld the destination",
        rank=46,
    ),
    Entry(
        code="apptainer-home-unknown",
        title="Apptainer or Singularity does not know the user's home directory",
        patterns=(
            r"failed to add \s?(?:\S+ )?as session directory: path \S+ is not an absolute path",
            (
                r"could not (?:retrieve|get) user information for[^\n]*|no user found with (?:UID|uid) \d+|unknown "
                r"userid \d+"
            ),
            (
                r"(?:home directory|Home directory)[^\n]*(?:is not set|not found|could not be determined|doesn't "
                r"exist)[^\n]*"
            ),
        ),
        verdict="the user's entry, or home directory, cannot be looked up",
        cause="Users of a directory service (Active Directory, LDAP by sssd) have no line in /etc/passwd, an empty "
        "home in it, or the lookup fails inside the setuid program.",
        remedy=(
            "getent passwd $USER: does its sixth field name an existing directory? sssd: fallback_homedir = /home/%u",
            (
                'apptainer exec --no-home, or --home /tmp/$USER; "config passwd = no" and "mount home = no" in '
                "apptainer.conf."
            ),
        ),
        reference="https://github.com/apptainer/apptainer/issues/1136",
        rank=38,
    ),
    Entry(
        code="apptainer-overlay-refused",
        title="Apptainer or Singularity cannot use an overlay",
        patterns=(
            r"(?:--writable-tmpfs|SIF overlay partition|--underlay)[^\n]*requires 'enable (?:overlay|underlay)[^\n]*",
            (
                r"could not use \S+ for writing[^\n]*|can't open \S+ for (?:writing|reading), (?:currently in use|"
                r"already used)[^\n]*"
            ),
            r"cannot use --overlay in conjunction with --writable",
            r"overlay image with unknown format|while (?:mounting|adding) overlay[^\n]*",
        ),
        verdict="the overlay over the image cannot be used",
        cause="It is in use for writing by another container, may not be written by this user, lies on NFS, Lustre or "
        "GPFS, which cannot be an upper layer, or the administrator has switched overlays off.",
        remedy=(
            "One writer at a time; others: --overlay FILE:ro. Put the overlay on a local disk (/tmp).",
            "Without privileges: --userns uses fuse-overlayfs. Else: --writable-tmpfs, or a sandbox directory.",
        ),
        reference=f"{USER}persistent_overlays.html",
        rank=45,
    ),
    Entry(
        code="apptainer-creation-failed",
        title="Apptainer or Singularity could not make the container",
        ambiguous=(
            r"(?<!cgroup-network )(?-i:ERROR|ABORT|FATAL) +: (?!MAIN : |[^\n]*cgroup)[^\n]+",
            r"(?-i:ERROR|ABORT|FATAL) +\[U=\d+,P=\d+\](?![^\n]*cgroup)[^\n]+",
            r"container creation failed: (?![^\n]*cgroup)[^\n]*",
            r"(?:while running engine|While performing build): [^\n]*",
            (
                r"FATAL:\s+(?![^\n]*(?:shared memory|semaphore|lock file))(?:[Ww]hile|[Uu]nable to|[Cc]ould not"
                r"|[Ff]ailed)[^\n]*"
            ),
        ),
        verdict="Apptainer, or Singularity, could not make the container; its last words name the step",
        cause="Usual: a mount that this user, an outer container, SELinux or a network file system does not allow; "
        "user namespaces that are switched off; a damaged image.",
        remedy=(
            "Run it with -d (debug), and read the last step before FATAL.",
            (
                "Take options away one by one: --no-home --no-mount tmp,cwd --contain; a local copy of the image in "
                "/tmp; --userns in place of setuid."
            ),
        ),
        reference=USER,
        tell="apptainer -d exec IMAGE true; dmesg | tail",
        offer=3,
        last=True,
    ),
    Entry(
        code="apptainer-oci-without-session",
        title="Singularity's or Apptainer's OCI mode finds no runtime directory of the user",
        patterns=(rf"create directory `(?P<path>/run/user/\d+)[^`\n]*`: (?:{ENOENT}|{EACCES})",),
        verdict="crun cannot keep its state: {path} does not exist, because the user has no login session",
        cause="systemd makes the directory at a login (pam_systemd). Batch nodes, su and services have none.",
        remedy=(
            "export XDG_RUNTIME_DIR=/tmp/run-$(id -u); mkdir -pm 700 $XDG_RUNTIME_DIR",
            "Or loginctl enable-linger USER on that host. A newer Singularity does without it.",
        ),
        reference="https://github.com/sylabs/singularity/issues/3393",
        tell="echo $XDG_RUNTIME_DIR; loginctl list-sessions",
        rank=20,
    ),
)
