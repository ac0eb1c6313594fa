"""Reads engines' files, also those of other mount namespaces and of users, safely.

A tree that is not this host's own, or that a user may write to, is read component by component with O_NOFOLLOW, so that
a planted link leads nowhere. Absent and unreadable files are answers; `problems` keeps the latter.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import Any

LARGEST = 32 << 20  # bytes; a config.json with a seccomp profile has 20 kB, an image index somewhat more
CHUNK = 1 << 16
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_STEP = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY
QUIET = (errno.ENOENT, errno.ENOTDIR, errno.ESRCH)


class HostTree:
    """Files below `root`. Paths are absolute, as seen by the program that wrote them.

    follow: follow links, for this host's own tree. problems: path -> why it could not be read, without absent files.
    """

    def __init__(self, root: str = "/", *, follow: bool = True) -> None:
        self.root = root.rstrip("/")
        self.follow = follow
        self.problems: dict[str, str] = {}

    def open(self, path: str, flags: int = _FILE) -> int | None:
        """Return a descriptor of the file or directory at `path`, None if it is absent or unreadable."""
        try:
            if self.follow:
                return os.open(self.root + path, flags)
            return self._beneath([part for part in path.split("/") if part], flags)
        except OSError as error:
            self.failed(path, error)
            return None

    def _beneath(self, parts: list[str], flags: int) -> int:
        if ".." in parts:
            raise OSError(errno.EXDEV, "leads out of the tree")
        current = os.open(self.root or "/", _STEP)
        try:
            for number, part in enumerate(parts):
                last = number == len(parts) - 1
                following = os.open(part, (flags if last else _STEP) | os.O_NOFOLLOW, dir_fd=current)
                os.close(current)
                current = following
        except OSError:
            os.close(current)
            raise
        return current

    def read(self, path: str) -> bytes | None:
        """Return the whole file (ordinary, or of /proc), None if it is absent, unreadable or larger than LARGEST."""
        handle = self.open(path)
        if handle is None:
            return None
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(errno.EINVAL, "is not a regular file")
            return self._whole(path, handle)
        except OSError as error:
            self.failed(path, error)
            return None
        finally:
            os.close(handle)

    def _whole(self, path: str, handle: int) -> bytes | None:
        """Read to the end: files of /proc and cgroups report no size."""
        parts: list[bytes] = []
        size = 0
        while True:
            part = os.read(handle, CHUNK)
            if not part:
                return parts[0] if len(parts) == 1 else b"".join(parts)
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                self.problems[path] = f"is larger than {LARGEST} bytes"
                return None

    def text(self, path: str) -> str | None:
        """Return the content as text; bytes that are not UTF-8 survive as surrogates."""
        content = self.read(path)
        return None if content is None else content.decode("utf-8", "surrogateescape")

    def object(self, path: str) -> dict[str, Any]:
        """Return the JSON object in a file, {} if there is none; other content is a problem."""
        content = self.read(path)
        if content is None:
            return {}
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            self.problems[path] = "is not JSON (it may have been read while it was written)"
            return {}
        return value if isinstance(value, dict) else {}

    def names(self, path: str) -> list[str]:
        """Return sorted names in a directory, [] if there is none."""
        handle = self.open(path, _STEP)
        if handle is None:
            return []
        try:
            return sorted(os.listdir(handle))
        except OSError as error:
            self.failed(path, error)
            return []
        finally:
            os.close(handle)

    def link(self, path: str) -> str:
        """Return the target of a link of /proc, "" if it has none."""
        try:
            return os.readlink(self.root + path)
        except OSError as error:
            self.failed(path, error)
            return ""

    def owner(self, path: str) -> int:
        """Return the user id of a file's owner, -1 if the file is gone."""
        try:
            return os.stat(self.root + path, follow_symlinks=False).st_uid
        except OSError as error:
            self.failed(path, error)
            return -1

    def failed(self, path: str, error: OSError) -> None:
        """Record the error, unless the file is just absent."""
        if error.errno not in QUIET:
            self.problems[path] = errno.errorcode.get(error.errno or 0, str(error))
