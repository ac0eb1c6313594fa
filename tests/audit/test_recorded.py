"""The inventory and the verdicts over what real engines wrote (tests/audited)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from shim.audit.limit import shown
from shim.audit.row import ENFORCED, LOST_IN
from shim.audit.subject import HostFacts
from shim.audit.subjects import subjects
from shim.audit.verdict import rows
from shim.containers.inventory import inventory
from shim.containers.resolve import named
from shim.containers.tree import HostTree
from shim.errors import ShimError
from tests.audited_host import laid_out, recorded_host, written

if TYPE_CHECKING:
    from pathlib import Path

    from shim.containers.container import Container
    from shim.containers.inventory import Inventory

HOSTS = ("debian-12", "forky")
# Engine, pod, name, state: what was started for the recording.
STARTED = [
    ("containerd", "", "ctr-web", "running"),
    ("cri", "tests/shared-bare", "cri-web", "running"),
    ("cri", "tests/shared-bare", "", "running"),
    ("cri", "tests/shared-wrap", "", "running"),
    ("cri-o", "", "conmon-web", "running"),
    ("docker", "", "dock-created", "created"),
    ("docker", "", "dock-web", "running"),
    ("docker", "", "dock2", "running"),
    ("podman", "", "pod-web", "running"),
    ("podman", "", "swappy", "running"),
]
MIB64, HALF = "64 MiB", "0.5 CPUs"
# What was asked of each engine when the recording was made.
ASKED = {
    "ctr-web": {"memory.limit": MIB64, "cpu.weight": "512", "pids.limit": "50"},
    "cri-web": {"memory.limit": MIB64, "cpu.weight": "512", "cpu.quota": HALF},
    "conmon-web": {"memory.limit": MIB64, "cpu.weight": "512", "pids.limit": "50"},
    "dock-web": {"memory.limit": MIB64, "cpu.weight": "512", "pids.limit": "50"},
    "dock2": {"memory.limit": MIB64, "memory.swap": MIB64, "cpu.quota": HALF, "memory.oom-kill-disable": "1"},
    "pod-web": {"memory.limit": MIB64, "cpu.weight": "512", "pids.limit": "50"},
    "swappy": {"memory.limit": "32 MiB", "cpu.quota": HALF, "cpuset.cpus": "0"},
}


@pytest.fixture(params=HOSTS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A recorded host's tree."""
    return laid_out(request.param, tmp_path)


def _found(place: Path) -> Inventory:
    return inventory(HostTree(str(place)))


def _judged(place: Path) -> dict[str, dict[str, Any]]:
    """Container's name -> limit -> row."""
    judged = subjects(HostTree(str(place)), recorded_host(), _found(place), HostFacts())
    return {one.container.title: {row.limit: row for row in rows(one)} for one in judged}


def test_every_container_is_found_once(place: Path) -> None:
    """Of all engines, by their own names, with pods and states; the same one in several records is one."""
    found = _found(place)
    assert sorted((one.engine, one.pod, _called(one), one.state) for one in found.containers) == sorted(STARTED)
    assert found.problems == ()
    assert [problem for one in found.containers for problem in one.problems] == []


def _called(container: Container) -> str:
    """Its name, or its id where a person chose that; a pod's pause container has neither."""
    return container.name or (container.id if len(container.id) < 64 else "")


def test_every_party_has_its_record(place: Path) -> None:
    """What the engine was asked, its copy, config.json and the runtime's record, as far as the engine keeps them."""
    named_ones = [one for one in _found(place).containers if _called(one)]
    columns = {_called(one): {record.column for record in one.records} for one in named_ones}
    all_of_them = {"asked", "spec", "config", "remembered"}
    assert columns == {
        "ctr-web": {"spec", "config", "remembered"},
        "cri-web": all_of_them,
        "conmon-web": {"config", "remembered"},
        "dock-created": {"asked"},
        "dock-web": all_of_them,
        "dock2": all_of_them,
        "pod-web": all_of_them,
        "swappy": all_of_them,
    }


def test_verdicts_are_those_of_the_recording(place: Path) -> None:
    """All that was asked holds, with the numbers that were asked; docker's kernel memory does not (runc ignores it)."""
    judged = _judged(place)
    for name, limits in ASKED.items():
        held = {limit: shown(row.unit, row.kernel) for limit, row in judged[name].items() if row.verdict == ENFORCED}
        assert limits.items() <= held.items(), name
    lost = {(name, limit): row.verdict for name, found in judged.items() for limit, row in found.items() if row.lost}
    kernel_memory = {("dock2", "memory.kernel"): LOST_IN} if "debian-12" in _name(place) else {}
    assert lost == kernel_memory


