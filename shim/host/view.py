"""The only reader of the machine: detection gets everything through a `View`.

A view can have any root, so that a captured tree (`shim.host.captured`) is read by the same code as a running host.
Absent and unreadable files are answers, not exceptions; `errors` keeps the errno of each for the evidence.
"""

from __future__ import annotations

import posix

from shim.system import DIRECTORY, EIO, KIND, READ, everything
from shim.values import Value

COMMON = {1: "EPERM", 2: "ENOENT", 13: "EACCES"}
# Interface files are one record each, as /proc/PID/cgroup is, except for lists of processes.
INTERFACE, MEMBERSHIP, LISTS = "/sys/fs/cgroup/", "/cgroup", (".procs", ".threads", "/tasks")


class Identity(Value):
    """The result of stat(2): `device` and `inode` identify a file, `size` is in bytes."""

    device: int
    inode: int
    size: int
    directory: bool


class View:
    """Read access below `root`. Paths are absolute, as on the host itself.

    errors: path -> errno of the last failed access to it.
    live: a running kernel is behind it, so a trial cgroup can be made.
    """

    live = True

    def __init__(self, root: str = "/") -> None:
        self.root = root.rstrip("/")
        self.errors: dict[str, int] = {}

    def path(self, path: str) -> str:
        """Return the real path of `path`."""
        return self.root + path

    def euid(self) -> int:
        """Effective user id of the process that asks."""
        return posix.geteuid()

    def read(self, path: str) -> tuple[str, Identity] | None:
        """Return content and identity from one open file; None if it is absent or unreadable.

        Reads only regular files, which include the kernel's own, and at most shim.system.LARGEST bytes.
        """
        try:
            descriptor = posix.open(self.path(path), READ)
        except OSError as error:
            self._failed(path, error)
            return None
        try:
            status = posix.fstat(descriptor)
            record = path.startswith(INTERFACE) and not path.endswith(LISTS)
            data = everything(descriptor, status, path, record=record or path.endswith(MEMBERSHIP))
        except OSError as error:
            self._failed(path, error)
            return None
        finally:
            posix.close(descriptor)
        return data.decode("utf-8", "surrogateescape"), _identity(status)

    def identity(self, path: str) -> Identity | None:
        """Return stat(2), with symbolic links followed; None if absent or unreachable."""
        try:
            return _identity(posix.stat(self.path(path)))
        except OSError as error:
            self._failed(path, error)
            return None

    def names(self, path: str) -> tuple[str, ...]:
        """Return sorted names in a directory, () if there is none. The cost grows with the directory: not for the hot
        path.
        """
        try:
            return tuple(sorted(posix.listdir(self.path(path))))
        except OSError as error:
            self._failed(path, error)
            return ()

    def first_child(self, path: str) -> str | None:
        """Return the first sub-directory in the kernel's order; None if there is none. Reads no further."""
        try:
            with posix.scandir(self.path(path)) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        return entry.name
        except OSError as error:
            self._failed(path, error)
            return None
        return None

    def link(self, path: str) -> str | None:
        """Return the target of a symbolic link, None if it is not a link."""
        try:
            return posix.readlink(self.path(path))
        except OSError as error:
            self._failed(path, error)
            return None

    def writable(self, path: str) -> bool:
        """Return whether this process may write there: access(2) with the effective ids, which reports read-only
        mounts, too.
        """
        return posix.access(self.path(path), posix.W_OK, effective_ids=True)

    def device(self, number: str) -> int:
        """Return `major:minor`, the form of mountinfo, as a number in the form of stat(2); -1 for any other text."""
        major, _, minor = number.partition(":")
        return posix.makedev(int(major), int(minor)) if major.isdigit() and minor.isdigit() else -1

    def text(self, path: str) -> str | None:
        """Return the content, None if absent or unreadable; `errors` then has the reason."""
        found = self.read(path)
        return found[0] if found else None

    def exists(self, path: str) -> bool:
        """Return whether anything exists at `path`."""
        return self.identity(path) is not None

    def kernel_text(self, path: str) -> str | None:
        """Return the content of an interface file of the kernel itself, None for anything else (see `kernel_read`)."""
        found = self.kernel_read(path)
        return found[0] if found else None

    def kernel_read(self, path: str) -> tuple[str, Identity] | None:
        """As `kernel_text`, with the identity of the directory that the file is in.

        kernfs reports size 0 for files that have content, which an ordinary file cannot have, and the file is on its
        directory's device. So a file of the right name on a tmpfs, or a link to another place, does not pass. Only
        valid for files that are never empty (`cgroup.stat` on v2, `cgroup.clone_children` on v1).
        """
        found = self.read(path)
        if not found or not found[0] or found[1].size != 0 or found[1].directory:
            return None
        parent = self.identity(path.rpartition("/")[0] or "/")
        return (found[0], parent) if parent and parent.device == found[1].device else None

    def kernel_file(self, path: str) -> bool:
        """Return whether `path` is an interface file of the kernel, not an ordinary file."""
        return self.kernel_text(path) is not None

    def why(self, path: str) -> str:
        """Return the evidence for a path without an answer: `path: ENOENT`."""
        number = self.errors.get(path)
        if number is None:
            return f"{path}: not looked at"
        return f"{path}: {error_name(number)}"

    def _failed(self, path: str, error: OSError) -> None:
        self.errors[path] = error.errno or EIO


def error_name(number: int) -> str:
    """Return `ENOENT`; if a number has two names, the one in the kernel's documentation."""
    if number in COMMON:
        return COMMON[number]
    import errno

    return "EOPNOTSUPP" if number == errno.EOPNOTSUPP else errno.errorcode.get(number, f"errno {number}")


def quote(path: str, content: str) -> str:
    """Return the evidence `path: content`, on one line."""
    lines = content.strip().splitlines()
    return f"{path}: {' | '.join(' '.join(line.split()) for line in lines)}" if lines else f"{path}: empty"


def _identity(found: posix.stat_result) -> Identity:
    directory = found.st_mode & KIND == DIRECTORY
    return Identity(device=found.st_dev, inode=found.st_ino, size=found.st_size, directory=directory)
