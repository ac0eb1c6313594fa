"""Records of any shape: whatever stands where a number, a text or an object should be, the audit comes to its end."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from shim.audit.subject import HostFacts
from shim.audit.subjects import facts_of, resources_of, subjects
from shim.audit.verdict import rows
from shim.cli.audited import page, shape
from shim.containers.inventory import inventory
from shim.containers.tree import HostTree
from tests.audited_host import laid_out, recorded_host

if TYPE_CHECKING:
    from pathlib import Path

ODD: tuple[Any, ...] = (None, True, 0, -1, 1 << 80, 1.5, "", "x", "max", [], [None], {}, {"a": None}, [{"Path": 1}])
PARTS = ("hostconfig.json", "config.v2.json", "state.json", "config.json", "options.json", "status")
PLACES = 6  # values changed in one file at a time


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded host."""
    return laid_out("debian-12", tmp_path_factory.mktemp("host"))


def _spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside of a JSON document; of long lists the first entries."""
    if isinstance(value, dict):
        return [path, *(spot for key, inner in value.items() for spot in _spots(inner, (*path, key)))]
    if isinstance(value, list):
        return [path, *(spot for key, inner in enumerate(value[:3]) for spot in _spots(inner, (*path, key)))]
    return [path]


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The document with another value at a path."""
    if not path:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = _with(value[path[0]], path[1:], new)
    return changed


def _whole(place: Path) -> set[str]:
    """The audit to its end: inventory, facts, verdicts, page; the names of the containers."""
    tree = HostTree(str(place))
    found = inventory(tree)
    facts_of(tree, recorded_host(), found.containers)
    # What the plan refuses about resources is the runtime's business; here only the verdicts are looked at.
    judged = [(one.container, rows(one)) for one in subjects(tree, recorded_host(), found, HostFacts(swap=1))]
    containers = [shape.of_container(container, limits, None) for container, limits in judged]
    page.page(shape.fleet([shape.of_host("h", "k", recorded_host(), containers, found.problems)]))
    return {container["name"] for container in containers}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("seed", range(12))
def test_odd_values_never_end_the_audit(place: Path, name: str, seed: int) -> None:
    """In each file of a kind a few values are of another type: other containers are still told of."""
    source = random.Random(f"{name}{seed}")
    before = {path: path.read_text() for path in place.rglob(name)}
    assert before
    try:
        for path, text in before.items():
            value = json.loads(text)
            spots = _spots(value)
            for spot in source.sample(spots, min(PLACES, len(spots))):
                try:
                    value = _with(value, spot, source.choice(ODD))
                except (KeyError, TypeError, IndexError):
                    continue  # an earlier change took the place away
            path.write_text(json.dumps(value))
        assert "conmon-web" in _whole(place)
    finally:
        for path, text in before.items():
            path.write_text(text)


def test_resources_of_a_damaged_config_are_an_object(place: Path) -> None:
    """The planner gets an object, whatever stands in the file."""
    for container in inventory(HostTree(str(place))).containers:
        assert isinstance(resources_of(container), dict)
