"""A stand-in in cgshim's state directory for a bundle that cannot be written. Its relative paths become absolute."""

from __future__ import annotations

import posix

from shim.errors import ShimError
from shim.oci import atomic
from shim.oci.document import errno_name
from shim.oci.edits import apply_to_text
from shim.oci.text import items, of_any_depth
from shim.rules.base import Edit
from shim.state import files as kept
from shim.system import basename, dirname, isdir, join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.oci.document import Document

OF_CALL = "~"  # between a container's id and the unique part of its stand-ins' names
CREATOR = "creator"  # in a stand-in: pid of the process that creates a container from it
INSIDE = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
REMEDY = "or set CGSHIM_STATE to a directory of your own; neither it nor one above it may be writable for others"
# A bundle gets a stand-in after one of these errors.
# EINVAL: the file's owner has no id in our user namespace (fchown(2)).
# ESTALE: another file replaced it (shim.oci.atomic); the stand-in gets the content that was read.
NOT_WRITABLE = ("EROFS", "EACCES", "EPERM", "EBUSY", "EINVAL", "ESTALE")


def path_of(state: str, runtime_root: str, container: str) -> str:
    """Return a path for a stand-in bundle of a container, a new one for each call: an earlier one may be in use.

    Ids are unique only below one root of a runtime. They contain no "~" (runc) or no slash (crun).
    """
    # An id with a slash is invalid. The runtime refuses it, but until then it must not lead out of our directory.
    name = f"{container.replace('/', '-')}{OF_CALL}{posix.getpid()}-{posix.urandom(4).hex()}"
    return join(state, "bundles", runtime_root.strip("/").replace("/", "-"), name)


def make(document: Document, text: str, bundle: str, place: str) -> str:
    """Create a bundle with `text` as its config.json and every relative path made absolute; return its path.

    Raises ShimError if it cannot be written either. It has to exist until the container is deleted.
    """
    try:
        handle = kept.opened(place, make=True)
        try:
            files = {CREATOR: str(posix.getpid()), "config.json": absolute(document, text, bundle)}
            for name, content in files.items():
                data = content.encode("utf-8", "surrogateescape")
                atomic.put_in(handle, name, data, mode=0o600, flush=False)
        finally:
            posix.close(handle)
    except OSError as error:
        raise ShimError(
            "unwritable-bundle",
            f"the bundle {bundle} cannot be written, nor can a stand-in for it",
            cause="config.json needs changes for this host, and starting without them would lose limits",
            evidence=(f"{error.filename or place}: {_why(error)}",),
            remedy=(f"make {bundle} writable for uid {posix.geteuid()}", REMEDY),
        ) from error
    return place


def _why(error: OSError) -> str:
    """Return the error's name, or our own reason."""
    own = error.strerror in (kept.THEIRS, kept.SHARED, kept.NOWHERE)
    return f"{errno_name(error)}, {error.strerror}" if own else errno_name(error)


def absolute(document: Document, text: str, bundle: str) -> str:
    """Return `text` for another directory: `root.path` and the sources of bind mounts are resolved against the
    bundle.
    """
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
    """Return the text of `mounts` with relative sources of bind mounts made absolute, and everything else unchanged."""
    for mount, first, last in reversed(items(text, 0, of_any_depth())[0]):
        if _relative(mount):
            edit = Edit(op="set", path=("source",), value=join(bundle, mount["source"]))
            text = text[:first] + apply_to_text(text[first:last], [edit]) + text[last:]
    return text


def _relative(mount: Any) -> bool:
    """Return whether it is a bind mount with a source relative to the bundle (config.md, "Mounts")."""
    if not isinstance(mount, dict) or not isinstance(mount.get("source"), str):
        return False
    bind = mount.get("type") == "bind" or bool({"bind", "rbind"} & set(mount.get("options") or ()))
    return bind and not mount["source"].startswith("/")


def discard_stale(state: str, runtime_root: str) -> None:
    """Remove stand-ins of containers that are gone. `delete` never reaches Python, so the next start cleans up.

    A directory that another user could have made is not read.
    """
    try:
        handle = kept.opened(dirname(path_of(state, runtime_root, "")))
    except OSError:
        return
    try:
        for name in posix.listdir(handle):
            container = name.rpartition(OF_CALL)[0] or name
            if not isdir(join(runtime_root, container)) and not _in_the_making(handle, name):
                _discard(handle, name)
    finally:
        posix.close(handle)


def _in_the_making(directory: int, name: str) -> bool:
    """Return whether another call may have just made the stand-in, before its runtime has made the container."""
    try:
        handle = posix.open(name, INSIDE, dir_fd=directory)
        try:
            number = kept.content(handle, CREATOR).decode("ascii", "replace")
        finally:
            posix.close(handle)
    except OSError:
        return False
    return number.isdigit() and isdir(f"/proc/{number}")


def discard(bundle: str) -> None:
    """Remove a stand-in; one that is already gone is fine."""
    try:
        handle = kept.opened(dirname(bundle))
    except OSError:
        return
    try:
        _discard(handle, basename(bundle))
    finally:
        posix.close(handle)


def _discard(directory: int, container: str) -> None:
    """Remove our two files, temporary files of killed calls, and the directory if it is empty then."""
    try:
        handle = posix.open(container, INSIDE, dir_fd=directory)
    except OSError:
        return
    try:
        atomic.clean(handle)
        for name in ("config.json", CREATOR):
            try:
                posix.unlink(name, dir_fd=handle)
            except OSError:
                continue
        posix.rmdir(container, dir_fd=directory)
    except OSError:
        return
    finally:
        posix.close(handle)
