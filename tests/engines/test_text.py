"""Edits of engines' files as text, and what containerd is asked before a drop-in is used."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shim.engines import json_text, toml_text
from shim.engines.containerd_asked import default_version, merges
from shim.engines.tree import Tree
from shim.errors import ShimError

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = "io.containerd.cri.v1.runtime"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)


@pytest.mark.property
@settings(deadline=None)
@given(OBJECTS, st.sampled_from([None, 0, 1, 2, 4, "\t"]))
def test_json_member_comes_and_goes(value: dict[str, Any], indent: Any) -> None:
    """A member that is set is there, the rest is as it was, and taking it out gives the same text again."""
    text = json.dumps({**value, "first": 1}, indent=indent)
    after = json_text.with_member(text, ("runtimes-x", "cgshim"), {"path": "/x"})
    assert json.loads(after) == {**json.loads(text), "runtimes-x": {"cgshim": {"path": "/x"}}}
    assert json_text.without_member(after, ("runtimes-x", "cgshim")) == text


KEYS = st.text(alphabet="abc.\" '\\é", min_size=1, max_size=4)
SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(alphabet="ab\"'\\\n#]=é", max_size=6)


@pytest.mark.property
@settings(deadline=None)
@given(st.dictionaries(KEYS, st.dictionaries(KEYS, SCALARS, max_size=3), max_size=3), st.dictionaries(KEYS, SCALARS))
def test_toml_table_comes_and_goes(tables: dict[str, dict[str, Any]], entry: dict[str, Any]) -> None:
    """Whatever the keys are called, the table that is added reads as it should and leaves no trace when it goes."""
    text = "".join(f"{line}\n" for name, table in tables.items() for line in toml_text.lines((name,), table))
    after = toml_text.with_table(text, ("own", "x"), {**entry, "z": "z"}, "f")
    assert toml_text.parsed(after, "f") == {**tables, "own": {"x": {**entry, "z": "z"}}}
    assert toml_text.without_table(after, ("own", "x"), "f") == text


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('[a]\nk = "1" # why\n', '[a]\nk = "2" # why\n'),
        ("[a]\n  k='1'\n", '[a]\n  k="2"\n'),
        ('[a]\n"k" = "1"\n', '[a]\n"k" = "2"\n'),
        ("[a]\n\tother = 1\n", '[a]\n\tk = "2"\n\tother = 1\n'),
        ("  [a]\n[b]\nk = 1\n", '  [a]\n    k = "2"\n[b]\nk = 1\n'),
        ("[ a ] # header\n", '[ a ] # header\n  k = "2"\n'),
        ("", '[a]\n  k = "2"\n'),
        ("x = 1", 'x = 1\n\n[a]\n  k = "2"\n'),
        ('x = """\n[a]\n"""\n[a]\n', None),
        ("a.k = '1'\n", None),
    ],
)
def test_toml_key_is_set_in_its_place(text: str, after: str | None) -> None:
    """One value changes and comments, quotes of keys and indentation stay; what is not understood is refused."""
    if after is not None:
        assert toml_text.with_key(text, ("a",), "k", "2", "f") == after
        return
    with pytest.raises(ShimError, match="f is written in a way that this command cannot edit safely"):
        toml_text.with_key(text, ("a",), "k", "2", "f")


@pytest.mark.parametrize("tomllib", [True, False], ids=["tomllib", "tomlkit"])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = \n", 2),
        ("a = 1\n[b\n", 2),
        ("[a]\nx = 1\n[b]\n[a]\n", 4),
        ("x = 1\nx = 2\n", 2),
        ('x = """\n', 1),
        ("x = 1\n\ny = [1,\n", 3),
    ],
    ids=["no value", "open header", "table twice", "key twice", "open string", "open array"],
)
def test_malformed_toml_has_a_line(text: str, line: int, tomllib: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own parser and, before 3.11, tomlkit name the same line."""
    if not tomllib:
        monkeypatch.setitem(sys.modules, "tomllib", None)
    with pytest.raises(ShimError, match=rf"^f, line {line}: not valid TOML; the file is unchanged$"):
        toml_text.parsed(text, "f")


def test_continued_table_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that goes on after another one keeps all its values, with either parser."""
    text = "[a.b]\ns = 1\n[a.b.r.one]\ny = 1\n[a.b.r.one.o]\nS = 1\n[m]\nz = 1\n[a.b.r.two]\ny = 2\n"
    wanted = {"a": {"b": {"s": 1, "r": {"one": {"y": 1, "o": {"S": 1}}, "two": {"y": 2}}}}, "m": {"z": 1}}
    assert toml_text.parsed(text, "f") == wanted
    monkeypatch.setitem(sys.modules, "tomllib", None)
    assert toml_text.parsed(text, "f") == wanted


def _containerd(place: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = place / "bin" / "containerd"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")


# Prints the drop-in alone, as containerd before 2.1 does with a plugin's section, or both files merged.
REPLACES = 'dir=${2%/*}; cat "$dir"/conf.d/*.toml\n'
MERGES = f"""cat <<EOF
version = 3
[plugins."{PLUGIN}".containerd.runtimes.one]
[plugins."{PLUGIN}".containerd.runtimes.two]
EOF
"""


@pytest.mark.parametrize(
    ("script", "imports", "directory"),
    [
        (MERGES, ["/etc/containerd/conf.d/*.toml"], "/etc/containerd/conf.d"),
        (MERGES, ["conf.d/*.toml"], "/etc/containerd/conf.d"),
        (MERGES, ["/etc/containerd/site.toml"], ""),
        (MERGES, [], ""),
        (REPLACES, ["/etc/containerd/conf.d/*.toml"], ""),
        ("exit 1\n", ["/etc/containerd/conf.d/*.toml"], ""),
    ],
    ids=["merges", "relative", "one file", "no imports", "replaces", "fails"],
)
def test_drop_in_only_where_containerd_merges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, imports: list[str], directory: str
) -> None:
    """A drop-in is used if containerd imports its directory and, tried out, keeps the rest of the section."""
    _containerd(tmp_path, monkeypatch, script)
    assert merges(Tree(), "/etc/containerd/config.toml", 3, {"imports": imports}) == directory


def test_other_trees_are_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's containerd says nothing about a node's."""
    _containerd(tmp_path, monkeypatch, MERGES)
    assert merges(Tree(str(tmp_path)), "/etc/containerd/config.toml", 3, {"imports": ["conf.d/*.toml"]}) == ""


@pytest.mark.parametrize(("script", "version"), [("echo version = 3\n", 3), ("echo version = 9\n", 2), ("exit 1\n", 2)])
def test_version_of_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, version: int) -> None:
    """containerd's own default file tells, else the version that every containerd in use reads."""
    _containerd(tmp_path, monkeypatch, script)
    assert default_version(Tree()) == version
