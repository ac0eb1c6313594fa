"""containerd's CRI plugin: an entry whose BinaryName is cgshim. `runtime_path` would name the shim, which stays
containerd's.

The plugin's name in the file depends on the file's version (containerd: docs/cri/config.md). A drop-in among the
imports is used if containerd merges it: before 2.1 a drop-in replaces the plugin's whole section, whose settings are
then lost.

A file without any runtime has the built-in entry `runc`. The first written entry removes it, and containerd 1.6 then
refuses to load the plugin ("no corresponding runtime configured"). So that entry is written, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shim.engines import toml_text
from shim.engines.containerd_asked import default_version, merges
from shim.engines.dependents import containerd_tasks
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

NAME = "containerd"
SERVICE = "containerd.service"
APPLY = "systemctl restart containerd"
PLUGINS = {1: "cri", 2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
DROP_IN = "50-cgshim.toml"
RUNC_SHIM = "io.containerd.runc.v2"
BUILT_IN = "runc"
PLAIN = {"runtime_type": RUNC_SHIM}
COMMENT = "# cgshim in front of the OCI runtime; `cgshimctl engine remove containerd` takes it back."


def _file(request: Request) -> str:
    return request.config or (f"{request.home or '/etc'}/containerd/config.toml")


def version_of(values: dict[str, Any], file: str) -> int:
    """Return the version of a file; an absent one is 1. Raises ShimError for an unknown version."""
    version = values.get("version", 1)
    if version not in PLUGINS or isinstance(version, bool):
        raise ShimError(
            "engine-config-version",
            f"{file}: version {version!r} of containerd's configuration is not known",
            evidence=(f"{file}: version = {version!r}",),
            remedy=("add the output of `cgshimctl engine print containerd` by hand, in the notation of the file",),
        )
    return int(version)


def table_of(version: int) -> tuple[str, ...]:
    """Return the path of the table for OCI runtimes in a file of this version."""
    return ("plugins", PLUGINS[version], "containerd")


def _imported(tree: Tree, values: dict[str, Any], file: str) -> list[str]:
    """Return the files that this one imports, without ours. Relative patterns start from the file's directory."""
    patterns = [p for p in values.get("imports") or [] if isinstance(p, str)]
    base = file.rpartition("/")[0]
    found = [path for p in patterns for path in tree.glob(p if p.startswith("/") else f"{base}/{p}")]
    return [path for path in found if not path.endswith(f"/{DROP_IN}")]


def _runtimes(tree: Tree, values: dict[str, Any], file: str) -> tuple[dict[str, Any], str]:
    """Return every runtime's entry in this file and its imports, and the default's name."""
    found: dict[str, Any] = {}
    default = "runc"
    for path in (file, *_imported(tree, values, file)):
        part = values if path == file else toml_text.parsed(tree.read(path) or "", path)
        section = mapping(part, *table_of(version_of(part if "version" in part else values, path)))
        found.update(mapping(section, "runtimes"))
        default = str(section.get("default_runtime_name") or default)
    return found, default


def install(tree: Tree, request: Request) -> Proposal:
    """config.toml with the entry, or a drop-in where containerd merges drop-ins."""
    name, file = check_name(request.name or OWN_NAME), _file(request)
    text = tree.read(file)
    values = toml_text.parsed(text, file) if text is not None else {}
    version = version_of(values, file) if text is not None else request.config_version or default_version(tree)
    runtimes, default = _runtimes(tree, values, file)
    there = mapping(runtimes, name)
    if there and not is_ours(inside(there, "options", "BinaryName"), request):
        raise name_taken(NAME, name, file, inside(there, "options", "BinaryName") or there.get("runtime_type"))
    entry, wrapped = _entry(there or mapping(runtimes, default), request)
    entries = {name: entry} if runtimes else {BUILT_IN: PLAIN, name: entry}
    notes = _disabled(values, file)
    here = inside(values, *table_of(version), "runtimes", name)
    directory = "" if here else merges(tree, file, version, values)
    if directory:
        path = f"{directory}/{DROP_IN}"
        before, after = tree.read(path), _fresh(version, entries, as_default=request.as_default)
        return Proposal(name=name, files=(File(path=path, before=before, after=after),), notes=notes, wrapped=wrapped)
    notes += _covered(tree, values, file)
    if text is None:
        changed = _fresh(version, entries, as_default=request.as_default)
    else:
        changed = _edited(text, file, entries, as_default=request.as_default)
    ours = any(entry.file == file for entry in registered(tree, request))  # the former text was kept before
    change = File(path=file, before=text, after=changed, backup=text is not None and not ours)
    return Proposal(name=name, files=(change,), notes=notes, wrapped=wrapped)


