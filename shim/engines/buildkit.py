"""BuildKit inside dockerd: it ignores Docker's runtimes and takes its own from the daemon's environment.

A buildkitd of its own gets the path as `--oci-worker-binary`, or as `binary` in `[worker.oci]` of buildkitd.toml.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shim.engines.file import BACKUP, File
from shim.engines.registration import Proposal, Registration, is_ours, without_drop_in
from shim.errors import ShimError
from shim.system import content

if TYPE_CHECKING:
    from shim.engines.registration import Request
    from shim.engines.tree import Tree

NAME = "buildkit"
SERVICE = "docker.service"
APPLY = "systemctl daemon-reload && systemctl restart docker"
VARIABLE = "DOCKER_BUILDKIT_RUNC_COMMAND"
DROP_IN = "50-cgshim-buildkit.conf"
DAEMONS = ("/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd")
LARGEST = 1 << 30  # bytes of a daemon's program
UNKNOWN = f"warning: {{}} does not know {VARIABLE}: its BuildKit still uses runc; with DOCKER_BUILDKIT=0 it uses cgshim"
_LINE = re.compile(rf"^Environment=\"?{VARIABLE}=([^\"\n]*)\"?$", re.MULTILINE)


def _directory(request: Request) -> str:
    return f"{request.home or '/etc'}/systemd/{'user' if request.home else 'system'}/docker.service.d"


def _file(request: Request) -> str:
    return request.config or f"{_directory(request)}/{DROP_IN}"


def install(tree: Tree, request: Request) -> Proposal:
    """The unit's drop-in."""
    file = _file(request)
    wrapped = "runc"
    for path in tree.glob(f"{_directory(request)}/*.conf"):
        found = None if path == file else _LINE.search(tree.read(path) or "")
        if found and path > file:
            raise ShimError(
                "name-taken",
                f"{path} sets another runtime for BuildKit after this entry",
                evidence=(f"{path}: {found[0]}",),
                remedy=("remove that line first",),
            )
        wrapped = found[1] if found else wrapped
    notes = ("BuildKit uses it for every build; there is no default to set",) if request.as_default else ()
    before, there = tree.read(file), registered(tree, request)
    added = before is not None and not (there and before == _text(there[0].binary))
    return Proposal(
        name=VARIABLE,
        files=(File(path=file, before=before, after=_text(request.binary), backup=added),),
        notes=(*notes, *(UNKNOWN.format(daemon) for daemon in _without_the_variable(tree))),
        wrapped=wrapped,
    )


def _without_the_variable(tree: Tree) -> list[str]:
    """Return the daemons that exist and do not contain the variable's name: docker 20.10's."""
    found = []
    for path in DAEMONS:
        try:
            if VARIABLE.encode() not in content(tree.at(path), LARGEST):
                found.append(path)
        except OSError:
            continue
    return found


def _text(binary: str) -> str:
    comment = "# cgshim in front of BuildKit's runtime; `cgshimctl engine remove buildkit` takes it back."
    return f'{comment}\n[Service]\nEnvironment="{VARIABLE}={binary}"\n'


def remove(tree: Tree, request: Request) -> Proposal:
    """The removal of the drop-in."""
    file = _file(request)
    text, found = tree.read(file), registered(tree, request)
    if text is None:
        return Proposal(name=VARIABLE, files=())
    kept = "" if found and text == _text(found[0].binary) else file + BACKUP
    return without_drop_in(VARIABLE, File(path=file, before=text, after=None), kept)


def registered(tree: Tree, request: Request) -> tuple[Registration, ...]:
    """Return what the drop-in registers."""
    file = _file(request)
    found = _LINE.search(tree.read(file) or "")
    if not found or not is_ours(found[1], request):
        return ()
    return (Registration(name=VARIABLE, binary=found[1], file=file, default=True),)
