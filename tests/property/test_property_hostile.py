"""Whatever a configuration, a host, a runtime or a hook's input says: success or one error, never a traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shim.call import log_records
from shim.containers import hook_state
from shim.errors import ShimError
from shim.errors import printable_line as line
from shim.host.captured import CapturedView
from shim.host.detect import detect
from shim.host.facts import HYBRID, LEGACY, UNIFIED
from shim.host.inspection import inspect
from shim.oci import document
from shim.planning import bridged_limits, report, rewrite
from shim.planning import settings as own_settings
from shim.stages import call, create_runtime, poststop, precreate
from shim.state import files as kept
from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from shim.host.view import Identity
    from shim.rules.runtimes import Family

pytestmark = pytest.mark.property
BOUNDED = settings(deadline=None, max_examples=150)
SLOW = settings(deadline=None, max_examples=60)

TREES = sorted(str(path.parent) for path in (ROOT / "tests/hosts").glob("*/manifest.json"))
SPECS = [path.read_text() for path in sorted((ROOT / "tests/specs").glob("**/*.json"))]
DEFAULTS = own_settings.Settings(origins=dict.fromkeys(own_settings.KEYS, "default"))

TEXT = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "max", "-1", "0", "64M", "1e9", "²", "\u0661", "0x10", "\0", "\ud800", "\u2028", "a/../..", "8:0 rbps=1"]
    ),
)
NUMBER = st.one_of(
    st.integers(-(1 << 70), 1 << 70),
    st.sampled_from([-1, 0, 1, 1 << 63, -(1 << 63), 10**400]),
    st.floats(allow_nan=False),
)
LEAF = st.one_of(st.none(), st.booleans(), NUMBER, TEXT)
KEY = st.one_of(
    TEXT,
    st.sampled_from(
        [
            *("linux", "resources", "annotations", "hooks", "mounts", "root", "process", "cgroupsPath", "seccomp"),
            *("memory", "cpu", "pids", "blockIO", "hugepageLimits", "network", "rdma", "devices", "unified"),
            *("limit", "swap", "swappiness", "shares", "quota", "period", "cpus", "mems", "weight", "weightDevice"),
            *("throttleReadBpsDevice", "major", "minor", "rate", "pageSize", "classID", "priorities", "name"),
            *("memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "io.max", "hugetlb.2MB.max", "rdma.max"),
            *("createRuntime", "poststop", "path", "args", "source", "destination", "type", "options", "schema"),
            *(
                own_settings.ANNOTATION,
                report.ANNOTATION,
                bridged_limits.ANNOTATION,
                call.ANNOTATION,
                "changes",
                "edits",
            ),
        ]
    ),
)
VALUE = st.recursive(
    LEAF, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEY, inner, max_size=5)), max_leaves=20
)
OBJECT = st.dictionaries(KEY, VALUE, max_size=5)


@st.composite
def damaged(draw: Callable[[Any], Any], texts: st.SearchStrategy[str]) -> str:
    """One of the texts, with pieces cut out, doubled, or replaced by anything."""
    text: str = draw(texts)
    for _ in range(draw(st.integers(0, 4))):
        first = draw(st.integers(0, len(text)))
        last = min(len(text), first + draw(st.sampled_from([0, 1, 2, 8, 200])))
        piece = draw(st.one_of(st.just(""), st.just(text[first:last] * 2), TEXT, st.sampled_from('{}[]",:\\ \n\t0-')))
        text = text[:first] + piece + text[last:]
    return text


def _survives(tried: Callable[[], Any]) -> Any:
    """The result, or the text of the one error that there may be, which every channel can show."""
    try:
        return tried()
    except ShimError as error:
        refusal = error
    text = refusal.text()
    assert text.encode("utf-8").decode() == text
    assert [part for part in text.split("\n") if line(part) != part] == []
    assert refusal.code
    return None


def _rewritten(text: str, view: CapturedView, family: Family, command: str = "create") -> str:
    """As an intercepted call does it: read, planned, judged, written down."""
    loaded = document.load(text, "/b/config.json")
    asked = rewrite.Asked(runtime=f"/usr/sbin/{family}", family=family, command=command, foreground=command == "run")
    where = rewrite.WHOLE if command == "update" else rewrite.RESOURCES
    made = rewrite.of(loaded, where, asked, DEFAULTS, view)
    rewrite.judge(made)
    return made.text()


FAMILIES = st.sampled_from(["runc", "crun", "other"])
COMMANDS = st.sampled_from(["create", "run", "restore"])


def _views(trees: list[str]) -> st.SearchStrategy[CapturedView]:
    return st.sampled_from(trees).map(CapturedView)


@BOUNDED
@given(damaged(st.sampled_from(SPECS)), _views(TREES), FAMILIES, COMMANDS)
def test_damaged_documents(text: str, view: CapturedView, family: Family, command: str) -> None:
    """Configurations as engines write them, with anything in them; what comes out is JSON again."""
    made = _survives(lambda: _rewritten(text, view, family, command))
    if made is not None and made != text:
        assert isinstance(json.loads(made), dict)


@BOUNDED
@given(OBJECT, _views(TREES), FAMILIES, COMMANDS)
def test_documents_of_any_shape(value: dict[str, Any], view: CapturedView, family: Family, command: str) -> None:
    """Known keys at the wrong places, with values of any type."""
    _survives(lambda: _rewritten(json.dumps(value), view, family, command))


@BOUNDED
@given(OBJECT, OBJECT, _views(TREES), FAMILIES)
@example({"rdma": {"mlx5_0": None}}, {}, CapturedView(TREES[0]), "runc")
@example({"unified": {"memory.max": None}}, {}, CapturedView(TREES[0]), "runc")
def test_resources_of_any_shape(
    resources: dict[str, Any], annotations: dict[str, Any], view: CapturedView, family: Family
) -> None:
    """In their place: a configuration's, with any annotations, and those of an update."""
    config = {"ociVersion": "1.0.2", "annotations": annotations, "linux": {"resources": resources}}
    _survives(lambda: _rewritten(json.dumps(config), view, family))
    _survives(lambda: _rewritten(json.dumps(resources), view, family, "update"))


