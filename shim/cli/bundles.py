"""config.json for commands: errors in the terms of the command, not of the runtime."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shim.errors import ShimError
from shim.oci import atomic, document

if TYPE_CHECKING:
    from shim.oci.document import Document
    from shim.rules.runtimes import Family

NO_BUNDLE = "bad-bundle"


def loaded(path: str, remedy: str, reader: Family = "other", *, stream: bool = False) -> Document:
    """Return the document at `path`. Raises ShimError, with `remedy` if there is no such bundle."""
    try:
        text = document.read(path, stream=stream)
    except ShimError as error:
        if error.code != NO_BUNDLE:
            raise
        raise ShimError(error.code, error.what, evidence=error.evidence, remedy=(remedy,)) from error
    return document.load(text, path, reader=reader)


def write(text: str, source: str, target: str) -> None:
    """Write `text` to `target`, whole or not at all. Raises ShimError if that is `source` under another name."""
    path = os.path.abspath(target)
    try:
        if not os.path.exists(path):
            atomic.put(path, text.encode("utf-8", "surrogateescape"), mode=0o666 & ~_umask())
            return
        if os.path.samefile(source, path) and source != path:
            raise ShimError(
                "output-is-input",
                f"{target} is the file that was read, under another name",
                evidence=(f"{os.path.realpath(path)} is {os.path.realpath(source)}",),
                remedy=(f"to change it in place, name it as it was read: --output {source}",),
            )
        atomic.replace(path, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        name = document.errno_name(error)
        raise ShimError(
            "unwritable-output",
            f"{target} cannot be written: {name}",
            evidence=(f"{error.filename or path}: {name}",),
            remedy=("name a file in a directory that you may write to",),
        ) from error


def _umask() -> int:
    """Return the caller's umask, which can only be read by setting it."""
    found = os.umask(0o077)
    os.umask(found)
    return found
