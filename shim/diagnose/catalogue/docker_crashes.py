"""What docker says of its own files and of its log drivers: torn by a crash, missing, not readable, not reachable."""

from __future__ import annotations

from shim.diagnose.entry import Entry

BROKEN_JSON = r"(?:EOF|unexpected EOF|unexpected end of JSON input|invalid character [^\n]*)"

ENTRIES = (
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
)
