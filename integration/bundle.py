"""Minimal OCI bundles: a busybox root tree and a config.json that any runtime of this host can start."""

from __future__ import annotations

import copy
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

BUSYBOX_CANDIDATES = ("/bin/busybox", "/usr/bin/busybox")
APPLETS = ("sh", "cat", "echo", "false", "grep", "head", "id", "ls", "mount", "sleep", "stat", "true", "trap", "tee")

_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
_BASE: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "process": {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": ["/bin/sleep", "300"],
        "env": ["PATH=/bin"],
        "cwd": "/",
        "capabilities": {
            "bounding": _CAPABILITIES,
            "effective": _CAPABILITIES,
            "permitted": _CAPABILITIES,
        },
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "cgshim",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
    ],
    "linux": {
        "namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
    },
}


def base_config(
    *,
    args: list[str] | None = None,
    resources: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
    mounts: list[dict[str, Any]] | None = None,
    linux: dict[str, Any] | None = None,
    **top: Any,
) -> dict[str, Any]:
    """A fresh config.json as an object.

    args: the container's process (a long sleep if absent). resources: `linux.resources`. mounts: appended to the two
    that every container here has. linux: merged over `linux`. Anything else replaces a top-level key.
    """
    config = copy.deepcopy(_BASE)
    if args is not None:
        config["process"]["args"] = args
    if resources is not None:
        config["linux"]["resources"] = resources
    if annotations is not None:
        config["annotations"] = annotations
    config["mounts"].extend(mounts or [])
    config["linux"].update(linux or {})
    config.update(top)
    return config


def shell_hook(script: str) -> dict[str, Any]:
    """A hook of config.json that runs `script` in the host's shell.

    It reads its state first: crun fails the container when a hook ends before the state is written to it.
    """
    return {"path": "/bin/sh", "args": ["sh", "-c", f"cat >/dev/null; {script}"]}


class Bundle:
    """A bundle directory with `rootfs` and `config.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def config_path(self) -> Path:
        """Where config.json is."""
        return self.path / "config.json"

    @property
    def config(self) -> dict[str, Any]:
        """What config.json holds now."""
        loaded: dict[str, Any] = json.loads(self.config_path.read_text())
        return loaded

    @property
    def resources(self) -> dict[str, Any]:
        """What `linux.resources` holds now; {} when absent."""
        found: dict[str, Any] = self.config["linux"].get("resources") or {}
        return found

    def write(self, config: dict[str, Any]) -> None:
        """Replace config.json."""
        self.config_path.write_text(json.dumps(config, indent=2) + "\n")

    def configure(self, **changes: Any) -> dict[str, Any]:
        """Write `base_config(**changes)` and return it."""
        config = base_config(**changes)
        self.write(config)
        return config


def find_busybox() -> str:
    """The statically linked busybox of this host, "" if there is none."""
    return next((path for path in BUSYBOX_CANDIDATES if os.access(path, os.X_OK)), "")


def make_bundle(path: Path, busybox: str) -> Bundle:
    """Create a bundle below `path` (which must not exist) with the base configuration."""
    rootfs = path / "rootfs"
    for name in ("bin", "proc", "dev", "sys", "tmp", "etc"):
        (rootfs / name).mkdir(parents=True)
    shutil.copy2(busybox, rootfs / "bin" / "busybox")
    for applet in APPLETS:
        (rootfs / "bin" / applet).symlink_to("busybox")
    bundle = Bundle(path)
    bundle.configure()
    return bundle
