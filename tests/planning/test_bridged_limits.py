"""Limits in cgshim's own keeping: the annotation io.cgshim.bridge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shim.errors import ShimError
from shim.host.facts import HYBRID
from shim.oci import document
from shim.planning import bridged_limits
from shim.planning.plan import make_plan
from shim.rules.base import GUARD, Expectation
from shim.state import seal
from tests.hosts_made import make_host
from tests.kept_limits import configuration, sealed_and_read
from tests.planned import planned

HOST = make_host(HYBRID, versions={"memory": 2})
ASKED: dict[str, Any] = {"memory": {"limit": 67108864, "swap": 67108864}, "pids": {"limit": 32}}
KEPT = {"memory.swap.max": "0", "memory.max": "67108864"}


def test_what_the_bridge_sets_is_kept() -> None:
    """The annotation has cgroup2's file and value of every limit that left the resources; nothing else leaves them."""
    made = planned(ASKED, HOST)
    assert json.loads(bridged_limits.write(made.plan.bridge, configuration()))["limits"] == KEPT
    assert made.after == {"pids": {"limit": 32}}


def test_a_second_plan_sets_the_same() -> None:
    """From what is left and the annotation comes the same bridge, and no edit."""
    first = planned(ASKED, HOST)
    kept = sealed_and_read(first.plan.bridge).limits
    again = make_plan(first.after, HOST, "runc", "create", "cgroupfs", kept=kept)
    assert again.edits == ()
    assert {(one.file, one.value) for one in again.bridge} == set(KEPT.items())


def test_another_layout_gets_them_back() -> None:
    """Once the host boots with cgroup2 alone, the runtime sets them itself, so they go back into the resources."""
    made = make_plan({"pids": {"limit": 32}}, make_host(), "runc", "create", "cgroupfs", kept=KEPT)
    assert made.bridge == ()
    assert {edit.path: edit.value for edit in made.edits} == {("unified",): KEPT}


def test_an_empty_key_does_not_hide_what_is_kept() -> None:
    """A value of no bytes is no write, so it is not a newer wish of the user's."""
    assert bridged_limits.returned({"unified": {"memory.max": ""}}, KEPT) == {"unified": KEPT}
    newer = {"unified": {**KEPT, "memory.max": "1G"}}
    assert bridged_limits.returned({"unified": {"memory.max": "1G"}}, KEPT) == newer


FORM = (
    "annotation io.cgshim.bridge is ignored, and no limit is taken from it: "
    "it does not have the form that cgshim writes"
)
FOREIGN = (
    "annotation io.cgshim.bridge is ignored, and no limit is taken from it: "
    "cgshim has not written it on this host for this container"
)


@pytest.mark.parametrize("annotations", [None, [], {}, {"other": "{}"}, {bridged_limits.ANNOTATION: None}], ids=str)
def test_nothing_is_kept(annotations: Any) -> None:
    """Absent: no limit in keeping, nothing to say."""
    loaded = document.load(json.dumps({"annotations": annotations}), "/b/config.json")
    assert bridged_limits.read(loaded) == bridged_limits.NOTHING


@pytest.mark.parametrize(
    "value",
    [
        {"memory.max": "1"},
        "",
        "{broken",
        "[1]",
        '{"memory.max": "67108864"}',
        '{"limits": ["memory.max"], "seal": "00"}',
        '{"limits": {"memory.max": 67108864}, "seal": "00"}',
    ],
    ids=str,
)
def test_what_is_of_another_shape_is_said(value: Any) -> None:
    """Broken, or as version 0.1 wrote it: no limit in keeping, a notice, and no exception."""
    assert bridged_limits.read(configuration(value)) == bridged_limits.Kept(limits={}, refused=FORM)


LIMIT = Expectation(
    field="memory.limit", kind=GUARD, controller="memory", version=2, file="memory.max", value="67108864"
)
SEALED = '{{"limits":{{"memory.max":"67108864"}},"seal":"{0}"}}'


