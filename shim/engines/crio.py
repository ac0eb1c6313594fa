"""CRI-O: a drop-in of crio.conf(5). Its `runtime_path` is the OCI runtime, so it names cgshim."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from shim.engines import toml_text
from shim.engines.dependents import crio_containers
from shim.engines.file import BACKUP, File
from shim.engines.real_runtime import search
from shim.engines.registration import (
    OWN_NAME,
    Proposal,
    Registration,
    check_name,
    inside,
    is_ours,
    mapping,
    name_taken,
    named_otherwise,
    without_drop_in,
)
from shim.errors import ShimError

if TYPE_CHECKING:
    from shim.engines.registration import Request
    from shim.engines.tree import Tree

NAME = "crio"
SERVICE = "crio.service"
APPLY = "systemctl restart crio"
DIRECTORY = "/etc/crio/crio.conf.d"
BUILT_IN = "crun"
DROP_IN = "50-cgshim.conf"
PATIENCE = 20  # seconds for a program that only prints
TABLE = ("crio", "runtime", "runtimes")


def _file(request: Request) -> str:
    return request.config or f"{DIRECTORY}/{DROP_IN}"


def _kept(file: str) -> str:
    """Return where a copy is kept: CRI-O reads every file in the directory, whatever its name."""
    return f"{os.path.dirname(os.path.dirname(file))}/{os.path.basename(file)}{BACKUP}"


def configured(tree: Tree, request: Request) -> dict[str, Any]:
    """Return `[crio.runtime]` of every file but ours; later files win, and a runtime's table is replaced as a whole."""
    runtime: dict[str, Any] = {}
    for path in ["/etc/crio/crio.conf", *tree.glob(f"{DIRECTORY}/*")]:
        text = None if path == _file(request) else tree.read(path)
        if text is not None:
            found = mapping(toml_text.parsed(text, path), "crio", "runtime")
            runtime = {**runtime, **found, "runtimes": {**mapping(runtime, "runtimes"), **mapping(found, "runtimes")}}
    return runtime


def install(tree: Tree, request: Request) -> Proposal:
    """Return the drop-in, with the default runtime's monitor, root, annotations and other settings copied."""
    name, file = check_name(request.name or OWN_NAME), _file(request)
    if request.home:
        raise ShimError("no-rootless", "CRI-O has no per-user configuration", remedy=("leave out --rootless",))
    present = configured(tree, request)
    taken = mapping(present, "runtimes", name)
    if taken and not is_ours(taken.get("runtime_path"), request):
        raise name_taken(NAME, name, "crio.conf", taken.get("runtime_path"))
    there = registered(tree, request)
    if there and there[0].name != name:
        raise named_otherwise(NAME, there[0].name, file)
    default = str(present.get("default_runtime") or _built_in(tree, mapping(present, "runtimes"), request))
    model = mapping(present, "runtimes", default)
    if model.get("runtime_type", "oci") not in ("", "oci"):
        model = {}
    wrapped = str(model.get("runtime_path") or default)
    entry = {"runtime_path": request.binary, "runtime_type": "oci", "runtime_root": f"/run/{_family(default)}"}
    entry.update({key: value for key, value in model.items() if key not in ("runtime_path", "runtime_type")})
    text, after = tree.read(file), _text(name, entry, as_default=request.as_default)
    added = text is not None and text != after and not _is_ours_alone(toml_text.parsed(text, file), request)
    others = (File(path=_kept(file), before=None, after=text),) if added else ()
    return Proposal(
        name=name,
        files=(*others, File(path=file, before=text, after=after)),
        wrapped=wrapped,
    )


def _built_in(tree: Tree, runtimes: dict[str, Any], request: Request) -> str:
    """Return the default if no file names one: CRI-O's own answer, else crun (since CRI-O 1.31) if it is there."""
    asked = inside(_printed(tree), "crio", "runtime", "default_runtime")
    if isinstance(asked, str) and asked and asked not in {entry.name for entry in registered(tree, request)}:
        return asked
    if runtimes:
        return BUILT_IN if BUILT_IN in runtimes else str(next(iter(runtimes)))
    return BUILT_IN if search(tree, (BUILT_IN,)) else "runc"


def _printed(tree: Tree) -> dict[str, Any]:
    """Return the output of `crio config`, {} if there is no CRI-O or it fails."""
    program = shutil.which("crio") if tree.live else None
    if not program:
        return {}
    try:
        done = subprocess.run([program, "config"], check=False, capture_output=True, text=True, timeout=PATIENCE)
        return toml_text.values(done.stdout) if done.returncode == 0 else {}
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return {}


def _family(name: str) -> str:
    return "crun" if "crun" in name else "runc"


def _text(name: str, entry: dict[str, Any], *, as_default: bool) -> str:
    lines = ["# cgshim in front of the OCI runtime; `cgshimctl engine remove crio` takes it back."]
    if as_default:
        lines += [*toml_text.lines(TABLE[:-1], {"default_runtime": name}), ""]
    lines += toml_text.lines((*TABLE, name), entry)
    return "\n".join(lines) + "\n"


def remove(tree: Tree, request: Request) -> Proposal:
    """The removal of the drop-in."""
    file = _file(request)
    found = registered(tree, request)
    if not found:
        return Proposal(name=request.name, files=())
    name = found[0].name
    text, remembered = tree.read(file) or "", crio_containers(tree, name)
    kept = "" if _is_ours_alone(toml_text.parsed(text, file), request) else _kept(file)
    return without_drop_in(name, File(path=file, before=text, after=None), kept, remembered)


def _is_ours_alone(values: dict[str, Any], request: Request) -> bool:
    """Return whether the drop-in has only what `install` writes."""
    runtime = mapping(values, "crio", "runtime")
    known = set(values) <= {"crio"} and set(mapping(values, "crio")) <= {"runtime"}
    entries = mapping(runtime, "runtimes").values()
    ours = all(is_ours(inside(entry, "runtime_path"), request) for entry in entries)
    return known and ours and set(runtime) <= {"default_runtime", "runtimes"}


def registered(tree: Tree, request: Request) -> tuple[Registration, ...]:
    """Return what the drop-in registers, and whether a later file overrides the default."""
    file = _file(request)
    text = tree.read(file)
    if text is None:
        return ()
    values = toml_text.parsed(text, file)
    default = inside(values, "crio", "runtime", "default_runtime")
    for path in tree.glob(f"{DIRECTORY}/*"):
        later = tree.read(path) if path > file else None
        if later is not None:
            default = inside(toml_text.parsed(later, path), "crio", "runtime", "default_runtime") or default
    return tuple(
        Registration(name=name, binary=entry["runtime_path"], file=file, default=name == default)
        for name, entry in mapping(values, *TABLE).items()
        if isinstance(entry, dict) and is_ours(entry.get("runtime_path"), request)
    )
