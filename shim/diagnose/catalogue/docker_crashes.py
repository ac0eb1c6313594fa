"""What docker says of its own files and of its log drivers: torn by a crash, missing, not readable, not reachable."""

from __future__ import annotations

from shim.diagnose.entry import EACCES, ENOENT, Entry

BROKEN_JSON = r"(?:EOF|unexpected EOF|unexpected end of JSON input|invalid character [^\n]*)"

ENTRIES = (
    Entry(
        code="engine-database-broken",
        title="a database of docker or containerd is damaged",
        patterns=(
            r"panic: (?:page \d+ already freed|cannot free page 0 or 1: \d+)",
            r"panic: invalid page type: \d+(?:: \w+)?(?![\s\S]{0,2000}?(?:podman|libpod))",
            r"panic: (?:invalid freelist page|assertion failed: (?:write: circular dependency|Page expected))[^\n]*",
            r"invalid page type: \d+: \w+\n[^\n]*containerd\.service",
            r"panic: runtime error: (?:slice bounds|index) out of range [^\n]*[\s\S]{0,400}?/bb?olt\.",
        ),
        verdict="dockerd or containerd ends at once: one of its databases (bolt) is damaged",
        cause="The power was cut, the disk was full or has errors, or a virtual machine was killed, while it "
        "wrote. The "
        "stack below the panic names the part: libnetwork or libkv, metadata, snapshots, buildkit.",
        remedy=(
            "Stop docker and containerd; fsck and df the disk first; keep a copy of what you move away.",
            "libnetwork: move /var/lib/docker/network/files/local-kv.db away (docker makes it again at its start).",
            (
                "containerd: move io.containerd.metadata.v1.bolt/meta.db below /var/lib/containerd away (docker "
                "before 18.09: /var/lib/docker/containerd/daemon); buildkit: /var/lib/docker/buildkit. Then start."
            ),
        ),
        reference="https://github.com/moby/moby/issues/37238",
        tell="journalctl -u docker -u containerd: which package stands below the panic?",
        rank=44,
    ),
    Entry(
        code="engine-run-state-broken",
        title="old docker does not start on what a crash left in /var/run/docker",
        patterns=(
            rf"open (?P<path>/\S*/docker/libcontainerd/containerd/\S+\.json): {ENOENT}",
            r"(?<!: )invalid character '\\+x00' looking for beginning of value",
        ),
        verdict="dockerd's containerd cannot read what it noted of running containers before the crash or the reboot",
        cause="Docker 1.11 to 17.10 kept this in /var/run/docker/libcontainerd. After a power cut its files are "
        "empty or "
        "full of zeros, and where /var/run is on a disk, a reboot leaves them there.",
        remedy=(
            (
                "Stop docker; rm -rf /var/run/docker/libcontainerd (nothing of images or volumes is there); start it "
                "again."
            ),
            "Make /var/run a link to /run, a tmpfs; or use a newer docker.",
        ),
        reference="https://github.com/moby/moby/issues/29748",
        tell="findmnt -T /var/run/docker: a tmpfs?",
        rank=43,
    ),
    Entry(
        code="container-config-lost",
        title="docker's file about a container is missing or empty",
        patterns=(
            rf"Failed to load container (?P<id>[0-9a-f.]+): (?:open \S+/config(?:\.v2)?\.json: {ENOENT}|{BROKEN_JSON})",
            rf"failed to load container\"? [^\n]*container=(?P<id2>[0-9a-f]+)[^\n]*(?:{ENOENT}|{BROKEN_JSON})",
        ),
        verdict="docker does not know container {id} any more: its config.v2.json is missing or torn",
        cause="It was removed only in part (a busy mount), or its file was written while the power went or the "
        "disk was "
        "full. The engine starts without it, but its name may be taken, and its layer stays.",
        remedy=(
            "Make the container again from its image; its volumes are still there (docker volume ls).",
            "Stop docker, move /var/lib/docker/containers/{id} away, start it, and docker system prune.",
        ),
        reference="https://github.com/moby/moby/issues/24971",
        tell="ls -l /var/lib/docker/containers/*/config.v2.json: which are empty? df /var/lib/docker",
        rank=58,
    ),
    Entry(
        code="log-driver-not-available",
        title="the container's log driver cannot be used",
        patterns=(
            r"[Ff]ailed to initialize logging driver: (?P<reason>[^\n\"]+)",
            r"(?P<reason2>no log driver named '[^'\n]*' is registered)",
        ),
        verdict="the container does not start, because its log driver cannot: {reason}",
        cause="docker opens the log first. journald and syslog must run where the engine runs: Docker Desktop, "
        "docker-machine and many images of dind have neither. A server (fluentd, syslog over TCP, splunk, gelf) must "
        "answer at the start, even if it is a container itself; a plugin must be enabled.",
        remedy=(
            "Start the log's service first; fluentd-async: true; syslog: udp:// does not wait for an answer.",
            "Or another driver for the container (--log-driver json-file; compose: logging: driver: local).",
            "It is kept with the container: make it again after a change (docker compose up -d --force-recreate).",
        ),
        reference="https://docs.docker.com/engine/logging/configure/",
        tell="docker inspect NAME --format '{{{{json .HostConfig.LogConfig}}}}'; docker info | grep -i log",
        rank=57,
    ),
    Entry(
        code="log-driver-not-readable",
        title="docker logs cannot read from this log driver",
        patterns=(r"configured logging driver does not support reading",),
        verdict="the container's log goes elsewhere, and docker logs cannot read it there",
        cause="With syslog, gelf, splunk and others docker only sends. Docker 20.10 and later keep a copy for "
        "docker logs; "
        "the driver none, and cache-disabled, keep none.",
        remedy=(
            "Read it where it goes; or logging: driver: json-file, local or journald, which docker logs can read.",
        ),
        reference="https://docs.docker.com/engine/logging/dual-logging/",
        rank=57,
    ),
    Entry(
        code="shim-ended-notice",
        title="containerd notes that a container's shim has ended",
        patterns=(r"(?:cleaning up after )?shim disconnected\b", r"cleaning up dead shim"),
        verdict="a notice: containerd's shim of this container has ended, as it does whenever a container ends",
        cause="Each container has a shim, which ends after it. The lines say nothing of why the container ended. If "
        "docker ps still shows it as running, the shim was killed (out of memory, kill, an upgrade of containerd).",
        remedy=(
            (
                "docker inspect NAME: State.ExitCode, State.OOMKilled, State.Error; docker logs NAME: explain what "
                "it says."
            ),
            "Still running in the list: docker rm -f, or restart docker; journalctl -k | grep -i killed.",
        ),
        reference="https://github.com/moby/moby/issues/47757",
        tell="docker events --since 10m --filter container=NAME",
        rank=84,
        last=True,
    ),
    Entry(
        code="client-config-not-readable",
        title="the docker client cannot read its own configuration",
        patterns=(
            (
                rf"Error loading config file: ?(?:open |stat )?(?P<path>[^\n]*?config\.json)(?::| -) "
                rf"(?P<reason>[^\n]*{EACCES}|{BROKEN_JSON}|is a directory)"
            ),
        ),
        verdict="a notice: the client continues without {path} (logins, contexts, proxies)",
        cause="Not permitted: sudo docker made it as root, or HOME is another user's (su, sudo -E, CI). EOF: it "
        "is empty, "
        "as after a crash. What fails after this line has another cause, unless it is a login or a context.",
        remedy=(
            "sudo chown -R $USER ~/.docker, or export HOME= or DOCKER_CONFIG= of the user who runs docker.",
            "An empty file: delete it, and docker login again.",
        ),
        reference="https://docs.docker.com/engine/install/linux-postinstall/",
        rank=82,
        last=True,
    ),
    Entry(
        code="copy-stumbles-over-mounts",
        title="docker cp fails because of mounts that lie in each other",
        patterns=(
            r"Error response from daemon: openat (?P<path>[^\n:]+): no such device or address",
            r"Error response from daemon: (?:re)?mount /\S+, flags: 0x[0-9a-f]+: invalid argument",
        ),
        verdict="docker cp could not mount the container's volumes once more, as it does for each copy",
        cause="For a copy, dockerd mounts the volumes of the container a second time. It fails where one volume's "
        "destination lies in another (-v /run:/x -v /run/docker.sock:/x/docker.sock; docker 29.5.1 to 29.8.1), and in "
        "older versions where a volume with rslave or rshared has mounts below it: those stay, and more at each copy.",
        remedy=(
            "Copy without it: docker exec NAME cat FILE > here; docker exec -i NAME tar -xf - -C DIR < archive.tar",
            (
                "docker 29: upgrade past 29.8.1. Older ones: a volume without rslave, or not of /, /run or "
                "/var/lib/docker."
            ),
            "Mounts that stayed: systemctl restart docker, or umount them (grep merged /proc/mounts).",
        ),
        reference="https://github.com/moby/moby/pull/53716, https://github.com/moby/moby/issues/38252",
        rank=55,
    ),
    Entry(
        code="client-may-not-read",
        title="docker's client cannot read the files that it was given",
        patterns=(
            r"lstat (?P<path>/var/lib/snapd/void[^\s:]*)",
            rf"Can(?:'|no)t add file (?P<path2>/[^\n:]+) to tar: (?:open|lstat) [^\n:]+: {EACCES}",
            r"[Ee]rror checking context: '?(?:can'?t stat|no permission to read from) '?(?P<path3>[^'\n]*)'",
            rf"^\S*\$? ?(?:sudo )?docker cp [^\n]*\n(?:lstat|stat|open) (?P<path4>[^\n:]+): (?:{ENOENT}|{EACCES})",
        ),
        verdict="the program docker, not the engine, cannot read or write {path}",
        cause="docker build and docker cp read files as the user who calls them. docker from a snap, even with "
        "sudo, sees "
        "only the home directory of the caller, and there no hidden files; /tmp is one of its own. In a build, one "
        "directory that is closed (a database's files) is enough.",
        remedy=(
            (
                "ls -l the file as this user; in a build: name it in .dockerignore, or start the build in a smaller "
                "directory."
            ),
            (
                "Snap (which docker: /snap/bin): work below $HOME, or snap remove docker, and docker-ce or docker.io "
                "with apt."
            ),
        ),
        reference="https://github.com/canonical/docker-snap/issues/34",
        tell="which docker; snap list docker; sudo -u USER cat the file",
        rank=58,
    ),
)
