"""What all hooks share, and precreate and createRuntime as functions of their input."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from shim.containers import hook_state
from shim.errors import ShimError
from shim.planning import bridged_limits, injection, rewrite
from shim.planning.settings import Settings
from shim.rules.base import GUARD, Expectation
from shim.stages import call, create_runtime, precreate
from tests.hosts_made import make_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORGED = (
    "annotation io.cgshim.bridge is ignored, and no limit is taken from it: "
    "cgshim has not written it on this host for this container"
)
RUNTIME = ["--runtime", "/usr/sbin/runc"]
DEFAULTS, TRUSTING = Settings(origins={}), Settings(annotations="trust", origins={})
STATE = {"ociVersion": "1.0.2-dev", "id": "web", "pid": 7, "bundle": "/b", "status": "creating"}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A made hybrid host in place of this one, and no settings file."""
    monkeypatch.setattr("shim.host.detect.detect", lambda *_, **__: make_host("hybrid"))
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "none.json"))
    return "hybrid"


@pytest.fixture
def trusted(host: str, tmp_path: Path) -> None:
    """The administrator trusts annotations."""
    (tmp_path / "none.json").write_text('{"annotations": "trust"}')


@pytest.fixture
def given() -> Iterator[Any]:
    """`given(text)`: a descriptor from which `text` can be read."""
    opened: list[int] = []

    def give(text: str) -> int:
        inside, outside = os.pipe()
        os.write(outside, text.encode())
        os.close(outside)
        opened.append(inside)
        return inside

    yield give
    for descriptor in opened:
        os.close(descriptor)


def test_state_of_runc_and_of_crun(given: Any) -> None:
    """runc says "creating", crun "created" and OCI version "1.0"; a missing pid is 0."""
    found = hook_state.read(given(json.dumps({**STATE, "annotations": {"a": "b"}})))
    assert (found.container, found.pid, found.bundle, found.status) == ("web", 7, "/b", "creating")
    assert found.annotations == {"a": "b"}
    assert hook_state.read(given('{"ociVersion":"1.0","id":"c","bundle":"/b","status":"stopped"}')).pid == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ociVersion": None}, "a state without ociVersion"),
        ({"ociVersion": "2.0.0"}, "a state of OCI version '2.0.0', of which nothing is known,"),
        ({"id": ""}, "a state without id"),
        ({"bundle": 1}, "a state without bundle"),
        ({"pid": True}, "a state whose pid is not a number"),
        ({"pid": "7"}, "a state whose pid is not a number"),
    ],
)
def test_state_that_is_none(given: Any, changes: dict[str, Any], message: str) -> None:
    """Each is one refusal that says what was there instead."""
    with pytest.raises(ShimError) as caught:
        hook_state.read(given(json.dumps({**STATE, **changes})))
    assert caught.value.code == "bad-state"
    assert caught.value.what.startswith(f"the hook was given {message}")


@pytest.mark.parametrize("name", ["..", "a/b", "../../etc", "a\0", "x" * 300])
def test_state_of_an_impossible_container(given: Any, name: str) -> None:
    """An id becomes a file's and a cgroup's name: one that leads elsewhere is refused with the state."""
    with pytest.raises(ShimError) as caught:
        hook_state.read(given(json.dumps({**STATE, "id": name})))
    assert caught.value.code == "bad-container-id"


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        (None, True),
        ({}, True),
        ({"io.cgshim.enable": "true"}, True),
        ({"io.cgshim.enable": "false"}, False),
        ([], True),
    ],
)
def test_annotation_enable(annotations: Any, expected: bool) -> None:
    """Only "false" keeps the hooks away, and only where the settings trust annotations."""
    assert call.enabled(annotations, TRUSTING) is expected


def test_an_image_cannot_switch_the_hooks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the administrator's trust "false" does not count, and operators are told so."""
    logged: list[str] = []
    monkeypatch.setattr("syslog.syslog", lambda _level, line: logged.append(line))
    assert call.enabled({"io.cgshim.enable": "false"}, DEFAULTS, "web")
    ignored = (
        "container web: cgshim: annotation io.cgshim.enable=false is ignored: the author of an image or a pod can "
        'write it; {"annotations": "trust"} in /etc/cgshim/config.json allows it'
    )
    assert logged == [ignored]


@pytest.mark.parametrize("value", ["no", "False", "0", "", False])
def test_annotation_enable_is_not_guessed(value: Any) -> None:
    """What is neither is refused: a limit would be lost, or looked for, by a misspelling."""
    with pytest.raises(ShimError, match="is neither 'true' nor 'false'"):
        call.enabled({"io.cgshim.enable": value}, TRUSTING)