def _entry(model: dict[str, Any], request: Request) -> tuple[dict[str, Any], str]:
    """Return the entry with all settings of the copied one (above all SystemdCgroup), and that one's runtime."""
    if model.get("runtime_type", RUNC_SHIM) != RUNC_SHIM:
        return {"runtime_type": RUNC_SHIM, "options": {"BinaryName": request.binary}}, "runc"
    options = mapping(model, "options")
    binary = str(options.get("BinaryName") or "runc")
    kept = {key: value for key, value in model.items() if key not in ("runtime_type", "options")}
    rest = {key: value for key, value in options.items() if key != "BinaryName"}
    entry = {"runtime_type": RUNC_SHIM, **kept, "options": {"BinaryName": request.binary, **rest}}
    return entry, "" if is_ours(binary, request) else binary


def _disabled(values: dict[str, Any], file: str) -> tuple[str, ...]:
    disabled = values.get("disabled_plugins") or []
    hit = [name for name in disabled if isinstance(name, str) and name in ("cri", *PLUGINS.values())]
    return tuple(f"warning: {file} disables {name}: nothing reads the entry until that is removed" for name in hit)


def _covered(tree: Tree, values: dict[str, Any], file: str) -> tuple[str, ...]:
    """Return a warning for each imported file that overrides what this one sets for the plugin."""
    hit = []
    for path in _imported(tree, values, file):
        part = toml_text.parsed(tree.read(path) or "", path)
        if mapping(part, *table_of(version_of(part if "version" in part else values, path))[:2]):
            hit.append(path)
    return tuple(
        f"warning: {path} has settings of the plugin, too; containerd before 2.1 does not merge files and reads only "
        f"those: see `cgshimctl engine status containerd`, and use --config {path}"
        for path in hit
    )


def _fresh(version: int, entries: dict[str, Any], *, as_default: bool) -> str:
    lines = [COMMENT, *([f"version = {version}"] if version > 1 else [])]
    if as_default:
        lines += ["", *toml_text.lines(table_of(version), {"default_runtime_name": list(entries)[-1]})]
    for name, entry in entries.items():
        lines += ["", *toml_text.lines((*table_of(version), "runtimes", name), entry)]
    return "\n".join(lines) + "\n"


def _edited(text: str, file: str, entries: dict[str, Any], *, as_default: bool) -> str:
    """Return the text with these entries, of which the last one becomes the default if one was asked for."""
    values = toml_text.parsed(text, file)
    table, name = table_of(version_of(values, file)), list(entries)[-1]
    if as_default and inside(values, *table, "default_runtime_name") != name:
        text = toml_text.with_key(text, table, "default_runtime_name", name, file)
    for each, entry in entries.items():
        if inside(values, *table, "runtimes", each) != entry:
            text = toml_text.with_table(text, (*table, "runtimes", each), entry, file)
    return text


def remove(tree: Tree, request: Request) -> Proposal:
    """Return each file as before: byte for byte if nothing else has changed since, else without our lines."""
    entries = registered(tree, request)
    wanted = [entry for entry in entries if not request.name or entry.name == request.name]
    if not entries:
        return copy_left(tree, _file(request), request.name)
    if not wanted:
        return Proposal(name=request.name, files=())
    files: list[File] = []
    for path in dict.fromkeys(entry.file for entry in wanted):
        here = [entry for entry in wanted if entry.file == path]
        every = len(here) == len([entry for entry in entries if entry.file == path])
        files.extend(_without(tree, path, here, every=every))
    notes = tuple(f"{file.path} is kept: it has more than the entry" for file in files if file.before is None)
    binaries = dict.fromkeys(entry.binary for entry in wanted)
    remembered = tuple(note for binary in binaries for note in containerd_tasks(tree, binary))
    return Proposal(name=wanted[0].name, files=tuple(files), notes=notes, remembered=remembered)