class DamagedView(CapturedView):
    """A captured host on which some files say something else, or cannot be read."""

    def __init__(self, tree: str, files: dict[str, str | None]) -> None:
        super().__init__(tree)
        self.files = files

    def read(self, path: str) -> tuple[str, Identity] | None:
        """The file's content, or what stands in its place."""
        found = super().read(path)
        if found is None or path not in self.files:
            return found
        content = self.files[path]
        return None if content is None else (content, found[1])


@st.composite
def damaged_hosts(draw: Callable[[Any], Any]) -> DamagedView:
    """A captured tree with up to four of its files damaged."""
    tree = draw(st.sampled_from(TREES))
    root = Path(tree, "root")
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    files: dict[str, str | None] = {}
    for name in draw(st.lists(st.sampled_from(names), max_size=4)):
        text = (root / name).read_text(errors="surrogateescape")
        files[f"/{name}"] = draw(st.one_of(st.none(), TEXT, damaged(st.just(text))))
    return DamagedView(tree, files)


WANTED = ("memory.max", "memory.swap.max", "memory.memsw.limit_in_bytes", "pids.max", "cpu.max", "hugetlb.2MB.max")


@BOUNDED
@given(damaged_hosts(), st.one_of(st.just(""), st.just("/a/b"), st.just("a.slice:b:c"), TEXT))
def test_damaged_hosts(view: DamagedView, target: str) -> None:
    """Detection always has an answer; the inspection of `cgshimctl doctor`, too."""
    host = _survives(lambda: detect(view, WANTED, target))
    assert host is None or host.layout in (UNIFIED, HYBRID, LEGACY, "none", "ambiguous")
    _survives(lambda: inspect(view, WANTED))


