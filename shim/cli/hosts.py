"""The host that a command examines: this one, a captured one, or another root directory."""

from __future__ import annotations

import os

from shim.errors import ShimError
from shim.host.captured import CapturedView
from shim.host.view import View


def view_of(directory: str | None) -> View:
    """Return this host for None, else the capture in `directory`, else that directory as another root.

    Another root is only read: no trial is made there. Raises ShimError for a directory that is neither.
    """
    if directory is None:
        return View()
    if os.path.exists(os.path.join(directory, "manifest.json")):
        try:
            return CapturedView(directory)
        except (OSError, ValueError, KeyError) as error:
            raise unusable(directory, f"its manifest.json cannot be read: {error}") from error
    if not os.path.isdir(os.path.join(directory, "proc")):
        raise unusable(directory, "it has neither a manifest.json nor a proc directory")
    view = View(os.path.abspath(directory))
    view.live = False
    return view


def unusable(directory: str, why: str) -> ShimError:
    """Return the error for a directory that is not a host's."""
    return ShimError(
        "bad-host-tree",
        f"{directory} is not a captured host: {why}",
        evidence=(f"{directory}: {why}",),
        remedy=("run `cgshimctl capture DIRECTORY` on the host in question",),
    )
