"""LXC, LXD, Incus and Proxmox: the steps of a start other than cgroups, by LXC's own source files and functions."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EPERM, Entry

LOG = "lxc-start -n NAME -F -l DEBUG -o log (Proxmox: pct start ID --debug; LXD, Incus: lxc info NAME --show-log)"
MANUAL = "https://linuxcontainers.org/lxc/manpages/man5/lxc.container.conf.5.html"
# "conf.c:setup_rootfs:1284 - Permission denied - Failed to ..." and "conf.c: setup_rootfs: 1284 ...".
LXC = r"lxc[^\n]{0,80}\.c:?[^\n]{0,80}"  # a program, the file of its source, and what stands before the words
AT = r": ?\w*:? ?\d*:? ?-? ?"

ENTRIES = (
    Entry(
        code="lxc-no-configuration",
        title="LXC finds no configuration of this container",
        patterns=(
            r"No container config specified",
            r"Executing '/sbin/init' with no configuration file may crash the host",
            r"lxc-\w+: [^\n]*(?:Container|container) (?:'[^'\n]*' )?(?:is )?not defined",
            r"lxc[^\n]*Failed to (?:create lxc_container|load rcfile)[^\n]*",
        ),
        verdict="LXC finds no configuration for a container of this name",
        cause="Each user has his own containers: root's are in /var/lib/lxc, a user's in ~/.local/share/lxc. Or the "
        "name is misspelled, the container was made by LXD or Incus, or its config file may not be read.",
        remedy=(
            "lxc-ls -f, and sudo lxc-ls -f: under which user is it listed? lxc-start -P DIRECTORY -n NAME.",
            "LXD, Incus: lxc start NAME, incus start NAME. A missing one: lxc-create -n NAME -t download.",
        ),
        reference=MANUAL,
        rank=40,
    ),
    Entry(
        code="lxc-init-not-executed",
        title="LXC cannot execute the container's first program",
        patterns=(
            rf"start\.c{AT}(?:[^\n]* - )?[Ff]ailed to exec [^\n]*",
            rf"attach\.c{AT}(?:[^\n]* - )?[Ff]ailed to exec [^\n]*",
            r"(?:lxc|incus)[^\n]*(?:Exec format error|[Cc]ommand not found)[^\n]*",
            r"[Ff]ailed to exec \"?/sbin/init\"?",
        ),
        verdict="LXC cannot execute the container's first program (lxc.init.cmd, or the command that was given)",
        cause="ENOENT: /sbin/init, or that command, is not in the root file system, or the root is empty or not "
        "mounted. ENOEXEC: the image is for another processor. EACCES: its owner is not in the id map, or the file "
        "system is mounted noexec.",
        remedy=(
            (
                "ls -l ROOTFS/sbin/init; name another: lxc.init.cmd = /bin/sh. With lxc-start the command comes after "
                "the options: lxc-start -n NAME -F -- /bin/bash; for one program: lxc-execute."
            ),
            "Another processor: qemu-user-static with binfmt, or the right image.",
        ),
        reference=MANUAL,
        tell="file ROOTFS/sbin/init; ls -ln ROOTFS",
        rank=38,
    ),
    Entry(
        code="lxc-ids-not-mapped",
        title="LXC cannot map the container's ids, or its ids cannot reach a path",
        patterns=(
            (
                rf"(?:idmap_utils|conf|start)\.c{AT}[^\n]*(?:newuidmap|newgidmap|id ?map|"
                r"\{g,u\}id mappings|uid_map|gid_map|subuids?|subgids?)[^\n]*"
            ),
            (
                r"(?:No mapping for container root found|Unprivileged containers require subuids|Your system is not "
                r"configured with sub[ug]ids|You do not have subuids or subgids allocated|You must either run as root, "
                r"or define uid mappings)[^\n]*"
            ),
            r"lxc_map_ids[^\n]*|newuidmap failed to write mapping[^\n]*",
            r"(?:Missing|No) (?:uid|gid|uid/gid) allocation[^\n]*|Not enough (?:available )?[ug]ids?[^\n]*",
        ),
        verdict="the ids of the unprivileged container cannot be mapped, or may not search a directory on the way",
        cause="/etc/subuid and /etc/subgid have no (or a smaller) range than lxc.idmap asks for; newuidmap is missing "
        "or not setuid; or the mapped root may not search the user's home on the way to the container.",
        remedy=(
            (
                "grep $USER /etc/subuid /etc/subgid, and the same numbers in ~/.config/lxc/default.conf: lxc.idmap = u "
                "0 100000 65536, lxc.idmap = g 0 100000 65536. Proxmox, LXD as root: root:100000:65536 in both files."
            ),
            "Path: chmod o+x ~ ~/.local ~/.local/share, or setfacl -m u:100000:x each.",
            "apt-get install uidmap; nested: the outer container needs a larger range.",
        ),
        reference="https://linuxcontainers.org/lxc/getting-started/",
        tell="cat /etc/subuid; grep idmap the config; namei -l the container's directory",
        rank=44,
    ),
    Entry(
        code="lxc-apparmor-refused",
        title="LXC cannot use the container's AppArmor profile",
        patterns=(
            rf"(?:lsm/)?apparmor\.c{AT}[^\n]*",
            r"lxc\.apparmor\.allow_incomplete = 1|If you really want to start this container, set",
            (
                r"apparmor_parser[^\n]*lxc-[^\n]*|lxc[^\n]*(?:failed|Failed) to (?:write|load|"
                r"change)[^\n]*[Aa]pp[Aa]rmor[^\n]*"
            ),
            r"Already AppArmor confined, but new label requested",
            r"Failed to run: apparmor_parser[^\n]*",
        ),
        verdict="the container's AppArmor profile cannot be loaded or entered",
        cause="The package apparmor (apparmor_parser) is missing or older than the kernel or LXC, the profile was "
        "never loaded, the kernel lacks features that LXC wants, or LXC itself runs in a container whose profile "
        "cannot be changed.",
        remedy=(
            "apt-get install apparmor; systemctl restart apparmor lxc; aa-status | grep lxc",
            (
                "Nested: lxc.apparmor.profile = generated with lxc.apparmor.allow_nesting = 1 outside; LXD, Incus: "
                "security.nesting=true."
            ),
            "To see whether it is that: lxc.apparmor.profile = unconfined (no protection by AppArmor).",
        ),
        reference=MANUAL,
        tell="aa-status; dmesg | grep -i apparmor | tail; cat /proc/self/attr/current",
        rank=42,
    ),
    Entry(
        code="lxc-rootfs-not-mounted",
        title="LXC cannot mount or use the container's root file system",
        patterns=(
            (
                rf"(?:conf|start|storage|bdev|dir|overlay|zfs|lvm|loop|btrfs|"
                rf"storage/\w+)\.c{AT}[^\n]*(?:[Rr]ootfs(?!/)|"
                rf"root file system|pin_rootfs|[Ff]ailed to mount rootfs)[^\n]*"
            ),
            (
                r"volume '[^'\n]*' does not exist|unable to (?:parse|detect)[^\n]*(?:rootfs|volume)[^\n]*|mounting "
                r"container failed[^\n]*"
            ),
            r"Failed to handle rootfs pinning[^\n]*",
            r"cannot open (?:directory )?['/]*[\w/.-]*subvol-\d+-disk-\d+'?: [^\n]*",
        ),
        verdict="the container's root file system cannot be mounted or prepared",
        cause="lxc.rootfs.path names what is not there (a storage that is not mounted, a volume that is missing or "
        "full), the file system is damaged, its owner does not fit the id map, or the user may not search its parents.",
        remedy=(
            (
                "EACCES: namei -l the path: the container's root needs x on each directory: chmod o+x, or setfacl -m "
                "u:100000:x (LXD sets it by itself if the package acl is installed)."
            ),
            "grep rootfs the config; ls -ldn that path; df -h, df -i; zfs list, lvs.",
            "Proxmox: pct fsck ID; pct mount ID shows the error. Damaged: fsck the volume while it is not in use.",
        ),
        reference=MANUAL,
        tell="mount it by hand; dmesg | tail",
        rank=46,
    ),
    Entry(
        code="lxc-network-not-made",
        title="LXC cannot make the container's network",
        patterns=(
            (
                rf"(?:network|conf|start)\.c(?![^\n]*(?:delete_network|[Rr]ename interface|remove interface))"
                rf"{AT}[^\n]*(?:veth|bridge|macvlan|ipvlan|lxc-user-nic|network (?:device|"
                rf"interface)|[Ff]ailed to create (?:the )?(?:configured )?network)[^\n]*"
            ),
            r"lxc-user-nic[^\n]*(?:failed|Quota|quota|not permitted)[^\n]*",
            (
                r"(?:Failed to (?:start|setup) device|Parent device|Failed to run: ip link)[^\n]*(?:eth\d|bridge|nic|"
                r"\S+br\d)[^\n]*"
            ),
            r"bridge '[^'\n]+' does not exist",
        ),
        verdict="the container's network interface cannot be made",
        cause="The bridge that the configuration names does not exist (lxc-net or the LXD network is not running), an "
        "unprivileged user has no quota in /etc/lxc/lxc-usernet, a host interface of that name is left, or the kernel "
        "lacks veth.",
        remedy=(
            (
                'ip -br link; systemctl restart lxc-net (USE_LXC_BRIDGE="true" in /etc/default/lxc-net); LXD, Incus: '
                "lxc network list."
            ),
            "Unprivileged: USER veth lxcbr0 10 in /etc/lxc/lxc-usernet. modprobe veth (after a kernel update: reboot).",
            "Without one: lxc.net.0.type = empty (older: lxc.network.type = empty).",
        ),
        reference=MANUAL,
        rank=47,
    ),
    Entry(
        code="lxc-privilege-missing",
        title="LXC may not drop capabilities, set limits or a user in the container",
        patterns=(
            rf"{LXC}(?:drop|remove|raise|set ?up)[^\n]*capabilit[^\n]*",
            rf"{LXC}[Ff]ailed to (?:switch to [ug]id|setres[ug]id|drop suppl|set suppl)[^\n]*",
            rf"{LXC}[Ff]ailed to (?:set ?up (?:resource|procfs) limits|set rlimit|set oom)[^\n]*",
            (
                rf"{LXC}[Ff]ailed to [^\n]{{0,80}}(?:console|terminal|tty|ptmx|devpts)[^\n]*(?:Permission "
                r"denied|not permitted)?[^\n]*"
            ),
            r"lxc[^\n]{0,80}seccomp\.c:?[^\n]*(?:[Ff]ailed|[Ee]rror)[^\n]*",
        ),
        verdict="LXC may not prepare the container's process: capabilities, ids, limits, terminal or filter",
        cause="LXC itself runs without these rights (unprivileged, or in an outer container), an id is not in the map, "
        "a limit is above the caller's own, or kernel and libseccomp are older than the configuration.",
        remedy=(
            "Nested: security.nesting=true and a larger id range outside; Proxmox: nesting=1, keyctl=1.",
            (
                "Take the key out: lxc.cap.drop, lxc.prlimit.*, lxc.seccomp.profile, lxc.console.path; upgrade LXC and "
                "libseccomp together."
            ),
        ),
        reference=MANUAL,
        rank=58,
    ),
    Entry(
        code="lxc-hook-failed",
        title="a hook of LXC, LXD or Proxmox ended with an error",
        patterns=(
            rf"(?:conf|utils)\.c{AT}Script exited with status \d+",
            r"Failed to run lxc\.hook\.(?:pre-start|pre-mount|mount|start|start-host|autodev|version)[^\n]*",
            r"run_buffer: \d+ Script exited with status[^\n]*",
            r"unsupported [\w /-]+ version '[^'\n]*' at /usr/share/perl5/PVE/LXC[^\n]*",
        ),
        verdict="a script that LXC runs while the container starts (a hook) ended with an error",
        cause="Proxmox's pre-start hook fails on a storage, volume, bridge or unsupported distribution; LXD's on "
        "a device or disk of the configuration; lxcfs' and NVIDIA's hooks when their program is missing; any of "
        "them when a limit (limits.processes, limits.memory, lxc.prlimit) leaves its shell no room.",
        remedy=(
            f"The line above names the script, and what it said: {LOG}",
            (
                'Proxmox: pct config ID; "unsupported ... version": apt-get install --only-upgrade pve-container, or '
                "ostype: unmanaged."
            ),
            "lxcfs: systemctl restart lxcfs. A hook of one's own: run its line of the config by hand, or take it out.",
            "post-stop, post-start: these run after a failure elsewhere; the cause stands above them.",
        ),
        reference=MANUAL,
        tell="grep -B3 'Script exited' in the debug log",
        rank=49,
    ),
    Entry(
        code="lxc-namespace-refused",
        title="LXC may not make or enter a namespace",
        patterns=(
            (
                rf"(?:start|attach|namespace|utils)\.c{AT}[^\n]*(?:clone|unshare|setns|namespaces?)\b[^\n]*(?:{EPERM}|"
                rf"{EACCES}|[Ii]nvalid argument|[Nn]o space)[^\n]*"
            ),
            (
                rf"(?:{EPERM}|{EACCES}|Invalid argument|No space left on device) - Failed to (?:clone|unshare|setns|"
                rf"attach to|create new user)[^\n]*"
            ),
            r"Failed to clone (?:a )?(?:new set of namespaces|process(?: in new user namespace)?)",
        ),
        verdict="LXC may not make, or enter, a namespace of the container",
        cause="EPERM: user namespaces are restricted (AppArmor on Ubuntu, a sysctl) or an outer container forbids "
        "them. ENOSPC: user.max_user_namespaces is used up or 0. EINVAL: the kernel lacks this kind of namespace.",
        remedy=(
            (
                "lxc-checkconfig; sysctl user.max_user_namespaces kernel.unprivileged_userns_clone "
                "kernel.apparmor_restrict_unprivileged_userns"
            ),
            (
                "Nested: security.nesting=true (LXD, Incus); features nesting=1 (Proxmox). lxc-start needs its "
                "AppArmor profile (usr.bin.lxc-start) loaded."
            ),
        ),
        reference="https://linuxcontainers.org/lxc/getting-started/",
        tell="lxc-checkconfig | grep -v enabled; unshare -Ur true",
        rank=45,
    ),
    Entry(
        code="lxc-step-failed",
        title="LXC failed at a step that its log names",
        ambiguous=(
            (
                r"lxc[\w-]* [^\n]*\b(?-i:ERROR) +(?![^\n]*(?:cgfs|criu|checkpoint|container failed to start|"
                r"more details|Additional))[^\n]+"
            ),
            (
                r"lxc-(?:start|attach|execute|create|stop|info|freeze): (?![^\n]*(?:cgfs|container failed to start|"
                r"more details|Additional))[^\n]*\.c: ?\w+: ?\d+[^\n]*"
            ),
        ),
        verdict="LXC failed; the first ERROR line of its log names the step and the errno",
        cause="The lines after the first are its consequences. EPERM, EACCES: AppArmor, an outer container, or ids "
        "that are not mapped. ENOENT: a path of the configuration. EINVAL: something that this kernel lacks.",
        remedy=(
            f"The whole log: {LOG}",
            "lxc-checkconfig; grep -v '^#' the container's config; dmesg | grep -i denied.",
        ),
        reference=MANUAL,
        tell="grep -m1 ERROR in the log",
        offer=6,
        last=True,
    ),
)
