"""Docker: `runtimes` in daemon.json, edited in place, because the daemon has no drop-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shim.engines import json_text
from shim.engines.dependents import docker_containers
from shim.engines.file import BACKUP, File
from shim.engines.registration import (
    OWN_NAME,
    Proposal,
    Registration,
    check_name,
    copy_left,
    inside,
    is_ours,
    mapping,
    name_taken,
)
from shim.errors import ShimError

if TYPE_CHECKING:
    from shim.engines.registration import Request
    from shim.engines.tree import Tree

NAME = "docker"
SERVICE = "docker.service"
APPLY = "systemctl reload docker"
FORGET = "systemctl restart docker"
FORGETS_LATE = (
    "A reload only adds runtimes. Until docker is restarted, it still calls cgshim, also as its default if it was that."
)
RESERVED = ("runc", "io.containerd.runc.v2")
RUNC_SHIM = "io.containerd.runc.v2"


def _file(request: Request) -> str:
    return request.config or (f"{request.home}/docker/daemon.json" if request.home else "/etc/docker/daemon.json")


def _read(tree: Tree, request: Request) -> tuple[str | None, dict[str, Any]]:
    file = _file(request)
    text = tree.read(file)
    return text, json_text.parsed(text, file) if text and text.strip() else {}


def install(tree: Tree, request: Request) -> Proposal:
    """Return daemon.json with the entry; `runtimeArgs` and shim options of the entry in use are kept."""
    name, file = check_name(request.name or OWN_NAME), _file(request)
    if name in RESERVED:
        raise ShimError("bad-name", f"Docker reserves the name {name!r}", remedy=("choose another with --name",))
    text, values = _read(tree, request)
    there = mapping(values, "runtimes", name)
    if there and not is_ours(_binary(there), request):
        raise name_taken(NAME, name, file, _binary(there) or there.get("runtimeType"))
    entry, wrapped = _entry(values, there, request)
    after = _edited(text, name, entry, as_default=request.as_default)
    foreign = text is not None and not registered(tree, request)  # otherwise the former text was kept before
    return Proposal(
        name=name,
        files=(File(path=file, before=text, after=after, backup=foreign),),
        wrapped=wrapped,
    )


def _binary(entry: dict[str, Any]) -> Any:
    return entry.get("path") or inside(entry, "options", "BinaryName")


def _entry(values: dict[str, Any], there: dict[str, Any], request: Request) -> tuple[dict[str, Any], str]:
    """Return the entry, and the runtime of the copied one."""
    default = values.get("default-runtime", "runc")
    model = there or mapping(values, "runtimes", str(default))
    if "path" in model:
        wrapped = "" if is_ours(model["path"], request) else str(model["path"])
        return {**model, "path": request.binary}, wrapped
    if model.get("runtimeType") == RUNC_SHIM:
        binary = str(_binary(model) or "runc")
        wrapped = "" if is_ours(binary, request) else binary
        return {**model, "options": {**mapping(model, "options"), "BinaryName": request.binary}}, wrapped
    return {"path": request.binary}, "runc"


def _edited(text: str | None, name: str, entry: dict[str, Any], *, as_default: bool) -> str:
    text = text if text and text.strip() else "{}\n"
    values = json_text.parsed(text, "")
    if inside(values, "runtimes", name) != entry:
        text = json_text.with_member(text, ("runtimes", name), entry)
    if as_default and values.get("default-runtime") != name:
        text = json_text.with_member(text, ("default-runtime",), name)
    return text


def remove(tree: Tree, request: Request) -> Proposal:
    """Return daemon.json as before: byte for byte if nothing else has changed since, else without our members."""
    text, values = _read(tree, request)
    entries = registered(tree, request)
    wanted = [entry for entry in entries if not request.name or entry.name == request.name]
    file = _file(request)
    if not entries:
        return copy_left(tree, file, request.name)
    if text is None or not wanted:
        return Proposal(name=request.name, files=())
    backup = tree.read(file + BACKUP)
    after: str | None = text
    for entry in wanted:
        after = _taken_back(str(after), backup, entry)
    if backup is None and json_text.parsed(str(after), file) == {}:
        after = None
    files = [File(path=file, before=text, after=after)]
    if backup is not None and len(wanted) == len(entries):
        files.append(File(path=file + BACKUP, before=backup, after=None))
    data_root = str(values.get("data-root") or _data_root(request))
    remembered = tuple(note for entry in wanted for note in docker_containers(tree, data_root, entry.name))
    return Proposal(name=wanted[0].name, files=tuple(files), notes=(FORGETS_LATE,), remembered=remembered, apply=FORGET)


def _data_root(request: Request) -> str:
    return f"{request.home}/../.local/share/docker" if request.home else "/var/lib/docker"


def _taken_back(text: str, backup: str | None, entry: Registration) -> str:
    values = json_text.parsed(text, entry.file)
    there = mapping(values, "runtimes", entry.name)
    if backup is not None and _edited(backup, entry.name, there, as_default=entry.default) == text:
        return backup
    if entry.default:
        before = json_text.parsed(backup, entry.file).get("default-runtime") if backup and backup.strip() else None
        known = before == "runc" or before in mapping(values, "runtimes")
        if isinstance(before, str) and before != entry.name and known:
            text = json_text.with_member(text, ("default-runtime",), before)
        else:
            text = json_text.without_member(text, ("default-runtime",))
    return json_text.without_member(text, ("runtimes", entry.name))


def registered(tree: Tree, request: Request) -> tuple[Registration, ...]:
    """Return the entries of daemon.json that lead to cgshim."""
    file, values = _file(request), _read(tree, request)[1]
    default = values.get("default-runtime", "runc")
    return tuple(
        Registration(name=name, binary=_binary(entry), file=file, default=name == default)
        for name, entry in mapping(values, "runtimes").items()
        if isinstance(entry, dict) and is_ours(_binary(entry), request)
    )
