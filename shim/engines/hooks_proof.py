"""Proof that podman runs the hooks: creates, inspects and removes a container; its process never starts."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from shim.errors import ShimError
from shim.planning import injection

if TYPE_CHECKING:
    from typing import Iterator

# Inside another container podman's default limits are above its own and cannot be set.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
PATIENCE = 120  # seconds for each call of podman


def proven() -> tuple[str, ...]:
    """Return the stages whose hook podman has put into the container's configuration and run.

    precreate is not among them: podman runs it itself, without a trace. Raises ShimError with podman's own message if
    the container could not be created.
    """
    name = f"cgshim-hooks-proof-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="cgshim-hooks-") as place:
        os.chmod(place, 0o755)
        program = os.path.join(place, "rootfs", "program")
        os.mkdir(os.path.dirname(program))
        with open(program, "w", encoding="utf-8"):
            os.chmod(program, 0o755)
        try:
            options = ("--network", "none", *LIMITS, "--name", name)
            _podman("create", "--rootfs", *options, os.path.dirname(program), "/program")
            _podman("init", name)
            path = _podman("inspect", "--format", "{{.OCIConfigPath}}", name).strip()
            with open(path, encoding="utf-8") as file:
                return tuple(dict.fromkeys(_stages(json.load(file))))
        finally:
            with suppress(ShimError):  # the earlier error is more precise
                _podman("rm", "--force", name)


def _stages(config: Any) -> Iterator[str]:
    for stage, hooks in (config.get("hooks") or {}).items():
        if any((hook.get("args") or [""])[0] == injection.NAME for hook in hooks or []):
            yield stage


def _podman(*words: str) -> str:
    try:
        done = subprocess.run(["podman", *words], check=False, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(words[0], str(error)) from error
    if done.returncode:
        raise _failed(words[0], done.stderr.strip())
    return done.stdout


def _failed(command: str, said: str) -> ShimError:
    return ShimError(
        "hooks-not-proven",
        f"podman {command} failed for the container of the proof",
        evidence=(said or "podman printed nothing",),
        remedy=("follow podman's message", "or look at the hooks with `cgshimctl hooks list`"),
    )