@pytest.mark.parametrize("arguments", [["--runtime"], ["--other", "x"], ["--runtime", ""], [], ["x"]])
def test_options_are_checked(arguments: list[str]) -> None:
    """A hooks.d file with a misspelt option must not start unverified containers."""
    with pytest.raises(ShimError) as caught:
        call.options(arguments, {"--runtime": "", "--driver": ""}, "usage: x")
    assert (caught.value.code, caught.value.remedy) == ("bad-hook", ("usage: x",))


def _filtered(config: dict[str, Any], **dumped: Any) -> str:
    return precreate.filtered(json.dumps(config, **dumped).encode(), RUNTIME).decode()


def test_precreate_translates_and_keeps_the_rest(host: str) -> None:
    """The plan of an intercepted create: cgroup2 keys become v1 fields, every other byte stays."""
    config = {"a": [1, 2.50], "linux": {"resources": {"unified": {"pids.max": "32"}}, "seccomp": {"x": " y "}}}
    text = _filtered(config, indent=1)
    changed = json.loads(text)
    assert changed["linux"]["resources"] == {"pids": {"limit": 32}}
    assert '"a": [\n  1,\n  2.5\n ]' in text
    assert '"seccomp": {\n   "x": " y "\n  }' in text
    assert "hooks" not in changed


def test_precreate_twice_changes_nothing(host: str) -> None:
    """Its own output goes through byte for byte."""
    once = _filtered({"linux": {"resources": {"unified": {"pids.max": "32"}}}})
    assert precreate.filtered(once.encode(), RUNTIME).decode() == once


def test_precreate_puts_the_verifying_hook_where_the_runtime_cannot_set_the_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Memory only in cgroup2 of a hybrid host: the limit leaves the resources, so createRuntime has to set it."""
    made = make_host("hybrid", versions={"memory": 2}, interface={"memory.max": True, "memory.swap.max": True})
    monkeypatch.setattr("shim.host.detect.detect", lambda *_, **__: made)
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "none.json"))
    config = {"root": {"path": "/rootfs"}, "linux": {"resources": {"memory": {"limit": 33554432}}}}
    changed = json.loads(_filtered(config))
    assert json.loads(changed["annotations"][bridged_limits.ANNOTATION])["limits"] == {"memory.max": "33554432"}
    (hook,) = changed["hooks"]["createRuntime"]
    assert hook["args"][0] == injection.NAME
    again = precreate.filtered(json.dumps(changed).encode(), RUNTIME)
    assert json.loads(again)["hooks"] == changed["hooks"]


def test_precreate_leaves_alone_what_says_no(host: str, trusted: None) -> None:
    """Not even looked at: a value that would be refused goes through."""
    config = {"annotations": {"io.cgshim.enable": "false"}, "linux": {"resources": {"memory": {"limit": "1g"}}}}
    assert _filtered(config) == json.dumps(config)


def test_precreate_is_not_switched_off_by_an_image(host: str) -> None:
    """Without trust the same configuration is looked at."""
    config = {"annotations": {"io.cgshim.enable": "false"}, "linux": {"resources": {"memory": {"limit": "1g"}}}}
    with pytest.raises(ShimError, match=r"linux\.resources\.memory\.limit"):
        _filtered(config)


def test_precreate_names_its_input(host: str) -> None:
    """There is no file: messages say standard input."""
    with pytest.raises(ShimError, match=r"^standard input: linux\.resources\.memory\.limit"):
        _filtered({"linux": {"resources": {"memory": {"limit": "1g"}}}})


def _followed(monkeypatch: pytest.MonkeyPatch) -> list[rewrite.Rewrite]:
    """What the hook follows up, in place of following up."""
    seen: list[rewrite.Rewrite] = []

    def follow_up(_view: object, _subject: object, made: rewrite.Rewrite) -> list[tuple[str, str]]:
        seen.append(made)
        return []

    monkeypatch.setattr(create_runtime, "follow_up", follow_up)
    return seen


def _bundle(place: Path, config: dict[str, Any]) -> hook_state.State:
    (place / "config.json").write_text(json.dumps(config))
    return hook_state.State(container="web", pid=os.getpid(), bundle=str(place), annotations={})


@pytest.mark.parametrize(
    ("annotations", "followed"),
    [
        ({}, True),
        ({"io.cgshim.enable": "true"}, True),
        ({"io.cgshim.enable": "false"}, False),
        # cgshim already took limits out of this configuration: without the hook they would be lost silently
        ({"io.cgshim.enable": "false", bridged_limits.ANNOTATION: "{}"}, True),
    ],
)
@pytest.mark.usefixtures("trusted")
def test_create_runtime_and_the_annotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, annotations: dict[str, str], followed: bool
) -> None:
    """It follows up unless the container may say no, does, and nothing of it is in cgshim's keeping."""
    seen = _followed(monkeypatch)
    subject = _bundle(tmp_path, {"annotations": annotations, "linux": {"resources": {"pids": {"limit": 9}}}})
    create_runtime.verify_state(subject, {"--runtime": "/usr/sbin/runc", "--driver": ""})
    expected = Expectation(field="pids.limit", kind=GUARD, controller="pids", version=1, file="pids.max", value="9")
    assert [made.plan.expectations for made in seen] == ([(expected,)] if followed else [])


