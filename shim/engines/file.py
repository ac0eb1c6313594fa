"""One file of an engine's configuration, before and after. Neither reads nor writes."""

from __future__ import annotations

from shim.values import Value

BACKUP = ".cgshim-backup"  # suffix of the copy of a file that existed before an installation


class File(Value):
    """One file before and after; None if it does not exist. backup: a copy of the former text is kept beside it.

    executable: a new file gets execute permission. link: it is a symbolic link, and the texts are its targets.
    """

    path: str
    before: str | None
    after: str | None
    backup: bool = False
    executable: bool = False
    link: bool = False
