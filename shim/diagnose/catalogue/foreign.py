"""Failures that are about neither mounts nor cgroups: they are passed through unchanged."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, ENOTDIR, ENOTTY, EPERM, Entry


def _foreign(code: str, title: str, *patterns: str, remedy: str = "") -> Entry:
    return Entry(
        code=code,
        title=title,
        patterns=patterns,
        verdict=title,
        cause="This is not about mounts or cgroups; the runtime's own message is passed on unchanged.",
        remedy=(remedy,) if remedy else (),
        reference="",
        ours=False,
    )


ENTRIES = (
    Entry(
        code="hook-not-reachable",
        title="a hook of the container cannot be executed",
        patterns=(
            rf"error running (?P<hook>\w+) hook #\d+: fork/exec (?P<path>/[^\n:]+): (?:{EACCES}|{EPERM})",
            rf"error running hook #\d+: fork/exec (?P<path2>/[^\n:]+): (?:{EACCES}|{EPERM})",
        ),
        verdict="the hook {path} cannot be executed (EACCES): likely the container's users may not reach it",
        cause="createContainer and startContainer hooks run in the container's namespaces, with the ids of its user "
        "namespace. A directory on the way, or the file, is closed to these ids; in nodes of kind that is /kind (kind "
        "0.31), or /kind/bin (before 0.21). Otherwise the file is not "
        "executable, its file system is mounted noexec, or AppArmor or SELinux forbids it.",
        tell="namei -l {path}; findmnt -no OPTIONS -T {path}: noexec? dmesg | grep -i denied",
        remedy=(
            (
                "namei -l {path} shows the permissions. Every directory needs x for others, the file r and x (chmod "
                "o+rx)."
            ),
            (
                "Or move the hook to a directory that is open to all (/usr/libexec), or make it a createRuntime hook, "
                "which runs as the runtime."
            ),
            "kind: upgrade it and its node image, or: docker exec NODE chmod 0755 /kind /kind/bin.",
            "Run by hand as root, it works. Try it with the container's ids: setpriv --reuid=100000 {path}",
        ),
        reference="https://github.com/containers/crun/pull/2035, https://github.com/kubernetes-sigs/kind/pull/4179",
        rank=45,
    ),
    _foreign(
        "image-command-not-found",
        "the command does not exist in the image",
        r"exec: \\?\"(?!criu)[^\"\n]*\\?\": (?:executable file not found|stat [^\n]*" + ENOENT + ")",
        r"executable file `[^`\n]*` not found",
        r"Container command (?:'[^'\n]*' )?not found or does not exist",  # docker 1.9 to 1.11
        r"(?<!/)\bexec(?:ve)? (?!container)\S+: " + ENOENT,
        r"exec (?:user|container) process (?:\([^)\n]*\) )?(?:`[^`\n]*`|caused:?)[: ]*\\*\"?" + ENOENT,
        r"\[FATAL tini \(\d+\)\] exec \S+ failed: " + ENOENT,
        remedy="Correct the command, or install it in the image. A file that is there lacks its interpreter (Windows "
        "line ends, another C library). Every image: layers are lost (pull again), or hidden by MountFlags= in "
        "docker.service.",
    ),
    _foreign(
        "image-command-not-executable",
        "the command cannot be executed",
        rf"exec: \\?\"[^\"\n]*\\?\": (?:stat [^:\n]*: )?(?:{EACCES}|is a directory)",
        rf"(?:^|: )(?:open executable: (?:{EACCES}|{EPERM}|is a directory)|exec /[^\s:]+: (?:{EACCES}|is a directory))",
        rf"exec user process caused:? \\*\"?{EACCES}",
        r"Container command (?:'[^'\n]*' )?could not be invoked",  # docker 1.9 to 1.13
        r"the path `[^`\n]*` (?:is not a regular file|exists but it is not executable)",  # crun from 1.10 on
        remedy="chmod +x the command in the image, and +x for its user on every directory above it (NAS: an ACL). In "
        "every image: SELinux (container-selinux; restorecon -R /usr/bin /var/lib/docker), or a noexec mount below the "
        "engine.",
    ),
    _foreign(
        "image-for-another-machine",
        "the command is not a program for this machine",
        r"\bexec[^\n]*(?::|caused) \\*\"?exec format error",
        r"no matching manifest for [\w/]+ in the manifest list",
        r"requested image's platform \([\w/]+\) does not match the detected host platform",
        remedy="Use an image for this architecture (--platform; uname -m: a 32-bit system cannot run arm64 images), "
        "put an interpreter line into the script, or let qemu do it: docker run --privileged tonistiigi/binfmt "
        "--install all",
    ),
    _foreign(
        "image-user-unknown",
        "the user does not exist in the image",
        r"unable to find user \S+: no matching entries in passwd file",
        r"unable to find (?:group|user) ",
        remedy="Name a user of the image, or a number.",
    ),
    _foreign(
        "working-directory-unusable",
        "the working directory cannot be entered",
        r"chdir to cwd \(\\?\"[^\"\n]*\\?\"\) set in config\.json failed",
        r"(?<!new-root directory \")\bchdir (?:to )?(?!/\S*/overlay/)`?[^`\n]*`?: (?:"
        + ENOENT
        + "|"
        + EACCES
        + "|"
        + ENOTDIR
        + ")",
        r"error during container init: mkdir [^\n:]*: " + ENOTDIR,  # runc makes the directory where it is missing
        remedy="Correct process.cwd (docker: --workdir). Permission denied: run as the image's own user "
        "(securityContext.runAsUser). CI with docker in docker or the host's socket: it must exist for the daemon, "
        "in a volume that both have.",
    ),
    _foreign(
        "container-exists",
        "a container of this name exists already",
        r"container with (?:given )?ID (?:`[^`]*` )?already exists",
        r"container `[^`\n]*` already exists",
        r"The container name \\*\"[^\"\n]*\" is already in use",
        remedy="Delete the old container, or choose another id.",
    ),
    _foreign(
        "container-does-not-exist",
        "there is no container of this name",
        r"container (?:\\?\"?(?!-\\?\")[\w.-]*\\?\"? )?does not exist",
        r"container `[^`\n]*` does not exist",
        r"error opening file `[^`\n]*/status`: " + ENOENT,
        r"No such container: [\w.-]+",
        remedy="Removed already (then a kubelet's repeated lines are harmless), or kept by another user, --root or "
        "runtime. CI: a clean-up (docker system prune, another runner) on the same engine removed it during the job.",
    ),
    _foreign(
        "container-not-running",
        "the container does not run",
        r"(?:cannot start an already running container|container already has init process)",
        r"container process not found, the pid was reused|\bprocess not running\b",
        r"cannot exec (?:in|a) (?:a )?(?:stopped container|container that has (?:run and )?stopped)",
        r"(?:^|: )container not running$",
        r"cannot exec in a (?:stopped|deleted|created) state",
        r"no running task found: task \S+ not found",
        r"container is (?:in CONTAINER_(?:EXITED|CREATED|UNKNOWN) state|not (?:created or )?running)",
        r"[Cc]ontainer (?!runtime )\S+ is not running(?!\.\s*\n\s*Starting container)",
        r"can only create exec sessions on running containers",
        r"is restarting, wait until the container is running|is marked for removal and cannot be started",
        remedy="Start it first; its log shows why it ended (docker logs, podman logs, kubectl logs --previous).",
    ),
    _foreign(
        "hook-failed",
        "a hook of the container failed",
        r"error running (?:\w+ )?hook",
        r"error executing hook",
        r"hook command exited with non-zero exit code",  # youki's library, in the shims for WebAssembly
        remedy="Run the hook by hand; its path is under hooks in config.json.",
    ),
    _foreign(
        "capability-unknown",
        "the configuration names a capability that this runtime does not know",
        r"unknown capability:? [`'\"]",
        remedy="Correct the name or remove it (docker, podman: --cap-add; config.json: process.capabilities).",
    ),
    _foreign(
        "field-refused",
        "the runtime refuses a field of config.json",
        r"namespace path: lstat /",
        r"sethostname: (?:invalid argument|EINVAL)",  # longer than 64 characters
        r"invalid cgroup device type",
        r"set_mempolicy: |invalid memory policy mode|NUMA mempolicy mode [`']",
        r"move netDevice |netlink error while looking for interface `",
        r"intelRdt is specified in config|statfs `/sys/fs/resctrl`",
        r"invalid ioPriority|invalid io priority|error setting scheduler|sched_setattr: |invalid personality domain"
        r"|unknown persona specified",
        remedy="Correct the field that the runtime names.",
    ),
    _foreign(
        "terminal-missing",
        "the container wants a terminal, and the caller has none",
        r"(?:failed: |: |^)open /dev/tty: (?:no such device or address|ENXIO)",
        rf"(?:^|: )tcgetattr: {ENOTTY}",
        r"provided file is not a console",
        r"cannot allocate (?:tty|a pseudo-TTY) (?:if runc will detach )?without setting (?:a )?console socket",
        r"use --console-socket with (?:create|run|exec)",
        remedy="Start it from a terminal, give --console-socket, or set process.terminal to false.",
    ),
    _foreign(
        "capability-not-held",
        "a capability cannot be given, because the caller does not have it",
        r"\bapply caps: (?:can't apply capabilities: )?" + EPERM,
        r"\bcapset: " + EPERM,
        r"capability not supported by your kernel or not available in the current environment",
        remedy="Inside LXC: lxc.cap.drop = (empty), or a privileged container with nesting (Proxmox: nesting=1; LXD, "
        "Incus: security.nesting=true). In docker: --privileged. Or ask for less: no privileged: true, no --cap-add.",
    ),
    _foreign(
        "seccomp-profile-invalid",
        "the seccomp profile is not valid",
        r"is not a valid action for seccomp",
        r"invalid seccomp action",
        r"seccomp get action `",
        r"seccomp flags are not yet supported|is not a valid arch for seccomp|seccomp unknown architecture `",
        remedy="Correct the profile (docker, podman: --security-opt seccomp=profile.json; config.json: linux.seccomp).",
    ),
    _foreign(
        "bundle-invalid",
        "the bundle or its config.json cannot be read",
        r"invalid config file, no [`'](?:linux|mounts|root)[`'] block|block [`']process[`'] not found|mounts must be "
        r"an array",
        r"(?:args must not be empty|Cwd must be an absolute path|process property must not be empty|config file not "
        r"specified)",
        r"cannot parse (?:process file|mount|resources|the data): ",
        r"JSON specification file config\.json not found",
        r"malformed spec file",
        r"cannot parse (?:configuration|config\.json)",
        r"error opening file `[^`\n]*config\.json`",
        r"wrong rlimit value: |invalid rlimit `",
        remedy="Correct config.json.",
    ),
)
