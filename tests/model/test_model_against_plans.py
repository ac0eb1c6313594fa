"""What the user meant, what the bare runtime would enforce, and what is enforced through cgshim: compared.

The judge is the model of tests/model, which shares no code with cgshim. cgshim is asked as one box: a configuration
goes in; edits, notes, what it sets itself in cgroup2 and what it will read back come out.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shim import rewrite
from shim.errors import ShimError
from shim.host.captured import CapturedView
from shim.oci import document
from shim.oci.edits import apply_to_value
from shim.settings import Settings
from shim.verify import agrees
from tests.model import crun, limits, machine, requests, runc
from tests.model.kernel import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shim.plan import Plan
    from tests.model.kernel import Cgroup
    from tests.model.limits import Limits
    from tests.model.machine import Machine

pytestmark = pytest.mark.property
HOSTS = Path(__file__).resolve().parents[1] / "hosts"
MACHINES = machine.every(HOSTS)
VIEWS = {name: CapturedView(str(HOSTS / name)) for name in MACHINES}
EXAMPLES = int(os.environ.get("CGSHIM_MODEL_EXAMPLES", "10000"))
BOUNDED = settings(
    deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
RUNTIMES = {"runc": runc.VERSIONS, "crun": crun.VERSIONS}
CALLS = st.tuples(
    requests.RESOURCES,
    st.sampled_from(sorted(MACHINES)),
    st.sampled_from([(family, version) for family, versions in RUNTIMES.items() for version in versions]),
)
# The fields and keys of a guard: a note about one of them is a report about it.
FIELDS = {
    "memory": ("memory.limit", "unified.memory.max"),
    "swap": ("memory.swap", "memory.limit", "unified.memory.swap.max", "unified.memory.max"),
    "cpu": ("cpu.quota", "cpu.period", "unified.cpu.max"),
    "pids": ("pids.limit", "unified.pids.max"),
    "cpus": ("cpu.cpus", "unified.cpuset.cpus"),
    "mems": ("cpu.mems", "unified.cpuset.mems"),
    "hugetlb": ("hugepageLimits", "unified.hugetlb"),
    "io": ("blockIO.throttle", "unified.io.max"),
    "rdma": ("rdma", "unified.rdma.max"),
}


class Ended(NamedTuple):
    """How a start ended: the container's cgroup, or why there is none ("" for a plain start)."""

    group: Cgroup | None
    refusal: str = ""


def started(resources: dict[str, Any], host: Machine, runtime: tuple[str, tuple[int, ...]], *, hidden: bool) -> Ended:
    """`create` with the bare runtime. hidden: crun does not see the cgroup2 beside v1 hierarchies."""
    family, version = runtime
    create = runc.create if family == "runc" else crun.create_on_v1_anyway if hidden else crun.create
    try:
        return Ended(create(resources, host, version))
    except Refused as error:
        return Ended(None, str(error))


class Asked(NamedTuple):
    """One configuration through cgshim: its plan, the resources that the runtime gets, and how the start ended."""

    plan: Plan | None
    after: dict[str, Any]
    ended: Ended


def through_cgshim(resources: dict[str, Any], host: Machine, runtime: tuple[str, tuple[int, ...]]) -> Asked:
    """`create` through cgshim under the policy `warn`, up to the read-back."""
    loaded = document.load(json.dumps({"linux": {"resources": resources}}), "config.json")
    asked = rewrite.Asked(runtime=f"/usr/bin/{runtime[0]}", family=runtime[0], command="create")
    try:
        made = rewrite.of(loaded, rewrite.RESOURCES, asked, Settings(origins={"policy": "default"}), VIEWS[host.name])
    except ShimError as error:
        return Asked(None, resources, Ended(None, f"cgshim: {error.code}: {error.verdict}"))
    after = apply_to_value(resources, made.plan.edits)
    if made.plan.problems:
        what = "; ".join(f"{problem.field}: {problem.what}" for problem in made.plan.problems)
        return Asked(made.plan, after, Ended(None, f"cgshim: {what}"))
    ended = started(after, host, runtime, hidden=True)
    if ended.group:
        ended = _bridged(ended.group, made.plan)
    return Asked(made.plan, after, ended)


def _bridged(group: Cgroup, plan: Plan) -> Ended:
    """What cgshim sets in cgroup2 itself."""
    for limit in plan.bridge:
        for line in limit.value.splitlines() or [""]:
            try:
                group.write(limit.file, line, beside=True)
            except Refused as error:
                if limit.kind == "guard":
                    return Ended(None, f"cgshim sets {limit.file}: {error}")
    return Ended(group)


