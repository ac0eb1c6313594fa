"""The file system with an engine's configuration: this machine's, or another root tree such as a node's."""

from __future__ import annotations

import errno
import glob
import os
from typing import TYPE_CHECKING

from shim.engines.file import BACKUP
from shim.errors import ShimError
from shim.oci import atomic
from shim.system import content

if TYPE_CHECKING:
    from shim.engines.file import File

OWN = ("/cgshim/runtimes", "/cgshim/made", "etc/cgshim", "lib/cgshim", "state/cgshim")  # mode for the owner alone


class Tree:
    """Paths are absolute, as seen from inside the tree; `root` is its own path. A live tree is this machine's."""

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.abspath(root)

    @property
    def live(self) -> bool:
        """True if programs of this tree may be run."""
        return self.root == "/"

    def at(self, path: str) -> str:
        """Return the path from outside, symbolic links followed. Raises ShimError for a link that leads out of the
        tree.
        """
        outside = os.path.join(self.root, path.lstrip("/"))
        if self.live:
            return os.path.realpath(outside)
        resolved = os.path.realpath(outside)
        if resolved != outside and os.path.islink(outside) and os.readlink(outside).startswith("/"):
            resolved = os.path.realpath(os.path.join(self.root, os.readlink(outside).lstrip("/")))
        if os.path.commonpath([os.path.realpath(self.root), resolved]) != os.path.realpath(self.root):
            raise _failed(path, "a symbolic link leads out of the tree", self.root)
        return resolved

    def read(self, path: str) -> str | None:
        """Return the file's text, None if there is none. Raises ShimError for a file that cannot be read."""
        try:
            return content(self.at(path)).decode("utf-8")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise _failed(path, f"line {line}: not UTF-8", f"byte {error.start}") from None
        except OSError as error:
            raise _failed(path, f"cannot be read: {_errno(error)}", self.root) from error

    def link(self, path: str) -> str | None:
        """Return the target of the symbolic link, None if there is none."""
        try:
            return os.readlink(self._beside(path))
        except OSError:
            return None

    def _beside(self, path: str) -> str:
        """Return the path from outside without following it if it is a symbolic link."""
        return os.path.join(self.at(os.path.dirname(path)), os.path.basename(path))

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match, sorted, as seen from inside."""
        found = glob.glob(os.path.join(glob.escape(self.root), pattern.lstrip("/")))
        return sorted("/" + os.path.relpath(path, self.root) for path in found)

    def executable(self, path: str) -> bool:
        """Return whether it is an executable file."""
        outside = self.at(path)
        return os.path.isfile(outside) and os.access(outside, os.X_OK)

    def same(self, one: str, other: str) -> bool:
        """Return whether both are the same file, under any path."""
        if one == other:
            return True
        try:
            return os.path.samefile(self.at(one), self.at(other))
        except OSError:
            return False

    def apply(self, file: File) -> None:
        """Make one change, whole or not at all. Raises ShimError."""
        try:
            if file.backup and file.before is not None and file.after is not None:
                self._keep(file.path, file.before)
            if file.after is None:
                self._delete(file.path, link=file.link)
            elif file.link:
                self._link(file.path, file.after)
            else:
                self._write(self.at(file.path), file.after)
                if file.executable:
                    os.chmod(self.at(file.path), 0o755)
        except OSError as error:
            raise _failed(file.path, f"cannot be written: {_errno(error)}", str(error)) from error

    def _keep(self, path: str, text: str) -> None:
        """Keep the oldest copy: a second registration must not overwrite it with a text that has the first one in
        it.
        """
        if not os.path.exists(self.at(path) + BACKUP):
            self._write(self.at(path) + BACKUP, text, like=self.at(path))

    def _write(self, place: str, text: str, like: str = "") -> None:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        atomic.put(place, text.encode("utf-8"), like=like or place)

    def _link(self, path: str, target: str) -> None:
        place = self._beside(path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        temporary = os.path.join(os.path.dirname(place), f".{os.path.basename(place)}.{os.getpid()}")
        os.symlink(target, temporary)
        try:
            if os.path.lexists(place) and not os.path.islink(place):
                raise FileExistsError(errno.EEXIST, "a file that is not cgshim's link has this name", place)
            os.rename(temporary, place)
        except BaseException:
            os.unlink(temporary)
            raise

    def _delete(self, path: str, *, link: bool = False) -> None:
        os.unlink(self._beside(path) if link else self.at(path))
        directory = os.path.dirname(path)
        while directory.endswith(OWN):
            self.remove_empty(directory)
            directory = os.path.dirname(directory)

    def has(self, path: str) -> bool:
        """Return whether anything exists there."""
        return os.path.lexists(self.at(path))

    def remove_empty(self, directory: str) -> None:
        """Remove the directory if it exists and is empty."""
        try:
            os.rmdir(self.at(directory))
        except OSError:
            return


class Nothing(Tree):
    """A machine without files."""

    def __init__(self) -> None:
        super().__init__("/nonexistent")

    def read(self, path: str) -> str | None:
        """Always None."""
        return None

    def link(self, path: str) -> str | None:
        """Always None."""
        return None

    def glob(self, pattern: str) -> list[str]:
        """Always []."""
        return []

    def executable(self, path: str) -> bool:
        """Always False."""
        return False


def _errno(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error.errno))


def _failed(path: str, what: str, evidence: str) -> ShimError:
    remedy = ("run the command as root",) if "EACCES" in what else (f"look at {path}",)
    return ShimError("engine-config", f"{path}: {what}", evidence=(evidence,), remedy=remedy)