def _without(tree: Tree, path: str, entries: list[Registration], *, every: bool) -> list[File]:
    text = tree.read(path) or ""
    if path.endswith(f"/{DROP_IN}"):
        gone = File(path=path, before=text, after=None)
        return (
            [gone]
            if _is_entry_alone(text, path, entries)
            else [gone, File(path=path + BACKUP, before=None, after=text)]
        )
    backup = tree.read(path + BACKUP)
    after: str | None = text
    for entry in entries:
        after = _taken_back(str(after), backup, entry)
    if backup is None and COMMENT in text and not any(mapping(toml_text.parsed(str(after), path), "plugins").values()):
        after = None
    files = [File(path=path, before=text, after=after)]
    if backup is not None and every:
        files.append(File(path=path + BACKUP, before=backup, after=None))
    return files


def _is_entry_alone(text: str, path: str, entries: list[Registration]) -> bool:
    """Return whether the drop-in has only what `install` writes."""
    values = toml_text.parsed(text, path)
    plugins, table = mapping(values, "plugins"), table_of(version_of(values, path))
    section = mapping(values, *table)
    names = {BUILT_IN, *(entry.name for entry in entries)}
    known = (
        set(values) <= {"version", "plugins"} and set(plugins) == {table[1]} and set(plugins[table[1]]) == {table[2]}
    )
    return known and set(section) <= {"default_runtime_name", "runtimes"} and set(mapping(section, "runtimes")) <= names


def _taken_back(text: str, backup: str | None, entry: Registration) -> str:
    file = entry.file
    values = toml_text.parsed(text, file)
    table = table_of(version_of(values, file))
    there = mapping(values, *table, "runtimes")
    former = mapping(toml_text.parsed(backup, file), *table) if backup is not None else {}
    brought = _brought(there, former, written=backup is not None or COMMENT in text)
    entries = {**({BUILT_IN: PLAIN} if brought else {}), entry.name: there[entry.name]}
    if backup is not None and _edited(backup, file, entries, as_default=entry.default) == text:
        return backup
    if entry.default and inside(values, *table, "default_runtime_name") == entry.name:
        before = former.get("default_runtime_name")
        if isinstance(before, str) and before != entry.name:
            text = toml_text.with_key(text, table, "default_runtime_name", before, file)
        else:
            text = toml_text.without_key(text, table, "default_runtime_name", file)
    text = toml_text.without_table(text, (*table, "runtimes", entry.name), file)
    if brought and set(there) == {BUILT_IN, entry.name}:
        text = toml_text.without_table(text, (*table, "runtimes", BUILT_IN), file)
    return text


def _brought(there: dict[str, Any], former: dict[str, Any], *, written: bool) -> bool:
    """Return whether `install` has put the built-in entry into the file."""
    return written and there.get(BUILT_IN) == PLAIN and not mapping(former, "runtimes")


def registered(tree: Tree, request: Request) -> tuple[Registration, ...]:
    """Return the entries that lead to cgshim, in the file itself and in a drop-in of ours."""
    file = _file(request)
    text = tree.read(file)
    main = toml_text.parsed(text, file) if text is not None else {}
    drop_ins = {f"{directory}/{DROP_IN}" for directory in _directories(main, file)}
    parts = [(file, main), *((path, toml_text.parsed(tree.read(path) or "", path)) for path in sorted(drop_ins))]
    sections = [(path, mapping(part, *table_of(version_of(part, path)))) for path, part in parts]
    default = next((s["default_runtime_name"] for _, s in reversed(sections) if "default_runtime_name" in s), "runc")
    return tuple(
        Registration(name=name, binary=entry["options"]["BinaryName"], file=path, default=name == default)
        for path, section in sections
        for name, entry in mapping(section, "runtimes").items()
        if is_ours(inside(entry, "options", "BinaryName"), request)
    )


def _directories(values: dict[str, Any], file: str) -> list[str]:
    """Return where a drop-in of ours may be: the file's imports, and the directory that newer versions always
    import.
    """
    patterns = [p for p in values.get("imports") or [] if isinstance(p, str) and p.endswith("/*.toml")]
    base = file.rpartition("/")[0]
    found = [p if p.startswith("/") else f"{base}/{p}" for p in patterns]
    return list(dict.fromkeys([*(p.rpartition("/")[0] for p in found), f"{base}/conf.d"]))
