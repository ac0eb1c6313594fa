"""Proof that cgshim wrote a text: HMAC-SHA256 (RFC 2104) with a key that only root, or the rootless user, can read.

The key is created once and must survive a reboot, as the bundles with sealed limits do. Root's key is
/var/lib/cgshim/key, a rootless user's is in XDG_STATE_HOME/cgshim; with CGSHIM_STATE it is there. Without its key a
seal is never valid. `hmac` and `hashlib` take milliseconds and OpenSSL, so the interpreter's own SHA-256 module is used
directly. Imported only if limits are in cgroup2 alone (shim.planning.bridged_limits).
"""

from __future__ import annotations

import posix

from shim.errors import ShimError
from shim.oci.document import errno_name
from shim.state import files
from shim.system import dirname, environment, join, realpath, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from shim.oci.document import Document

PLACE, FILE = "/var/lib/cgshim", "key"
SIZE, BLOCK = 32, 64  # bytes: of the key and of a block of SHA-256
OTHERS = 0o077


def of(data: bytes) -> str:
    """Return the seal on `data` in hexadecimal. Creates the key if there is none. Raises ShimError."""
    path = _path(environment())
    key = _read(path)
    return _code(key or _make(path), data)


def fits(data: bytes, seal: str) -> bool:
    """Return whether it is cgshim's seal on `data`; False if there is no key. Raises ShimError."""
    from _operator import _compare_digest  # like hmac.compare_digest: takes the same time wherever the texts differ

    key = _read(_path(environment()))
    return key is not None and _compare_digest(_code(key, data).encode(), seal.encode("utf-8", "replace"))


def root_of(loaded: Document) -> str:
    """Return the path of a container's root file system. A relative one is below the bundle (config.md, "Root").

    Raises ShimError if the bundle is unknown.
    """
    root = loaded.value.get("root")
    path = root.get("path") if isinstance(root, dict) else None
    place = join(dirname(loaded.path) if "/" in loaded.path else "", path if isinstance(path, str) else "")
    if place.startswith("/"):
        return realpath(place)
    raise ShimError(
        "no-bundle",
        f"{loaded.path}: the bundle of this configuration is not known, so nothing can be kept for the container",
        evidence=(f"root.path {path!r} is not absolute",),
        remedy=("make root.path absolute, or create the container through cgshim as its runtime",),
    )


def _code(key: bytes, data: bytes) -> str:
    padded = key.ljust(BLOCK, b"\0")
    inner = _sha256(bytes(byte ^ 0x36 for byte in padded) + data)
    return _sha256(bytes(byte ^ 0x5C for byte in padded) + inner).hex()


def _sha256(data: bytes) -> bytes:
    try:
        from _sha2 import sha256  # type: ignore[import-not-found, unused-ignore]  # Python 3.12 and later
    except ImportError:
        try:
            from _sha256 import sha256  # type: ignore[import-not-found, unused-ignore, no-redef]
        except ImportError:
            from hashlib import sha256
    return bytes(sha256(data).digest())


def _path(variables: Mapping[str, str]) -> str:
    """Return the path of the caller's key. A hook may have no environment, so HOME is not used first."""
    if variables.get("CGSHIM_STATE", "").startswith("/"):
        return join(variables["CGSHIM_STATE"], FILE)
    if posix.geteuid() == 0 and posix.access(dirname(PLACE), posix.W_OK):  # not for root of a user namespace
        return join(PLACE, FILE)
    state = variables.get("XDG_STATE_HOME", "")
    if not state.startswith("/"):
        state = join(_home() or variables.get("HOME") or "/", ".local/state")
    return join(state, "cgshim", FILE)


def _home() -> str:
    import pwd

    try:
        return pwd.getpwuid(files.outer_user()).pw_dir
    except KeyError:
        return ""


def _read(path: str) -> bytes | None:
    """Return the key, None if there is none. Raises ShimError for a key that another user could know or have
    written.
    """
    try:
        _look(dirname(path), posix.lstat(dirname(path)))
        handle = posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, f"it cannot be read: {errno_name(error)}") from error
    try:
        _look(path, posix.fstat(handle))
        key = posix.read(handle, SIZE + 1)
    except OSError as error:
        raise _unusable(path, f"it cannot be read: {errno_name(error)}") from error
    finally:
        posix.close(handle)
    if len(key) != SIZE:
        raise _unusable(path, f"it does not have exactly {SIZE} bytes")
    return key


def _look(path: str, status: posix.stat_result) -> None:
    """Check that only the owner can read the key, and that nobody else can write to its directory."""
    directory = not path.endswith(f"/{FILE}")
    if status.st_uid != posix.geteuid():
        raise _unusable(path, f"it belongs to uid {status.st_uid}, not to {posix.geteuid()}")
    if (status.st_mode & 0o170000) != (0o040000 if directory else 0o100000):
        raise _unusable(path, f"it is not a {'directory' if directory else 'regular file'}")
    if status.st_mode & (0o022 if directory else OTHERS):
        raise _unusable(path, f"its mode is {status.st_mode & 0o7777:04o}, which gives others access")


def _make(path: str) -> bytes:
    """Create a key, complete on disk before it gets its name. If another call was faster, that call's key is used."""
    place, beside = dirname(path), f"{path}.{posix.getpid()}"
    key = posix.urandom(SIZE)
    try:
        posix.close(files.opened(place, make=True))
        handle = posix.open(beside, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_NOFOLLOW, 0o600)
        try:
            write_all(handle, key)
            posix.fsync(handle)
        finally:
            posix.close(handle)
        try:
            posix.link(beside, path)
        except FileExistsError:
            key = b""
        finally:
            posix.unlink(beside)
        _flush(place)
    except OSError as error:
        raise _unusable(path, f"it cannot be created: {errno_name(error)}") from error
    found = _read(path)
    if found is None or (key and found != key):
        raise _unusable(path, "it changed while it was created")
    return found


def _flush(place: str) -> None:
    handle = posix.open(place, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        posix.fsync(handle)
    finally:
        posix.close(handle)


def _unusable(path: str, why: str) -> ShimError:
    return ShimError(
        "no-key",
        f"{path}: {why}",
        cause="cgshim seals the limits that it keeps in config.json, so that no image can set them",
        evidence=(f"{path}: {why}",),
        remedy=(
            f"make {dirname(path)} a directory of uid {posix.geteuid()}, with mode 0700",
            f"if {path} is there, remove it: a new one is created, and limits sealed with the old one no longer count",
        ),
    )
