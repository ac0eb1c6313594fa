"""A plan written down: the new config.json, whole or not at all.

The file is replaced by rename(2), so a crash, a full disk or a kill at any point leaves the old or the new one. A
bundle that cannot be written gets a stand-in beside cgshim's own state, with the paths made absolute.
"""

from __future__ import annotations

import posix

from shim.errors import ShimError
from shim.oci.document import errno_name
from shim.oci.edits import apply_to_text
from shim.oci.text import items
from shim.rules.base import Edit
from shim.system import basename, dirname, isdir, join, makedirs, realpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from shim.oci.document import Document

CREATOR = "creator"  # in a stand-in: the process that makes a container of it
# EINVAL: the file belongs to somebody who has no number in our user namespace (fchown(2)).
NOT_WRITABLE = ("EROFS", "EACCES", "EPERM", "EBUSY", "EINVAL")


def replace(path: str, text: str) -> None:
    """Put `text` in place of the file at `path`: same owner and mode, flushed to disk, renamed over it.

    Raises OSError; the old file is then untouched and nothing is left beside it.
    """
    path = realpath(path)
    status = posix.stat(path)
    beside = join(dirname(path), f".{basename(path)}.cgshim-{posix.getpid()}")
    handle = _new_file(beside)
    try:
        try:
            _write(handle, text.encode("utf-8", "surrogateescape"))
            if (status.st_uid, status.st_gid) != (posix.geteuid(), posix.getegid()):
                posix.fchown(handle, status.st_uid, status.st_gid)
            posix.fchmod(handle, status.st_mode & 0o7777)
            posix.fsync(handle)
        finally:
            posix.close(handle)
        posix.rename(beside, path)
    except BaseException:
        posix.unlink(beside)
        raise
    _flush_directory(dirname(path))


def _new_file(path: str) -> int:
    """A new file of ours; one of its name was left by a killed process with our number and stands for nothing."""
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        return posix.open(path, flags, 0o600)
    except FileExistsError:
        posix.unlink(path)
        return posix.open(path, flags, 0o600)


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[posix.write(handle, data) :]


def _flush_directory(path: str) -> None:
    """The name's own way to disk. Not every file system can; the new file is in place whatever comes of it."""
    try:
        handle = posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except OSError:
        return
    try:
        posix.fsync(handle)
    except OSError:
        return
    finally:
        posix.close(handle)


def state_directory(environment: Mapping[str, str]) -> str:
    """Where cgshim may keep files of its own: CGSHIM_STATE, else /run/cgshim, for a rootless caller below
    XDG_RUNTIME_DIR.
    """
    if environment.get("CGSHIM_STATE", "").startswith("/"):
        return environment["CGSHIM_STATE"]
    if posix.geteuid() == 0 and posix.access("/run", posix.W_OK) and not environment.get("_CONTAINERS_ROOTLESS_UID"):
        return "/run/cgshim"
    return join(environment.get("XDG_RUNTIME_DIR") or f"/tmp/cgshim-{posix.geteuid()}", "cgshim")


def stand_in(state: str, runtime_root: str, container: str) -> str:
    """Where the stand-in bundle of a container lies; ids are unique only below one root of a runtime."""
    # An id with a slash is none, but refusing it is the runtime's business; it must not lead out of our directory.
    return join(state, "bundles", runtime_root.strip("/").replace("/", "-"), container.replace("/", "-"))


def alternative_bundle(document: Document, text: str, bundle: str, place: str) -> str:
    """A bundle of our own with `text` as its config.json and every relative path made absolute; its path.

    Raises ShimError where it cannot be written either. It must live until the container is deleted.
    """
    try:
        makedirs(place, mode=0o700)
        refuse_foreign(place)
        with open(join(place, CREATOR), "w", encoding="ascii") as file:
            file.write(str(posix.getpid()))
        path = join(place, "config.json")
        with open(path, "wb") as config:
            config.write(absolute(document, text, bundle).encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise ShimError(
            "unwritable-bundle",
            f"the bundle {bundle} cannot be written, and neither can a stand-in for it",
            cause="config.json needs changes for this host, and starting without them would lose limits",
            evidence=(f"{error.filename or place}: {errno_name(error)}",),
            remedy=(f"make {bundle} writable for uid {posix.geteuid()}", f"or make {dirname(place)} writable"),
        ) from error
    return place


def refuse_foreign(path: str) -> None:
    """What is ours may lie in what is root's (65534: root's, seen from a user namespace), not in another user's: below
    /tmp anybody may have made our directory first, and could put another config.json in place of the stand-in's.
    """
    while posix.lstat(path).st_uid == posix.geteuid() and path != "/":
        path = dirname(path)
    if posix.lstat(path).st_uid not in (0, 65534, posix.geteuid()):
        import errno

        raise PermissionError(errno.EPERM, "belongs to another user", path)


def absolute(document: Document, text: str, bundle: str) -> str:
    """`text` for another directory: `root.path` and the sources of bind mounts, relative to the bundle, resolved."""
    from shim.oci.document import load

    changed = load(text, document.path)
    sections: dict[tuple[str, ...], str] = {}
    root = changed.value.get("root")
    if isinstance(root, dict) and not str(root.get("path", "")).startswith("/"):
        path = join(bundle, str(root.get("path") or ""))
        sections["root",] = apply_to_text(changed.section("root"), [Edit(op="set", path=("path",), value=path)])
    mounts = changed.value.get("mounts")
    if isinstance(mounts, list) and any(_relative(mount) for mount in mounts):
        sections["mounts",] = _resolved(changed.section("mounts"), bundle)
    return changed.replaced(sections)


def _resolved(text: str, bundle: str) -> str:
    """The text of `mounts` with the sources of relative bind mounts made absolute, and nothing else touched."""
    for mount, first, last in reversed(items(text)):
        if _relative(mount):
            edit = Edit(op="set", path=("source",), value=join(bundle, mount["source"]))
            text = text[:first] + apply_to_text(text[first:last], [edit]) + text[last:]
    return text


def _relative(mount: Any) -> bool:
    """A bind mount whose source is relative to the bundle (config.md, "Mounts")."""
    if not isinstance(mount, dict) or not isinstance(mount.get("source"), str):
        return False
    bind = mount.get("type") == "bind" or bool({"bind", "rbind"} & set(mount.get("options") or ()))
    return bind and not mount["source"].startswith("/")


def discard_stale(state: str, runtime_root: str) -> None:
    """Remove stand-ins whose container is gone: `delete` never reaches Python, so the next one cleans up."""
    place = dirname(stand_in(state, runtime_root, ""))
    if not isdir(place):
        return
    for container in posix.listdir(place):
        bundle = join(place, container)
        if not isdir(join(runtime_root, container)) and not _in_the_making(bundle):
            discard(bundle)


def _in_the_making(bundle: str) -> bool:
    """Another call may have made the stand-in just now, and its runtime not yet the container."""
    try:
        with open(join(bundle, CREATOR), encoding="ascii") as file:
            return isdir(join("/proc", file.read() or "none"))
    except OSError:
        return False


def discard(bundle: str) -> None:
    """Remove a stand-in; one that is already gone is fine."""
    files = (join(bundle, name) for name in ("config.json", CREATOR))
    for step, path in (*((posix.unlink, file) for file in files), (posix.rmdir, bundle)):
        try:
            step(path)
        except OSError:
            continue
