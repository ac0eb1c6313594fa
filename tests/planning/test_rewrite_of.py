"""One document on one host: what is kept for cgroup2, whose policy counts, and which hooks are added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shim.errors import ShimError
from shim.host.captured import CapturedView
from shim.oci import document
from shim.planning import bridged_limits, rewrite
from shim.planning.settings import REFUSE, WARN, Settings
from tests.kept_limits import PATH, sealed

HOSTS = Path(__file__).resolve().parents[1] / "hosts"
MEMORY_IN_2 = "debian13-hybrid-6.12"  # a kernel without CONFIG_MEMCG_V1: memory and cpuset in cgroup2 alone
KEPT = {"memory.max": "67108864", "memory.swap.max": "0"}


def _settings(policy: str) -> Settings:
    return Settings(policy=policy, origins={"policy": "made for a test"})


def _of(
    value: Any,
    host: str = MEMORY_IN_2,
    *,
    policy: str = REFUSE,
    command: str = "create",
    where: tuple[str, ...] = rewrite.RESOURCES,
    beside: dict[str, str] | None = None,
) -> rewrite.Rewrite:
    loaded = document.load(json.dumps(value), PATH)
    asked = rewrite.Asked(runtime="/usr/sbin/runc", family="runc", command=command)
    view = CapturedView(str(HOSTS / host))
    return rewrite.of(loaded, where, asked, _settings(policy), view, beside=beside)


def _config(resources: dict[str, Any], **annotations: str) -> dict[str, Any]:
    return {
        "root": {"path": "rootfs"},
        "annotations": annotations,
        "linux": {"resources": resources, "cgroupsPath": "/c"},
    }


def test_limits_in_keeping_are_planned_again() -> None:
    """A start from a bundle that was rewritten before: what left the resources is bridged once more, file by file."""
    made = _of(_config({"pids": {"limit": 32}}, **{bridged_limits.ANNOTATION: sealed(KEPT)}))
    assert {(one.file, one.value) for one in made.plan.bridge} == set(KEPT.items())
    assert {(one.file, one.value) for one in made.plan.expectations} == {*KEPT.items(), ("pids.max", "32")}


def test_an_update_has_the_policy_of_its_container() -> None:
    """A file for `update --resources` has no annotations; those of the container count, and may be stricter."""
    asked = {"unified": {"misc.max": "res_a 1"}}
    host = "debian12-legacy-comounted-6.1"
    made = _of(asked, host, policy=WARN, command="update", where=rewrite.WHOLE, beside={"io.cgshim.policy": "refuse"})
    assert made.refused
    assert not _of(asked, host, policy=WARN, command="update", where=rewrite.WHOLE).refused
    with pytest.raises(ShimError) as refused:
        rewrite.judge(made)
    assert refused.value.code == "unified-without-counterpart"
    assert "makes no update" in refused.value.cause


def test_a_policy_that_changed_between_two_starts() -> None:
    """Under warn the bridge may use a cgroup that only a hook removes; it is added where no limit changes any more."""
    first = _of(_config({"memory": {"limit": 67108864}}))
    again = json.loads(first.text())
    assert "poststop" not in again.get("hooks", {})
    under_warn = _of(again, policy=WARN)
    assert under_warn.plan.edits == ()
    (hook,) = json.loads(under_warn.text())["hooks"]["poststop"]
    assert hook["args"][:2] == ["cgshim-hook", "cleanup"]
    assert json.loads(_of(json.loads(under_warn.text()), policy=WARN).text()) == json.loads(under_warn.text())


@pytest.mark.parametrize("annotations", [[], [1], "io.cgshim.policy=warn", 5], ids=str)
def test_annotations_that_are_not_an_object(annotations: Any) -> None:
    """They are refused with their place, whatever is in them."""
    with pytest.raises(ShimError) as refused:
        _of({"annotations": annotations, "linux": {}})
    assert refused.value.code == "bad-config"
    assert "annotations: an object was expected" in refused.value.what


@pytest.mark.parametrize("host", ["forged-unified", "debian12-nothing-mounted-6.1"])
def test_a_host_that_is_not_understood(host: str) -> None:
    """A limit there is refused by name; under warn, and without a limit, the file stays as it is."""
    limited = _config({"pids": {"limit": 32}})
    with pytest.raises(ShimError) as refused:
        rewrite.judge(_of(limited, host))
    assert refused.value.code == "layout-unknown"
    assert refused.value.what == f"{PATH}: pids.limit cannot be enforced on this host"
    under_warn = _of(limited, host, policy=WARN)
    rewrite.judge(under_warn)
    assert json.loads(under_warn.text()) == limited
    assert [note.lost for note in under_warn.plan.changes] == ["more than 32 tasks"]
    plain = _of(_config({"devices": [{"allow": False, "access": "rwm"}]}), host)
    rewrite.judge(plain)
    assert plain.plan.changes == ()


@pytest.mark.parametrize("key", ["Linux", "LINUX"])
def test_the_way_to_the_limits_in_another_case(key: str) -> None:
    """runc takes it, so cgshim plans and expects the limit; the file stays as it is."""
    for value in ({key: {"resources": {"pids": {"limit": 32}}}}, {"linux": {"Resources": {"pids": {"limit": 32}}}}):
        made = _of(value)
        assert made.plan.changes == ()
        assert [(one.file, one.value) for one in made.plan.expectations] == [("pids.max", "32")]
        assert made.text() == made.document.text


def test_an_update_is_its_own_document() -> None:
    """The file holds the resources object itself: its whole text changes, and fields are named from there."""
    asked = {"unified": {"pids.max": "9"}}
    made = _of(asked, command="update", where=rewrite.WHOLE)
    assert made.prefix == "resources"
    assert json.loads(made.text()) == {"pids": {"limit": 9}}
    unchanged = _of({"pids": {"limit": 9}}, command="update", where=rewrite.WHOLE)
    assert unchanged.text() == unchanged.document.text


def test_an_annotation_without_a_say_is_told() -> None:
    """A container may not loosen the policy; operators read of it."""
    made = _of(_config({"pids": {"limit": 32}}, **{"io.cgshim.policy": "warn"}))
    ((level, text),) = made.notices
    assert level == "warning"
    assert text.startswith("cgshim: ")
    assert "io.cgshim.policy" in text


def test_a_section_that_is_no_object() -> None:
    """What cannot be read is refused, not taken for empty."""
    with pytest.raises(ShimError) as refused:
        _of({"linux": []})
    assert refused.value.code == "bad-config"
    assert "linux: an object was expected, found" in refused.value.what


def test_a_value_of_the_wrong_type() -> None:
    """The check of types comes before any rule."""
    with pytest.raises(ShimError) as refused:
        _of(_config({"pids": {"limit": "32"}}))
    assert "linux.resources.pids.limit" in str((refused.value.what, refused.value.evidence))


def test_a_value_that_nothing_takes() -> None:
    """Whatever the policy: the field by its place in the file, and what would do."""
    made = _of(_config({"memory": {"limit": -2}}), policy=WARN)
    with pytest.raises(ShimError) as refused:
        rewrite.judge(made)
    assert "linux.resources.memory.limit" in str((refused.value.what, refused.value.evidence))
