"""The example that README shows first does what it says on this host."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from integration.capabilities import require, root_problem
from integration.containers import SEARCH_PATH, call

if TYPE_CHECKING:
    from collections.abc import Callable

QUICKSTART = Path(__file__).resolve().parent.parent / "examples" / "quickstart.sh"
# The bundle asks for 64 MiB, 32 processes and half a processor, in whatever words; the kernel shows them as follows
# (cgroup-v1/memory.rst, cgroup-v2.rst, scheduler/sched-bwc.rst).
SHOWN = (r"^ +memory +memory\.\w+ +67108864$", r"^ +pids +pids\.max +32$", r"^ +cpu quota +cpu\.\w+ +50000( 100000)?$")


def _cgroups_named(word: str) -> list[str]:
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if word in path]


def test_quickstart_shows_enforced_limits_and_cleans_up(runtime_problems: Callable[[str], str]) -> None:
    """Each limit meant for the other kind of host is in the kernel after cgshim, and no cgroup is left behind."""
    require("root", root_problem())
    require("runc", runtime_problems("runc"))
    result = call(["/bin/sh", str(QUICKSTART)], env={"PATH": SEARCH_PATH, "HOME": "/root"})
    assert result.status == 0, str(result)
    before, _, after = result.out.partition("=== After")
    assert "=== Before: runc alone" in before
    for pattern in SHOWN:
        assert re.search(pattern, after, flags=re.MULTILINE), f"{pattern} is not in:\n{result.out}"
    assert "What was changed, and why" in after
    assert _cgroups_named("cgshim-quickstart") == []
