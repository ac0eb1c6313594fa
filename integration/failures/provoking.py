"""Runs one row of the table of failures: its bundle, its namespace, its command; usable where there is no pytest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.bundle import find_busybox, make_bundle
from integration.containers import call, find_runtime
from integration.failures.provoked import LAYOUTS, provoke, provoke_forked, whole_config

if TYPE_CHECKING:
    from integration.failures.provocations import Provocation


RUNTIMES = ("runc", "crun")


def run_row(row: Provocation, runtime: str, top: Path, own: str, *, forking: bool = False) -> dict[str, Any]:
    """Prepare the test's directory `top` and namespace, run the row, return the answer with its context.

    forking: in a copy of this process, where the row allows it.
    """
    bundle, config = _prepared(row, top, own, find_busybox())
    container = f"{own}-x"

    def filled(text: str) -> str:
        found = {"$TOP": str(top), "$OWN": f"/{own}", "$ID": container, "$RUNTIME": " ".join(base)}
        for name, value in found.items():
            text = text.replace(name, value)
        return text

    own_state = ("--root", str(top / "state")) if runtime in RUNTIMES else ()
    base = [find_runtime(runtime), *own_state, *row.flags]
    layout = LAYOUTS[row.layout or ("legacy" if runtime == "crun" else "host")]
    context = {
        "config": config,
        "runtime": runtime,
        "bundle": str(bundle),
        "cgroups_path": config["linux"].get("cgroupsPath"),
        "command": row.call[0],
        "container": container,
    }
    request = {
        "argv": [*map(filled, row.around), *base, *map(filled, row.call)],
        "cwd": str(bundle),
        "context": context,
    }
    try:
        prepare = filled(f"{layout}; {row.prepare}")
        if forking and not row.before:
            answer = provoke_forked(prepare, request)
        else:
            answer = provoke(prepare, tuple(map(filled, row.before)), request)
    finally:
        if "$ID" in row.prepare:
            call([*base, "delete", "--force", container])
    return {**answer, "context": context}


def _prepared(row: Provocation, top: Path, own: str, busybox: str) -> tuple[Path, dict[str, Any]]:
    """The bundle and its config.json, with the files that rows mount."""
    top.chmod(0o755)
    bundle = make_bundle(top / "bundle", busybox)
    rootfs = top / "rootfs"
    (bundle.path / "rootfs").rename(rootfs)
    for name in ("src", "empty"):
        (top / name).mkdir()
    (rootfs / "etc" / "dir").mkdir()
    for path, mode in ((top / "file", 0o644), (rootfs / "etc" / "plain", 0o644), (rootfs / "etc" / "program", 0o755)):
        path.write_text("x\n")
        path.chmod(mode)
    config = whole_config(str(rootfs), f"/{own}/c")
    row.change(config)
    config = json.loads(json.dumps(config).replace("$TOP", str(top)))
    bundle.write(config)
    return bundle.path, config
