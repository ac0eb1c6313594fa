"""Containers that remember a runtime's name: after the entry is gone their engine cannot start them. Read-only."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from shim.system import content

if TYPE_CHECKING:
    from shim.engines.registration import Request
    from shim.engines.tree import Tree

LARGEST = 1 << 30  # bytes of podman's database


def podman_containers(tree: Tree, request: Request, name: str) -> tuple[str, ...]:
    """A warning if podman's database names the runtime. Both kinds of it keep a container's configuration as JSON."""
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
    """A warning that names Docker's containers with this runtime."""
    found = []
    for path in tree.glob(f"{data_root}/containers/*/hostconfig.json"):
        if _value(tree, path, "Runtime") == name:
            found.append(os.path.basename(os.path.dirname(path))[:12])
    return (_warning("docker", name, ", ".join(found)),) if found else ()


def containerd_tasks(tree: Tree, binary: str) -> tuple[str, ...]:
    """A warning that names containerd's running containers whose shim calls `binary`."""
    found = []
    for path in tree.glob("/run/containerd/io.containerd.runtime.v2.task/*/*/runtime"):
        try:
            if (tree.read(path) or "").strip() == binary:
                found.append(os.path.basename(os.path.dirname(path))[:12])
        except OSError:
            continue
    if not found:
        return ()
    return (f"running containers call {binary} until they end; keep that file until then: {', '.join(found)}",)


def crio_containers(tree: Tree, name: str) -> tuple[str, ...]:
    """A warning that names CRI-O's containers with this handler."""
    key = "io.kubernetes.cri-o.RuntimeHandler"
    found = []
    for path in tree.glob("/var/lib/containers/storage/overlay-containers/*/userdata/config.json"):
        if _value(tree, path, "annotations", key) == name:
            found.append(path.split("/")[-3][:12])
    return (_warning("CRI-O", name, ", ".join(found)),) if found else ()


def _value(tree: Tree, path: str, *keys: str) -> object:
    """What stands there; None for a file that is gone or no JSON, as those of containers that just end are."""
    try:
        value = json.loads(content(tree.at(path)))
    except (OSError, ValueError):
        return None
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _warning(engine: str, name: str, where: str) -> str:
    return f"warning: {engine} has containers that remember the runtime {name!r} and cannot start without it: {where}"
