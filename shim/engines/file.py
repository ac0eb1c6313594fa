"""One file of an engine's configuration, before and after. Nothing here reads or writes."""

from __future__ import annotations

from shim.values import Value

BACKUP = ".cgshim-backup"  # behind the name of a file that was there before an installation


class File(Value):
    """One file before and after; None is absence. backup: the former text is kept beside it.

    executable: a new file can be executed. link: it is a symbolic link, and the texts are where it leads.
    """

    path: str
    before: str | None
    after: str | None
    backup: bool = False
    executable: bool = False
    link: bool = False
