"""Puts a file in place by rename(2): a crash, a full disk or a kill leaves the old file or the new one, whole.

Everything is done through the descriptor of one directory, so that nobody who can change a part of the path, or the
name itself, makes cgshim write elsewhere. A file that replaces another one gets its owner, mode and extended
attributes, which include ACLs and security labels (acl(5), xattr(7)).
"""

from __future__ import annotations

import posix

from shim.system import DIRECTORY, KIND, basename, dirname, join, write_all
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EPERM, EOPNOTSUPP, ESTALE = 1, 95, 116  # asm-generic/errno-base.h, errno.h
LINK = 0o120000  # inode(7)
MARK = ".cgshim-"  # in `.NAME.cgshim-PID`, the temporary file that is renamed when it is complete
LOOKED_AT = 1000  # directory entries to search for files of dead processes
ACL = "system.posix_acl_access"  # a new file may have inherited one from its directory (acl(5), "default ACL")
OF_THE_CONTENT = ("security.ima", "security.evm")  # set by the kernel itself; they would be wrong for other content


class Model(Value):
    """The file whose attributes a new file gets.

    status: of that file, None if there is none; the new file then gets `mode`. way: a path to that file. replaced: the
    name must still be that file's when the new file gets it.
    """

    status: posix.stat_result | None = None
    way: str = ""
    mode: int = 0o644
    replaced: bool = False


def replace(path: str, data: bytes, identity: tuple[int, int] | None = None) -> None:
    """Put `data` in place of the file at `path`, which may be a symbolic link to it.

    The content is on disk before it gets the name. The name itself is not synced: after a power failure there is either
    the old file or the new one, whole, and no container from before the failure still runs. identity: (st_dev, st_ino)
    of the file that was read; if it is another file now, nothing is changed (ESTALE). Raises OSError; the old file is
    then unchanged and no temporary file is left. EPERM: the link and the file have different owners, as with
    fs.protected_symlinks.
    """
    old = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
    try:
        status = posix.fstat(old)
        if identity is not None and identity != (status.st_dev, status.st_ino):
            raise OSError(ESTALE, "another file has taken its place", path)
        place = _behind_link(path, old, status)
        directory = _directory(dirname(place) or ".")
        try:
            model = Model(status=status, way=f"/proc/self/fd/{old}", replaced=True)
            _put(directory, basename(place), data, model, flush=True)
        finally:
            posix.close(directory)
    finally:
        posix.close(old)


def put(path: str, data: bytes, *, mode: int = 0o644, like: str = "", flush: bool = True) -> None:
    """Put `data` at `path` itself, whether a file exists there or not. Raises OSError as `replace` does.

    like: a file whose owner, mode and extended attributes the new one gets if that file exists; otherwise it gets
    `mode`.
    """
    directory = _directory(dirname(path) or ".")
    try:
        put_in(directory, basename(path), data, mode=mode, like=like, flush=flush)
    finally:
        posix.close(directory)


def put_in(directory: int, name: str, data: bytes, *, mode: int = 0o644, like: str = "", flush: bool = True) -> None:
    """Like `put`, for a name in an open directory."""
    model = Model(mode=mode)
    try:
        if like:
            model = Model(status=posix.stat(like), way=like)
    except FileNotFoundError:
        pass
    _put(directory, name, data, model, flush=flush)


def _directory(path: str) -> int:
    return posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)


def _behind_link(path: str, old: int, status: posix.stat_result) -> str:
    """Return where the file is: `path`, or the target of a link that belongs to us, to root or to the file's owner.

    Another user's link could lead to any file.
    """
    link = posix.lstat(path)
    if link.st_mode & KIND != LINK:
        if (link.st_dev, link.st_ino) != (status.st_dev, status.st_ino):
            raise OSError(ESTALE, "another file has taken its place", path)
        return path
    if link.st_uid not in (0, posix.geteuid(), status.st_uid):
        raise OSError(EPERM, "the symbolic link belongs to another user", path)
    return posix.readlink(f"/proc/self/fd/{old}")


