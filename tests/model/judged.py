"""What the user meant, what the bare runtime would enforce, and what is enforced through cgshim: compared.

The judge is the model of tests/model, which shares no code with cgshim. cgshim is asked as one box: a configuration
goes in; edits, notes, what it sets itself in cgroup2 and what it will read back come out.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shim.enforce.verify import agrees
from shim.errors import ShimError
from shim.host.captured import CapturedView
from shim.oci import document
from shim.planning import rewrite
from shim.planning.settings import Settings
from shim.rules.base import apply_to_value
from tests.model import crun, limits, machine, runc
from tests.model.kernel import PAGE, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shim.planning.plan import Plan
    from shim.rules.base import Expectation
    from shim.rules.runtimes import Family as Family  # noqa: PLC0414 # the module of examples may not import shim
    from tests.model.cgroup import Cgroup
    from tests.model.limits import Limits
    from tests.model.machine import Machine

HOSTS = Path(__file__).resolve().parents[1] / "hosts"
MACHINES = machine.every(HOSTS)


class Remembered(CapturedView):
    """A capture whose files are read once: a search asks it a million times."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self._contents: dict[str, str] = {}

    def _content(self, path: str) -> str:
        if path not in self._contents:
            self._contents[path] = super()._content(path)
        return self._contents[path]


