"""The question for each engine's own tool, and where its answer names the runtime's program. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable

from shim.engines.registration import inside
from shim.engines.toml_text import values
from shim.values import Value

if TYPE_CHECKING:
    Answer = Callable[[str, str], str]

RESERVED_PLUGINS = ("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri", "cri")


class Question(Value):
    """argv: the tool. answer: (its output, the runtime's name) -> the program, "" if it is not there.

    named: the runtime's name is a further argument. needs_daemon: no answer says nothing about the entry. file,
    directory: the tool's options for another configuration file and another directory of drop-ins.
    """

    argv: tuple[str, ...]
    answer: Answer
    named: bool = False
    needs_daemon: bool = False
    file: str = ""
    directory: str = ""

    def reading(self, config: str) -> tuple[str, ...]:
        """Return the options for a configuration in an unusual place, () for "" or if the tool has none."""
        if not config:
            return ()
        place = config.rpartition("/")[0]
        if self.directory and place.endswith(".d"):
            return (self.directory, place)
        return (self.file, config) if self.file else ()


def podman_info(text: str, name: str) -> str:
    """From `podman --runtime NAME info`: the path of the runtime in use."""
    found = inside(_json(text), "path")
    return str(found) if found else ""


def docker_info(text: str, name: str) -> str:
    """From `docker info`: the path of this runtime."""
    entry = inside(_json(text), name)
    found = inside(entry, "path") or inside(entry, "options", "BinaryName")
    return str(found) if found else ""


def containerd_dump(text: str, name: str) -> str:
    """From `containerd config dump`: BinaryName of this handler, under either name of the plugin."""
    values = _toml(text)
    for plugin in RESERVED_PLUGINS:
        found = inside(values, "plugins", plugin, "containerd", "runtimes", name, "options", "BinaryName")
        if found:
            return str(found)
    return ""


def crio_config(text: str, name: str) -> str:
    """From `crio config`: runtime_path of this handler."""
    found = inside(_toml(text), "crio", "runtime", "runtimes", name, "runtime_path")
    return str(found) if found else ""


def unit_environment(text: str, name: str) -> str:
    """From `systemctl show -p Environment`: this variable's value."""
    words = text.strip().partition("=")[2].split()
    return next((word.partition("=")[2] for word in words if word.startswith(f"{name}=")), "")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _toml(text: str) -> Any:
    try:
        return values(text)
    except ValueError:
        return None


QUESTIONS: dict[str, Question] = {
    "podman": Question(
        argv=("podman", "info", "--format", "{{json .Host.OCIRuntime}}", "--runtime"), answer=podman_info, named=True
    ),
    "docker": Question(
        argv=("docker", "info", "--format", "{{json .Runtimes}}"), answer=docker_info, needs_daemon=True
    ),
    "containerd": Question(argv=("containerd", "config", "dump"), answer=containerd_dump, file="--config"),
    "crio": Question(argv=("crio", "config"), answer=crio_config, file="--config", directory="--config-dir"),
    "buildkit": Question(
        argv=("systemctl", "show", "docker.service", "--property=Environment"),
        answer=unit_environment,
        needs_daemon=True,
    ),
}
