"""For any annotations: the limits that are enforced are never looser than without them.

Everything that is called io.cgshim.* may have been written by the author of an image or a pod. Under the default
settings a configuration with such annotations is refused, or planned exactly as without them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shim.errors import ShimError
from shim.host.captured import CapturedView
from shim.host.facts import HYBRID, UNIFIED
from shim.oci import document
from shim.planning import bridged_limits, rewrite
from shim.planning.plan import make_plan
from shim.planning.settings import AUTHORITIES, Settings
from shim.rules.base import GUARD
from tests.hosts_made import make_host
from tests.property.test_property_plan import FILES, RESOURCES, TEXTS

if TYPE_CHECKING:
    from shim.host.facts import Host
    from shim.planning.plan import Plan

pytestmark = pytest.mark.property
HOSTS = Path(__file__).resolve().parent.parent / "hosts"
# One layout each; debian13-hybrid has its memory controller in cgroup2 alone, where the bridge sets limits.
NAMES = ("debian13-hybrid-6.12", "debian12-unified-6.1", "matrix-legacy-6.1")
VIEWS = [CapturedView(str(HOSTS / name)) for name in NAMES]
# Files whose value in an image would take from neighbours or lift limits.
ROGUE = st.dictionaries(
    st.one_of(FILES, st.sampled_from(["memory.min", "cpuset.cpus.partition", "hugetlb.x/../../victim"])),
    st.one_of(TEXTS, st.just("max")),
    min_size=1,
    max_size=4,
)
SEALS = st.one_of(st.just(""), st.just("0" * 64), st.text(max_size=8))
VALUES = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.sampled_from(["warn", "refuse", "false", "true", "taskstats", "psi", "{}", "[]"]),
    ROGUE.map(json.dumps),
    st.builds(lambda limits, seal: json.dumps({"limits": limits, "seal": seal}), ROGUE, SEALS),
)
OURS = [f"io.cgshim.{name}" for name in ("policy", "bridge", "enable", "pressure", "report", "annotations")]
ANNOTATIONS = st.dictionaries(st.sampled_from([*OURS, "other"]), VALUES, max_size=4)
POLICIES = st.sampled_from(["refuse", "warn"])
BOUNDED = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def _configuration(resources: dict[str, Any], annotations: dict[str, Any]) -> document.Document:
    linux = {"cgroupsPath": "/c", "resources": resources}
    config = {"root": {"path": "rootfs"}, "annotations": annotations, "linux": linux}
    return document.load(json.dumps(config), "/bundle/config.json")


def _rewritten(loaded: document.Document, view: CapturedView, configured: Settings) -> rewrite.Rewrite | str:
    """The rewrite that may go on, or the code of its refusal."""
    asked = rewrite.Asked(runtime="/usr/sbin/runc", family="runc", command="create", looking=True)
    try:
        made = rewrite.of(loaded, rewrite.RESOURCES, asked, configured, view)
        rewrite.judge(made)
    except ShimError as error:
        return error.code
    return made


@BOUNDED
@given(resources=RESOURCES, annotations=ANNOTATIONS, view=st.sampled_from(VIEWS), policy=POLICIES)
def test_no_annotation_loosens_a_limit(
    resources: dict[str, Any], annotations: dict[str, Any], view: CapturedView, policy: str
) -> None:
    """Refused, or the same edits, bridge and expectations, under a policy that is as strict."""
    configured = Settings(policy=policy, origins={"policy": "made for a test"})
    bare = _rewritten(_configuration(resources, {}), view, configured)
    found = _rewritten(_configuration(resources, annotations), view, configured)
    if isinstance(found, str):
        return
    assert not isinstance(bare, str), f"refused without the annotations ({bare}), let through with them"
    assert found.plan == bare.plan
    assert found.policy in ("refuse", bare.policy)


@BOUNDED
@given(resources=RESOURCES, limits=ROGUE, trust=st.sampled_from(AUTHORITIES))
def test_no_annotation_sets_a_file_of_the_bridge(resources: dict[str, Any], limits: dict[str, str], trust: str) -> None:
    """Whoever has no key sets nothing in cgroup2, not even where the administrator trusts annotations."""
    configured = Settings(annotations=trust, origins={"policy": "made for a test"})
    forged = {bridged_limits.ANNOTATION: json.dumps({"limits": limits, "seal": "0" * 64})}
    bare = _rewritten(_configuration(resources, {}), VIEWS[0], configured)
    found = _rewritten(_configuration(resources, forged), VIEWS[0], configured)
    if isinstance(bare, str) or isinstance(found, str):
        assert bare == found
        return
    assert found.plan == bare.plan
    assert found.ignored[-1].startswith(
        f"annotation {bridged_limits.ANNOTATION} is ignored, and no limit is taken from it: "
    )


@BOUNDED
@given(resources=RESOURCES, limits=st.dictionaries(FILES, TEXTS, max_size=4))
def test_a_field_of_the_user_outdoes_what_is_kept(resources: dict[str, Any], limits: dict[str, str]) -> None:
    """Genuine or not: a unified key of the user keeps its value, and the classic sections are not touched."""
    after = bridged_limits.returned(resources, limits)
    classic = [{key: value for key, value in one.items() if key != "unified"} for one in (after, resources)]
    assert classic[0] == classic[1]
    asked = {key: value for key, value in (resources.get("unified") or {}).items() if value}  # "" sets nothing
    assert asked.items() <= (after.get("unified") or {}).items()


FILES_KEPT = ["memory.max", "memory.swap.max", "pids.max", "cpu.max", "cpuset.cpus", "io.max", "hugetlb.2MB.max"]
VALUES_KEPT = ["max", "1", "4096", "50000 100000", "0-1", "8:0 rbps=max", "134217728"]
MADE = (
    make_host(HYBRID, versions={"memory": 2, "pids": 2}),
    make_host(HYBRID, versions={"io": 2, "cpu": 2, "cpuset": 2}),
    make_host(UNIFIED),
)


def _guards(plan: Plan) -> set[tuple[str, str, str]]:
    return {(e.controller, e.file, e.value) for e in plan.expectations if e.kind == GUARD}


@BOUNDED
@given(
    resources=RESOURCES,
    kept=st.dictionaries(st.sampled_from(FILES_KEPT), st.sampled_from(VALUES_KEPT), min_size=1, max_size=3),
    host=st.sampled_from(MADE),
)
def test_genuine_limits_lose_to_every_guard_of_the_user(
    resources: dict[str, Any], kept: dict[str, str], host: Host
) -> None:
    """Even what cgshim itself kept, and be it "max": the kernel must show all that the resources alone ask for."""
    bare, found = (make_plan(resources, host, "runc", "create", "cgroupfs", kept=limits) for limits in ({}, kept))
    if bare.problems or found.problems or bare.unenforceable:
        return  # refused
    assert _guards(bare) <= _guards(found)
