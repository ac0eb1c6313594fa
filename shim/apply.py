"""A plan written down: the new config.json, whole or not at all.

The file is replaced by rename(2), so a crash, a full disk or a kill at any point leaves the old or the new one. A
bundle that cannot be written gets a stand-in beside cgshim's own state, with the paths made absolute.
"""

from __future__ import annotations

import errno
import os

from shim.errors import ShimError
from shim.oci.document import errno_name
from shim.oci.edits import apply_to_text
from shim.oci.text import dump
from shim.rules.base import Edit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from shim.oci.document import Document

NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EBUSY)


def replace(path: str, text: str) -> None:
    """Put `text` in place of the file at `path`: same owner and mode, flushed to disk, renamed over it.

    Raises OSError; the old file is then untouched and nothing is left beside it.
    """
    path = os.path.realpath(path)
    status = os.stat(path)
    beside = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.cgshim-{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            _write(handle, text.encode("utf-8", "surrogateescape"))
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(handle, status.st_uid, status.st_gid)
            os.fchmod(handle, status.st_mode & 0o7777)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    _flush_directory(os.path.dirname(path))


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _flush_directory(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def state_directory(environment: Mapping[str, str]) -> str:
    """Where cgshim may keep files of its own: /run/cgshim, for a rootless caller below XDG_RUNTIME_DIR."""
    if os.geteuid() == 0 and os.access("/run", os.W_OK) and not environment.get("_CONTAINERS_ROOTLESS_UID"):
        return "/run/cgshim"
    return os.path.join(environment.get("XDG_RUNTIME_DIR") or f"/tmp/cgshim-{os.geteuid()}", "cgshim")


def stand_in(state: str, runtime_root: str, container: str) -> str:
    """Where the stand-in bundle of a container lies; ids are unique only below one root of a runtime."""
    return os.path.join(state, "bundles", runtime_root.strip("/").replace("/", "-"), container)


def alternative_bundle(document: Document, text: str, bundle: str, place: str) -> str:
    """A bundle of our own with `text` as its config.json and every relative path made absolute; its path.

    Raises ShimError where it cannot be written either. It must live until the container is deleted.
    """
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        path = os.path.join(place, "config.json")
        with open(path, "wb") as file:
            file.write(absolute(document, text, bundle).encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise ShimError(
            "unwritable-bundle",
            f"the bundle {bundle} cannot be written, and neither can a stand-in for it",
            cause="config.json needs changes for this host, and starting without them would lose limits",
            evidence=(f"{error.filename or place}: {errno_name(error)}",),
            remedy=(f"make {bundle} writable for uid {os.geteuid()}", f"or make {os.path.dirname(place)} writable"),
        ) from error
    return place


def absolute(document: Document, text: str, bundle: str) -> str:
    """`text` for another directory: `root.path` and the sources of bind mounts, relative to the bundle, resolved."""
    from shim.oci.document import load

    changed = load(text, document.path)
    sections: dict[tuple[str, ...], str] = {}
    root = changed.value.get("root")
    if isinstance(root, dict) and not str(root.get("path", "")).startswith("/"):
        path = os.path.join(bundle, str(root.get("path", "rootfs")))
        sections["root",] = apply_to_text(changed.section("root"), [Edit(op="set", path=("path",), value=path)])
    mounts = changed.value.get("mounts")
    if isinstance(mounts, list) and any(_relative(mount) for mount in mounts):
        resolved = [{**m, "source": os.path.join(bundle, m["source"])} if _relative(m) else m for m in mounts]
        sections["mounts",] = dump(resolved)
    return changed.replaced(sections)


def _relative(mount: Any) -> bool:
    """A bind mount whose source is relative to the bundle (config.md, "Mounts")."""
    if not isinstance(mount, dict) or not isinstance(mount.get("source"), str):
        return False
    bind = mount.get("type") == "bind" or bool({"bind", "rbind"} & set(mount.get("options") or ()))
    return bind and not mount["source"].startswith("/")


def discard_stale(state: str, runtime_root: str) -> None:
    """Remove stand-ins whose container is gone: `delete` never reaches Python, so the next one cleans up."""
    place = os.path.dirname(stand_in(state, runtime_root, ""))
    if not os.path.isdir(place):
        return
    for container in os.listdir(place):
        if not os.path.isdir(os.path.join(runtime_root, container)):
            discard(os.path.join(place, container))


def discard(bundle: str) -> None:
    """Remove a stand-in; one that is already gone is fine."""
    for step, path in ((os.unlink, os.path.join(bundle, "config.json")), (os.rmdir, bundle)):
        try:
            step(path)
        except OSError:
            return
