"""A view of the host that keeps every answer it gave, so that a test elsewhere can give the same ones."""

from __future__ import annotations

import os
from typing import Any

from shim.host.view import View


class RecordingView(View):
    """A view that keeps every answer it gave."""

    def __init__(self) -> None:
        super().__init__("/")
        self.facts: dict[str, dict[str, Any]] = {"text": {}, "names": {}, "exists": {}, "status": {}}

    def text(self, path: str) -> str | None:
        """As `View.text`."""
        found = super().text(path)
        if found is not None:
            self.facts["text"][path] = found
        return found

    def names(self, path: str) -> tuple[str, ...]:
        """As `View.names`."""
        found = super().names(path)
        if found:
            self.facts["names"][path] = list(found)
        return found

    def exists(self, path: str) -> bool:
        """As `View.exists`."""
        found = super().exists(path)
        if found:
            self.facts["exists"][path] = True
        return found

    def status(self, path: str) -> Any:
        """Mode and owner, as `shim.diagnose.facts.Facts` asks a view for them."""
        from shim.diagnose.facts import Status

        try:
            got = os.stat(path)
        except OSError:
            return None
        directory = os.path.isdir(path)
        found = Status(mode=got.st_mode & 0o7777, uid=got.st_uid, gid=got.st_gid, directory=directory)
        self.facts["status"][path] = [f"{found.mode:04o}", found.uid, found.gid, directory]
        return found
