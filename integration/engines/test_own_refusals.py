"""What engines refuse by themselves, before they call a runtime: a user who pastes that into `cgshimctl explain` gets
the cause, too. With CGSHIM_RECORD=1 the texts are kept for the tests that run anywhere.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from integration.capabilities import require
from integration.engines.engine import CGROUP_PARENT, Wish
from integration.failures.recording import anonymous
from integration.failures.recording_view import RecordingView
from shim.diagnose.diagnosis import Context
from shim.diagnose.explain import explain

if TYPE_CHECKING:
    from integration.containers import Result
    from integration.engines.docker import Docker
    from integration.engines.front import Front
    from integration.engines.podman import Podman
    from integration.engines.system import System

FILE = Path(__file__).resolve().parents[2] / "tests" / "failures" / "recorded-engines.json"


class Refusal(NamedTuple):
    """code, evidence and ours: of the diagnosis. user, mount: flags of `run`; $PLACE is the directory of the tests."""

    name: str
    code: str
    evidence: str
    ours: bool
    words: tuple[str, ...]


USER = Refusal("user", "image-user-unknown", "", False, ("--user=deno",))
SHARED = Refusal("shared", "mount-not-shared", " tmpfs ", True, ("--volume=$PLACE/bin:/d:shared",))
SLAVE = Refusal("slave", "mount-not-shared", " tmpfs ", True, ("--volume=$PLACE/bin:/d:rslave",))


@pytest.mark.parametrize("refusal", [USER, SHARED, SLAVE], ids=lambda refusal: refusal.name)
def test_docker(refusal: Refusal, docker: Docker, front: Front, place: Path, name: str) -> None:
    """`docker run`: the daemon looks up the user, and wants a shared mount where mounts are to propagate."""
    del front
    words = [word.replace("$PLACE", str(place)) for word in refusal.words]
    if refusal.ours:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        shared = [line for line in mounts if line.split()[4] == str(place.parent) and " shared:" in line]
        require("private mount", f"{place.parent} is a shared mount" if shared else "")
    result = docker.daemon.docker("run", f"--name={name}", *words, *docker.words(name, Wish(("/bin/true",)))[1:])
    docker.remove(name)
    _explained(refusal, "docker", docker.daemon.system, result, place)


def test_podman(podman: Podman, front: Front, place: Path, name: str) -> None:
    """`podman run --user`."""
    del front
    result = podman("run", *USER.words, *podman.words(name, Wish(("/bin/true",))))
    podman.remove(name)
    _explained(USER, "podman", podman.system, result, place)


def _explained(refusal: Refusal, engine: str, system: System, result: Result, place: Path) -> None:
    """The engine's own words get the code, confirmed by what this host shows."""
    assert result.status != 0
    view = RecordingView()
    found = explain(result.err, Context(view=view, command="run", kernel_log=""))
    assert (found.code, found.ours) == (refusal.code, refusal.ours), str(result)
    assert refusal.evidence in "\n".join(found.evidence)
    assert found.confirmed is bool(refusal.evidence)
    if os.environ.get("CGSHIM_RECORD"):
        facts = {kind: seen for kind, seen in view.facts.items() if seen}
        facts["text"]["/proc/self/mountinfo"] = _above(facts["text"]["/proc/self/mountinfo"], place)
        case: dict[str, Any] = {
            "name": f"{refusal.name}-{engine}@{system.name}",
            "code": refusal.code,
            "evidence": refusal.evidence,
        }
        case.update(text=result.err, context={"command": "run"}, facts=facts)
        _keep(
            json.loads(anonymous(json.dumps(case), place.name, CGROUP_PARENT).replace("/bundles/x", "cg")),
            system([engine, "--version"]).out.strip(),
        )


def _above(mountinfo: str, place: Path) -> str:
    """The mounts that the tests' directory is on."""
    points = [str(one) for one in place.parents]
    return "".join(f"{line}\n" for line in mountinfo.splitlines() if line.split()[4] in points)


def _keep(case: dict[str, Any], version: str) -> None:
    """Into the file, in place of an earlier one of its name."""
    stored = json.loads(FILE.read_text()) if FILE.exists() else {"cases": []}
    cases = {one["name"]: one for one in stored["cases"]}
    cases[case["name"]] = {**case, "source": version}
    FILE.write_text(json.dumps({"cases": [cases[name] for name in sorted(cases)]}, indent=1) + "\n")