@SLOW
@given(damaged_hosts(), st.sampled_from(SPECS), FAMILIES)
def test_plans_on_damaged_hosts(view: DamagedView, text: str, family: Family) -> None:
    """A configuration as an engine wrote it is planned on whatever host is seen."""
    _survives(lambda: _rewritten(text, view, family))


RECORDS = st.one_of(
    st.fixed_dictionaries({"level": TEXT, "msg": TEXT, "time": TEXT}), OBJECT, st.dictionaries(st.just("msg"), VALUE)
)
LOGS = damaged(st.lists(RECORDS.map(json.dumps), max_size=4).map("\n".join))


@BOUNDED
@given(
    st.one_of(
        LOGS, st.text(max_size=60), st.binary(max_size=60).map(lambda data: data.decode("utf-8", "surrogateescape"))
    )
)
def test_log_recordss(text: str) -> None:
    """Every log has records, perhaps none, a failure, perhaps "", and a line for each record."""
    found = log_records.records(text)
    assert isinstance(log_records.failure(text), str)
    for record in found:
        for family in ("runc", "crun"):
            shown = log_records.line(record, family)
            assert shown.count("\n") == 1
            assert line(shown[:-1]) == shown[:-1]


STATES = st.one_of(
    st.fixed_dictionaries(
        {"ociVersion": st.sampled_from(["1.0.2", "0.2", "2.0", ""]), "id": TEXT, "bundle": TEXT},
        optional={"pid": st.one_of(NUMBER, st.just(os.getpid())), "annotations": VALUE, "status": LEAF},
    ),
    OBJECT,
).map(json.dumps)


def _given(data: bytes, tried: Callable[[int], Any]) -> Any:
    handle = os.memfd_create("state")
    try:
        os.write(handle, data)
        os.lseek(handle, 0, os.SEEK_SET)
        return tried(handle)
    finally:
        os.close(handle)


@BOUNDED
@given(damaged(STATES), st.sampled_from(TREES))
def test_states_of_hooks(tmp_path_factory: pytest.TempPathFactory, text: str, tree: str) -> None:
    """Any state: not one, or the hooks' own work with it, which then has the one error, too."""
    data = text.encode("utf-8", "surrogatepass")
    state = _survives(lambda: _given(data, hook_state.read))
    if state is None:
        return
    assert isinstance(kept.name_of(state.container), str)
    assert "/" not in kept.name_of(state.container)
    poststop.ended(state)
    asked = {"--runtime": "/usr/sbin/runc", "--driver": ""}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(create_runtime, "View", lambda: CapturedView(tree))
        _survives(lambda: create_runtime.verify_state(state, asked))


@BOUNDED
@given(
    st.one_of(damaged(st.sampled_from(SPECS)), OBJECT.map(json.dumps)),
    st.lists(TEXT, max_size=4),
    st.sampled_from(TREES),
)
def test_configurations_of_precreate(text: str, arguments: list[str], tree: str) -> None:
    """Any configuration, and any arguments of the hook."""
    data = text.encode("utf-8", "surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precreate, "View", lambda: CapturedView(tree))
        _survives(lambda: precreate.filtered(data, arguments))
        _survives(lambda: precreate.filtered(data, ["--runtime", "/usr/sbin/crun"]))


@BOUNDED
@given(VALUE, VALUE)
def test_annotations_of_any_shape(annotations: Any, earlier: Any) -> None:
    """What anybody may have written there."""
    text = json.dumps({"annotations": annotations})
    _survives(lambda: bridged_limits.read(document.load(text, "/b/config.json"), looking=True))
    _survives(lambda: call.enabled(annotations, DEFAULTS))
    _survives(lambda: own_settings.policy_of(DEFAULTS, annotations))
    assert json.loads(report.annotation({"schema": 1, "changes": [], "edits": []}, earlier))["schema"] == 1
    text = json.dumps({"schema": 1, "changes": earlier, "edits": annotations})
    assert json.loads(report.annotation({"schema": 1, "changes": [], "edits": []}, text))["schema"] == 1
