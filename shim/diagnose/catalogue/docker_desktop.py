"""Docker Desktop and Rancher Desktop on Windows and macOS: directories of the outer system, and WSL itself."""

from __future__ import annotations

from shim.diagnose.entry import EEXIST, ENOENT, ENOTDIR, Entry

OUTSIDE = r"/(?:run/desktop/mnt/host|host_mnt|mnt/wslg?/(?:rancher-desktop|docker-desktop[\w-]*))/[^\"'\\\n:]*"

ENTRIES = (
    Entry(
        code="desktop-mount-not-there",
        title="Docker Desktop's virtual machine does not have the file of Windows or WSL that is to be mounted",
        patterns=(
            (
                rf"\bmounting \\*\"(?P<source>{OUTSIDE})\\*\" to rootfs[^\n]*(?:{ENOENT}|{ENOTDIR}|{EEXIST}|"
                r"input/output error|no such device|transport endpoint is not connected|permission denied)"
            ),
            (
                rf"error while creating mount source path "
                rf"'(?P<source2>(?:{OUTSIDE}|/(?:Users|Volumes|[A-Za-z])/[^'\n]*))': [^\n]+"
            ),
            rf"(?:mkdir|stat|lstat) (?P<source3>{OUTSIDE}): (?:{ENOENT}|{EEXIST}|{ENOTDIR}|input/output error)",
            r"bind source path does not exist: (?P<source4>/(?:run/desktop/mnt/host|host_mnt)/[^\n]*)",
        ),
        verdict="the engine's virtual machine has no such file, or one of another kind: {source}",
        cause="The engine runs in a virtual machine, where /run/desktop/mnt/host/c is drive C: and "
        "docker-desktop-bind-mounts (docker-mounts with Rancher) shows a file of a WSL distribution. At a start of "
        "Windows containers with a restart policy come before the distribution or the drive is there; after WSL "
        "stopped, such a mount is empty. Otherwise the file does not exist in Windows, so that docker made a directory "
        "of its name, or the drive (a dev drive, network, USB) is not visible in WSL. Docker Toolbox shares only "
        "C:\\Users, "
        "as /c/Users, in lower case; macOS keeps Documents and Desktop from programs without consent.",
        remedy=(
            "docker restart NAME; if that fails: docker compose up -d --force-recreate, which makes the mount again.",
            "Is it there? dir in Windows, ls -l in the distribution: delete an empty directory of the file's name.",
            (
                "Still missing: wsl --shutdown, then start Docker Desktop; wsl --update. Settings, Resources, WSL "
                "integration: the distribution must be switched on. Macs: Settings, Resources, File sharing."
            ),
            "macOS: System Settings, Privacy & Security, Files and Folders: allow Docker the directory.",
        ),
        reference="https://github.com/docker/for-win/issues/13947",
        tell="wsl -l -v; wsl -d docker-desktop ls -la /mnt/host/c",
        rank=38,
    ),
    Entry(
        code="desktop-not-started",
        title="Docker Desktop or WSL itself does not start",
        patterns=(
            r"WSL distro (?:stopped|terminated)[^\n]*|\bmounting wslCLIDest[^\n]*|wslErrorCode: \S+",
            r"WslRegisterDistribution failed with error: (?P<error>0x[0-9a-f]+)",
            r"running engine: [^\n]*(?:wsl|failed to run|waiting for)[^\n]*",
            (
                r"(?:Hyper-V|hypervisor|[Vv]irtuali[sz]ation)[^\n]*(?:not enabled|not supported|is disabled|not "
                r"running)[^\n]*"
            ),
            r"The virtual machine could not be started because a required feature is not installed[^\n]*",
            r"Docker Desktop(?: is unable to start|[^\n]{0,60}unexpected(?:ly)? (?:WSL error|stopped))[^\n]*",
            r"The command 'docker' could not be found in this WSL [12] distro[^\n]*",
            r"pipe.docker_engine_linux: The system cannot find the file specified",
        ),
        verdict="Docker Desktop's engine did not start in WSL or its virtual machine",
        cause="Virtualization is off in the firmware or taken by another hypervisor, Windows' feature Virtual Machine "
        "Platform is off, WSL is too old or version 1, its disk is full or damaged, or the drives of Windows are not "
        "mounted in WSL ([automount] in /etc/wsl.conf). It is not about cgroups.",
        remedy=(
            "wsl --update; wsl --shutdown; wsl -l -v: version 2; then start Docker Desktop again.",
            "wsl --install --no-distribution as administrator; bcdedit /set hypervisorlaunchtype auto; reboot.",
            "Settings, Troubleshoot: Clean / Purge data deletes its images and volumes: at last.",
        ),
        reference="https://docs.docker.com/desktop/troubleshoot-and-support/troubleshoot/topics/",
        ours=False,
        rank=50,
    ),
    Entry(
        code="emulated-program-crashed",
        title="a program for another processor crashed in the emulation",
        patterns=(r"qemu: uncaught target signal (?P<signal>\d+)", r"qemu: Unsupported syscall: \d+"),
        verdict="the image is for another processor, and the program crashed in qemu's emulation of it",
        cause="On an Apple chip or another ARM machine docker runs images for amd64 in qemu's user mode, which "
        "does not "
        "have all of the kernel's calls and processor's features: Java, Go, Node, databases and inotify fail in "
        "it. More "
        "memory does not help.",
        remedy=(
            "An image for this machine: docker pull --platform linux/arm64, or build it; FROM without --platform.",
            "Docker Desktop on a Mac: Settings, General: Use Rosetta for x86_64/amd64 emulation.",
        ),
        reference="https://docs.docker.com/desktop/troubleshoot-and-support/troubleshoot/known-issues/",
        tell="docker image inspect IMAGE --format '{{{{.Architecture}}}}'; uname -m",
        ours=False,
        rank=50,
    ),
    Entry(
        code="vm-directory-not-shared",
        title="the engine's virtual machine on a Mac does not have the directory",
        patterns=(
            (
                r"bind source path does not exist: "
                r"(?P<path>/(?:var/folders|private|Volumes|Users|opt/homebrew)/[^\n\\\"']*)"
            ),
        ),
        verdict="the engine runs in a virtual machine that does not show {path} of the Mac",
        cause="Docker Desktop shares /Users, /Volumes, /private, /tmp and /var/folders; Colima, Lima and Rancher "
        "Desktop "
        "share the home directory and /tmp/colima or /tmp/lima only. A file that does not exist on the Mac either says "
        "the same.",
        remedy=(
            "ls -l {path} on the Mac; then in the machine: colima ssh, limactl shell default, rdctl shell.",
            (
                'colima start --edit: mounts: [{{location: "~", writable: true}}, {{location: /var/folders, '
                "writable: true}}]. "
                "Docker Desktop: Settings, Resources, File sharing."
            ),
            "Or let the program use a directory below the home: TMPDIR=$HOME/tmp.",
        ),
        reference="https://github.com/abiosoft/colima/blob/main/docs/FAQ.md",
        rank=37,
    ),
    Entry(
        code="vm-share-place-not-empty",
        title="Lima cannot mount the Mac's directory: files are in its place already",
        patterns=(r"fuse: mountpoint is not empty",),
        verdict="the share was not mounted: the directory in the virtual machine where it belongs has files already",
        cause="docker in the machine started containers with a restart policy before the share was there, and "
        "made their "
        "volumes' directories itself.",
        remedy=(
            (
                "In the machine (colima ssh, limactl shell NAME): stop the containers, look at the files, move "
                "them away; "
                "start the machine again."
            ),
            (
                "Later: colima start --mount-type virtiofs or 9p, which mount at boot; no restart: always for such "
                "containers."
            ),
        ),
        reference="https://github.com/abiosoft/colima/issues/63",
        rank=38,
    ),
)