def _put(directory: int, name: str, data: bytes, model: Model, *, flush: bool) -> None:
    beside = f".{name}{MARK}{posix.getpid()}"
    clean(directory, name)
    handle = _new(directory, beside)
    try:
        try:
            write_all(handle, data)
            _take_after(handle, model)
            if flush:
                posix.fsync(handle)
        finally:
            posix.close(handle)
        if model.replaced:
            _refuse_changed(directory, name, model)
        posix.rename(beside, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        _unlink(beside, directory)
        raise
    if flush and not model.replaced:
        _flush(directory)


def _unlink(name: str, directory: int) -> None:
    """Remove a name. Errors are ignored: the directory's owner may have removed it first."""
    try:
        posix.unlink(name, dir_fd=directory)
    except OSError:
        return


def _new(directory: int, name: str) -> int:
    """Create a file for this process. If the name exists, a killed process with our pid left it, and it is replaced."""
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        return posix.open(name, flags, 0o600, dir_fd=directory)
    except FileExistsError:
        posix.unlink(name, dir_fd=directory)
        return posix.open(name, flags, 0o600, dir_fd=directory)


def _refuse_changed(directory: int, name: str, model: Model) -> None:
    """Raise ESTALE if the name is no longer that of the file that was read. A change after this check affects only an
    entry of this directory, because rename(2) follows no link.
    """
    now = posix.stat(name, dir_fd=directory, follow_symlinks=False)
    if model.status is None or (now.st_dev, now.st_ino) != (model.status.st_dev, model.status.st_ino):
        raise OSError(ESTALE, "another file has taken its place", name)


def _take_after(handle: int, model: Model) -> None:
    """Copy owner, mode and extended attributes. An ACL may grant more than the mode, and less than an inherited one.

    The mode is set last: until then only the owner can read the file.
    """
    status = model.status
    if status is None:
        posix.fchmod(handle, model.mode)
        return
    calls = _calls()
    wanted, present = _attributes(calls, model.way), _attributes(calls, handle)
    if ACL in present and ACL not in wanted:
        calls.removexattr(handle, ACL)
    if (status.st_uid, status.st_gid) != (posix.geteuid(), posix.getegid()):
        posix.fchown(handle, status.st_uid, status.st_gid)
    for name, value in wanted.items():
        if present.get(name) != value:
            calls.setxattr(handle, name, value)
    posix.fchmod(handle, status.st_mode & 0o7777)


def _calls() -> Any:
    """Return the module with the functions for extended attributes."""
    if hasattr(posix, "listxattr"):
        return posix
    from shim.oci import attribute_calls

    return attribute_calls


def _attributes(calls: Any, file: int | str) -> dict[str, bytes]:
    try:
        names = calls.listxattr(file)
    except OSError as error:
        if error.errno != EOPNOTSUPP:  # this file system has none
            raise
        return {}
    return {name: calls.getxattr(file, name) for name in names if name not in OF_THE_CONTENT}


def clean(directory: int, name: str = "") -> None:
    """Remove temporary files of processes that are gone, of `name` or of any name, in an open directory.

    Never raises OSError.
    """
    start = f".{name}{MARK}" if name else "."
    try:
        with posix.scandir(directory) as entries:
            found = [entry.name for _, entry in zip(range(LOOKED_AT), entries) if entry.name.startswith(start)]
        for left in found:
            _, mark, number = left.rpartition(MARK)
            if mark and number.isdigit() and not _alive(number):
                _unlink(left, directory)
    except OSError:
        return


def _alive(number: str) -> bool:
    try:
        return posix.stat(join("/proc", number)).st_mode & KIND == DIRECTORY
    except OSError:
        return False


def _flush(directory: int) -> None:
    """Sync the directory. Not every file system can; the new file is in place in any case."""
    try:
        posix.fsync(directory)
    except OSError:
        return