@pytest.mark.parametrize("seal", ["", "00", "é", "0" * 64], ids=["none", "short", "not-hex", "zeros"])
@pytest.mark.parametrize("keyed", [True, False], ids=["key", "no-key"])
def test_a_forged_seal(seal: str, keyed: bool) -> None:
    """Whoever has no key cannot seal; where cgshim never made one, nothing is genuine."""
    if keyed:
        bridged_limits.write((LIMIT,), configuration())
    assert bridged_limits.read(configuration(SEALED.format(seal))) == bridged_limits.Kept(limits={}, refused=FOREIGN)


@pytest.mark.parametrize(
    ("other", "kept"),
    [
        ({}, True),
        ({"cgroup": "/other"}, False),
        ({"root": "/other"}, False),
        ({"path": "/other/config.json"}, False),
        ({"path": "/other/config.json", "root": "/bundle/rootfs"}, True),  # a stand-in
    ],
    ids=["same", "another cgroup", "another root", "another bundle", "a stand-in of this bundle"],
)
def test_a_copy_is_of_no_use(other: dict[str, str], kept: bool) -> None:
    """The seal is bound to cgroup and root file system: what an image took from one container is nothing in another."""
    genuine = bridged_limits.write((LIMIT,), configuration())
    found = bridged_limits.read(configuration(genuine, **other))
    assert found == (
        bridged_limits.Kept(limits={"memory.max": "67108864"})
        if kept
        else bridged_limits.Kept(limits={}, refused=FOREIGN)
    )


def test_a_changed_limit_breaks_the_seal() -> None:
    """Every limit is covered."""
    genuine = bridged_limits.write((LIMIT,), configuration())
    changed = genuine.replace("67108864", "max")
    assert changed != genuine
    assert bridged_limits.read(configuration(changed)) == bridged_limits.Kept(limits={}, refused=FOREIGN)


@pytest.mark.parametrize(
    "file", ["cgroup.procs", "cpuset.cpus.partition", "memory.reclaim", "hugetlb.x/../../tmp/victim", "a..b", "nodot"]
)
def test_what_no_container_is_given_is_not_kept(file: str) -> None:
    """Neither written nor, behind a seal of our own, read."""
    odd = LIMIT.changed(file=file)
    assert json.loads(bridged_limits.write((odd, LIMIT), configuration()))["limits"] == {"memory.max": "67108864"}
    assert bridged_limits._keepable(file) is False


def test_a_configuration_without_a_place_keeps_nothing() -> None:
    """A hook's standard input with a relative root: its container could not be told from another."""
    with pytest.raises(ShimError) as refused:
        bridged_limits.write((LIMIT,), configuration(path="standard input"))
    assert refused.value.code == "no-bundle"
    assert refused.value.evidence == ("root.path 'rootfs' is not absolute",)
    assert bridged_limits.write((LIMIT,), configuration(path="standard input", root="/r"))


