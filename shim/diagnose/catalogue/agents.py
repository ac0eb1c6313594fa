"""Programs that watch a node's containers by their cgroups: monitoring and security agents."""

from __future__ import annotations

from shim.diagnose.entry import Entry

# What such programs call the place that they look for.
PLACE = r"cgroups? (?:path|director(?:y|ies)|folder|id|mount ?points?|file)"
CONTAINER = r"(?:container|pod|docker|process|pid|task)"

ENTRIES = (
    Entry(
        code="agent-finds-no-container-cgroup",
        title="a program that watches containers does not find their cgroups",
        patterns=(
            r"No mount ?[Pp]oints were detected, current cgroup root is:? (?P<path>\S+)",
            r"[Cc]annot find [Dd]ocker cgroup directory",
            rf"\bno {PLACE} (?:was |were )?found",
            rf"{PLACE} not found (?:for|of|in) (?:the )?{CONTAINER}",
            (
                rf"(?:[Ff]ailed|[Uu]nable|[Cc]ould not|[Cc]annot|[Cc]an't|[Cc]ouldn't) (?:to )?"
                rf"(?:find|locate|get|resolve|determine) (?:the )?{PLACE} (?:for|of) (?:the )?{CONTAINER}"
            ),
        ),
        verdict="the program does not find the cgroup of a container that it watches",
        cause="Usual reasons: it is older than the host's layout, and knows v1 but not cgroup2, or not the names that "
        "systemd, containerd or a newer engine give; /sys/fs/cgroup and /proc of the host are not mounted in its "
        "container, or it looks from another cgroup namespace; or this one container has just ended.",
        remedy=(
            "Upgrade the agent: the Datadog agent knows cgroup2 since 7.33.",
            (
                "In a container it needs the host's tree: -v /sys/fs/cgroup:/host/sys/fs/cgroup:ro -v "
                "/proc:/host/proc:ro; Kubernetes: hostPath volumes of both, hostPID: true where it looks up processes."
            ),
            "Always for another container, never for long: it has ended meanwhile, and nothing is to be done.",
        ),
        reference="https://github.com/DataDog/datadog-agent/issues/7865",
        tell="stat -fc %T /sys/fs/cgroup on the node (cgroup2fs?), and the same below the path that the agent reads",
        rank=52,
    ),
)
