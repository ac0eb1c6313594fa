"""Pressure stall information (Documentation/accounting/psi.rst)."""

from __future__ import annotations

from shim.host.facts import Fact
from shim.host.view import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.view import View

SYSTEM = "/proc/pressure/memory"


def available(view: View, cgroup2_mount: str) -> Fact:
    """Does the kernel account pressure? Only the kernel's own files count: vendors put look-alikes on a tmpfs.

    With `psi=0` a 5.10 kernel still shows the files but answers EOPNOTSUPP; later ones do not create them.
    """
    text = view.text(SYSTEM)
    if text is not None:
        return Fact(value=True, evidence=quote(SYSTEM, text))
    evidence = view.why(SYSTEM)
    if cgroup2_mount:
        path = f"{cgroup2_mount}/memory.pressure"
        text = view.kernel_text(path)
        if text is not None:
            return Fact(value=True, evidence=quote(path, text))
        found = view.identity(path)
        forged = found is not None and path not in view.errors
        evidence += f"; {path}: {found.size} bytes, not the kernel's" if forged and found else f"; {view.why(path)}"
    return Fact(value=False, evidence=evidence)
