"""The input and the output of a rule.

A rule is a pure function `rule(case) -> Outcome` about one field of `linux.resources` (OCI runtime-spec,
config-linux.md, "Control groups"). It never changes its input. For a field that is present it always returns an edit,
or a note with the reason why none is needed.
"""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Mapping, TypeVar

    from typing_extensions import Final, Literal, TypedDict

    from shim.host.facts import Host
    from shim.rules.runtimes import Runtime

    Operation = Literal["create", "update"]
    Object = TypeVar("Object", bound=Mapping[str, Any])
    Driver = Literal["cgroupfs", "systemd", "disabled"]
    Source = Literal["classic", "unified"]
    Kind = Literal["guard", "hint"]

    class Resources(TypedDict, total=False):
        """`linux.resources` after the checks (schema/config-linux.json); null counts as absent."""

        memory: dict[str, Any] | None
        cpu: dict[str, Any] | None
        pids: dict[str, Any] | None
        blockIO: dict[str, Any] | None
        hugepageLimits: list[dict[str, Any]] | None
        rdma: dict[str, dict[str, Any]] | None
        network: dict[str, Any] | None
        devices: list[dict[str, Any]] | None
        unified: dict[str, str] | None

    Effect = Literal["kept", "changed", "dropped", "unenforceable"]
    # How a file shows what was written to it (shim.rules.shapes).
    Shape = Literal[
        "exact",
        "page",
        "number",
        "first-words",
        "second-word",
        "percents",
        "pages",
        "at-most",
        "cpus",
        "lines",
        "percent",
        "any-form",
    ]

GUARD: Final = "guard"  # protects the host or a neighbour; refused when it cannot be enforced (policy)
HINT: Final = "hint"  # tuning; dropped with a notice if the host has no counterpart

KEPT: Final = "kept"  # passed on unchanged
CHANGED: Final = "changed"  # replaced by an edit with the same meaning
DROPPED: Final = "dropped"  # a hint that this host cannot honour
UNENFORCEABLE: Final = "unenforceable"  # a guard that this host cannot enforce


UNIFIED_PREFIX = "unified."


def source_of(field: str) -> Source:
    """Return whether the field is a classic field of `linux.resources` or a key of its `unified`."""
    return "unified" if field.startswith(UNIFIED_PREFIX) else "classic"


class Case(Value):
    """One resources object on one host under one runtime.

    resources: the parsed object after the earlier rules; read-only. runtime: the behaviour of its kind. operation:
    "create" or "update". driver: "cgroupfs", "systemd" or "disabled".
    """

    resources: Resources
    host: Host
    runtime: Runtime
    operation: Operation = "create"
    driver: Driver = "cgroupfs"

    def get(self, *path: str) -> Any:
        """Return the value at `path` inside resources, None if it is absent or null."""
        value: Any = self.resources
        for key in path:
            if not isinstance(value, dict) or value.get(key) is None:
                return None
            value = value[key]
        return value

    @property
    def v1(self) -> bool:
        """True if the runtime works on v1 hierarchies here (legacy and hybrid)."""
        return self.host.layout in ("legacy", "hybrid")


class Edit(Value):
    """One change inside `linux.resources`: op "set" (add or replace) or "remove"; `path` is relative to it."""

    op: str
    path: tuple[str, ...]
    value: Any = None


class Note(Value):
    """The effect on one field and the reason.

    field: dotted path inside resources, as the caller wrote it (`memory.swap`, `unified.memory.max`).
    code: stable, kebab-case. kind: GUARD or HINT. effect: KEPT, CHANGED, DROPPED or UNENFORCEABLE.
    reason: one sentence with the fact about the host or runtime. lost: what is no longer limited, "" if nothing.
    bridgeable: the file is in cgroup2, where the runtime does not write but cgshim can (shim.enforce.bridge).
    """

    field: str
    code: str
    kind: Kind
    effect: Effect
    reason: str
    lost: str = ""
    bridgeable: bool = False


class Expectation(Value):
    """A value that the container's own cgroup must show afterwards.

    controller: as in Placement. version: 1 or 2. file: interface file. value: its content as text, numbers in the
    kernel's unit. shape: how the file shows it (shim.rules.shapes). beyond: the file of the same cgroup whose number is
    included in `value` but not in `file`; "" for none.
    """

    field: str
    kind: Kind
    controller: str
    version: int
    file: str
    value: str
    shape: Shape = "exact"
    beyond: str = ""

    @property
    def source(self) -> Source:
        """Whether the limit came from a classic field or from `unified`."""
        return source_of(self.field)


class Problem(Value):
    """A value that no runtime and kernel here can use: the field, what is wrong, what to write instead."""

    field: str
    what: str
    remedy: str


class Outcome(Value):
    """The complete answer of a rule."""

    edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    problems: tuple[Problem, ...] = ()


NOTHING = Outcome()


class Rule(Value):
    """A row of the table: the field, the rule function, and the interface files that it asks the host for."""

    field: str
    apply: Callable[[Case], Outcome]
    probes: tuple[str, ...] = ()


def apply_to_value(value: Object, edits: Iterable[Edit]) -> Object:
    """Return a copy of `value` with the edits applied.

    A missing parent is created. An object that becomes empty is removed, because runtimes act on empty objects: crun
    refuses `"network": {}` on cgroup2, `runc update` a `"unified": {}` on v1.
    """
    changed: Any = value
    for edit in edits:
        changed = _edited(changed, edit.path, edit)
    made: Object = changed
    return made


def _edited(value: dict[str, Any], path: tuple[str, ...], edit: Edit) -> dict[str, Any]:
    key, rest = path[0], path[1:]
    changed = dict(value)
    if not rest:
        if edit.op == "set":
            changed[key] = edit.value
        else:
            changed.pop(key, None)
        return changed
    inner = value.get(key)
    if not isinstance(inner, dict):
        if edit.op == "remove":
            return changed
        inner = {}
    changed[key] = _edited(inner, rest, edit)
    if not changed[key]:
        del changed[key]
    return changed
