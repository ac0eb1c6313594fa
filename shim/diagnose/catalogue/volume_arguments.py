"""What users write for volumes and paths, and what becomes of it before an engine reads it."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, ENOTDIR, Entry

ENTRIES = (
    Entry(
        code="mount-point-twice",
        title="two volumes have the same place in the container",
        patterns=(r"Duplicate mount points?:? (?P<name>[^\n]*)",),
        verdict="two volumes have the same place in the container: {name}",
        cause="Two lines, or two compose files that are merged (-f, extends, override), or a volume and a tmpfs name "
        "one place; /a and /a/ are the same. docker-compose 1 also carries the anonymous volume of an old container "
        "over to the new one.",
        remedy=(
            "docker compose config shows the merged volumes: name each place once.",
            "Only one line names it: docker-compose rm -sfv SERVICE (it deletes anonymous volumes), then up; or up -V.",
            "Use Compose 2 (docker compose) in place of docker-compose 1.",
        ),
        reference="https://github.com/docker/compose/issues/6999",
        rank=40,
    ),
    Entry(
        code="path-taken-for-volume-name",
        title="a path that is not absolute is taken for the name of a volume",
        patterns=(r"\\*\"(?P<name>[^\"\n]*?)\\*\" includes invalid characters for a local volume name",),
        verdict="{name} is taken for the name of a volume, because it is not an absolute path",
        cause="docker -v takes a source that does not begin with / (from docker 23 on also ./) for a volume's name. ~ "
        "in quotes or in a file, a placeholder and an unset variable are not replaced.",
        remedy=(
            'docker run: -v "$PWD/data":/data',
            "Compose: begin with ./ (./data:/data). In .env: the whole path in place of ~.",
            "Windows: a path C:\\... needs docker.exe; type quotes that were copied from a page again.",
        ),
        reference="https://docs.docker.com/engine/storage/bind-mounts/",
        ours=False,
        rank=40,
    ),
    Entry(
        code="path-rewritten-by-git-bash",
        title="Git Bash turned a path of the container into one of Windows",
        patterns=(
            r"(?P<path>[A-Z]:[/\\]+(?:Program Files(?: \(x86\))?[/\\]+Git|msys64|git-sdk-\d+)[/\\]+[^\"'\n:]*)",
            r"(?P<path2>\\+Program Files(?: \(x86\))?\\+Git\\+[^\"'\n:]*)",
        ),
        verdict="Git Bash has turned a path of the container into one of Windows: {path}",
        cause="Git Bash, MSYS2 and MinGW rewrite each argument that begins with / to a path below their own directory, "
        "before docker sees it.",
        remedy=(
            "MSYS_NO_PATHCONV=1 docker run ... (Git Bash); MSYS2_ARG_CONV_EXCL='*' docker run ... (MSYS2)",
            (
                "Or two slashes: //bin/sh, -w //app, -v //var/run/docker.sock:/var/run/docker.sock; or a name without "
                "a path: sh."
            ),
            "Or PowerShell, cmd or WSL.",
        ),
        reference="https://github.com/moby/moby/issues/24029",
        beside=r"docker|container|OCI|oci runtime|working directory|no such file|volume|mount",
        ours=False,
        rank=35,
    ),
    Entry(
        code="host-without-resolv-conf",
        title="the host's /etc/resolv.conf is missing, or a link that leads nowhere",
        patterns=(rf"(?:daemon|podman|Error|container)[^\n]*: open /etc/resolv\.conf: {ENOENT}",),
        verdict="the host has no /etc/resolv.conf, or it is a link that leads nowhere",
        cause="The engine reads the host's file for each container, also with --dns. NetworkManager or "
        "systemd-resolved, which writes the target of the link, does not run or has no connection yet.",
        remedy=(
            "systemctl enable --now systemd-resolved; ln -sf /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
            "Or a file: rm /etc/resolv.conf; echo nameserver 1.1.1.1 >/etc/resolv.conf",
            "NetworkManager: rc-manager=file below [main] in /etc/NetworkManager/NetworkManager.conf",
        ),
        reference="https://github.com/moby/moby/issues/32836",
        tell="ls -lL /etc/resolv.conf",
        ours=False,
        rank=44,
    ),
    Entry(
        code="snap-docker-may-not-make-source",
        title="docker cannot make the source of a volume outside the home directories",
        patterns=(
            (
                rf"error while creating mount source path '(?P<source>/(?:var|opt|srv|etc|usr|root|data\d?|storage|"
                rf"docker|config)(?![^'\n]*/kubelet/)(?:/[^'\n]*)?)':\s+mkdir\s+[^\n]*?: {EACCES}"
            ),
        ),
        verdict="the daemon, which is root, may not make {source} (EACCES)",
        cause="Docker from a snap may write below /home, /media and /mnt only. Otherwise {source} is on NFS "
        "(root_squash) or FUSE (without allow_other), a rootless daemon runs as a user who may not write "
        "there, or SELinux forbids it.",
        remedy=(
            "Snap: snap remove docker; then docker-ce or docker.io with apt. Or put the volume below /home.",
            "Rootless: mkdir and chown it first, or use a directory of the user.",
            "NFS, FUSE: make the directory as its owner; export with no_root_squash, mount with allow_other.",
        ),
        reference="https://github.com/linuxserver/docker-tautulli/issues/44",
        tell="snap list docker; docker info | grep -iE 'rootless|root dir'; findmnt -T {source}",
        rank=42,
    ),
    Entry(
        code="volume-path-is-an-example",
        title="the source of the volume is the example from a manual",
        patterns=(
            (
                r"error while creating mount source path '(?P<source>/?(?:path/to|path_to|your[-_/]|<|"
                r"example/)[^'\n]*)':[^\n]*"
            ),
            r"(?:cannot stat|error stat'ing file) `(?P<source2>/(?:path/to|path_to|your[-_/]|<)[^`\n]*)`:[^\n]*",
            (
                r"statfs (?P<source3>/(?:path/to|path_to|your[-_/]|<)[^\n:]*):[^\n]*|bind source path does not exist: "
                r"(?P<source4>/(?:path/to|path_to|your[-_/]|<)[^\n]*)"
            ),
        ),
        verdict="{source} is the placeholder of an instruction, not a directory of this host",
        cause="The command or the compose file was copied with its example of a path.",
        remedy=(
            "Put your own directory in its place, one that exists and is writable: -v /srv/app/config:/config",
            "compose: change it under volumes:; docker compose config shows what is used.",
        ),
        reference="https://github.com/philhawthorne/ha-dockermon/issues/32",
        rank=20,
    ),
    Entry(
        code="windows-docker-knows-no-wsl-path",
        title="docker of Windows was given a path of WSL's /mnt/c, which it does not know",
        patterns=(
            rf"mounting \\*\"(?P<source>/mnt/[a-z]/[^\"\\\n]*)\\*\" [^\n]*{ENOTDIR}",
            r"bind (?:mount )?source path does not exist: (?P<source2>/mnt/[a-z]/[^\n]*)",
        ),
        verdict="the engine does not see {source}: it runs in Docker Desktop's own virtual machine, where the drive "
        "has "
        "another name",
        cause="From WSL 1, or with DOCKER_HOST=localhost:2375, the path is passed on as it stands. The engine finds "
        "nothing "
        "there, and -v makes an empty directory in place of the file.",
        remedy=(
            (
                "WSL 2: Docker Desktop, Settings, Resources, WSL integration: switch it on for this distribution; "
                "unset "
                "DOCKER_HOST."
            ),
            (
                "WSL 1: [automount] root = / in /etc/wsl.conf, and restart WSL, so that the drive is /c; share the "
                "drive "
                "in "
                "Docker Desktop's settings."
            ),
            "Or start it from PowerShell in the same directory.",
        ),
        reference="https://github.com/deviantony/docker-elk/issues/426",
        tell="wsl -l -v in PowerShell (VERSION 1 or 2); echo $DOCKER_HOST",
        rank=20,
    ),
)
