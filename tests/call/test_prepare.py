"""Before the runtime, in this process: what is planned, refused, written, and which arguments the runtime gets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from shim.call.prepare import Call, Prepared, prepare
from shim.errors import ShimError
from shim.host.facts import UNIFIED
from shim.oci import atomic
from shim.planning import settings
from tests.fake_runtime import FakeRuntime
from tests.hosts_made import make_host

LOST: dict[str, Any] = {"unified": {"misc.max": "x 1"}}
DROPPED: dict[str, Any] = {"memory": {"limit": 67108864, "swappiness": 10}}


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    """A runtime on a made host with cgroup2 alone."""
    monkeypatch.setattr("shim.host.detect.detect", lambda *_, **__: make_host(UNIFIED))
    return FakeRuntime(tmp_path)


def _prepared(runtime: FakeRuntime, *words: str, **keys: Any) -> Prepared:
    return prepare(
        Call(
            invocation=runtime.invocation(*words),
            runtime=str(runtime.path),
            family="runc",
            variables={},
            settings=settings.Settings(origins={"policy": "made for a test"}, **keys),
        )
    )


def _create(runtime: FakeRuntime, **keys: Any) -> Prepared:
    return _prepared(runtime, "create", "--bundle", str(runtime.bundle), "c1", **keys)


def _code(runtime: FakeRuntime, *words: str, **keys: Any) -> str:
    with pytest.raises(ShimError) as refused:
        _prepared(runtime, *words, **keys)
    return refused.value.code


@pytest.mark.parametrize(
    "words",
    [("create", "--help"), ("create",), ("checkpoint", "c1"), ("update", "--memory", "abc", "c1")],
    ids=["help", "no id", "checkpoint", "an update that only the runtime can refuse"],
)
def test_what_is_not_looked_at_goes_on_as_it_stands(runtime: FakeRuntime, words: tuple[str, ...]) -> None:
    """No document, no plan, the same arguments."""
    found = _prepared(runtime, *words)
    assert (found.made, found.notices, found.stand_in) == (None, (), "")
    assert found.arguments == ["--root", str(runtime.root), *words]


def test_what_needs_nothing_is_not_written(runtime: FakeRuntime) -> None:
    """The file is the very same one, and so are the arguments; an id in use is left to the runtime to refuse."""
    (runtime.root / "c1").mkdir()
    before = os.stat(runtime.config)
    found = _create(runtime)
    assert os.stat(runtime.config).st_ino == before.st_ino
    assert found.arguments[2:] == ["create", "--bundle", str(runtime.bundle), "c1"]
    assert found.made is not None


def test_what_needs_a_change_is_written(runtime: FakeRuntime) -> None:
    """In place; the notice says what is lost."""
    runtime.configure(DROPPED)
    found = _create(runtime)
    assert json.loads(runtime.config.read_text())["linux"]["resources"] == {"memory": {"limit": 67108864}}
    assert [level for level, _ in found.notices] == ["warning"]
    assert found.notices[0][1].startswith("cgshim: memory.swappiness dropped: ")


@pytest.mark.parametrize("annotation", ["warn", None])
def test_a_lost_guard_is_refused_whatever_the_image_says(runtime: FakeRuntime, annotation: str | None) -> None:
    """The file stays as it was, and the advice leaves the annotation out."""
    runtime.configure(LOST, {"io.cgshim.policy": annotation} if annotation else None)
    before = runtime.config.read_bytes()
    with pytest.raises(ShimError) as refused:
        _create(runtime)
    assert refused.value.code == "misc-nowhere"
    assert not any("io.cgshim" in line for line in refused.value.remedy)
    assert runtime.config.read_bytes() == before


@pytest.mark.parametrize(
    "keys", [{"policy": "warn"}, {"annotations": "trust"}], ids=["by the settings", "by an annotation that is trusted"]
)
def test_a_lost_guard_is_told_under_warn(runtime: FakeRuntime, keys: dict[str, str]) -> None:
    """It starts, with a warning for operators."""
    runtime.configure(LOST, {"io.cgshim.policy": "warn"})
    levels = [(level, text.partition(":")[2][:30]) for level, text in _create(runtime, **keys).notices]
    assert levels == [("warning", " unified.misc.max unenforceabl")]


def test_trusting_settings_advise_the_annotation(runtime: FakeRuntime) -> None:
    """Where it counts it is the smaller step."""
    runtime.configure(LOST)
    with pytest.raises(ShimError) as refused:
        _create(runtime, annotations="trust")
    assert "or accept the loss: annotation io.cgshim.policy=warn" in refused.value.remedy[-1]


@pytest.mark.parametrize("command", ["create", "run", "restore"])
def test_an_id_in_use(runtime: FakeRuntime, command: str) -> None:
    """Refused before the file, or a stand-in, is touched."""
    runtime.configure(DROPPED)
    (runtime.root / "c1").mkdir()
    before = runtime.config.read_bytes()
    assert _code(runtime, command, "--bundle", str(runtime.bundle), "c1") == "id-in-use"
    assert runtime.config.read_bytes() == before


def _unwritable(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(path: str, *_: object) -> None:
        raise OSError(number, "made for a test", path)

    monkeypatch.setattr(atomic, "replace", refuse)


def test_two_calls_for_one_id_share_no_stand_in(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only bundle: each call has one of its own, beside the other."""
    runtime.configure(DROPPED)
    _unwritable(monkeypatch, 30)
    first, second = _create(runtime), _create(runtime)
    assert first.stand_in != second.stand_in
    for found in (first, second):
        assert found.arguments[2:] == ["create", "--bundle", found.stand_in, "c1"]
        config = json.loads(Path(found.stand_in, "config.json").read_text())
        assert config["root"]["path"] == str(runtime.bundle / "rootfs")


def test_a_full_disk_is_no_reason_for_a_stand_in(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a bundle that nobody may write gets one."""
    runtime.configure(DROPPED)
    _unwritable(monkeypatch, 28)
    assert _code(runtime, "create", "--bundle", str(runtime.bundle), "c1") == "unwritable-bundle"


def _update(runtime: FakeRuntime, resources: dict[str, Any], labels: list[str]) -> tuple[str, ...]:
    """The words of an update of a container whose annotations runc keeps as labels."""
    (runtime.root / "c1").mkdir()
    (runtime.root / "c1" / "state.json").write_text(json.dumps({"config": {"labels": labels}}))
    file = runtime.place / "resources.json"
    file.write_text(json.dumps(resources))
    return ("update", "--resources", str(file), "c1")


def test_an_update_is_not_loosened_by_the_container(runtime: FakeRuntime) -> None:
    """The annotation that it was created with does not count here either."""
    words = _update(runtime, LOST, ["io.cgshim.policy=warn"])
    assert _code(runtime, *words) == "misc-nowhere"


def test_an_update_says_what_it_ignored(runtime: FakeRuntime) -> None:
    """One that loses nothing goes on, and operators read of the annotation."""
    words = _update(runtime, {"pids": {"limit": 9}}, ["io.cgshim.policy=warn"])
    found = _prepared(runtime, *words)
    assert [text.split(" is ignored")[0] for _, text in found.notices] == ["cgshim: annotation io.cgshim.policy=warn"]
    assert found.arguments[2:] == list(words)