def meant(resources: dict[str, Any], runtime: tuple[str, tuple[int, ...]]) -> Limits | None:
    """The guards that were asked for; None where nobody can say."""
    family, version = runtime
    one_task = 1 if family == "runc" and version >= (1, 4, 0) else 0
    try:
        return limits.asked(resources, zero_is_no_swap=family == "crun", zero_tasks=one_task)
    except limits.Meaningless:
        return None


def about(name: str, field: str) -> bool:
    """Is this field or key one of the guard's."""
    return field.startswith(FIELDS[name.partition(".")[0]])


def reported(name: str, plan: Plan) -> bool:
    """The plan says that something of this guard is lost."""
    return any(about(name, note.field) and (note.lost or note.effect == "unenforceable") for note in plan.notes)


def faults(resources: dict[str, Any], host: Machine, runtime: tuple[str, tuple[int, ...]]) -> Iterator[str]:
    """Everything that must not be, one line each."""
    bare = started(resources, host, runtime, hidden=False)
    asked, wish = through_cgshim(resources, host, runtime), meant(resources, runtime)
    ignored = bare.group is None or (not host.unified and bool(resources.get("unified")))  # crun, beside `cpu`
    lost_in_bare = set(wish or ()) if ignored or bare.group is None else losses(wish or {}, bare.group, swap=host.swap)
    plan, ended = asked.plan, asked.ended
    if ended.group is None and not ignored and wish is not None and not lost_in_bare:
        yield f"broken: the bare runtime runs it; {ended.refusal}"
    if plan is None or ended.group is None:
        return
    if wish is None:
        if bare.group is None and not plan.unenforceable and not any(note.effect != "kept" for note in plan.notes):
            yield f"silent: runs, but the bare runtime refuses it ({bare.refusal})"
        return
    for note in plan.unenforceable:
        concerned = [name for name in wish if about(name, note.field)]
        if concerned and not ignored and not set(concerned) & lost_in_bare:
            yield f"broken: {note.field} is enforced by the bare runtime; refused: {note.code}"
    if not host.swap and any(note.code == "swap-absent" for note in plan.notes):
        wish = {name: value for name, value in wish.items() if name != "swap"}
    yield from compared(wish, plan, ended.group, bare)
    yield from read_back(wish, plan, ended.group, host.cgroup())


def losses(wish: Limits, group: Cgroup, *, swap: bool = True) -> set[str]:
    """The guards that a container has looser than they were meant; without `swap` there is nothing to swap to."""
    found = limits.enforced(group.files, swap=swap)
    return {name for name, value in wish.items() if limits.looser(name, _of(name, found), value)}


def _of(name: str, found: Limits) -> limits.Value:
    return found.get(name, limits.unlimited(name))


def compared(wish: Limits, plan: Plan, group: Cgroup, bare: Ended) -> Iterator[str]:
    """Each guard: equal, or stricter where the plan says so, or reported, or found out by the read-back."""
    found = limits.enforced(group.files)
    for name in losses(wish, group):
        refused = any(
            about(name, one.field) and one.kind == "guard" and not agrees(one, group.files.get(one.file, "?"))
            for one in plan.expectations
        )
        if not reported(name, plan) and not refused:
            yield f"lost: {name} {_of(name, found)} instead of {wish[name]}"
    usual = limits.enforced(bare.group.files) if bare.group else {}
    for name, value in found.items():
        wanted = wish.get(name, limits.unlimited(name))
        said = any(about(name, note.field) and note.effect != "kept" for note in plan.notes)
        if limits.looser(name, wanted, value) and value != usual.get(name) and not said:
            yield f"stricter: {name} {value} instead of {wanted}, and nothing says so"


def read_back(wish: Limits, plan: Plan, group: Cgroup, fresh: Cgroup) -> Iterator[str]:
    """What landed passes, and each guard has something that rejects a kernel that kept its default."""
    gone = losses(wish, group)
    for one in plan.expectations:
        shown = group.files.get(one.file)
        names = [name for name in wish if about(name, one.field)]
        if one.kind == "guard" and names and not gone & set(names) and not (shown is not None and agrees(one, shown)):
            yield f"refused though it landed: {one.file} shows {shown!r}, {one.value!r} was expected ({one.field})"
    for name in losses(wish, fresh) - gone:
        rejecting = [one for one in plan.expectations if not agrees(one, fresh.files.get(one.file, ""))]
        if not any(about(name, one.field) and one.kind == "guard" for one in rejecting) and not reported(name, plan):
            yield f"never read back: {name} {wish[name]}"


@BOUNDED
@given(CALLS)
def test_every_guard_means_what_it_says(call: tuple[dict[str, Any], str, tuple[str, tuple[int, ...]]]) -> None:
    """On every captured host, under every version of both runtimes: equal, stricter where said, or reported."""
    resources, host, runtime = call
    assert list(faults(resources, MACHINES[host], runtime)) == []
