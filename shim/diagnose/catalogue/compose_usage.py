"""What Compose and the docker client refuse or give up: values of limits, dependencies, versions, terminals."""

from __future__ import annotations

from shim.diagnose.entry import Entry

LIMIT = (
    r"(?:mem_limit|memswap_limit|mem_reservation|mem_swappiness|shm_size|cpus|cpu_\w+|cpuset|pids_limit|ulimits?|"
    r"nofile|nproc|oom_score_adj|resources|limits|reservations|memory|size)"
)

ENTRIES = (
    Entry(
        code="limit-value-not-understood",
        title="docker or Compose cannot read the value of a limit",
        patterns=(
            (
                r"invalid argument \"(?P<value>[^\"\n]*)\" for "
                r"\"(?P<option>[^\"\n]*--(?:memory|cpu|cpus|shm-size|ulimit|pids|"
                r"kernel-memory|blkio|device-|storage-opt|tmpfs|oom)[\w-]*)\" flag"
            ),
            (
                rf"interpolating services\.[\w.<>-]*\.(?P<option2>{LIMIT})[\w.]*: failed to cast[^\n]*parsing "
                r"\"(?P<value2>[^\"\n]*)\": invalid syntax"
            ),
            rf"(?P<option3>[\w.]*\b{LIMIT}) to appropriate type: \"(?P<value3>[^\"\n]*)\" is not a valid \w+",
            rf"(?P<option4>[\w.-]*\b{LIMIT}) contains an invalid type, it should be an? \w+",
            r"strconv\.Parse(?:Int|Uint|Float): parsing \"(?P<value5>\d+(?:\.\d+)? ?[kmgt]i?b?)\": invalid syntax",
        ),
        verdict="the value of the limit cannot be read: {value}",
        cause="docker wants a number with b, k, m or g for memory (512m, not 0.5GB of RAM or 512 MB), a decimal number "
        "for cpus, name=soft:hard for ulimits. An empty variable leaves nothing or only the unit. Compose 2.0 and 2.1 "
        "took no units from variables; docker-compose 1.27 wants memory as a string; mem_swappiness is a whole number.",
        remedy=(
            'Quote it in the file: mem_limit: "512m", cpus: "0.5"; give variables a default: ${{MEM:-1g}}.',
            "docker compose config shows what is read. Upgrade Compose (2.2 or later takes units everywhere).",
        ),
        reference="https://docs.docker.com/reference/compose-file/extension/#specifying-byte-values",
        rank=46,
    ),
    Entry(
        code="compose-dependency-failed",
        title="Compose gives up, because a container that others wait for did not become ready",
        patterns=(
            (
                r"dependency failed to start: container (?P<name>\S+) (?P<what>is unhealthy|exited \(\d+\)|has no "
                r"healthcheck "
                r"configured)"
            ),
            r"ERROR: for \S+ +Container \"(?P<name2>[0-9a-f]+)\" (?P<what2>is unhealthy|exited[^\n]*)",
            r"service \"(?P<name3>[^\"\n]+)\" didn't complete(?:d)? successfully: (?P<what3>exit \d+)",
        ),
        verdict="Compose stopped at container {name}, which others wait for: it {what}",
        cause="depends_on with a condition waits for it. It ended at once, or its health check did not succeed "
        "in time; "
        "the check itself may use a program that the image does not have. This line says nothing of why.",
        remedy=(
            "docker logs {name}; docker inspect {name} --format '{{{{json .State}}}}': explain what it says.",
            "Slow at its first start: healthcheck: start_period: 2m, retries: 10.",
        ),
        reference="https://docs.docker.com/compose/how-tos/startup-order/",
        rank=70,
        last=True,
    ),
    Entry(
        code="compose-volume-undefined",
        title="a service of the Compose file names a volume that the file does not declare",
        patterns=(
            r"service \"(?P<service>[^\"\n]+)\" refers to undefined volume (?P<volume>[^\n:]+): invalid compose",
        ),
        verdict="the service {service} wants the volume {volume}, which the file does not declare",
        cause="What does not begin with / or . is the name of a volume, and named volumes stand under volumes: "
        "at the top "
        "of the file. A path without ./ is taken for a name; a file that is meant to be added to another lacks them.",
        remedy=(
            "A directory: ./{volume}. A volume: volumes: at the top level, with {volume}: below it.",
            "Both files: docker compose -f compose.yaml -f compose.dev.yaml up.",
        ),
        reference="https://docs.docker.com/reference/compose-file/volumes/",
        ours=False,
        rank=58,
    ),
    Entry(
        code="docker-api-version",
        title="the client and the engine have no common version of docker's API",
        patterns=(
            r"client version (?P<client>[\d.]+) is too old\. Minimum supported API version is (?P<engine>[\d.]+)",
            r"client version (?P<client2>[\d.]+) is too new\. Maximum supported API version is (?P<engine2>[\d.]+)",
            (
                r"client is newer than server \(client API version: (?P<client3>[\d.]+), server API version: "
                r"(?P<engine3>[\d.]+)"
            ),
        ),
        verdict="the client speaks version {client} of docker's API, and the engine wants {engine}",
        cause="Docker 29 no longer takes versions below 1.44 (docker 25). Tools with a client of their own "
        "(docker-compose "
        "1.x, old Traefik, Watchtower, Portainer, CI images, Testcontainers) then fail, or DOCKER_API_VERSION is set.",
        remedy=(
            (
                "Upgrade the tool or its image; unset DOCKER_API_VERSION. Too new: DOCKER_API_VERSION={engine} for "
                "the client."
            ),
            'Until then on the engine: "min-api-version": "1.24" in /etc/docker/daemon.json, then restart docker.',
        ),
        reference="https://docs.docker.com/reference/api/engine/",
        tell="docker version; env | grep DOCKER",
        rank=60,
    ),
    Entry(
        code="no-terminal-to-attach",
        title="-t was given where there is no terminal",
        patterns=(r"the input device is not a TTY", r"cannot enable tty mode on non tty input"),
        verdict="docker cannot attach a terminal: its standard input is none (cron, CI, a pipe)",
        cause="docker run -t and exec -t need a terminal on standard input. Git Bash (mintty) on Windows is none "
        "either.",
        remedy=(
            "Leave out -t (keep -i only if something is piped in): docker exec NAME command; docker compose exec -T.",
            "Git Bash: winpty docker ...",
        ),
        reference="https://docs.docker.com/reference/cli/docker/container/exec/",
        rank=60,
    ),
    Entry(
        code="dockerfile-step-failed",
        title="a command of the Dockerfile failed by itself",
        patterns=(
            r"The command [^\n]* returned a non-zero code: (?P<status>\d+)",
            r"process \"[^\n]*\" did not complete successfully: exit code: (?P<status2>\d+)",
        ),
        verdict="a RUN of the Dockerfile ended with status {status}; what it printed above says why",
        cause="127: a program is not in the image, or the interpreter of a script is not (line ends of Windows, "
        "bash in "
        "Alpine). 126: it may not be executed. 137: killed, mostly for memory. Other numbers are the program's own.",
        remedy=(
            "docker build --progress=plain --no-cache: explain the lines above this one.",
            "Or run the step by hand: docker run --rm -it <last image> sh.",
        ),
        reference="https://docs.docker.com/reference/dockerfile/#run",
        ours=False,
        rank=79,
        last=True,
    ),
    Entry(
        code="compose-plugin-missing",
        title="docker has no command compose: its plugin is not installed",
        patterns=(
            r"unknown shorthand flag: '[df]' in -[df]\b",
            r"docker: '(?:compose|buildx)' is not a docker command\.?",
            r"docker: unknown command: docker (?:compose|buildx)",
        ),
        verdict="this docker has no plugin of that name, and takes the options for its own",
        cause="docker compose is a plugin (docker-compose-plugin, docker-compose-v2, or part of Docker Desktop). "
        "Without "
        "it, docker reads -d or -f itself. sudo and other users do not see a plugin in ~/.docker/cli-plugins.",
        remedy=(
            (
                "apt-get install docker-compose-plugin (Docker's packages) or docker-compose-v2 (Ubuntu's); dnf "
                "install "
                "docker-compose-plugin; macOS: brew install docker-compose, and cliPluginsExtraDirs in "
                "~/.docker/config.json"
            ),
            "Or call docker-compose with a hyphen, if version 1 is what is installed.",
        ),
        reference="https://docs.docker.com/compose/install/linux/",
        tell="docker info --format '{{json .ClientInfo.Plugins}}'; ls /usr/libexec/docker/cli-plugins "
        "~/.docker/cli-plugins",
        ours=False,
        rank=57,
    ),
    Entry(
        code="portainer-paths-not-on-host",
        title="Portainer asks the engine for files that lie in Portainer's own volume",
        patterns=(
            r"mounting \\*\"(?P<path>/data/compose/\d+/[^\"\\\n]+)\\*\" to rootfs",
            r"bind source path does not exist: (?P<path2>/data/compose/\d+/[^\s\"]+)",
        ),
        verdict="{path} is a path of Portainer's container, and the engine looks for it on the host",
        cause="A stack from a repository is unpacked in Portainer's volume under /data/compose. A relative path of its "
        "compose file becomes a path there; on the host nothing is there, and docker makes an empty directory.",
        remedy=(
            "Absolute paths of the host, or named volumes; configs: with content: in place of single files.",
            (
                "Or give host and Portainer the same path: docker run ... -v /data:/data for Portainer. Its Business "
                "Edition has relative path volumes."
            ),
            "Remove the directory that docker made before the next try.",
        ),
        reference="https://github.com/portainer/portainer/issues/2368",
        rank=39,
    ),
)
