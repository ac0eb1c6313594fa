"""Containers that store a runtime's name: without the entry their engine cannot start them. Read-only."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from shim.errors import ShimError
from shim.system import content

if TYPE_CHECKING:
    from shim.engines.registration import Request
    from shim.engines.tree import Tree

LARGEST = 1 << 30  # bytes of podman's database
# containerd's default `state`, those of k3s and RKE2, and the one that dockerd gives to its own containerd.
STATES = ("/run/containerd", "/run/k3s/containerd", "/run/docker/containerd/daemon")
TASKS = "io.containerd.runtime.v2.task/*/*/runtime"


def podman_containers(tree: Tree, request: Request, name: str) -> tuple[str, ...]:
    """Return a warning if podman's database names the runtime. SQLite and BoltDB keep a container's configuration as
    JSON.
    """
    share = os.path.join(os.path.dirname(request.home), ".local/share") if request.home else "/var/lib"
    mark = f'"runtime":"{name}"'.encode()
    for path in tree.glob(f"{share}/containers/storage/libpod/*"):
        try:
            if mark in content(tree.at(path), LARGEST):
                return (_warning("podman", name, path),)
        except OSError:
            continue
    return ()


def docker_containers(tree: Tree, data_root: str, name: str) -> tuple[str, ...]:
    """Return a warning that names Docker's containers with this runtime."""
    found = []
    for path in tree.glob(f"{data_root}/containers/*/hostconfig.json"):
        if _value(tree, path, "Runtime") == name:
            found.append(os.path.basename(os.path.dirname(path))[:12])
    return (_warning("docker", name, ", ".join(found)),) if found else ()


def containerd_tasks(tree: Tree, binary: str) -> tuple[str, ...]:
    """Return a warning that names containerd's running containers whose shim calls `binary`."""
    found = [task[:12] for task, program in _tasks(tree) if program == binary]
    return (_running(binary, found),) if found else ()


def running(tree: Tree, directory: str) -> tuple[str, ...]:
    """Return a warning that names running containers, of any engine, that call a program of cgshim in this
    directory.
    """
    start = f"{directory}/cgshim"
    found = [task[:12] for task, program in _tasks(tree) if program.startswith(start)]
    for path in tree.glob("/proc/[0-9]*/cmdline"):
        words = _words(tree, path)
        if os.path.basename(words[0]) == "conmon" and any(word.startswith(start) for word in words):
            found.append(f"conmon {path.split('/')[2]}")
    return (_running(f"{directory}/cgshim", found),) if found else ()


def _tasks(tree: Tree) -> list[tuple[str, str]]:
    """Return containerd's running containers: the id, and the program that the shim calls for it."""
    found = []
    for path in (path for state in STATES for path in tree.glob(f"{state}/{TASKS}")):
        try:
            found.append((os.path.basename(os.path.dirname(path)), (tree.read(path) or "").strip()))
        except (OSError, ShimError):
            continue
    return found


def _words(tree: Tree, path: str) -> list[str]:
    """Return the command line of a process; [""] for an ended process or a kernel thread."""
    try:
        return content(tree.at(path)).decode("utf-8", "replace").split("\0")
    except OSError:
        return [""]


def _running(binary: str, found: list[str]) -> str:
    return f"running containers call {binary} until they end; keep that file until then: {', '.join(found)}"


def crio_containers(tree: Tree, name: str) -> tuple[str, ...]:
    """Return a warning that names CRI-O's containers with this handler."""
    key = "io.kubernetes.cri-o.RuntimeHandler"
    found = []
    for path in tree.glob("/var/lib/containers/storage/overlay-containers/*/userdata/config.json"):
        if _value(tree, path, "annotations", key) == name:
            found.append(path.split("/")[-3][:12])
    return (_warning("CRI-O", name, ", ".join(found)),) if found else ()


def _value(tree: Tree, path: str, *keys: str) -> object:
    """Return the content; None for a file that is gone or is not JSON, as for a container that is just ending."""
    try:
        value = json.loads(content(tree.at(path)))
    except (OSError, ValueError):
        return None
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _warning(engine: str, name: str, where: str) -> str:
    return f"warning: {engine} has containers that remember the runtime {name!r} and cannot start without it: {where}"
