"""The request to an engine's module and its answers. Nothing here writes."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from shim.engines.file import BACKUP, File
from shim.errors import ShimError
from shim.values import Value

if TYPE_CHECKING:
    from typing import Protocol

    from shim.engines.tree import Tree
else:
    Protocol = object  # in Python since 3.8

OWN_NAME = "cgshim"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Request(Value):
    """The user's request.

    binary: absolute path of the launcher as the engine will call it. name: the runtime's name in the engine, "" for
    the engine's usual one. runtime: absolute path of the real runtime, "" to keep the present one. home: the user's
    configuration directory for rootless engines, "" for the system's. config: the engine's configuration file, "" for
    the standard one. config_version: of a new file for containerd, 0 to find out.
    """

    binary: str
    name: str = ""
    runtime: str = ""
    as_default: bool = False
    home: str = ""
    config: str = ""
    config_version: int = 0


class Proposal(Value):
    """The proposed changes. name: the runtime's name in the engine. wrapped: the runtime behind cgshim.

    remembered: what still needs the entry or its program after the removal. apply: the command for this change, if it
    is not the engine's.
    """

    name: str
    files: tuple[File, ...]
    notes: tuple[str, ...] = ()
    wrapped: str = ""
    remembered: tuple[str, ...] = ()
    apply: str = ""


class Registration(Value):
    """An existing registration. default: new containers use it unless they name another, as far as files tell."""

    name: str
    binary: str
    file: str
    default: bool = False


class Engine(Protocol):
    """The interface of each engine's module."""

    NAME: str
    SERVICE: str  # systemd unit, "" if there is no service
    APPLY: str  # the command that makes the engine read the change, "" if none is needed

    def install(self, tree: Tree, request: Request) -> Proposal:
        """Return the files that register cgshim. Raises ShimError if that cannot be done safely."""

    def remove(self, tree: Tree, request: Request) -> Proposal:
        """Return the files that remove the registration, the default first."""

    def registered(self, tree: Tree, request: Request) -> tuple[Registration, ...]:
        """Return the existing registrations."""


def check_name(name: str) -> str:
    """Return `name` if every engine accepts it as a runtime's name."""
    if not _NAME.fullmatch(name):
        raise ShimError(
            "bad-name",
            f"{name!r} is not a valid runtime name",
            remedy=("use letters, digits, '_', '-' and '.', the first one a letter or a digit",),
        )
    return name


def is_ours(path: Any, request: Request) -> bool:
    """Return whether this path of an engine's entry leads to cgshim."""
    if not isinstance(path, str):
        return False
    name = os.path.basename(path)
    return path == request.binary or name == OWN_NAME or name.startswith(f"{OWN_NAME}-")


def name_taken(engine: str, name: str, file: str, path: Any) -> ShimError:
    """Return the refusal to overwrite a foreign entry."""
    return ShimError(
        "name-taken",
        f"{engine} has a runtime {name!r} already, and it is not cgshim",
        evidence=(f"{file}: {name} leads to {path}",),
        remedy=("choose another name with --name",),
    )


def named_otherwise(engine: str, there: str, file: str) -> ShimError:
    """Return the refusal to rename a registration: containers may have stored the old name."""
    return ShimError(
        "registered-otherwise",
        f"cgshim is registered with {engine} under the name {there!r} already",
        evidence=(f"{file}: {there}",),
        remedy=(f"keep that name with --name {there}", f"or run `cgshimctl engine remove {engine}` first"),
    )


def without_drop_in(name: str, file: File, kept: str, remembered: tuple[str, ...] = ()) -> Proposal:
    """Return the removal of the drop-in `file`. kept: where its text goes if somebody has added to it, else ""."""
    if not kept:
        return Proposal(name=name, files=(file,), remembered=remembered)
    note = f"warning: {file.path} had more than the entry; it is kept as {kept}, which no engine reads"
    aside = File(path=kept, before=None, after=file.before)
    return Proposal(name=name, files=(file, aside), notes=(note,), remembered=remembered)


def copy_left(tree: Tree, file: str, name: str) -> Proposal:
    """Return the removal of the copy from before the installation: somebody replaced the file since, without our
    entry.
    """
    backup = tree.read(file + BACKUP)
    if backup is None:
        return Proposal(name=name, files=())
    note = f"{file} has no entry of cgshim any more and stays as it is; its copy from before `install` is removed"
    return Proposal(name=name, files=(File(path=file + BACKUP, before=backup, after=None),), notes=(note,))


def inside(value: Any, *path: str) -> Any:
    """Return the value at this path of nested objects, None if it is absent."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def mapping(value: Any, *path: str) -> dict[str, Any]:
    """Return the object at this path, {} if it is absent or not an object."""
    found = inside(value, *path)
    return found if isinstance(found, dict) else {}
