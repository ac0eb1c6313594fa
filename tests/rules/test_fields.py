"""The tables of fields and keys: whole, of known words, and what people read is made from them.

Expected: OCI runtime-spec 1.2, config-linux.md, and Documentation/admin-guide/cgroup-v2.rst for the names.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from shim.cli.fields import page
from shim.host import controllers, inspection
from shim.oci import checks
from shim.rules import fields, fieldspec, keys, keyspec, runtimes, shapes, table
from shim.rules.unified_to_fields import TRANSLATIONS
from tests.syntax import ROOT

if TYPE_CHECKING:
    from shim.rules.runtimes import Family

FILE = re.compile(r"[a-z_]+(\.(<size>|[a-z_]+))+")
NAMES = fields.names()
KEYS = tuple(keys.LINES)


@pytest.mark.parametrize("name", NAMES)
def test_words_of_a_field(name: str) -> None:
    """Six columns and four of the kinds, types, files and fields that there are."""
    assert len(fields.rows(name.partition(".")[0])[name]) == len(fields.COLUMNS)
    assert len(fieldspec.LINES[name].split(" ")) == len(fieldspec.COLUMNS)
    spec, more = fields.spec(name), fieldspec.background(name)
    assert spec.name == name
    assert spec.kind in ("guard", "hint")
    assert spec.type in checks.TYPES
    assert spec.controller in ("", *controllers.ALL)
    assert all(FILE.fullmatch(file) for file in (spec.v1, spec.v2) if file)
    assert {controllers.of_file(file) for file in (spec.v1, spec.v2) if file} <= {spec.controller}
    assert re.fullmatch(r"(\d\.\d+)?", more.since)
    assert re.fullmatch(r"[A-Z_]*", more.option)
    assert set(filter(None, more.beside.split(","))) <= set(NAMES)
    if more.probe:
        section, _, key = name.partition(".")
        value = json.loads(more.probe)
        assert checks.check({section: {key: value} if key else value}) == ()


@pytest.mark.parametrize("key", KEYS)
def test_words_of_a_key(key: str) -> None:
    """Eight columns; the form is one that the read-back compares, the counterpart a field that is there."""
    assert len(keys.LINES[key].split(" ", len(keyspec.COLUMNS) - 1)) == len(keyspec.COLUMNS)
    spec = keyspec.spec(key)
    assert spec.name == key
    assert spec.kind in ("guard", "hint")
    assert spec.shape in ("", "page", *shapes.SHAPES)
    assert (spec.kind, spec.shape) != ("guard", "")
    counterparts = [one for one in spec.classic.split(",") if one]
    assert all(any(name.startswith(one.rstrip("*")) for name in NAMES) for one in counterparts)
    assert bool(counterparts) == (key.replace("<size>", "*") in TRANSLATIONS)
    assert set(filter(None, spec.beside.split(","))) <= set(KEYS)
    assert spec.probe


def test_a_kind_of_a_field_and_of_its_key_agree() -> None:
    """What is a guard as a key is one as a field; only the period, half of a guard, is a hint alone."""
    for key in KEYS:
        spec = keyspec.spec(key)
        kinds = {
            fields.spec(name).kind
            for one in spec.classic.split(",")
            for name in NAMES
            if one and name.startswith(one.rstrip("*")) and (one.endswith("*") or name == one)
        }
        assert kinds <= {spec.kind} or key == "cpu.max", key


def test_sections_are_those_of_the_rules() -> None:
    """Every section has its rules, and every remedy and controller a row."""
    assert set(fields.TABLES) == {*(section for section, _ in table.CLASSIC), "unified"}
    assert set(fieldspec.REMEDIES) <= set(NAMES)
    assert tuple(fieldspec.LINES) == NAMES
    needed = {controller for section in fields.TABLES for controller in fields.controllers(section)}
    named = {key.partition(".")[0] for key in KEYS}
    assert needed | named == {*fieldspec.CONTROLLERS, "devices"}


def test_the_hosts_controllers_are_those_of_the_table() -> None:
    """Detection may not import rules: what it knows of controllers must say the same as the tables of limits.

    Beside them it knows those of v1 that limit nothing.
    """
    rows = [fields.spec(name) for name in NAMES]
    by_key = {key.partition(".")[0] for key in KEYS}
    in_both = {spec.controller for spec in rows if spec.v1 and spec.v2} | {"misc"}  # misc is on v1 since 5.13, too
    assert set(inspection.IN_BOTH) == in_both
    assert set(controllers.ALL) - {"freezer", "cpuacct", "perf_event"} == (
        {spec.controller for spec in rows if spec.controller} | (by_key - {"dmem"})  # which v1 never had
    )


def test_sections_of_the_controllers_are_those_of_the_table() -> None:
    """The short way from a controller to its section says what the rows say."""
    assert {spec.controller: spec.name.partition(".")[0] for spec in map(fields.spec, NAMES) if spec.controller} == (
        fields.SECTIONS
    )


def test_controllers_of_a_section() -> None:
    """`cpu` has fields of two controllers, `network` of two that are v1's alone."""
    assert fields.controllers("cpu") == ("cpu", "cpuset")
    assert fields.controllers("network") == ("net_cls", "net_prio")
    assert fields.controllers("future") == ()
    assert fields.of_controller("cpuset") == "cpu"
    assert fields.of_controller("misc") == ""


def test_the_page_is_current() -> None:
    """docs/fields.md is what the tables say: `python -m shim.cli.fields > docs/fields.md`."""
    assert (ROOT / "docs" / "fields.md").read_text() == page()


def test_unknown_names() -> None:
    """A name that is not in a table is an error, a key that is not known a guard in any form."""
    with pytest.raises(KeyError):
        fields.spec("memory.future")
    with pytest.raises(KeyError):
        keyspec.spec("memory.future")
    assert (keys.kind("memory.future"), keys.shape("memory.future")) == ("guard", "any-form")
    assert (keys.kind("hugetlb.1GB.max"), keys.shape("hugetlb.1GB.max")) == ("guard", "number")
    assert (keys.kind("cgroup.max.depth"), keys.shape("cgroup.max.depth")) == ("hint", "")


@pytest.mark.parametrize("kind", ["runc", "crun", "other"])
def test_every_kind_of_runtime_is_described(kind: Family) -> None:
    """The table has a word for each field of Runtime, of the field's type."""
    made = runtimes.of(kind)
    assert made.name == kind
    assert set(made.__dict__) == set(runtimes.Runtime.__annotations__)
    types = {"bool": bool, "int": int, "Family": str, "tuple[str, ...]": tuple}
    for field, word in runtimes.Runtime.__annotations__.items():
        assert type(getattr(made, field)) is types[word], field


def test_another_kind_of_runtime() -> None:
    """A word that is not in the table is an error, not a guess."""
    with pytest.raises(ValueError, match="not in tuple"):
        runtimes.of("youki")  # type: ignore[arg-type] # that is the point


def test_names_in_no_table_are_strangers() -> None:
    """Keys below a field that is an object by itself, as devices and interface files, are nobody's names."""
    resources = {
        "memory": {"limit": 1, "limits": 1},
        "rdma": {"mlx5_0": {"hcaHandles": 3}},
        "unified": {"memory.max": "1"},
        "gpu": {"limit": 1},
        "pids": None,
    }
    assert fields.strangers(resources) == ["memory.limits", "gpu"]