VIEWS = {name: Remembered(str(HOSTS / name)) for name in MACHINES}
RUNTIMES = {"runc": runc.VERSIONS, "crun": crun.VERSIONS}
PAIRS: list[tuple[Family, tuple[int, ...]]] = [
    *(("runc", version) for version in runc.VERSIONS),
    *(("crun", version) for version in crun.VERSIONS),
]
# What a container that is updated was created from: nothing, or limits in front of which order and rest matter.
BASES: tuple[dict[str, Any], ...] = (
    {},
    {"memory": {"limit": 128 << 20, "swap": 192 << 20}, "pids": {"limit": 100}},
    {"cpu": {"quota": 50000, "period": 50000}, "memory": {"limit": 64 << 20}},
    {"cpu": {"quota": 20000}, "pids": {"limit": 7}},
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


# Fields whose numbers are int64 in the runtime-spec; no runtime reads a document with a greater one.
SIGNED = (
    *(("memory", name) for name in ("limit", "swap", "reservation", "kernel")),
    *(("cpu", "quota"), ("pids", "limit")),
)


def unreadable(resources: dict[str, Any]) -> str:
    """Why no runtime reads this object, "" if it does."""
    numbers = {f"{section}.{name}": (resources.get(section) or {}).get(name) or 0 for section, name in SIGNED}
    return "; ".join(f"{field} {number}" for field, number in numbers.items() if not -(1 << 63) <= number < 1 << 63)


class Ended(NamedTuple):
    """How a call ended: the container's cgroup, or why there is none."""

    group: Cgroup | None
    refusal: str = ""


class Through(NamedTuple):
    """One call through cgshim: its plan, the resources that the runtime gets, and how the call ended."""

    plan: Plan | None
    after: dict[str, Any]
    ended: Ended


class Call(NamedTuple):
    """`create`, or with `changes` an `update` of a container that was created from `resources`."""

    resources: dict[str, Any]
    host: Machine
    family: Family
    version: tuple[int, ...]
    changes: dict[str, Any] | None = None

    def bare(self, resources: dict[str, Any], *, hidden: bool = False) -> Ended:
        """A start with the bare runtime. hidden: crun does not see the cgroup2 beside v1 hierarchies."""
        create = runc.create if self.family == "runc" else crun.create_on_v1_anyway if hidden else crun.create
        try:
            return Ended(create(resources, self.host, self.version))
        except Refused as error:
            return Ended(None, str(error))

    def updated(self, started: Ended, stored: dict[str, Any], changes: dict[str, Any]) -> Ended:
        """An update with the bare runtime."""
        update = runc.update if self.family == "runc" else crun.update
        try:
            if started.group:
                update(started.group, stored, changes, self.host, self.version)
        except Refused as error:
            return Ended(None, str(error))
        return started

    def planned(self, resources: dict[str, Any], command: str) -> Through:
        """What cgshim makes of a configuration or of an update's file, or why it refuses it."""
        where = rewrite.RESOURCES if command == "create" else rewrite.WHOLE
        value = {"linux": {"resources": resources}} if where else resources
        asked = rewrite.Asked(runtime=f"/usr/bin/{self.family}", family=self.family, command=command)
        configured = Settings(origins={"policy": "default"})
        try:
            loaded = document.load(json.dumps(value), "config.json")
            made = rewrite.of(loaded, where, asked, configured, VIEWS[self.host.name])
        except ShimError as error:
            return Through(None, resources, Ended(None, f"cgshim: {error.code}: {error.what}"))
        after = apply_to_value(resources, made.plan.edits)
        what = "; ".join(f"{problem.field}: {problem.what}" for problem in made.plan.problems)
        return Through(made.plan, after, Ended(None, f"cgshim: {what}" if what else ""))

    def without_cgshim(self) -> Ended:
        """The call with the bare runtime."""
        started = self.bare(self.resources)
        return started if self.changes is None else self.updated(started, self.resources, self.changes)

    def lost_without_cgshim(self, bare: Ended, wish: Limits) -> set[str] | None:
        """The guards that the bare runtime loses; None where it refuses, or ignores `unified` (crun, beside `cpu`)."""
        asked = self.resources if self.changes is None else self.changes
        if bare.group is None or (not self.host.unified and asked.get("unified")):
            return None
        return losses(wish, bare.group, swap=self.host.swap)

    def through_cgshim(self) -> tuple[Through, Cgroup] | None:
        """The call through cgshim under the policy `warn`, and the cgroup before it; None where no update can be."""
        first = self._carried_out(self.planned(self.resources, "create"), None)
        if self.changes is None:
            return first, self.host.cgroup()
        if first.ended.group is None or first.plan is None or first.plan.unenforceable:
            return None
        before = copy.deepcopy(first.ended.group)
        return self._carried_out(self.planned(self.changes, "update"), first), before

    def _carried_out(self, made: Through, before: Through | None) -> Through:
        """The runtime's part and then what cgshim sets in cgroup2 itself."""
        if made.plan is None or made.ended.refusal:
            return made
        if before is None:
            ended = self.bare(made.after, hidden=True)
        else:
            ended = self.updated(before.ended, before.after, made.after)
        return made._replace(ended=_bridged(ended.group, made.plan) if ended.group else ended)

    def usual(self, bare: Cgroup, found: Cgroup, wish: Limits) -> Limits:
        """What a guard may be although nobody asked for it: as without cgshim, or as the runtime alone decides."""
        shown, allowed = limits.enforced(found.files), limits.enforced(bare.files)
        asked = self.resources if self.changes is None else self.changes
        if self.changes is not None and "swap" not in wish:
            allowed["swap"] = shown.get("swap", limits.NONE)
        if (asked.get("pids") or {}).get("limit") == 0:  # one task to runc since 1.4, none to all others
            allowed["pids"] = shown.get("pids", limits.NONE)
        return allowed

    def meant(self) -> Limits | None:
        """The guards that were asked for; None where nobody can say. pids.limit 0 asks for nothing here."""
        wanted, zero = self.resources, self.family == "crun"
        if self.changes is not None:
            old = self.resources
            if zero and self.host.unified and (self.changes.get("cpu") or {}).get("quota"):
                old = {**old, "cpu": {}}  # crun writes cpu.max whole, with the default period
            wanted = limits.merged(old, self.changes, zero_is_no_swap=zero)
        try:
            found = limits.asked(wanted, zero_is_no_swap=zero)
        except limits.Meaningless:
            return None
        if self.changes is not None and not limits.names_swap(self.changes, zero_too=zero):
            found.pop("swap", None)  # whether it follows the memory limit, runtimes and versions disagree
        return found


def _bridged(group: Cgroup, plan: Plan) -> Ended:
    for limit in plan.bridge:
        for line in limit.value.splitlines() or [""]:
            try:
                group.write(limit.file, line, beside=True)
            except Refused as error:
                if limit.kind == "guard":
                    return Ended(None, f"cgshim sets {limit.file}: {error}")
    return Ended(group)


def about(name: str, field: str) -> bool:
    """Is this field or key one of the guard's."""
    return field.startswith(FIELDS[name.partition(".")[0]])


def reported(name: str, plan: Plan) -> bool:
    """The plan says that something of this guard is lost."""
    return any(about(name, note.field) and (note.lost or note.effect == "unenforceable") for note in plan.notes)


def faults(call: Call) -> Iterator[str]:
    """Everything that must not be, one line each."""
    bare, both, wish = call.without_cgshim(), call.through_cgshim(), call.meant()
    if both is None:
        return
    (plan, after, ended), before = both
    if unreadable(after) and not unreadable(call.resources if call.changes is None else call.changes):
        yield f"unreadable: {unreadable(after)}"
    lost = call.lost_without_cgshim(bare, wish or {})
    if ended.group is None and wish is not None and lost is not None and not lost:
        yield f"broken: the bare runtime runs it; {ended.refusal}"
    if plan is None or ended.group is None:
        return
    if wish is None:
        compared_with = call.changes is None or call.bare(call.resources).group is not None
        compared_with = compared_with and "hybrid mode" not in bare.refusal  # crun says that of every container
        changed = any(note.effect != "kept" for note in plan.notes)
        if compared_with and bare.group is None and not plan.unenforceable and not changed:
            yield f"silent: runs, but the bare runtime refuses it ({bare.refusal})"
        return
    for note in plan.unenforceable:
        concerned = {name for name in wish if about(name, note.field)}
        known = note.code == "layout-unknown"  # refused on purpose where cgshim cannot tell what the runtime will do
        if concerned and lost is not None and not concerned & lost and not known:
            yield f"broken: {note.field} is enforced by the bare runtime; refused: {note.code}"
    if not call.host.swap and (any(note.code == "swap-absent" for note in plan.notes) or call.changes is not None):
        wish = {name: value for name, value in wish.items() if name != "swap"}  # there is nothing to swap to
    usual = call.usual(bare.group or before, ended.group, wish)
    yield from compared(wish, plan, ended.group, usual)
    yield from read_back(wish, plan, ended.group, before, hints_too=call.changes is not None)


def losses(wish: Limits, group: Cgroup, *, swap: bool = True) -> set[str]:
    """The guards that a container has looser than they were meant; without `swap` there is nothing to swap to."""
    found = limits.enforced(group.files, swap=swap)
    return {name for name, value in wish.items() if limits.looser(name, _of(name, found), value)}


def _of(name: str, found: Limits) -> limits.Value:
    return found.get(name, limits.unlimited(name))


def compared(wish: Limits, plan: Plan, group: Cgroup, usual: Limits) -> Iterator[str]:
    """Each guard: equal, or stricter where the plan says so, or reported, or found out by the read-back."""
    found = limits.enforced(group.files)
    for name in losses(wish, group):
        refused = any(
            about(name, one.field) and one.kind == "guard" and not shows(group, one) for one in plan.expectations
        )
        if not reported(name, plan) and not refused and not nearest(name, _of(name, found), wish[name], plan):
            yield f"lost: {name} {_of(name, found)} instead of {wish[name]}"
    for name, value in found.items():
        wanted = wish.get(name, limits.unlimited(name))
        said = any(about(name, note.field) and note.effect != "kept" for note in plan.notes)
        close = name == "swap" and isinstance(value, int) and wanted == value + PAGE  # rests of two pages
        if limits.looser(name, wanted, value) and value != usual.get(name) and not said and not close:
            yield f"stricter: {name} {value} instead of {wanted}, and nothing says so"


def nearest(name: str, value: limits.Value, wanted: limits.Value, plan: Plan) -> bool:
    """The plan says that a rate of 1, which many kernels refuse in cgroup2, became 2."""
    said = any(about(name, note.field) and note.effect == "changed" for note in plan.notes)
    return name.startswith("io.") and (wanted, value) == (1, 2) and said


def shows(group: Cgroup, expected: Expectation) -> bool:
    """Does the cgroup show what the plan expects of it."""
    return agrees(expected, group.files.get(expected.file, ""), group.files.get(expected.beyond, ""))


def read_back(wish: Limits, plan: Plan, group: Cgroup, before: Cgroup, *, hints_too: bool) -> Iterator[str]:
    """What landed passes, and each guard has something that rejects a kernel that kept what it showed before.

    hints_too: an update's period is a hint, because only the container's own quota would make it a guard.
    """
    gone = losses(wish, group)
    for one in plan.expectations:
        shown = group.files.get(one.file)
        names = [name for name in wish if about(name, one.field)]
        sure = one.shape != "at-most"  # from which limit an update counted its swap, no plan can know
        if one.kind == "guard" and names and sure and not gone & set(names) and not shows(group, one):
            yield f"refused though it landed: {one.file} shows {shown!r}, {one.value!r} was expected ({one.field})"
    for name in losses(wish, before) - gone:
        rejecting = [one for one in plan.expectations if not shows(before, one)]
        looks = any(about(name, one.field) and (one.kind == "guard" or hints_too) for one in rejecting)
        if not looks and not reported(name, plan):
            yield f"never read back: {name} {wish[name]}"
