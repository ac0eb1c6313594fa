"""Pressure stall information (Documentation/accounting/psi.rst)."""

from __future__ import annotations

from shim.host.facts import Fact
from shim.host.hierarchies import BASE
from shim.host.view import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.host.view import View

SYSTEM = "/proc/pressure/memory"


def available(view: View, cgroup2_mount: str) -> Fact:
    """Whether the kernel accounts pressure. Only the kernel's own files count: vendors put look-alikes on a tmpfs.

    With `psi=0` a 5.10 kernel still has the files but answers EOPNOTSUPP; later kernels do not create them.
    """
    text = view.text(SYSTEM)
    if text is not None:
        return Fact(value=True, evidence=quote(SYSTEM, text))
    evidence = view.why(SYSTEM)
    for directory in dict.fromkeys((cgroup2_mount or BASE, BASE, f"{BASE}/memory")):
        path = f"{directory}/memory.pressure"
        text = view.kernel_text(path)
        if text is not None:
            return Fact(value=True, evidence=quote(path, text))
        if path in view.errors:
            evidence += f"; {view.why(path)}" if directory == cgroup2_mount else ""
            continue
        found = view.identity(path)
        evidence += f"; {path}: {found.size if found else 0} bytes, a regular file, not the kernel's"
    return Fact(value=False, evidence=evidence)
