"""The only reader of the machine: everything that detection knows came through a `View`.

A view is rooted anywhere, so a captured tree (`shim.host.captured`) is read by the same code as a running host.
Absent and unreadable files are answers, not exceptions; `errors` keeps the errno of each for the evidence.
"""

from __future__ import annotations

import posix

from shim.system import DIRECTORY, EIO, KIND, READ, everything
from shim.values import Value

COMMON = {1: "EPERM", 2: "ENOENT", 13: "EACCES"}


class Identity(Value):
    """What stat(2) says of a path: `device` and `inode` name it, `size` is in bytes."""

    device: int
    inode: int
    size: int
    directory: bool


class View:
    """Read access below `root`; paths are absolute, as the host itself would write them.

    errors: path -> errno of the last failed access to it.
    live: a running kernel is behind it, so a trial cgroup can be made.
    """

    live = True

    def __init__(self, root: str = "/") -> None:
        self.root = root.rstrip("/")
        self.errors: dict[str, int] = {}

    def path(self, path: str) -> str:
        """The real path behind `path`."""
        return self.root + path

    def euid(self) -> int:
        """Effective user id of the process that asks."""
        return posix.geteuid()

    def read(self, path: str) -> tuple[str, Identity] | None:
        """Content and identity from one and the same open file; None when absent or unreadable.

        Only regular files are read, which the kernel's own are, and no more of them than shim.system.LARGEST.
        """
        try:
            descriptor = posix.open(self.path(path), READ)
        except OSError as error:
            self._failed(path, error)
            return None
        try:
            status = posix.fstat(descriptor)
            data = everything(descriptor, status, path)
        except OSError as error:
            self._failed(path, error)
            return None
        finally:
            posix.close(descriptor)
        return data.decode("utf-8", "surrogateescape"), _identity(status)

    def identity(self, path: str) -> Identity | None:
        """stat(2), symbolic links followed; None when absent or unreachable."""
        try:
            return _identity(posix.stat(self.path(path)))
        except OSError as error:
            self._failed(path, error)
            return None

    def names(self, path: str) -> tuple[str, ...]:
        """Sorted names in a directory, () when there is none. Grows with the directory: not for the hot path."""
        try:
            return tuple(sorted(posix.listdir(self.path(path))))
        except OSError as error:
            self._failed(path, error)
            return ()

    def first_child(self, path: str) -> str | None:
        """Name of the first sub-directory in the kernel's own order; reads no further than that."""
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
        """Target of a symbolic link, None when it is not one."""
        try:
            return posix.readlink(self.path(path))
        except OSError as error:
            self._failed(path, error)
            return None

    def writable(self, path: str) -> bool:
        """True if this process may write there: access(2) with the effective ids, read-only mounts included."""
        return posix.access(self.path(path), posix.W_OK, effective_ids=True)

    def device(self, number: str) -> int:
        """`major:minor`, as mountinfo writes it, as stat(2) gives it; -1 when it is no such thing."""
        major, _, minor = number.partition(":")
        return posix.makedev(int(major), int(minor)) if major.isdigit() and minor.isdigit() else -1

    def text(self, path: str) -> str | None:
        """Content, None when absent or unreadable; the reason is then in `errors`."""
        found = self.read(path)
        return found[0] if found else None

    def exists(self, path: str) -> bool:
        """True if there is anything at `path`."""
        return self.identity(path) is not None

    def kernel_text(self, path: str) -> str | None:
        """Content of an interface file that the kernel itself provides, None for anything else (`kernel_read`)."""
        found = self.kernel_read(path)
        return found[0] if found else None

    def kernel_read(self, path: str) -> tuple[str, Identity] | None:
        """`kernel_text`, and the identity of the directory that the file is in.

        kernfs reports size 0 for files that have content, which no regular file can do, and the file lies on its
        directory's own device. So a file of the right name on a tmpfs, or a link to elsewhere, does not pass.
        Only meaningful for files that are never empty (`cgroup.stat` on v2, `cgroup.clone_children` on v1).
        """
        found = self.read(path)
        if not found or not found[0] or found[1].size != 0 or found[1].directory:
            return None
        parent = self.identity(path.rpartition("/")[0] or "/")
        return (found[0], parent) if parent and parent.device == found[1].device else None

    def kernel_file(self, path: str) -> bool:
        """True if `path` is a kernel interface file and not a regular file that somebody put there."""
        return self.kernel_text(path) is not None

    def why(self, path: str) -> str:
        """Evidence for a path that gave no answer: `path: ENOENT`."""
        number = self.errors.get(path)
        if number is None:
            return f"{path}: not looked at"
        return f"{path}: {error_name(number)}"

    def _failed(self, path: str, error: OSError) -> None:
        self.errors[path] = error.errno or EIO


def error_name(number: int) -> str:
    """`ENOENT`; of two names for one number the one that the kernel's documentation uses."""
    if number in COMMON:
        return COMMON[number]
    import errno

    return "EOPNOTSUPP" if number == errno.EOPNOTSUPP else errno.errorcode.get(number, f"errno {number}")


def quote(path: str, content: str) -> str:
    """Evidence: `path: content`, on one line."""
    lines = content.strip().splitlines()
    return f"{path}: {' | '.join(' '.join(line.split()) for line in lines)}" if lines else f"{path}: empty"


def _identity(found: posix.stat_result) -> Identity:
    directory = found.st_mode & KIND == DIRECTORY
    return Identity(device=found.st_dev, inode=found.st_ino, size=found.st_size, directory=directory)
