"""containerd's own answers: which file it would write, which files it imports, whether it merges them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

from shim.engines.registration import mapping
from shim.engines.toml_text import values

if TYPE_CHECKING:
    from shim.engines.tree import Tree

PATIENCE = 20  # seconds for a program that only prints
OLDEST = 2  # containerd 1.2 and later read it
PLUGIN = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}


def printed(tree: Tree, *arguments: str) -> dict[str, Any]:
    """Return the output of `containerd ARGUMENTS`, {} if there is no containerd or it fails."""
    program = shutil.which("containerd") if tree.live else None
    if not program:
        return {}
    try:
        done = subprocess.run([program, *arguments], check=False, capture_output=True, text=True, timeout=PATIENCE)
        return values(done.stdout) if done.returncode == 0 else {}
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return {}


def default_version(tree: Tree) -> int:
    """Return the version of containerd's own default file; the oldest in use if it cannot be asked."""
    version = printed(tree, "config", "default").get("version")
    return version if version in PLUGIN else OLDEST


def merges(tree: Tree, file: str, version: int, values: dict[str, Any]) -> str:
    """Return the directory for a drop-in, "" if a drop-in would not be read, or would replace the file's settings.

    This is tested with two temporary files, because the version number does not tell: distributions backport the
    change.
    """
    if version not in PLUGIN or not tree.live:
        return ""
    imports = values.get("imports")
    if imports is None:
        imports = printed(tree, "--config", file, "config", "dump").get("imports") or []
    base = os.path.dirname(file)
    patterns = [p if p.startswith("/") else f"{base}/{p}" for p in imports if isinstance(p, str)]
    directories = [os.path.dirname(p) for p in patterns if p.endswith("/*.toml")]
    return directories[0] if directories and _merges(tree, version) else ""


def _merges(tree: Tree, version: int) -> bool:
    plugin = PLUGIN[version]
    with tempfile.TemporaryDirectory(prefix="cgshim-containerd-") as place:
        main, drop_in = f"{place}/config.toml", f"{place}/conf.d/probe.toml"
        os.mkdir(f"{place}/conf.d")
        head = f'version = {version}\nimports = ["{place}/conf.d/*.toml"]\n'
        with open(main, "w", encoding="utf-8") as file:
            file.write(f"{head}{_runtime(plugin, 'one')}")
        with open(drop_in, "w", encoding="utf-8") as file:
            file.write(f"version = {version}\n{_runtime(plugin, 'two')}")
        dump = printed(tree, "--config", main, "config", "dump")
    # containerd 2 shows the files of every version as one of its own.
    found = [mapping(dump, "plugins", name, "containerd", "runtimes") for name in PLUGIN.values()]
    return any({"one", "two"} <= set(runtimes) for runtimes in found)


def _runtime(plugin: str, name: str) -> str:
    return f'[plugins."{plugin}".containerd.runtimes.{name}]\n  runtime_type = "io.containerd.runc.v2"\n'