# Each field of config-linux.md that names the limit of a cgroup2 file.
CLASSIC: tuple[tuple[str, dict[str, Any]], ...] = (
    ("memory.max", {"memory": {"limit": 1 << 26}}),
    ("memory.swap.max", {"memory": {"swap": 1 << 27}}),
    ("memory.low", {"memory": {"reservation": 1 << 25}}),
    ("pids.max", {"pids": {"limit": 50}}),
    ("cpu.max", {"cpu": {"quota": 50000}}),
    ("cpu.max", {"cpu": {"period": 100000}}),
    ("cpu.max.burst", {"cpu": {"burst": 1000}}),
    ("cpu.weight", {"cpu": {"shares": 512}}),
    ("cpu.idle", {"cpu": {"idle": 1}}),
    ("cpuset.cpus", {"cpu": {"cpus": "0"}}),
    ("cpuset.mems", {"cpu": {"mems": "0"}}),
    ("io.max", {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}]}}),
    ("io.max", {"blockIO": {"throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 1}]}}),
    ("io.weight", {"blockIO": {"weight": 100}}),
    ("hugetlb.2MB.max", {"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}),
    ("rdma.max", {"rdma": {"mlx5_0": {"hcaHandles": 1}}}),
    ("memory.max", {"unified": {"memory.max": "64M"}}),
)


@pytest.mark.parametrize(("file", "resources"), CLASSIC, ids=str)
def test_every_field_of_the_user_wins(file: str, resources: dict[str, Any]) -> None:
    """What is kept comes back only where the user said nothing of that limit, in the classic form or in unified."""
    assert bridged_limits.returned(resources, {file: "max"}) == resources
    assert bridged_limits.returned({}, {file: "max"}) == {"unified": {file: "max"}}


def test_hugepages_of_another_size_are_another_limit() -> None:
    """Only the same size is outdone."""
    resources = {"hugepageLimits": [{"pageSize": "1GB", "limit": 1}]}
    assert bridged_limits.returned(resources, {"hugetlb.2MB.max": "0"})["unified"] == {"hugetlb.2MB.max": "0"}


def test_resources_win() -> None:
    """A limit that stands in the resources is newer than the one in keeping; the caller's object stays as it was."""
    resources = {"unified": {"memory.max": "1"}, "pids": {"limit": 32}}
    assert bridged_limits.returned(resources, KEPT) == {
        "unified": {"memory.swap.max": "0", "memory.max": "1"},
        "pids": {"limit": 32},
    }
    assert resources["unified"] == {"memory.max": "1"}


def test_nothing_in_keeping_changes_nothing() -> None:
    """The very same object comes back."""
    resources = {"unified": None}
    assert bridged_limits.returned(resources, {}) is resources


THROTTLED: dict[str, Any] = {
    "blockIO": {
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 4096}, {"major": 8, "minor": 16, "rate": 8192}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 100}],
    }
}
IO_MAX = ["8:0 rbps=4096 wiops=100", "8:16 rbps=8192"]


def test_every_device_of_a_file_with_lines_is_kept() -> None:
    """io.max has one line for all four lists of a device; every one is bridged, kept, and bridged again."""
    host = make_host(HYBRID, versions={"io": 2})
    first = planned(THROTTLED, host)
    assert first.after == {}
    assert [limit.value for limit in first.plan.bridge] == IO_MAX
    assert first.effect("blockIO.throttleReadBpsDevice") == ("bridged", "guard", "changed")
    assert first.effect("blockIO.throttleWriteIOPSDevice") == ("bridged", "guard", "changed")
    kept = sealed_and_read(first.plan.bridge).limits
    assert kept == {"io.max": "\n".join(IO_MAX)}
    again = make_plan(first.after, host, "runc", "create", "cgroupfs", kept=kept)
    assert [(limit.value, limit.shape) for limit in again.bridge] == [(line, "lines") for line in IO_MAX]


@pytest.mark.parametrize("code", ["no-key", "no-bundle"])
def test_a_seal_that_cannot_be_looked_at(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Without the key a limit cannot be told from a forgery, so no start; whoever only looks is told."""
    value = SEALED.format("00")

    def fits(data: bytes, proof: str) -> bool:
        raise ShimError(code, "it cannot be said whose it is")

    monkeypatch.setattr(seal, "fits", fits)
    told = "annotation io.cgshim.bridge is ignored, and no limit is taken from it: it cannot be said whose it is"
    ignored = bridged_limits.Kept(limits={}, refused=told)
    assert bridged_limits.read(configuration(value), looking=True) == ignored
    if code == "no-key":
        with pytest.raises(ShimError) as refused:
            bridged_limits.read(configuration(value))
        assert refused.value.code == code
    else:
        assert bridged_limits.read(configuration(value)) == ignored