def _name(place: Path) -> str:
    """Which host a tree is: docker 20.10 still passed kernel memory on."""
    return "debian-12" if any(place.rglob("bolt_state.db")) else "forky"


def _container(place: Path, name: str) -> Container:
    return named(_found(place), name)


def test_names_ids_and_their_beginnings_resolve(place: Path) -> None:
    """A name, a whole id, the first letters, POD/NAME."""
    wanted = _container(place, "dock-web")
    for name in (wanted.id, wanted.id[:12]):
        assert _container(place, name) == wanted
    assert _container(place, "tests/shared-bare/cri-web").name == "cri-web"


def test_name_that_nobody_has_and_one_that_is_too_short(place: Path) -> None:
    """One error each, which says what to do; two letters are no id."""
    for name in ("nobody", _container(place, "dock-web").id[:2], ""):
        with pytest.raises(ShimError) as caught:
            _container(place, name)
        assert caught.value.code == "no-container"
        assert caught.value.remedy[0] == "cgshimctl audit lists the containers of this host"


def test_same_name_in_two_engines_is_a_question(place: Path) -> None:
    """Both are named with their engines; a guess would show the wrong one."""
    path = next(path for path in place.rglob("config.v2.json") if '"/dock-web"' in path.read_text())
    path.write_text(path.read_text().replace('"/dock-web"', '"/swappy"'))
    with pytest.raises(ShimError) as caught:
        _container(place, "swappy")
    assert caught.value.code == "ambiguous-container"
    assert [line.partition(":")[0] for line in caught.value.evidence] == ["docker", "podman"]


def test_process_that_is_gone_is_told(place: Path) -> None:
    """A container that ended between two looks is reported as gone, and the others as before."""
    wanted = _container(place, "dock-web")
    for file in (place / "proc" / str(wanted.pid)).iterdir():
        file.unlink()
    found = _container(place, "dock-web")
    assert (found.state, found.pid) == ("gone", 0)
    assert found.problems == (f"process {wanted.pid} is gone or cannot be seen",)
    assert len(_found(place).containers) == len(STARTED)


def test_number_of_somebody_else_is_not_believed(place: Path) -> None:
    """The process started at another time than the container's: its cgroup is another's, so nothing is read there."""
    wanted = _container(place, "ctr-web")
    path = place / "proc" / str(wanted.pid) / "stat"
    words = path.read_text().split()
    words[21] = str(int(words[21]) + 1)
    path.write_text(" ".join(words))
    found = _container(place, "ctr-web")
    assert (found.state, found.pid) == ("gone", 0)
    assert f"process {wanted.pid} started at {words[21]}" in found.problems[0]


@pytest.mark.parametrize("content", ["", "{", "[]", "\0" * 64, '{"ID": 5}'])
def test_damaged_records_are_problems_not_failures(place: Path, content: str) -> None:
    """Half a file, another type, zeros: the container is still found by the others' records."""
    for path in [*place.rglob("hostconfig.json"), *place.rglob("state.json")]:
        path.write_text(content)
    found = _found(place)
    assert {"dock-web", "swappy", "ctr-web"} <= {_called(one) for one in found.containers}


def test_damaged_databases_are_problems_not_failures(place: Path) -> None:
    """Cut, filled with something else, or changed in the middle: told with the path; other sources go on."""
    databases = [path for ending in ("*.db", "*.sql") for path in place.rglob(ending)]
    assert len(databases) >= 3
    for damage in (b"", b"x" * 9000, databases[0].read_bytes()[:5000]):
        for path in databases:
            path.write_bytes(damage)
        found = _found(place)
        assert {"dock-web", "ctr-web", "conmon-web"} <= {_called(one) for one in found.containers}
        assert len([problem for problem in found.problems if "cannot be read" in problem]) >= 2


def test_secrets_stay_where_they_are(place: Path) -> None:
    """Records hold environment variables and commands; nothing of them is kept."""
    written(place, "/marker").write_text("")
    kept = json.dumps([[record.value for record in one.records] for one in _found(place).containers], default=str)
    assert "PATH=/bin" not in kept
    assert "HOSTNAME" not in kept
