"""Units of systemd around containers: Quadlet, a user's manager, and what systemd does before a program starts."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EINVAL, ENOENT, ENOSYS, EPERM, Entry

QUADLET = "https://docs.podman.io/en/latest/markdown/podman-systemd.unit.5.html"
EXEC = "systemd.exec(5), Process Exit Codes"
DENIED = rf"(?:{EACCES}|{EPERM})"

ENTRIES = (
    Entry(
        code="unit-path-missing",
        title="a path in a unit's sandbox does not exist",
        patterns=(
            rf"Failed to set up mount namespacing: (?P<path>[^\n:]+): {ENOENT}",
            rf"Failed at step NAMESPACE spawning[^\n]*: {ENOENT}",
        ),
        verdict="systemd cannot make the unit's mounts: a path that the unit names does not exist: {path}",
        cause="ReadWritePaths=, ReadOnlyPaths=, BindPaths=, InaccessiblePaths= and the like need existing paths, "
        "unless they begin with a minus sign. (/run/systemd/unit-root is systemd's name for the unit's /.)",
        remedy=(
            "systemctl cat UNIT | grep Paths=; mkdir the path, or write it with a minus: ReadWritePaths=-/var/lib/x",
            "Not a path of the unit: PrivateTmp= needs /tmp and /var/tmp.",
        ),
        reference="systemd.exec(5), ReadWritePaths=",
        rank=40,
    ),
    Entry(
        code="unit-sandbox-denied",
        title="systemd may not sandbox a unit: this system is itself a container",
        patterns=(
            rf"(?:Failed to set up mount namespacing|Failed at step NAMESPACE spawning)[^\n]*: {DENIED}",
            r"\b243/CREDENTIALS\b|Failed at step CREDENTIALS spawning[^\n]*|Failed to set up credentials[^\n]*",
            r"\b225/NETWORK\b|Failed at step NETWORK spawning[^\n]*",
        ),
        ambiguous=(r"\b226/NAMESPACE\b|Failed at step NAMESPACE",),
        verdict="systemd may not make the namespaces and mounts of this unit's sandbox",
        cause="PrivateTmp=, ProtectSystem=, LoadCredential= and the like need mounts. In a container (LXC, docker) an "
        "AppArmor profile or missing rights forbid them; on a host SELinux may. The unit itself is in order.",
        remedy=(
            (
                "Proxmox: pct set ID --features nesting=1; LXD, Incus: security.nesting=true; LXC: lxc.include = "
                "/usr/share/lxc/config/nesting.conf. Restart the container."
            ),
            "docker: --privileged; podman: --systemd=always, or --security-opt unmask=ALL",
            (
                "One unit only: systemctl edit UNIT: PrivateTmp=no ProtectSystem=no ProtectHome=no PrivateDevices=no "
                "PrivateNetwork=no (and ImportCredential= empty)."
            ),
        ),
        reference="https://github.com/lxc/lxc/issues/4072",
        tell="systemd-detect-virt; dmesg (of the host) | grep -i denied; journalctl -u UNIT -b",
        offer=1,
        rank=42,
    ),
    Entry(
        code="unit-mounts-changed",
        title="systemd could not make a unit's mounts (EINVAL)",
        patterns=(
            rf"Failed to set up mount namespacing: [^\n]*{EINVAL}",
            rf"Failed at step NAMESPACE spawning[^\n]*: {EINVAL}",
        ),
        verdict="systemd could not make the unit's mounts: they changed meanwhile, or this kernel does not know an "
        "option",
        cause="EINVAL only once: mounts of the host changed while systemd copied them. Each time: a kernel "
        "that is older than the unit's settings (ProtectProc=, MountAPIVFS=), a root that is not a mount point "
        "(chroot, initramfs), or PrivateDevices= in LXC with an old systemd (CentOS 7).",
        remedy=(
            "systemctl restart UNIT; Restart=on-failure in it.",
            (
                "Each time: leave out one setting after the other by systemctl edit UNIT: PrivateDevices=no "
                "ProtectProc=default ProtectKernelTunables=no ProtectSystem=no."
            ),
        ),
        reference="https://github.com/systemd/systemd/issues/16156",
        rank=38,
    ),
    Entry(
        code="unit-system-call-missing",
        title="systemd in a container lacks a system call",
        patterns=(
            rf"(?:Failed to locate executable|Failed at step \w+ spawning|Failed to set up [\w ]+)[^\n]*: {ENOSYS}",
        ),
        verdict="a system call that this systemd needs is not there: the outer container's filter or kernel is older",
        cause="A new systemd or C library uses new calls (faccessat2, openat2, close_range, fsopen). The seccomp "
        "filter of an older LXC, docker or libseccomp outside, or an old kernel, does not know them.",
        remedy=(
            "Upgrade the host: kernel, libseccomp, and LXC or docker, whose filter it is.",
            "For now: --security-opt seccomp=unconfined (LXC: lxc.seccomp.profile empty), or an older image.",
        ),
        reference="https://github.com/systemd/systemd/issues/17866",
        tell="uname -r; grep Seccomp /proc/self/status",
        rank=37,
    ),
    Entry(
        code="unit-step-failed",
        title="systemd failed at a step before it started a unit's program",
        patterns=(
            r"\bstatus=2\d\d/(?P<step>(?!NAMESPACE|CREDENTIALS|NETWORK|CGROUP|EXEC)[A-Z_]{3,})\b",
            r"Failed at step (?P<step2>(?!NAMESPACE|CREDENTIALS|NETWORK|CGROUP|EXEC)[A-Z_]+) spawning[^\n]*",
        ),
        verdict="systemd failed at the step {step} before it started the unit's program",
        cause="USER, GROUP: User= or Group= does not exist (user@UID: LDAP or NIS did not answer yet). CHDIR: "
        "WorkingDirectory= is missing or closed to that user. CAPABILITIES, LIMITS, OOM_ADJUST, NICE, SECCOMP, "
        "KEYRING: a user's manager or a container lacks the right for it. STDIN, STDOUT, STATE_DIRECTORY, "
        "RUNTIME_DIRECTORY: a file cannot be opened or made.",
        remedy=(
            "systemctl cat UNIT; journalctl -u UNIT -b (user units: --user): the line before names the setting.",
            "User units cannot use User=, Group= and AmbientCapabilities=: remove them, or make it a system unit.",
            "Quadlet: User= is the user inside the container; the service itself runs as the manager's user.",
        ),
        reference=EXEC,
        rank=50,
    ),
    Entry(
        code="unit-program-not-executable",
        title="systemd cannot execute a unit's program",
        patterns=(
            r"\bstatus=203/EXEC\b|Failed at step EXEC spawning[^\n]*",
            r"Unable to locate executable '(?P<path>[^'\n]+)'[^\n]*",
        ),
        verdict="systemd cannot execute the program in the unit's ExecStart=",
        cause="It does not exist at that path, is not executable, is a script without an interpreter line, or SELinux "
        "forbids it (a program in a home directory started by the system's manager).",
        remedy=(
            (
                "systemctl cat UNIT | grep ExecStart; ls -lZ that file; chmod +x; restorecon -v it, or put it into "
                "/usr/local/bin."
            ),
            "Podman units by hand: the full path /usr/bin/podman.",
        ),
        reference=EXEC,
        rank=50,
    ),
    Entry(
        code="quadlet-file-refused",
        title="Quadlet did not make a service of a file",
        patterns=(
            r"quadlet-generator[^\n]*(?:converting|unsupported key|error|[Ff]ailed|loading)[^\n]*",
            r"unsupported key '(?P<key>[^'\n]+)' in group '\w+' in (?P<path>[^\s\n]+)",
            r"converting \\?\"(?P<name>[\w@.-]+\.(?:container|volume|pod|kube|network|build|image))\\?\": [^\n]+",
            r"no (?:Image|Yaml|ImageTag)[\w ]* (?:or \w+ )?key specified",
            r"/podman-(?:system|user)-generator (?:failed with|terminated by) [^\n]+",
        ),
        verdict="Quadlet refused a file, so its service does not exist",
        cause="A key that this podman does not know (newer manual, older podman), a wrong group, a missing Image=, or "
        "a file of another name that it refers to. systemctl then says only: Unit not found.",
        remedy=(
            (
                "/usr/lib/systemd/system-generators/podman-system-generator --dryrun (a user's: --user --dryrun; or "
                "/usr/libexec/podman/quadlet) shows the error; then systemctl (--user) daemon-reload."
            ),
            (
                "podman --version: the key's manual must be of this version. Unknown options of podman run go into "
                "PodmanArgs=."
            ),
            (
                "Upgrade podman: 4.4.0 fails without any file; 5.3 finds no .container in Network= or Pod= of "
                "another file."
            ),
        ),
        reference=QUADLET,
        rank=40,
    ),
    Entry(
        code="quadlet-cannot-be-enabled",
        title="a service of Quadlet cannot be enabled by systemctl",
        patterns=(r"Failed to enable unit: Unit [^\n]*is transient or generated[^\n]*",),
        verdict="services of Quadlet are generated: systemctl enable does not apply to them",
        cause="The generator makes the service at each daemon-reload and boot, and enables it itself where the file "
        "has an [Install] section.",
        remedy=(
            (
                "Put into the .container file: [Install] WantedBy=default.target (system: multi-user.target), then "
                "systemctl --user daemon-reload && systemctl --user start NAME."
            ),
            "A user's service at boot needs: loginctl enable-linger $USER",
        ),
        reference=QUADLET,
        rank=30,
    ),
    Entry(
        code="unit-not-found",
        title="systemd knows no such service: Quadlet made none",
        ambiguous=(r"Unit [\w@.-]+\.service (?:not found|could not be found|not loaded)\.?",),
        verdict="systemd has no such service",
        cause="Quadlet made none: the file is in a directory that it does not read, has an error, or systemd was not "
        "reloaded; or it is a user's service and systemctl was called without --user (or the other way round).",
        remedy=(
            (
                "System: /etc/containers/systemd/NAME.container; user: ~/.config/containers/systemd/NAME.container; "
                "then systemctl (--user) daemon-reload."
            ),
            (
                "/usr/lib/systemd/system-generators/podman-system-generator (--user) --dryrun shows errors. Quadlet "
                "needs podman 4.4 or later, and cgroup2."
            ),
        ),
        reference=QUADLET,
        tell="the generator's --dryrun: does it print the service, or an error?",
        offer=3,
        last=True,
    ),
    Entry(
        code="unit-pid-file-missing",
        title="systemd does not find the PID file that a podman unit names",
        patterns=(r"Can't open PID file (?P<path>\S+) \(yet\?\) after start[^\n]*",),
        verdict="the unit's PIDFile= names a file that podman does not write: {path}",
        cause="The unit was generated for another container (each new one has another id), for another user or "
        "storage, or podman exited without making conmon's PID file.",
        remedy=(
            "Quadlet, or podman generate systemd --new --name NAME again: these use Type=notify, without a PIDFile=.",
            "By hand: --conmon-pidfile=%t/NAME.pid, and PIDFile=%t/NAME.pid.",
        ),
        reference=QUADLET,
        rank=40,
    ),
    Entry(
        code="unit-notification-refused",
        title="systemd does not accept podman's notification: it comes from outside the unit",
        patterns=(
            r"New main PID \d+ does not (?:belong to service|exist or is a zombie)[^\n]*",
            r"Got notification message from PID \d+, but reception (?:is )?only permitted[^\n]*",
        ),
        verdict="the unit waits for READY from a process of its own, and conmon is in another cgroup",
        cause="A system unit with User= runs rootless podman, whose conmon lies under user@.service; or podman moved "
        "itself into a scope of its own. NotifyAccess= admits only the unit's own processes.",
        remedy=(
            (
                "Make it a unit of the user: ~/.config/containers/systemd/NAME.container (Quadlet), systemctl --user; "
                "loginctl enable-linger USER."
            ),
            (
                "By hand: podman run --cgroups=split --sdnotify=conmon -d, with Type=notify, NotifyAccess=all, "
                "Delegate=yes."
            ),
        ),
        reference="https://github.com/containers/podman/issues/5572",
        rank=40,
    ),
    Entry(
        code="user-manager-not-started",
        title="systemd did not start the user's manager",
        patterns=(
            r"Failed to start user@\d+\.service[^\n]*|Failed to start User Manager for UID \d+[^\n]*",
            r"user@\d+\.service: (?:Failed with result|Main process exited)[^\n]*",
            r"pam_systemd\([\w:]+\): Failed to (?:create session|connect to system bus|get session)[^\n]*",
            r"Trying to run as user instance, but \$XDG_RUNTIME_DIR is not set",
        ),
        verdict="the user's systemd did not start, so there is no session for a rootless engine",
        cause="In a container its cgroup or mounts are refused (no nesting, cgroups read-only); on a host: PAM without "
        "pam_systemd, a full /run, a home that is not there yet, or a call by su.",
        remedy=(
            "journalctl -b -u user@$(id -u) -u systemd-logind -e; systemctl restart user@$(id -u)",
            "Containers: nesting=1 (Proxmox), security.nesting=true (LXD, Incus). Login as the user itself, not by su.",
        ),
        reference="user@.service(5)",
        rank=52,
    ),
)
