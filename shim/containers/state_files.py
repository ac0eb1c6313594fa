"""The container's init right after `create`, from the pid file or from the runtime's own state."""

from __future__ import annotations

from shim.oci.text import Malformed, parse
from shim.system import content, join


def pid(pid_file: str, runtime_root: str, container: str) -> int:
    """Return the pid of the container's init, 0 if it cannot be found. pid_file: the engine's --pid-file, "" for none.

    runc keeps it in ROOT/ID/state.json as `init_process_pid`, crun in ROOT/ID/status as `pid`. Both files are read
    directly, because the command `state` would take as long as all of cgshim.
    """
    if pid_file:
        found = _number(_read(pid_file))
        if found:
            return found
    for name, key in (("state.json", "init_process_pid"), ("status", "pid")):
        state = _object(_read(join(runtime_root, container, name)))
        found_there = state.get(key)
        if isinstance(found_there, int):
            return found_there
    return 0


def annotations_of(runtime_root: str, container: str) -> dict[str, str]:
    """Return the annotations of a created container, {} if the runtime's state has none.

    runc keeps them in `config.labels` as NAME=VALUE; for crun they are read from the bundle in its record.
    """
    labels = _labels(join(runtime_root, container))
    if labels:
        return {name: value for name, _, value in (label.partition("=") for label in labels)}
    found = _object(_read(join(bundle(runtime_root, container), "config.json"))).get("annotations")
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def bundle(runtime_root: str, container: str) -> str:
    """Return the bundle that the container was created from, "" if the runtime's state has none."""
    directory = join(runtime_root, container)
    status = _object(_read(join(directory, "status")))
    if isinstance(status.get("bundle"), str):
        return str(status["bundle"])
    for label in _labels(directory):
        if label.startswith("bundle="):
            return label[len("bundle=") :]
    return ""


def _labels(directory: str) -> list[str]:
    config = _object(_read(join(directory, "state.json"))).get("config")
    labels = config.get("labels") if isinstance(config, dict) else None
    return [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []


def state_object(path: str) -> dict[str, object]:
    """Return a state file of a runtime as an object, {} for any other content."""
    return _object(_read(path))


def _read(path: str) -> str:
    try:
        return content(path).decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def _number(text: str) -> int:
    text = text.strip()
    return int(text) if len(text) <= 10 and text.isascii() and text.isdigit() else 0  # a pid has seven digits at most


def _object(text: str) -> dict[str, object]:
    try:
        value = parse(text) if text.strip() else None
    except Malformed:
        return {}
    return value if isinstance(value, dict) else {}
