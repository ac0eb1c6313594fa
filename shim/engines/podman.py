"""Podman: a drop-in of containers.conf(5).

The entry replaces `runc` or `crun` under its own name. Podman reads a runtime's errors as JSON only for names that it
knows (`runtime_supports_json`), and every container stores the name that it was created with. With this name neither
changes, when cgshim is installed or when it is removed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from shim.engines import toml_text
from shim.engines.dependents import podman_containers
from shim.engines.file import BACKUP, File
from shim.engines.registration import (
    Proposal,
    Registration,
    check_name,
    inside,
    is_ours,
    mapping,
    named_otherwise,
    without_drop_in,
)
from shim.engines.runtimes import NAMES
from shim.planning import settings

if TYPE_CHECKING:
    from shim.engines.registration import Request
    from shim.engines.tree import Tree

NAME = "podman"
SERVICE = ""
APPLY = ""
DROP_IN = "50-cgshim.conf"
# containers-common: pkg/config/default.go. Podman 4.3 refuses {append=true} in an array, so the whole list is written.
JSON_NAMES = ("crun", "runc", "kata", "runsc", "youki", "krun", "ocijail")
# The order and the places in which podman looks for a runtime without a configuration.
FOUND_FIRST = ("crun", "runc")
WHERE = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin")


def _file(request: Request) -> str:
    base = request.home or "/etc"
    return request.config or f"{base}/containers/containers.conf.d/{DROP_IN}"


def configured(tree: Tree, request: Request) -> dict[str, Any]:
    """Return `[engine]` of every file but ours; later files win."""
    bases = ["/usr/share", "/etc", *([request.home] if request.home else [])]
    paths = []
    for base in bases:
        paths += [f"{base}/containers/containers.conf", *tree.glob(f"{base}/containers/containers.conf.d/*.conf")]
    engine: dict[str, Any] = {}
    for path in paths:
        text = None if path == _file(request) else tree.read(path)
        if text is not None:
            found = mapping(toml_text.parsed(text, path), "engine")
            engine = {**engine, **found, "runtimes": {**mapping(engine, "runtimes"), **mapping(found, "runtimes")}}
    return engine


def _default(tree: Tree, engine: dict[str, Any]) -> str:
    """Return the name under which podman creates containers now."""
    named = engine.get("runtime")
    if isinstance(named, str) and named:
        return os.path.basename(named)
    there = (name for name in FOUND_FIRST if any(tree.executable(f"{where}/{name}") for where in WHERE))
    return next(there, "runc")


def _path(tree: Tree, engine: dict[str, Any], name: str) -> str:
    """Return the program behind a runtime's name."""
    paths = inside(engine, "runtimes", name)
    if isinstance(paths, list):
        return next((path for path in paths if isinstance(path, str) and tree.executable(path)), "")
    if isinstance(engine.get("runtime"), str) and os.path.basename(engine["runtime"]) == name:
        return engine["runtime"] if engine["runtime"].startswith("/") else name
    return name


def install(tree: Tree, request: Request) -> Proposal:
    """The drop-in."""
    engine = configured(tree, request)
    default = _default(tree, engine)
    family = settings.family(request.runtime) if request.runtime else ""
    name = check_name(request.name or (family if family in NAMES else default))
    there = registered(tree, request)
    if there and there[0].name != name:
        raise named_otherwise(NAME, there[0].name, there[0].file)
    file = _file(request)
    before, text = tree.read(file), _text(request, name, engine)
    there_values = toml_text.parsed(before or "", file)
    notes = []
    if name != default and not request.as_default:
        notes.append(f"podman's default stays {default}; use `podman --runtime {name} ...`, or --as-default")
    return Proposal(
        name=name,
        files=(File(path=file, before=before, after=text, backup=not _is_ours_alone(there_values, request)),),
        notes=tuple(notes),
        wrapped=_path(tree, engine, name if name in JSON_NAMES else default),
    )


def _text(request: Request, name: str, engine: dict[str, Any]) -> str:
    above: dict[str, Any] = {}
    if request.as_default:
        above["runtime"] = name
    known = engine.get("runtime_supports_json")
    known = list(known) if isinstance(known, list) else list(JSON_NAMES)
    if name not in known:
        above["runtime_supports_json"] = [*known, name]
    lines = ["# cgshim in front of the OCI runtime; `cgshimctl engine remove podman` takes it back."]
    if above:
        lines += [*toml_text.lines(("engine",), above), ""]
    lines += toml_text.lines(("engine", "runtimes"), {name: [request.binary]})
    return "\n".join(lines) + "\n"


def remove(tree: Tree, request: Request) -> Proposal:
    """The removal of the drop-in."""
    file = _file(request)
    found = registered(tree, request)
    if not found:
        return Proposal(name=request.name, files=())
    name = found[0].name
    remembered = podman_containers(tree, request, name) if name not in JSON_NAMES else ()
    text = tree.read(file) or ""
    kept = "" if _is_ours_alone(toml_text.parsed(text, file), request) else file + BACKUP
    return without_drop_in(name, File(path=file, before=text, after=None), kept, remembered)


def _is_ours_alone(values: dict[str, Any], request: Request) -> bool:
    """Return whether the drop-in has only what `install` writes."""
    engine = mapping(values, "engine")
    known = set(values) <= {"engine"} and set(engine) <= {"runtime", "runtime_supports_json", "runtimes"}
    paths = [
        path for each in mapping(engine, "runtimes").values() for path in (each if isinstance(each, list) else [each])
    ]
    return known and all(is_ours(path, request) for path in paths)


def registered(tree: Tree, request: Request) -> tuple[Registration, ...]:
    """Return what the drop-in registers."""
    file = _file(request)
    text = tree.read(file)
    if text is None:
        return ()
    values = toml_text.parsed(text, file)
    default = inside(values, "engine", "runtime") or _default(tree, configured(tree, request))
    entries = []
    for name, paths in mapping(values, "engine", "runtimes").items():
        ours = [path for path in paths if is_ours(path, request)] if isinstance(paths, list) else []
        if ours:
            entries.append(Registration(name=name, binary=ours[0], file=file, default=name == default))
    return tuple(entries)
