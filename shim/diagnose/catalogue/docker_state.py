"""What docker says of containers that it has: lost processes, full or overfull tables, services of CI jobs."""

from __future__ import annotations

from shim.diagnose.entry import EBUSY, ENOMEM, ENOSPC, EROFS, Entry, mounting

MOBY = "https://github.com/moby/moby"

ENTRIES = (
    Entry(
        code="engine-state-stale",
        title="docker believes that a container runs, and containerd has none",
        patterns=(
            r"container kill failed because of '?(?:container not found|no such process)[^\n]*",
            (
                r"[Cc]annot (?:kill|stop|restart|pause|remove) container:? [^\n]*(?:containerd: )?(?:container not "
                r"found|no such process|process already finished|process not found for container)"
            ),
            r"containerd: process not found for container",
            r"rpc error: code = \d+ desc = containerd: container not found",
        ),
        verdict="docker's list of running containers is not true: the container's process is gone",
        cause="The process ended while docker or containerd was restarted, upgraded or killed, or the container was "
        "stopped from outside (kill, systemctl stop of its scope).",
        remedy=(
            "docker rm -f NAME; if docker still shows it as running: systemctl restart docker (without live-restore).",
            "journalctl -u docker -u containerd: what ended the container? docker 1.11 to 1.13 had such bugs: upgrade.",
        ),
        reference="https://github.com/moby/moby/issues/25157",
        tell="docker inspect NAME --format '{{{{.State.Pid}}}}': is there such a process?",
        rank=57,
    ),
    Entry(
        code="mount-table-full",
        title="the mount namespace holds as many mounts as the kernel allows",
        patterns=(
            rf"\bmounting [^\n]*(?:caused:? \\*\"?|flags: \S+: |flags=\S+: |data: [^\n:]*: ){ENOSPC}",
            rf"\bmount `[^`\n]*` to `[^`\n]*`: {ENOSPC}",
            rf"(?:remount|make mount private|set propagation)[^\n]*: {ENOSPC}",
            rf"\bmount /[^\n]*, flags: 0x[0-9a-f]+: {ENOSPC}",  # docker cp
        ),
        verdict="the kernel makes no further mount: the namespace holds as many as fs.mount-max allows",
        cause="ENOSPC from mount(2) is not about a disk: a namespace may have 100000 mounts (fs.mount-max, Linux 4.9). "
        "A bind of /, /run or /var/lib/docker into a container with shared propagation copies every mount again "
        "at each "
        "start, and each copy doubles them; mounts that nobody removes do the same.",
        remedy=(
            "wc -l /proc/self/mountinfo; cut -d' ' -f5 /proc/self/mountinfo | sort | uniq -c | sort -n | tail",
            "Restart the container that binds it, without :shared or :rshared (rslave is enough); umount what is left.",
            "For a while: sysctl -w fs.mount-max=200000.",
        ),
        reference="Linux Documentation/admin-guide/sysctl/fs.rst (mount-max)",
        tell="wc -l < /proc/self/mountinfo: near 100000?",
        rank=45,
    ),
    Entry(
        code="init-not-readable",
        title="runc may not look at the process that it has started",
        patterns=(r"readlink /proc/\d+/fd/\d+: permission denied", r"getting pipe fds for pid \d+[^\n]*"),
        verdict="runc may not read /proc of its own container's first process: the outer container forbids it",
        cause="In LXC without nesting, AppArmor does not let a process look at others in a changed profile or "
        "namespace. The same with a docker in an unprivileged container.",
        remedy=(
            "LXD, Incus: security.nesting=true; Proxmox: features nesting=1,keyctl=1; then restart the container.",
            "docker in docker: --privileged, or sysbox.",
        ),
        reference="https://github.com/canonical/lxd/issues/3166",
        tell='dmesg | grep \'apparmor="DENIED" operation="ptrace"\'',
        rank=45,
    ),
    Entry(
        code="run-directory-full",
        title="/run, /tmp or another small tmpfs of the host is full",
        patterns=(
            (
                rf"(?:write|open|mkdir|create|creating|mknod|link|symlink) (?P<path>/(?:tmp|run|var/run)/[^\s:]+): "
                rf"{ENOSPC}"
            ),
            rf"open(?:ing)? (?:pid|state|fifo)[^\n]*/(?:run|tmp)/[^\n]*: {ENOSPC}",
        ),
        verdict="the file system of {path} on the host is full",
        cause="runc, containerd and docker keep the state of containers in /run, a tmpfs of a tenth to a half of the "
        "memory, and write the process of an exec to /tmp. Logs in /run/log, files of health checks and sockets that "
        "are left fill it, or its inodes are used up.",
        remedy=(
            "df -h /run /tmp; df -i /run /tmp; du -xh /run | sort -h | tail; delete what is left over.",
            "journalctl --vacuum-size=50M; mount -o remount,size=1G /run",
            "Hundreds of runc-process files in /tmp: upgrade docker; health checks that are killed leave them.",
        ),
        reference=MOBY,
        rank=44,
    ),
    Entry(
        code="engine-lost-containerd",
        title="the connection of docker to containerd, or of containerd to a shim, broke",
        patterns=(
            (
                r"(?:(?:daemon|containerd|docker|OCI)[^\n]*transport is closing|grpc: the "
                r"(?:client )?connection is (?:unavailable|closing))[^\n]*"
            ),
            r"error reading from server: EOF[^\n]*|connection error: desc = \"?transport: [^\n]*containerd[^\n]*",
        ),
        verdict="docker, containerd and the container's shim lost each other",
        cause="containerd was restarted, upgraded or killed (out of memory) while docker talked to it.",
        remedy=(
            "systemctl restart containerd docker; journalctl -u containerd -k | grep -iE 'killed|panic|signal'",
            "A shim that is left: ps axww | grep '[c]ontainerd-shim.*ID'; kill it, docker rm -f, and start again.",
        ),
        reference="https://github.com/containerd/containerd",
        rank=65,
    ),
    Entry(
        code="stats-of-stopped-container",
        title="docker stats shows only zeros for a container",
        patterns=(
            # Not where another row has CPU time and no memory: then memory is not counted at all.
            (
                r"\A(?![\s\S]*(?:[1-9]\d*\.\d\d|0\.(?:0[1-9]|[1-9]\d))% +0 ?B / )[\s\S]*?"
                r"\b0\.00% +0 ?B / 0 ?B +(?:0\.00%|--) +0 ?B / 0 ?B +0 ?B / 0 ?B +0\b"
            ),
        ),
        verdict="docker has no figures at all of this container: no CPU time, memory, network or process",
        cause="A container that is created, ended or between two restarts has no cgroup to read. If it does run: its "
        "cgroup is not where docker looks (moved by systemd, made under another driver or cgroup version before an "
        "upgrade), or the engine lost its shim.",
        remedy=(
            (
                "docker ps -a: is it up, and for how long? docker inspect NAME --format '{{{{.State.Status}}}} "
                "{{{{.State.Pid}}}}'"
            ),
            "It runs: cat /proc/PID/cgroup, and look there; docker restart NAME, then systemctl restart docker.",
        ),
        reference="https://github.com/moby/moby/issues/43387",
        rank=44,
    ),
    Entry(
        code="mount-without-memory",
        title="the kernel has no memory for another mount",
        patterns=(mounting(r"[^\"`\\\n]*", ENOMEM),),
        verdict="the kernel found no memory for the mount of {source}, though the host may have free memory",
        cause="ENOMEM from mount(2) is about the kernel's own memory: memory cgroups or their ids that "
        "containers which "
        "restart all the time leave behind (kernels before 5.x, Ubuntu 18.04 and 20.04), the per-CPU area, or a memory "
        "limit of the container that also counts kernel memory.",
        remedy=(
            "docker ps -a: stop a container that restarts every few seconds. A reboot frees what was left.",
            "grep memory /proc/cgroups: tens of thousands are a leak: a newer kernel, or cgroup.memory=nokmem.",
            "A low --memory of the container: raise it.",
        ),
        reference="https://github.com/moby/moby/issues/29638",
        tell="grep memory /proc/cgroups; dmesg | tail; grep -i percpu /proc/meminfo",
        rank=45,
    ),
    Entry(
        code="buildkit-cannot-remount-cgroups",
        title="buildkitd's start script may not mount the cgroups again",
        patterns=(r"umount: can't unmount /sys/fs/cgroup: Operation not permitted",),
        verdict="the start script of the container may not unmount /sys/fs/cgroup to mount it for its own cgroup "
        "namespace",
        cause="Images of moby/buildkit of early 2026 do this when their cgroup is not the root (host's cgroup "
        "namespace, v1, docker in docker), and then restart endlessly where the container lacks the right.",
        remedy=(
            (
                "A newer image falls back: docker buildx rm NAME; docker pull moby/buildkit:buildx-stable-1; create it "
                "again. Or an older one: docker buildx create --driver-opt image=moby/buildkit:v0.25.0"
            ),
            "Your own container: --privileged, and --cgroupns=private on cgroup2.",
        ),
        reference="https://github.com/moby/buildkit/pull/6585",
        rank=20,
    ),
    Entry(
        code="container-root-busy",
        title="docker cannot remove a container: something else still holds its mounts",
        patterns=(
            rf"failed to remove root filesystem[^\n]*(?:{EBUSY}|Device is Busy|directory not empty)",
            rf"[Uu]nable to remove filesystem[^\n]*{EBUSY}",
            rf"(?:unlinkat|remove|rename) (?P<path>/\S*/(?:docker|containers)/[^\s:]+)(?: /\S+)?: {EBUSY}",
        ),
        verdict="the container was not removed wholly: another mount namespace still has its file system mounted",
        cause="A process that was started while the container ran got a copy of its mounts and keeps it: a service "
        "with PrivateTmp or ProtectSystem, or a container that mounts /, /var/lib/docker or /run (cAdvisor, agents for "
        "logs and backups). On kernels before 3.18 and RHEL before 7.4 that makes the directory busy.",
        remedy=(
            "Directory not empty: docker rm again; a process may still write there, or a mount that is hidden.",
            "grep -l THE-ID /proc/[0-9]*/mountinfo names the processes: restart them, then docker rm again.",
            "RHEL, CentOS 7.4 and later: sysctl -w fs.may_detach_mounts=1; else a newer kernel and docker.",
            "Mount the engine's directory into other containers with :rslave, or not at all.",
        ),
        reference="https://github.com/moby/moby/issues/27381",
        tell="grep -l docker /proc/[0-9]*/mountinfo",
        rank=44,
    ),
    Entry(
        code="process-does-not-die",
        title="a container does not end even when it is killed",
        patterns=(r"Container \w+ failed to exit within \d+ ?s(?:econds)? of kill - trying direct SIGKILL",),
        verdict="the container's processes did not end after SIGKILL: the kernel holds them, or the engine "
        "missed their end",
        cause="A process in state D waits for a disk, NFS or FUSE server or a driver that does not answer, and "
        "dies only "
        "then. A frozen cgroup (docker pause) takes no signal on v1. Or the process is gone, and the shim hangs.",
        remedy=(
            "ps -eo pid,stat,wchan:30,cmd | grep ' D': what do they wait for? dmesg | tail. Mend that, or reboot.",
            "cat freezer.state (v1) or cgroup.freeze of its cgroup: docker unpause first.",
            "No process is left: systemctl restart docker (containerd too), then docker rm -f; upgrade docker.",
        ),
        reference="https://github.com/moby/moby/issues/32938",
        tell="docker inspect NAME --format '{{{{.State.Pid}}}}'; cat /proc/PID/stack",
        rank=40,
    ),
    Entry(
        code="engine-directory-read-only",
        title="the file system of the engine's own directory has become read-only",
        patterns=(
            (
                rf"(?:mkdir|open|write|rename|symlink|creating|create) "
                rf"(?P<path>/\S*/?(?:lib/docker|lib/containerd|containers/storage|lib/lxd|lib/incus)/"
                rf"(?!\S*/(?:merged|rootfs|mnt)/)[^\s:]*): {EROFS}"
            ),
        ),
        verdict="the engine may not write to its own directory: {path} is on a read-only file system",
        cause="The kernel makes a file system read-only after errors of its disk (an SD card, a disk that fails, a "
        "storage that went away), or it was mounted so.",
        remedy=(
            "Save what is needed; reboot and let fsck repair it (fsck.repair=yes on the kernel's command line).",
            "Until then: mount -o remount,rw /. If it becomes read-only again, the disk or card fails: smartctl -a.",
            "Docker Desktop: restart it; then Troubleshoot, Clean / Purge data, which removes images and volumes.",
            "A virtual machine or LXC: look at the storage of the host below it.",
        ),
        reference="https://github.com/docker/docs/issues/11397",
        tell="findmnt -T /var/lib/docker: ro? dmesg | grep -iE 'remount|I/O error|EXT4-fs error'",
        rank=40,
    ),
    Entry(
        code="docker-volumes-locked",
        title="another dockerd holds the database of the volumes",
        patterns=(r"opening volume store metadata database(?: \((?P<path>[^)\n]*)\))?: timeout",),
        verdict="dockerd did not get the lock of the volumes' database: another process has it",
        cause="A second dockerd runs on this data root (a snap and a package, a docker in docker with the same "
        "volume), or "
        "one that cannot be ended still has the file open.",
        remedy=(
            "systemctl stop docker.socket docker; end the dockerd that fuser names; systemctl start docker.",
            (
                "It cannot be ended (state D): in /var/lib/docker/volumes: mv metadata.db metadata.db.old; cp -p "
                "metadata.db.old "
                "metadata.db; start docker. Or reboot."
            ),
        ),
        reference="https://github.com/docker/for-linux/issues/274",
        tell="sudo fuser -v /var/lib/docker/volumes/metadata.db; pgrep -a dockerd; snap list docker",
        ours=False,
        rank=20,
    ),
)
