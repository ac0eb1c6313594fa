"""What docker says of its plugins: authorization plugins that refuse a request, plugins that are not there."""

from __future__ import annotations

from shim.diagnose.entry import Entry

ENTRIES = (
    Entry(
        code="bitbucket-refuses-request",
        title="Bitbucket Pipelines does not allow what docker was asked for",
        patterns=(
            r"authorization denied by plugin pipelines: (?P<request>[^\n\".]+?)(?: (?:is|are) not allowed|[\".]|$)",
            r"authorization denied by plugin pipelines\b",
        ),
        verdict="Bitbucket's docker service refuses: {request}",
        cause="Atlassian's own runners run docker with a plugin that refuses --privileged, --mount, --security-opt, "
        "--device, namespaces of the host and volumes outside $BITBUCKET_CLONE_DIR. `docker buildx` needs a privileged "
        "builder, and tools that start containers (Testcontainers, pack, earthly) ask for such options too.",
        remedy=(
            "Runtime v3 of Pipelines allows privileged containers: runtime: cloud: version: 3 in the step.",
            (
                "Builds: the docker driver (docker buildx use default), or buildah; a runner of your own has no such "
                "plugin."
            ),
            (
                "Volumes: -v $BITBUCKET_CLONE_DIR/dir:/dir, not --mount; Testcontainers: "
                "TESTCONTAINERS_RYUK_DISABLED=true."
            ),
        ),
        reference="https://support.atlassian.com/bitbucket-cloud/docs/run-docker-commands-in-bitbucket-pipelines/",
        rank=58,
    ),
    Entry(
        code="authorization-plugin-refuses",
        title="an authorization plugin of docker refuses the request",
        patterns=(
            r"authorization denied by plugin (?P<plugin>(?!pipelines:)[\w./:-]+?):\s+(?P<reason>[^\n]+)",
            r"authorization denied by plugin (?P<plugin2>(?!pipelines\b)[\w./:-]+)",
        ),
        verdict="docker's authorization plugin {plugin} refuses the request: {reason}",
        cause="The administrator put a plugin before docker's API (authorization-plugins in daemon.json: OPA, Casbin, "
        "authz-broker). Its policy decides, not the kernel: privileges and sudo change nothing.",
        remedy=(
            "Ask for what the policy allows: the plugin's log has the request that it refused, and the rule.",
            "The policy is the plugin's own file. A user that no rule names is refused, and without TLS there is none.",
        ),
        reference="https://docs.docker.com/engine/extend/plugins_authorization/",
        tell="docker info --format '{{{{.Plugins.Authorization}}}}'",
        rank=57,
    ),
    Entry(
        code="authorization-plugin-missing",
        title="dockerd does not start without its authorization plugin",
        patterns=(
            (
                r"(?:failed to validate|Error validating) authorization plugin:? [^\n]*?plugin "
                r"\"?(?P<plugin>[\w./:-]+)\"? (?P<state>not found|found but disabled)"
            ),
        ),
        verdict="dockerd does not start: its authorization plugin {plugin} was {state}",
        cause="authorization-plugins in daemon.json (or --authorization-plugin) names a plugin that dockerd "
        "cannot reach: "
        "it does not run, its socket is not in /run/docker/plugins, or it crashed and was disabled. One that runs in a "
        "container of the same dockerd cannot be there first.",
        remedy=(
            (
                "Take it out of daemon.json, start dockerd, mend the plugin (docker plugin ls, docker plugin enable), "
                "and put it back."
            ),
            "A plugin outside docker: its unit needs Before=docker.service.",
        ),
        reference="https://docs.docker.com/engine/extend/plugins_authorization/",
        rank=66,
    ),
    Entry(
        code="volume-plugin-not-found",
        title="docker does not find the plugin of a volume",
        patterns=(
            (
                r"Error looking up volume plugin (?P<plugin>[^\s:]+): (?:legacy plugin: )?(?:plugin \"[^\"\n]*\" "
                r"not found|plugin not found)"
            ),
            r"Error looking up volume plugin (?P<plugin2>[^\s:]+): [^\n]+",
        ),
        verdict="docker has no volume plugin {plugin}",
        cause="The driver that the volume names is not installed in this engine, does not run, or has no socket in "
        "/run/docker/plugins. Docker Desktop's engine lives in a VM and does not see plugins of the host. A relative "
        "name such as nfs or sshfs is a driver's name only if a plugin says so.",
        remedy=(
            (
                "docker plugin ls; docker plugin install <name>, or start the plugin's service; docker info lists "
                "what it has."
            ),
            "NFS and CIFS need no plugin: the local driver mounts them (driver_opts: type, o, device).",
            "docker context ls: is it the engine that has the plugin?",
        ),
        reference="https://docs.docker.com/engine/extend/plugins_volume/",
        tell="docker info --format '{{{{.Plugins.Volume}}}}'",
        rank=57,
    ),
)
