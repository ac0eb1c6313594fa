"""A call that failed: what the runtime logged becomes a diagnosis on the engine's channel, or goes on as it is."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from shim.call import channel, failure, runtime_log
from shim.call.argv import Invocation
from shim.call.prepare import Call, Prepared
from shim.host.captured import CapturedView
from shim.oci import document
from shim.planning import rewrite, settings
from shim.state import failures
from shim.system import memory_file
from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shim.rules.runtimes import Family

HOST = str(ROOT / "tests/hosts/debian12-unified-6.1")
DEFAULTS = settings.Settings(origins=dict.fromkeys(settings.KEYS, "default"))
NO_DEVICES = "runc create failed: mountpoint for devices not found"  # runc 1.0 on a host without v1's devices
NOT_OURS = 'runc create failed: exec: "nginx": executable file not found in $PATH'
OWN_HOOK = (
    "runc run failed: unable to start container process: error during container init: error running createRuntime hook"
    " #0: exit status 1, stdout: , stderr: cgshim: the kernel does not show pids.limit [limit-not-applied]\n"
    "  evidence: /sys/fs/cgroup/pids/x/pids.max: 'max'"
)
EXCERPT = ('--- Quoting "/w/restore.log"', "(00.1) Error (criu/net.c:1): the cause", "---")


class Failed:
    """A failed call: its runtime's log, the caller's, and what was prepared."""

    def __init__(self, place: Path, family: Family = "runc", form: str = "json") -> None:
        self.path = place / "log.json"
        self.form = form
        self.handle = memory_file("log")
        self.caller = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.log = runtime_log.RuntimeLog(self.handle, self.caller, form, family)
        invocation = Invocation(
            arguments=(), command="create", log=str(self.path), log_format=form, container_id="c", bundle=str(place)
        )
        self.call = Call(
            invocation=invocation, runtime=f"/usr/sbin/{family}", family=family, variables={}, settings=DEFAULTS
        )
        self.prepared = Prepared(arguments=[])

    def said(self, *messages: str, level: str = "error") -> None:
        """The runtime logs these."""
        for message in messages:
            record = {"level": level, "msg": message, "time": "2026-01-01T00:00:00Z"}
            os.write(self.handle, (json.dumps(record) + "\n").encode())

    def told(self) -> list[dict[str, Any]]:
        """The records that the caller's log has after `tell`."""
        failure.tell(self.call, self.prepared, self.log)
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def close(self) -> None:
        """Its descriptors."""
        os.close(self.handle)
        os.close(self.caller)


@pytest.fixture
def failed(tmp_path: Path) -> Iterator[Failed]:
    """A call of runc's whose log nothing is in yet; everything is looked up on a captured host."""
    made = Failed(tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def captured_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The facts are those of a host with cgroup2 alone."""
    from shim.host import view

    monkeypatch.setattr(view, "View", lambda: CapturedView(HOST))


def _made(place: Path, text: str) -> rewrite.Rewrite:
    """A rewrite of `text` that was written to the bundle."""
    path = place / "config.json"
    path.write_text(text)
    asked = rewrite.Asked(runtime="/usr/sbin/runc", family="runc", command="create")
    made = rewrite.of(document.load(text, str(path)), rewrite.RESOURCES, asked, DEFAULTS, CapturedView(HOST))
    path.write_text(made.text())
    return made


def test_a_known_failure_is_explained(failed: Failed, capfd: pytest.CaptureFixture[str]) -> None:
    """One record, the same on stderr, verdict first, the runtime's own words last."""
    failed.said(NO_DEVICES)
    (record,) = failed.told()
    err = capfd.readouterr().err
    assert record["level"] == "error"
    assert err == record["msg"] + "\n"
    assert err.startswith("cgshim: ")
    assert err.splitlines()[-1] == f"  runtime: {NO_DEVICES}"
    assert len(err.encode()) <= channel.MOST
    assert (failures.recall() or {})["text"] == record["msg"]


def test_a_failure_of_the_users_own_goes_on_as_it_is(failed: Failed, capfd: pytest.CaptureFixture[str]) -> None:
    """A command that the image does not have: the very bytes, and nothing of cgshim's anywhere."""
    failed.said("a warning before", level="warning")
    failed.said(NOT_OURS)
    before = failed.log.text()
    failed.told()
    assert failed.path.read_text() == before
    assert capfd.readouterr() == ("", "")
    assert failures.recall() is None


def test_without_an_error_the_log_is_handed_on(failed: Failed) -> None:
    """A runtime that fails and logs no error leaves nothing to explain."""
    failed.said("only this", level="warning")
    (record,) = failed.told()
    assert (record["level"], record["msg"]) == ("warning", "only this")


def test_our_own_hooks_refusal_comes_without_its_frame(failed: Failed) -> None:
    """runc quotes what the hook said on stderr."""
    failed.said(OWN_HOOK)
    (record,) = failed.told()
    assert record["msg"] == OWN_HOOK.partition("stderr: ")[2]


def test_crun_does_not_quote_its_hooks(tmp_path: Path) -> None:
    """What the hook left a moment ago for the same container is said instead; not what is said of another one."""
    for container, expected in (("c", "cgshim: it did not land [limit-not-applied]"), ("d", "")):
        (tmp_path / container).mkdir()
        made = Failed(tmp_path / container, "crun")
        made.said("error executing hook `/usr/bin/python3` (exit code: 1)")
        failures.remember("cgshim: it did not land [limit-not-applied]", "limit-not-applied", container)
        (record,) = made.told()
        made.close()
        assert (record["msg"] == "cgshim: it did not land [limit-not-applied]") == bool(expected)


def test_crius_log_counts_where_the_runtime_quotes_it() -> None:
    """Newer runtimes say only that CRIU failed; the quotation before it has the cause."""
    records = [{"level": "warning", "msg": text, "time": "T"} for text in EXCERPT]
    text = "".join(json.dumps(record) + "\n" for record in (*records, {"level": "error", "msg": "criu failed"}))
    assert failure._with_excerpt("criu failed", text).splitlines() == [*EXCERPT, "criu failed"]
    assert failure._with_excerpt("criu failed", '{"level":"error","msg":"criu failed"}') == "criu failed"
