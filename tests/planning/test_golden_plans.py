"""Plans for configurations as real engines wrote them, on hosts as they were captured, compared with tests/golden.

The specs are whole config.json files, saved by a runtime that podman 4.3.1, Docker 20.10.24 and containerd 1.6.20 (ctr,
and its CRI service as a kubelet calls it) were given. `--update-golden` writes the golden files again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from shim.cli.main import main

HERE = Path(__file__).resolve().parents[1]
SPECS = sorted(path.stem for path in (HERE / "specs").glob("*.json"))
GOLDEN = HERE / "golden"
# One for each way in which a plan can differ; the others are variations for detection.
HOSTS = (
    "debian12-hybrid-6.18",
    "debian12-legacy-comounted-6.1",
    "debian12-rootless-6.1",
    "debian12-unified-6.1",
    "debian13-hybrid-6.12",
    "eks-pod-bind-5.10",
)
LACKING = ("debian12-rootless-6.1", "eks-pod-bind-5.10")  # hosts without a controller that containers need
RUNTIMES = ("runc", "crun")
PLANS = [f"{spec}@{host}-{runtime}" for spec in SPECS for host in HOSTS for runtime in RUNTIMES]
DOCTORS = [f"{what}@{host}" for what in ("doctor", "doctor-all") for host in HOSTS]
KEPT_KEYS = ("operation", "cgroup_manager", "refused", "refusal", "notes", "edits", "expectations")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings of the machine that runs the tests do not count."""
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "none.json"))
    monkeypatch.delenv("CGSHIM_RUNTIME", raising=False)


def _compare(request: pytest.FixtureRequest, name: str, text: str) -> None:
    path = GOLDEN / name
    if request.config.getoption("--update-golden"):
        path.write_text(text)
        return
    assert path.exists(), f"{path} is missing: run with --update-golden and look at what comes out"
    assert text == path.read_text()


def _plan(name: str) -> dict[str, Any]:
    spec, _, rest = name.partition("@")
    host, _, runtime = rest.rpartition("-")
    arguments = ["plan", "--json", "--host", str(HERE / "hosts" / host), "--runtime", runtime, "--policy", "refuse"]
    result = CliRunner().invoke(main, [*arguments, str(HERE / "specs" / f"{spec}.json")])
    assert result.exit_code in (0, 1), result.output
    plan: dict[str, Any] = json.loads(result.output)
    assert result.exit_code == int(plan["refused"])
    return plan


def _laid_out(shown: dict[str, Any]) -> str:
    """JSON with a line for each note, edit and expectation, so that a diff of it can be read."""
    parts = []
    for key, value in shown.items():
        lines = ",\n  ".join(json.dumps(item) for item in value) if isinstance(value, list) and value else ""
        parts.append(f' "{key}": ' + (f"[\n  {lines}\n ]" if lines else json.dumps(value)))
    return "{\n" + ",\n".join(parts) + "\n}\n"


@pytest.mark.parametrize("name", PLANS)
def test_plan_is_the_golden_one(name: str, request: pytest.FixtureRequest) -> None:
    """A real engine's configuration gets exactly the recorded plan on a captured host."""
    plan = _plan(name)
    refusal = plan["refusal"] or {}
    shown = {**{key: plan[key] for key in KEPT_KEYS}, "refusal": refusal.get("code")}
    _compare(request, f"{name}.json", _laid_out(shown))


@pytest.mark.parametrize("name", DOCTORS)
def test_doctor_shows_the_golden_text(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole text for a captured host, no line wider than 100 columns, no colour."""
    monkeypatch.setattr("shim.cli.terminal.columns", lambda: 100)
    what, _, host = name.partition("@")
    more = ["--all"] if what == "doctor-all" else []
    tree = HERE / "hosts" / host
    result = CliRunner().invoke(main, ["doctor", "--root-tree", str(tree), "--runtime", "/opt/example/runc", *more])
    assert result.exit_code == int(host in LACKING), result.output
    assert [line for line in result.output.splitlines() if len(line) > 100] == []
    assert "\x1b" not in result.output
    _compare(request, f"{name}.txt", result.output)


def test_every_golden_file_is_used() -> None:
    """No golden file is left over from a spec, host or runtime that is gone."""
    wanted = {f"{name}.json" for name in PLANS} | {f"{name}.txt" for name in DOCTORS}
    assert {path.name for path in GOLDEN.iterdir()} - wanted == set()


def test_specs_are_what_engines_wrote() -> None:
    """Each spec is one line, as Go's encoder writes it, with the process, the mounts and the namespaces in it."""
    for spec in SPECS:
        text = (HERE / "specs" / f"{spec}.json").read_text()
        value = json.loads(text)
        assert len(text.strip().splitlines()) == 1, spec
        assert value["process"]["args"], spec
        assert value["mounts"], spec
        assert value["linux"]["namespaces"], spec


def test_hosts_are_there() -> None:
    """Every host that plans are recorded for has been captured."""
    assert [host for host in HOSTS if not (HERE / "hosts" / host / "manifest.json").exists()] == []
