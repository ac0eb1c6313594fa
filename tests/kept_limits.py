"""Documents whose annotation io.cgshim.bridge is cgshim's own, for tests of what is kept for a later start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shim.oci import document
from shim.planning import bridged_limits
from shim.rules.base import GUARD, Expectation

if TYPE_CHECKING:
    from shim.oci.document import Document

PATH = "/bundle/config.json"


def configuration(annotation: Any = None, *, cgroup: str = "/c", root: str = "rootfs", path: str = PATH) -> Document:
    """A configuration with this value of the annotation, for one container."""
    value: dict[str, Any] = {"root": {"path": root}, "linux": {"cgroupsPath": cgroup}}
    if annotation is not None:
        value["annotations"] = {bridged_limits.ANNOTATION: annotation}
    return document.load(json.dumps(value), path)


def sealed(limits: dict[str, str]) -> str:
    """The annotation's value for these limits, `file: value`, as cgshim writes it for the container above."""
    bridge = tuple(
        Expectation(
            field=f"unified.{file}", kind=GUARD, controller=file.partition(".")[0], version=2, file=file, value=value
        )
        for file, value in limits.items()
    )
    return bridged_limits.write(bridge, configuration())


def sealed_and_read(bridge: tuple[Expectation, ...]) -> bridged_limits.Kept:
    """What is in keeping after these limits were written into a configuration."""
    return bridged_limits.read(configuration(bridged_limits.write(bridge, configuration())))
