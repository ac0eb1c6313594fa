"""What docker and Compose refuse because of the request itself: names, files of a build, a node without Swarm."""

from __future__ import annotations

from shim.diagnose.entry import ENOENT, Entry

ENTRIES = (
    Entry(
        code="compose-too-old-for-engine",
        title="docker-compose 1.x does not understand this engine's images",
        patterns=(r"ERROR: for \S+\s+'ContainerConfig'", r"KeyError: 'ContainerConfig'"),
        verdict="docker-compose 1.29 is too old for this engine: it looks for ContainerConfig, which images no "
        "longer have",
        cause="docker 25 and later leave ContainerConfig out of an image's description. Version 1 of Compose "
        "reads it when "
        "it makes a container again; it is no longer maintained. The first up works, the next one fails so.",
        remedy=(
            "docker compose (with a space; docker-compose-plugin or docker-compose-v2): docker compose up -d",
            "Until then: docker-compose down (volumes stay without -v), or docker rm -f the old containers, then up.",
        ),
        reference="https://github.com/docker/compose/issues/11742",
        tell="docker-compose version; docker version",
        ours=False,
        rank=50,
    ),
    Entry(
        code="image-name-not-understood",
        title="docker takes something else for the image's name",
        patterns=(r"docker(?:\.exe)?: invalid reference format[^\n]*", r"^invalid reference format[^\n]*"),
        verdict="what docker takes for the image's name is not one",
        cause="The first word after the options is the image. A path with a space that is not quoted ($(pwd), "
        "C:\\Program "
        "Files), an empty variable, a dash or quote from a web page, or a line that was not continued moves it.",
        remedy=(
            (
                'Quote volumes: -v "$(pwd)":/data; PowerShell: ${{PWD}} and a backtick at the end of a line; cmd: '
                "%cd% and ^."
            ),
            "Names of images are in lower case, and a tag has no spaces. echo the command first.",
        ),
        reference="https://docs.docker.com/reference/cli/docker/image/tag/",
        ours=False,
        rank=60,
    ),
    Entry(
        code="not-a-swarm-manager",
        title="the command needs a manager of a swarm",
        patterns=(r"This node is not a swarm manager\.[^\n]*",),
        verdict="this engine is not a manager of a swarm, so it has no services, stacks, secrets or configs",
        cause="docker service, stack, node, secret and config work with Swarm alone. The engine never joined "
        "one, left it, or "
        "is a worker; without need of Swarm, docker compose is meant.",
        remedy=(
            (
                "docker swarm init (or join as a manager); on a worker: run it on a manager, or docker node promote "
                "NAME there."
            ),
            "One host without Swarm: docker compose up -d.",
        ),
        reference="https://docs.docker.com/engine/swarm/swarm-mode/",
        tell="docker info --format '{{{{.Swarm.LocalNodeState}}}} {{{{.Swarm.ControlAvailable}}}}'",
        ours=False,
        rank=60,
    ),
    Entry(
        code="build-file-not-in-context",
        title="a file that the Dockerfile copies is not in the build's context",
        patterns=(
            r"failed to compute cache key: [^\n]*\"(?P<path>/[^\"\n]*)\": not found",
            r"failed to compute cache key: \"(?P<path2>/[^\"\n]*)\" not found",
            rf"failed to compute cache key: failed to walk (?P<path3>[^\n:]+): lstat [^\n:]+: {ENOENT}",
            rf"failed to read dockerfile: open (?P<path4>[^\n:]+): {ENOENT}",
            rf"evaluate symlinks in Dockerfile path: lstat (?!/var/lib/snapd/)(?P<path5>[^\n:]+): {ENOENT}",
        ),
        verdict="the build finds no {path} in its context (or in the stage that --from names)",
        cause="COPY and ADD take paths from the directory that docker build was given, never from above it. The "
        "file was not "
        "made or checked out yet, .dockerignore leaves it out, upper and lower case differ, or the context is another "
        "directory (compose: build.context; build-push-action takes the repository without context: .).",
        remedy=(
            "ls the path in the context; cat .dockerignore; docker build -f sub/Dockerfile . for a Dockerfile below.",
            "From another stage: does its build step make the file for this platform too?",
        ),
        reference="https://docs.docker.com/build/concepts/context/",
        ours=False,
        rank=60,
    ),
)
