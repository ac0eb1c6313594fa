"""Keys in another case: planned and expected as the selected runtime reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shim.host.captured import CapturedView
from shim.oci import document
from shim.planning import rewrite
from shim.planning.settings import Settings
from tests.syntax import ROOT

if TYPE_CHECKING:
    from shim.rules.runtimes import Family

TEXT = '{"Linux":{"Resources":{"Memory":{"Limit":67108864,"SWAPPINESS":60}}}}'


def _made(family: Family) -> rewrite.Rewrite:
    asked = rewrite.Asked(runtime=f"/usr/bin/{family}", family=family, command="create")
    view = CapturedView(str(ROOT / "tests" / "hosts" / "debian12-unified-6.1"))
    return rewrite.of(
        document.load(TEXT, "config.json"),
        rewrite.RESOURCES,
        asked,
        Settings(origins={"policy": "made for a test"}),
        view,
    )


def test_runc_reads_them() -> None:
    """Expected in the kernel; what cgroup2 does not know leaves the file, which has the specification's names then."""
    made = _made("runc")
    assert [(e.field, e.file, e.value) for e in made.plan.expectations] == [("memory.limit", "memory.max", "67108864")]
    assert made.text().startswith('{"annotations":')
    assert made.text().endswith('"linux":{"resources":{"memory":{"limit":67108864}}}}')


@pytest.mark.parametrize("family", ["crun", "other"])
def test_others_do_not(family: Family) -> None:
    """Nothing is expected, and the file stays as it is."""
    made = _made(family)
    assert made.plan.expectations == ()
    assert made.text() == TEXT
