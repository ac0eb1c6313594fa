"""Before an `update`: plan its limits, and replace what it would read if they need changes."""

from __future__ import annotations

from shim.call import argv, update_flags
from shim.call.prepare import Prepared, notices, rewritten
from shim.containers import state_files
from shim.oci import document
from shim.planning import rewrite
from shim.system import abspath, isfile, memory_file, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.call.argv import Invocation
    from shim.call.prepare import Call

STDIN = "-"


def prepare(this: Call) -> Prepared:
    """Prepare `update --resources FILE`, or an update with limits as flags, which are planned as such a file.

    FILE is the resources object. A pipe can be read only once, so a memfd replaces it. Raises ShimError.
    """
    invocation = this.invocation
    arguments = list(invocation.arguments)
    found = _file(invocation) if invocation.has_resources else _flags(this)
    if not found:
        return Prepared(arguments=arguments)
    text, origin, again = found
    annotations = state_files.annotations_of(this.root, invocation.container_id)
    made = rewritten(this, text, origin, rewrite.WHOLE, annotations)
    rewrite.judge(made)
    if made.plan.edits or not again:
        arguments = argv.with_resources(invocation, _in_memory(made.text()))
    return Prepared(arguments=arguments, made=made, notices=(*made.notices, *notices(made.plan)))


def _file(invocation: Invocation) -> tuple[str, str, bool] | None:
    """Return the text of FILE, its origin for messages, and whether the runtime can read it, too; None without FILE."""
    if not invocation.resources:
        return None
    if invocation.resources == STDIN:
        return document.standard_input("standard input"), "standard input", False
    path = abspath(invocation.resources)
    return document.read(path, stream=True), path, isfile(path)


def _flags(this: Call) -> tuple[str, str, bool] | None:
    """Return the same for limits as flags; None if there are none."""
    text = update_flags.resources(this.invocation, this.family)
    return (text, "the command line", True) if text else None


def _in_memory(text: str) -> str:
    """Return a path from which the child can read `text`: of a memfd, so that no file is left behind."""
    handle = memory_file("resources")  # no MFD_CLOEXEC: the child opens it through its own /proc/self/fd
    write_all(handle, text.encode("utf-8", "surrogateescape"))
    return f"/proc/self/fd/{handle}"
