"""Finds a container by a name that people use: an engine's name, POD/NAME, an id, or the beginning of an id."""

from __future__ import annotations

import os

from shim.containers.inventory import inventory
from shim.containers.tree import HostTree
from shim.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.containers.container import Container
    from shim.containers.inventory import Inventory

FEWEST = 3  # letters of an id; a shorter text is a name or a mistake


def resolve(name: str, root: str = "/") -> Container:
    """Return the container on this host with this name. Raises ShimError for none or more than one."""
    return named(inventory(HostTree(root)), name)


def named(found: Inventory, name: str) -> Container:
    """Return the container of an inventory with this name. Raises ShimError for none or more than one."""
    for matches in (_exact, _begins):
        chosen = [one for one in found.containers if matches(one, name)]
        alive = [one for one in chosen if one.pid]
        chosen = alive if len(alive) == 1 else chosen
        if len(chosen) == 1:
            return chosen[0]
        if chosen:
            raise ShimError(
                "ambiguous-container",
                f"there is more than one container {name}",
                evidence=tuple(
                    f"{one.engine}: {one.pod + '/' if one.pod else ''}{one.title} {one.id}" for one in chosen
                ),
                remedy=(f"use the whole id: {chosen[0].id}",),
            )
    raise unknown(name, f"none of the {len(found.containers)} containers on this host has this name", found.problems)


def configuration_of(name: str) -> str:
    """Return the path of the config.json of a container of this host. Raises ShimError if there is none to read."""
    found = resolve(name)
    path = os.path.join(found.bundle, "config.json")
    if found.bundle and os.path.isfile(path):
        return path
    raise ShimError(
        "no-configuration",
        f"the container {name} has no config.json that can be read",
        evidence=(f"bundle: {found.bundle or 'none is recorded'}; state: {found.state}",),
        remedy=("name the file itself: cgshimctl plan CONFIG", "start the container: engines write it at the start"),
    )


def _described(container: Container) -> str:
    """Return ENGINE: POD/NAME ID. Names are foreign text, so control characters are escaped."""
    pod = f"{container.pod}/" if container.pod else ""
    text = f"{container.engine}: {pod}{container.title} {container.id}"
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _exact(container: Container, name: str) -> bool:
    return name in (container.name, container.id, f"{container.pod}/{container.name}") and bool(name)


def _begins(container: Container, name: str) -> bool:
    return len(name) >= FEWEST and container.id.startswith(name)


def unknown(name: str, why: str, problems: tuple[str, ...] = ()) -> ShimError:
    """Return the error for a name without a container."""
    return ShimError(
        "no-container",
        f"this host has no container {name}",
        evidence=(why, *problems[:5]),
        remedy=("cgshimctl audit lists the containers of this host", "or name the bundle's directory"),
    )
