"""Settings of systemd's units: what systemd-run, systemctl and the unit files' reader do not accept or cannot apply."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, EINVAL, EPERM, Entry

CONTROL = "systemd.resource-control(5)"
# Settings of processes (systemd.exec, systemd.service), which a scope does not have: systemd starts nothing in it.
OF_PROCESSES = (
    r"(?:Limit[A-Z]\w*|User|Group|DynamicUser|SupplementaryGroups|WorkingDirectory|RootDirectory|RootImage|UMask|Nice"
    r"|Environment\w*|PassEnvironment|Private\w+|Protect\w+|Read(?:Write|Only)Paths|InaccessiblePaths"
    r"|Bind(?:ReadOnly)?Paths|NoNewPrivileges|Capability\w+|AmbientCapabilities|SystemCall\w+|Restrict\w+|Type"
    r"|Standard(?:Input|Output|Error)|OOMScoreAdjust|CPUAffinity|CPUScheduling\w+|NUMA\w+|IOScheduling\w+"
    r"|ExecStart\w*|Restart\w*|Remain\w+|(?:Runtime|State|Cache|Logs|Configuration)Directory|LoadCredential\w*"
    r"|SELinuxContext|AppArmorProfile|TTY\w+)"
)
# Settings of a unit's cgroup.
OF_CGROUPS = (
    r"(?:(?:Startup|Default)?(?:Memory|CPU|IO|BlockIO|Allowed|Tasks|ManagedOOM|Device|IPAddress)\w*|Delegate\w*|Slice"
    r"|DisableControllers|OOMPolicy|BPFProgram|SocketBind\w+|RestrictNetworkInterfaces|NFTSet)"
)
BUS = r"(?:Access denied|Permission denied|Not a directory|Operation not permitted)"

ENTRIES = (
    Entry(
        code="scope-takes-no-process-setting",
        title="a scope does not have settings of processes",
        patterns=(
            rf"Unknown assignment:? (?P<key>{OF_PROCESSES})=",
            (
                r"--(?:pty|pipe|wait|shell|service-type|remain-after-exit)[^\n]* (?:may not be used in|(?:is|are) not "
                r"(?:compatible with|supported in)) (?:timer or )?(?:--scope|scope)[^\n]*"
            ),
            r"(?:Path, socket or timer|Timer) options are not supported in --scope mode",
        ),
        verdict="systemd-run --scope does not take {key}: that is a setting of a service's processes",
        cause="In a scope systemd starts nothing: systemd-run itself runs the command, and systemd only gives it a "
        "cgroup. Limits of the cgroup are possible there; rlimits (Limit...=), users and sandboxing are not.",
        remedy=(
            "A service instead: systemd-run -t --wait -p {key}=... COMMAND (-P instead of -t in scripts)",
            (
                "Or the same within the command: prlimit, ulimit, setpriv, nice; or a limit of the cgroup: -p "
                "MemoryMax=1G."
            ),
        ),
        reference="systemd-run(1), systemd.scope(5)",
        rank=20,
    ),
    Entry(
        code="unit-setting-not-understood",
        title="systemd leaves out a setting of a unit file that it does not understand",
        patterns=(
            rf"Unknown (?:lvalue|key(?: name)?) '(?P<key>{OF_CGROUPS})'[^\n]*",
            (
                r"(?:CPU|Memory|IO|Block ?IO|Maximum tasks|Tasks|Device|BPF)[\w "
                r"]{0,30}(?:value|limit|quota|weight|shares|bandwidth|policy|settings?) '(?P<value>[^'\n]*)' "
                r"(?:is )?(?:invalid|not valid|out of range)[^\n]*"
            ),
            rf"Failed to parse (?P<key2>{OF_CGROUPS})\b(?!\.)[^\n]*|Failed to parse resource value, ignoring[^\n]*",
            r"(?:Failed to parse|Invalid) [^\n]*'?(?P<key3>(?:Memory|CPU|IO|Tasks)\w+)=[^\n]*, ignoring[^\n]*",
        ),
        verdict="systemd ignores the setting {key}: the unit runs without this limit",
        cause="A name that this systemd does not know (older, misspelled, or in the wrong section) or a value of the "
        "wrong form. MemoryHigh=, MemoryMax= came with 231, TasksMax= with 227, AllowedCPUs= with 244, "
        "ManagedOOM...= with 247. CPUQuota= needs a percent sign; sizes end in K, M, G; older ones take no 0.",
        remedy=(
            "systemctl --version; man systemd.resource-control; systemd-analyze verify UNIT names each line.",
            "[Service] (or [Slice], [Scope]): MemoryMax=2G CPUQuota=150% TasksMax=500; then systemctl daemon-reload.",
            "Read it back: systemctl show UNIT -p MemoryMax -p CPUQuotaPerSecUSec; cat the cgroup's memory.max.",
        ),
        reference=CONTROL,
        rank=42,
    ),
    Entry(
        code="unit-setting-outdated",
        title="a unit uses settings of v1 that newer systemds replace",
        patterns=(
            r"[Uu]nit (?:\S+ )?uses (?P<key>MemoryLimit|CPUShares|StartupCPUShares|BlockIO\w+)=[^\n]*",
            r"Unit uses deprecated setting (?P<key2>\w+)=[^\n]*|Unit configured to use KillMode=none[^\n]*",
            r"Support for (?:option )?(?P<key3>MemoryLimit|CPUShares|BlockIO\w+)=? (?:will be|has been) removed[^\n]*",
        ),
        verdict="a notice: the unit uses {key}=, which newer systemds replace",
        cause="MemoryLimit=, CPUShares=, BlockIO...= are the settings of v1. systemd translates them for now.",
        remedy=(
            "MemoryLimit= becomes MemoryMax=, CPUShares= CPUWeight=, BlockIOWeight= IOWeight=; systemctl edit UNIT.",
        ),
        reference=CONTROL,
        rank=82,
    ),
    Entry(
        code="unit-properties-not-set",
        title="systemd does not change the properties of a unit",
        patterns=(
            rf"Failed to set unit properties(?: on (?P<unit>[^\s:]+))?: (?:{BUS}|Unit \S+ is not loaded)[^\n]*",
            rf"Failed to (?:freeze|thaw|kill|clean) unit[^\n]*: (?:{BUS}|Unit '[^'\n]*' does not support[^\n]*)",
            rf"Failed to start transient \w+ unit: {BUS}",
            rf"Failed to start \S+\.(?:scope|slice): {BUS}",
        ),
        verdict="systemd does not let this caller change or make the unit",
        cause="A user may change only units of his own manager (--user). 'Not loaded': nothing runs in that "
        "slice or unit. 'Access denied' for root: SELinux or polkit. 'Does not support': only units with a "
        "cgroup can be frozen, and v1 cannot.",
        remedy=(
            "Own units: systemctl --user set-property ..., systemd-run --user; the system's: with sudo.",
            (
                "Limits for a user: systemctl set-property user-$(id -u NAME).slice MemoryMax=4G while he is "
                "logged in, or a file /etc/systemd/system/user-.slice.d/limits.conf with [Slice] MemoryMax=4G "
                "for everybody."
            ),
            "Root and denied: ausearch -m avc,user_avc -ts recent.",
        ),
        reference="systemctl(1), set-property",
        tell="id -u; systemctl status the unit; ausearch -m avc,user_avc -ts recent",
        rank=50,
    ),
    Entry(
        code="unit-controllers-not-switched",
        title="systemd cannot switch controllers on or off in a cgroup",
        patterns=(r"Failed to enable(?:/disable)? (?:\w+ )?controllers? on cgroup (?P<path>/[^\s:,]*)[^\n]*",),
        verdict="a notice: systemd could not change the controllers of the cgroup {path}; limits below it may not hold",
        cause="EBUSY: processes are in that cgroup itself (somebody put them there, or a unit has Delegate=yes "
        "and uses them). EROFS, EACCES: systemd runs in a container. ENOENT: another program removed the cgroup.",
        remedy=(
            "cat cgroup.procs and cgroup.subtree_control there; move the processes into a child cgroup.",
            "Containers: cgroups that are writable and private (--cgroupns=private; LXC: nesting).",
        ),
        reference=f"{CONTROL}, Delegate=",
        rank=84,
    ),
    Entry(
        code="unit-right-missing",
        title="a unit asks for what its manager may not give",
        patterns=(
            (
                rf"Failed to (?P<what>adjust resource limit \w+|adjust OOM setting|determine supplementary "
                rf"groups|set up kernel keyring|drop capabilities|apply [^\n:]{{0,40}}capabilit\w+[^\n:]*|set up "
                rf"CPU scheduling|set CPU affinity|set (?:nice level|CPU scheduler)|change to "
                rf"(?:user|group)|update dynamic user credentials|set up special execution directory in "
                rf"[^\n:]+): (?:{EPERM}|{EACCES}|{EINVAL})"
            ),
            r"Failed at step OOM_ADJUST spawning [^\n]*",
        ),
        verdict="systemd could not prepare the unit's process: it may not {what}",
        cause="A user's manager cannot raise hard limits, lower OOMScoreAdjust=, or use User=, Group= and "
        "capabilities; systemd in a container lacks CAP_SYS_RESOURCE, CAP_SETGID or the right to make mounts, or "
        "has no id for this user or group in its map (EINVAL).",
        remedy=(
            (
                "systemctl cat UNIT: leave that setting out (systemctl edit UNIT: OOMScoreAdjust= empty, "
                "LimitNOFILE= at most ulimit -Hn)."
            ),
            (
                "A user's units: hard limits of user@.service (systemctl edit user@.service: "
                "LimitNOFILE=1048576), or make it a system unit."
            ),
            "Container: --ulimit nofile=1048576:1048576, --cap-add SYS_RESOURCE; LXC: lxc.prlimit.nofile.",
        ),
        reference="systemd.exec(5)",
        rank=36,
    ),
    Entry(
        code="unit-killed-for-memory",
        title="a unit was ended for its memory: by systemd-oomd, or because the kernel killed in it",
        patterns=(
            r"Killed (?P<unit>/\S+|\S+\.(?:service|scope|slice)) due to memory (?:pressure|used)[^\n]*",
            r"systemd-oomd killed (?:\d+|some) process(?:\(es\)|es)?[^\n]*",
            r"Failed with result 'oom-kill'|Result: oom-kill|code=killed[^\n]*result=oom",
            (
                r"due to memory (?:pressure for|used \()[^\n]*|Memory pressure for [^\n]* is (?:greater than )?[\d.]+%?"
                r"[^\n]*reclaim activity"
            ),
        ),
        verdict="the unit was ended because of memory",
        cause="systemd-oomd kills a whole cgroup when tasks of its slice wait for memory too long "
        "(ManagedOOMMemoryPressure=, 50 or 60 % for 20 or 30 s) or swap is nearly full. 'oom-kill': the kernel killed "
        "a process of the unit, at MemoryMax= or with the whole host out of memory, and OOMPolicy=stop ended the rest.",
        remedy=(
            (
                "journalctl -k -b | grep -i 'killed process'; journalctl -u systemd-oomd: which of the two, and "
                "in which cgroup."
            ),
            (
                "Kernel: raise MemoryMax= (systemctl edit UNIT), or OOMPolicy=continue. oomd: "
                "ManagedOOMMemoryPressure=auto or ManagedOOMPreference=omit for the unit; more swap (zram)."
            ),
            "Containers of podman: --memory; they are in user@.service or machine.slice, which oomd may watch.",
        ),
        reference="oomd.conf(5), systemd.service(5), OOMPolicy=",
        tell="oomctl; journalctl -k -b | grep -i oom",
        rank=62,
    ),
    Entry(
        code="oomd-lacks-input",
        title="systemd-oomd lacks swap, pressure information or cgroup2",
        patterns=(
            r"Swap is currently not detected; memory pressure usage will be degraded",
            r"Pressure Stall Information \(PSI\) is not supported|[Kk]ernel does not support PSI[^\n]*",
            r"systemd-oomd[^\n]*(?:[Rr]equires|needs) the unified cgroup hierarchy[^\n]*",
            r"Requires the unified cgroups? hierarchy",
        ),
        verdict="systemd-oomd works without swap only late, and not at all without pressure information or cgroup2",
        cause="Containers and virtual machines have no swap of their own; some kernels are booted without psi=1 or "
        "built with CONFIG_PSI_DEFAULT_DISABLED; in containers the files may not be visible.",
        remedy=(
            "psi=1 on the kernel's command line; swap or zram; or without it: systemctl disable --now systemd-oomd.",
        ),
        reference="systemd-oomd.service(8)",
        rank=66,
    ),
    Entry(
        code="unit-failed",
        title="systemd reports only that a unit's program ended",
        ambiguous=(
            r"code=exited, status=12[567](?:/n/a)?",
            r"Failed with result '(?:exit-code|timeout|resources|signal|core-dump|start-limit-hit|watchdog)'",
            r"(?:start|stop|start-pre|start-post) operation timed out\. Terminating",
            r"(?:Start|Scheduled restart)[^\n]*(?:request repeated too quickly|restart counter is at)[^\n]*",
            r"Job for [\w@.-]+\.service (?:failed because (?!the\s+service\s+did)|canceled)[^\n]*",
            r"Job for [\w@.-]+\.service failed\. See [^\n]*",
            r"systemd(?:\[\d+\])?: Failed to start [\w@.-]+(?: - [^\n]*)?\.?$",
            r"Failed to start (?:[\w@.-]+\.service\b|Docker Application Container Engine|containerd container)[^\n]*",
            r"A dependency job for \S+ failed[^\n]*|Dependency failed for [^\n]*",
            r"[\w@.-]+\.(?:service|scope): (?:[Mm]ain process exited|Unit entered failed state)[^\n]*",
            r"\.(?:service|socket)[^\n]*(?:start-limit|holdoff time over)",
        ),
        verdict="systemd reports only that the unit's program ended; its own last words are in the journal, above this",
        cause="An engine: a mistake in /etc/docker/daemon.json or the unit's options, the storage driver, iptables, "
        "cgroups that are not mounted, a second engine. Podman and Quadlet: 125, podman refused; 126, the command "
        "cannot be executed; 127, it does not exist; timeout: the image's pull took longer than TimeoutStartSec=. "
        "Repeated too quickly is a consequence.",
        remedy=(
            (
                "A dependency: systemctl --failed names the unit that ended. journalctl -b -xeu UNIT (a user's: "
                "journalctl --user -xeu UNIT): explain its last line with error, Error: or fatal."
            ),
            "docker: dockerd --validate; sudo dockerd --debug in a terminal shows it, too.",
            "Quadlet, timeout: TimeoutStartSec=900 under [Service], or podman pull first; systemctl reset-failed UNIT.",
        ),
        reference="systemd.service(5); systemd.exec(5), Process Exit Codes",
        tell="journalctl -b -u UNIT -n 50 --no-pager",
        offer=3,
        last=True,
    ),
    Entry(
        code="unit-ended-before-ready",
        title="a unit's program ended, or went on elsewhere, before systemd took it for started",
        ambiguous=(
            r"Failed with result 'protocol'",
            r"failed because the service\s+did\s+not\s+take the steps\b",
        ),
        verdict="systemd waited for the unit to become ready (protocol): READY, or a PID file, never came from it",
        cause="The container ended at once; the PIDFile= is another container's, or podman wrote none; or "
        "conmon, which says READY, lies in another cgroup than the unit (User= in a system unit, no "
        "--cgroups=split), so that NotifyAccess= does not admit it.",
        remedy=(
            "journalctl -xeu UNIT (--user): an error of podman there is the cause; podman run it by hand, without -d.",
            "Quadlet instead of a unit by hand; or podman generate systemd --new, made again for this podman and user.",
            "By hand: Type=notify NotifyAccess=all Delegate=yes, podman run -d --cgroups=split --sdnotify=conmon.",
        ),
        reference="systemd.service(5), Type=",
        tell="journalctl -u UNIT -b | grep -E 'notification|PID file|Error'",
        offer=1,
        last=True,
    ),
)
