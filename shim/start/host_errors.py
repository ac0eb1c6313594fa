"""A failure of the host: it ran out of a resource, failed a system call, or a module cannot be loaded.

None of these is a fault of cgshim. Imported only when a call has failed.
"""

from __future__ import annotations

import errno

from shim.errors import ShimError
from shim.start import exhaustion

CODE, NOT_LOADED = "host-error", "not-loadable"
# errno(3) -> its meaning for the host; other numbers would mean a faulty call
CAUSES = {
    errno.EIO: "the device or the file system below it cannot be read or written",
    errno.EACCES: "the mode of a file or of a directory above it, or a security module, denies it",
    errno.EPERM: "a capability is missing, or a security module or seccomp profile denies it",
    errno.ENOENT: "a file that was there a moment ago, or belongs to every Linux host, is not there",
    errno.ESRCH: "a process that was there a moment ago is gone",
    errno.EINTR: "a signal interrupted the call, and the call was not restarted",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENODEV: "the device or the file system below it is gone",
    errno.ENXIO: "the device below it is gone",
    errno.ENOTCONN: "the server of the file system, mostly FUSE, is gone",
    errno.ESTALE: "the server of the file system, mostly NFS, no longer knows the file",
    errno.ETIMEDOUT: "the server of the file system does not answer",
    errno.EAGAIN: "a resource of the host is used up for the moment",
}


def as_shim_error(error: BaseException) -> ShimError | None:
    """Return the error to report instead of `error` if the host caused it; else None."""
    found = exhaustion.as_shim_error(error)
    if found:
        return found
    if isinstance(error, ImportError) and error.name:
        return _not_loaded(error)
    if isinstance(error, OSError) and error.errno in CAUSES:
        return _failed(error, error.errno)
    return None


def _failed(error: OSError, number: int) -> ShimError:
    file = f"{error.filename}: " if isinstance(error.filename, str) else ""
    return ShimError(
        CODE,
        f"the host failed a system call ({errno.errorcode[number]}), so the call could not be carried out",
        cause=CAUSES[number],
        evidence=(file + " ".join(str(error).split()),),
        remedy=(
            "look at what the evidence names, and at `dmesg`",
            "if nothing is wrong there, report the error with the traceback that CGSHIM_DEBUG=FILE writes",
        ),
    )


def _not_loaded(error: ImportError) -> ShimError:
    return ShimError(
        NOT_LOADED,
        f"the module {error.name} cannot be loaded, so the call could not be carried out",
        cause="its file is missing, cannot be read, or is of another version than the others",
        evidence=(" ".join(str(error).split()),),
        remedy=("install cgshim again, and the Python packages of the host if the module is one of Python's own",),
    )
