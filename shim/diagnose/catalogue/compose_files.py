"""Limits and dependencies in files of Compose that are refused."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
    Entry(
        code="compose-cpus-not-quoted",
        title="cpus below deploy.resources must be a string in this file",
        patterns=(
            r"deploy\.resources\.(?:limits|reservations)\.cpus must be a string",
            r"deploy\.resources\.(?:limits|reservations)\.cpus'? expected type 'string', got [^\n]*",
        ),
        verdict="cpus below deploy.resources has to be quoted: it must be a string",
        cause="docker stack deploy and older Compose take '0.5' only as a string. docker compose config writes the "
        "number without its quotes.",
        remedy=(
            "In the file: cpus: '0.50', in limits and reservations.",
            "docker compose config | sed -E 's/cpus: ([0-9.]+)$/cpus: \"\\1\"/' | docker stack deploy -c - NAME",
            "docker compose up alone: Compose 2.26 and later take numbers, too.",
        ),
        reference="https://github.com/docker/compose/issues/11721",
        rank=40,
    ),
    Entry(
        code="compose-limit-set-twice",
        title="a file of Compose sets the same limit twice, with different values",
        patterns=(r"can't set distinct values on '(?P<name>[^'\n]+)' and '(?P<other>deploy\.[^'\n]+)'",),
        verdict="Compose refuses the file: {name} and {other} are the same limit, with different values",
        cause="mem_limit, cpus, pids_limit and mem_reservation are the older names of deploy.resources. One of them "
        "may come from an override file, extends or an anchor.",
        remedy=(
            "Keep one of them, and delete the other.",
            "An override that should win uses the name of the first file, or deploy: !reset null (Compose 2.24).",
        ),
        reference="https://docs.docker.com/reference/compose-file/deploy/",
        tell="docker compose config --no-interpolate; grep -nE 'mem_limit|cpus|pids_limit|deploy:' in all files",
        rank=40,
    ),
    Entry(
        code="compose-key-misplaced",
        title="Compose does not know a key at its place below deploy.resources",
        patterns=(
            r"deploy\.resources(?:\.\w+)* +[Aa]dditional propert(?:y|ies) '?(?P<key>[\w-]+)'?(?: is)? not allowed",
        ),
        verdict="Compose does not know {key} at this place of deploy.resources",
        cause="It is misspelt (cpu in place of cpus), or below the wrong parent: devices: belongs to reservations or "
        "to the service, not to limits. Or this Compose is older than the key.",
        remedy=(
            "deploy: resources: limits: cpus: '0.5', memory: 512M, pids: 100; a GPU: reservations: devices:.",
            "A new key: upgrade the plugin (gpus needs 2.30); docker buildx bake and CI images have their own copy.",
        ),
        reference="https://docs.docker.com/reference/compose-file/deploy/",
        tell="docker compose version; docker compose config names the place",
        rank=57,
    ),
    Entry(
        code="dependency-not-healthy",
        title="a service waits for another one that did not become healthy",
        patterns=(
            (
                r"dependency failed to start: container (?P<name>\S+) (?P<state>is unhealthy|exited "
                r"\((?!132|135|137|139)\d+\)|has no healthcheck \S+)"
            ),
        ),
        verdict="Compose does not start the service: {name}, on which it depends, {state}",
        cause="depends_on with condition: service_healthy waits for the health check of {name}. It is not ready yet, "
        "has an error of its own (a limit, a volume), or the command of its check is not in the image.",
        remedy=(
            "docker logs {name}: its own error first.",
            "It is slow: healthcheck: start_period: 120s, retries: 30; then docker compose up -d once more.",
            "The check says not found or 127: use what the image has (wget -q --spider, nc -z, pg_isready).",
        ),
        reference="https://github.com/docker/compose/issues/11474",
        tell="docker inspect {name} | grep -A20 Health: the output of the last checks",
        rank=68,
    ),
    Entry(
        code="client-older-than-engine",
        title="a client is older than this Docker engine answers",
        patterns=(
            r"client version (?P<version>[\d.]+) is too old\. Minimum supported API version is (?P<least>[\d.]+)",
        ),
        verdict="the engine answers clients from API {least} on, and this one speaks {version}",
        cause="Docker 29 needs 1.44 (29.3: 1.40). Traefik, Portainer, Watchtower, an old Compose or a docker command "
        "in an image may speak an older one. No container is at fault.",
        remedy=(
            "Upgrade the program that asks: its image, or docker-ce-cli, docker-compose-plugin, docker-buildx-plugin.",
            'Until then: "min-api-version": "1.24" in /etc/docker/daemon.json; systemctl restart docker.',
        ),
        reference="https://github.com/moby/moby/pull/51186",
        tell="docker version: the API of client and server",
        ours=False,
        rank=40,
    ),
)