def test_refusal_goes_to_three_places(
    capfd: pytest.CaptureFixture[str], state_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """stderr, the last diagnosis, and one line each to the system's log."""
    logged: list[str] = []
    monkeypatch.setattr("syslog.syslog", lambda _level, line: logged.append(line))
    call.refuse(ShimError("some-code", "it failed \udcff", evidence=("/a: 1",)), "web")
    text = "cgshim: it failed \\udcff [some-code]\n  evidence: /a: 1"
    assert capfd.readouterr() == ("", text + "\n")
    assert logged == text.splitlines()
    kept = json.loads((state_directory / "last.json").read_text())
    assert (kept["code"], kept["container"], kept["text"]) == ("some-code", "web", text)


def test_create_runtime_is_not_switched_off_by_an_image(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without trust it follows up, and says to operators what it ignored."""
    seen = _followed(monkeypatch)
    logged: list[str] = []
    monkeypatch.setattr("syslog.syslog", lambda _level, line: logged.append(line))
    annotations = {
        "io.cgshim.enable": "false",
        "io.cgshim.policy": "warn",
        bridged_limits.ANNOTATION: '{"pids.max":"max"}',
    }
    subject = _bundle(tmp_path, {"annotations": annotations, "linux": {"resources": {"pids": {"limit": 9}}}})
    create_runtime.verify_state(subject, {"--runtime": "/usr/sbin/runc", "--driver": ""})
    (made,) = seen
    assert (made.policy, [(e.file, e.value) for e in made.plan.expectations]) == ("refuse", [("pids.max", "9")])
    names = ("io.cgshim.enable=false", "io.cgshim.policy=warn", bridged_limits.ANNOTATION)
    assert [line.split(" is ignored")[0] for line in logged] == [
        f"container web: cgshim: annotation {name}" for name in names
    ]


@pytest.mark.parametrize(
    ("annotations", "evidence"),
    [
        ({}, "annotation io.cgshim.bridge is missing"),
        (
            {bridged_limits.ANNOTATION: '{"limits":{"memory.max":"1"},"seal":""}'},
            FORGED,
        ),
    ],
    ids=["missing", "forged"],
)
def test_create_runtime_requires_what_was_kept(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, annotations: dict[str, str], evidence: str
) -> None:
    """The hook's own entry says that limits were taken into keeping: without them nothing starts."""
    seen = _followed(monkeypatch)
    subject = _bundle(tmp_path, {"annotations": annotations, "linux": {"resources": {"pids": {"limit": 9}}}})
    with pytest.raises(ShimError) as refused:
        create_runtime.verify_state(subject, {"--runtime": "/usr/sbin/runc", "--driver": "", "--bridged": "true"})
    assert (refused.value.code, refused.value.evidence) == ("limit-not-applied", (evidence,))
    assert seen == []


def test_what_is_lost_under_warn_is_logged(host: str, trusted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that this host cannot enforce, accepted by annotation: the system's log names container and loss."""
    logged: list[str] = []
    monkeypatch.setattr("syslog.syslog", lambda _level, line: logged.append(line))
    config = {
        "annotations": {"io.cgshim.policy": "warn"},
        "linux": {
            "cgroupsPath": "/p/libpod-0a",
            "resources": {"unified": {"memory.oom.group": "1", "misc.max": "x 1"}},
        },
    }
    _filtered(config)
    assert [line for line in logged if line.startswith("container libpod-0a: cgshim: unified.misc.max")] != []
    config["annotations"] = {"io.cgshim.policy": "refuse"}
    with pytest.raises(ShimError, match="cannot be enforced on this host"):
        _filtered(config)


def test_success_says_nothing_to_the_log(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A translation that loses nothing is in the annotation io.cgshim.report; no administrator is bothered."""
    monkeypatch.setattr("syslog.syslog", lambda *_: pytest.fail("logged"))
    assert "io.cgshim.report" in _filtered({"linux": {"resources": {"unified": {"pids.max": "32"}}}})
