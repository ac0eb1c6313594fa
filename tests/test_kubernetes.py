"""examples/kubernetes: valid manifests, one meaning in kustomize and Helm, and what the pod makes of a failure."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from integration.capabilities import program_problem, require
from tests.manifests import KUBERNETES, OVERLAYS, Document, charted, documents, kustomized

VERSIONS = ("1.25", "1.31")


def _values(overlay: str) -> Document:
    path = KUBERNETES / "chart" / "values" / f"{overlay}.yaml"
    return documents(path.read_text())[0] if path.exists() else {}


def _overlay(name: str, *components: str) -> list[Document]:
    return kustomized(KUBERNETES / "overlays" / name, components)


def _all() -> list[Document]:
    found = documents((KUBERNETES / "audit.yaml").read_text())
    for name in OVERLAYS:
        found += [*_overlay(name), *charted(_values(name))]
    return found


def _only(found: list[Document], kind: str) -> Document:
    (document,) = [document for document in found if document["kind"] == kind]
    return document


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_follow_the_published_schemas(version: str) -> None:
    """Strictly: a key that the schema does not know is an error."""
    import kubernetes_validate  # type: ignore[import-untyped,unused-ignore]

    for document in _all():
        kubernetes_validate.validate(document, version, strict=True)


def test_schema_check_can_fail() -> None:
    """The validator refuses a manifest with a misspelt key."""
    import kubernetes_validate

    document = _only(kustomized(KUBERNETES / "base"), "RuntimeClass")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**document, "handle": "cgshim"}, VERSIONS[0], strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize_itself_gives_the_same(overlay: str) -> None:
    """Our renderer and `kubectl kustomize`, which adds a hash to the ConfigMap's name, here and in the DaemonSet."""
    require("kubectl", program_problem("kubectl"))
    argv = ["kubectl", "kustomize", str(KUBERNETES / "overlays" / overlay)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text, count = re.subn(r"name: cgshim-node-[0-9a-z]{10}$", "name: cgshim-node", done.stdout, flags=re.MULTILINE)
    assert count == 2
    order = lambda document: (document["kind"], document["metadata"]["name"])  # noqa: E731
    assert sorted(documents(text), key=order) == sorted(_overlay(overlay), key=order)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_chart_and_kustomize_say_the_same(overlay: str) -> None:
    """Each document, except the namespace, which Helm makes itself, the chart's checksum and its pull policy."""
    plain = [document for document in _overlay(overlay) if document["kind"] != "Namespace"]
    chart = charted(_values(overlay))
    template = _only(chart, "DaemonSet")["spec"]["template"]
    assert re.fullmatch(r"[0-9a-f]{64}", template["metadata"].pop("annotations")["cgshim/settings"])
    assert template["spec"]["containers"][0].pop("imagePullPolicy") == "IfNotPresent"
    order = lambda document: (document["kind"], document["metadata"]["name"])  # noqa: E731
    assert sorted(chart, key=order) == sorted(plain, key=order)


@pytest.mark.parametrize(
    ("changed", "right"),
    [
        ({}, True),
        ({"settings": {"ENGINE": "docker"}}, False),
        ({"settings": {"AS_DEFAULT": True}}, False),
        ({"settings": {"PREFX": "/opt"}}, False),
        ({"settings": {"INTERVAL": "0"}}, False),
        ({"nodeSelector": {}}, False),
        ({"image": {"repository": ""}}, False),
    ],
)
def test_values_schema(changed: Document, right: bool) -> None:
    """The chart's own schema takes its values and each of values/, and refuses what nothing would read."""
    import jsonschema  # type: ignore[import-untyped,unused-ignore]

    schema = json.loads((KUBERNETES / "chart/values.schema.json").read_text())
    (given,) = documents((KUBERNETES / "chart/values.yaml").read_text())
    merged = {
        key: {**value, **changed.get(key, {})} if isinstance(value, dict) else value for key, value in given.items()
    }
    if changed.get("nodeSelector") == {}:
        merged["nodeSelector"] = {}
    for overlay in OVERLAYS:
        each = {
            **merged,
            "settings": {**merged["settings"], **_values(overlay).get("settings", {}), **changed.get("settings", {})},
        }
        errors = list(jsonschema.Draft7Validator(schema).iter_errors(each))
        assert (not errors) == right


def test_pods_go_where_the_label_is() -> None:
    """The RuntimeClass selects the label that the pod sets, and its handler is the entry's name."""
    document = _only(kustomized(KUBERNETES / "base"), "RuntimeClass")
    node = _program()
    assert document["scheduling"]["nodeSelector"] == {node.LABEL: "ready"}
    assert document["handler"] == "cgshim"


def test_roll_out_is_staged() -> None:
    """By a label of the nodes, one node at a time, and no further than the first that is not ready."""
    spec = _only(kustomized(KUBERNETES / "base"), "DaemonSet")["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    assert spec["template"]["spec"]["nodeSelector"]["cgshim/install"] == "true"
    (container,) = spec["template"]["spec"]["containers"]
    assert container["readinessProbe"]["exec"]["command"][-1] == "ready"
    # The probe starts what the image starts.
    entrypoint = re.search(r"^ENTRYPOINT (.*)$", (KUBERNETES / "image/Containerfile").read_text(), re.MULTILINE)
    assert entrypoint
    assert container["readinessProbe"]["exec"]["command"][:-1] == json.loads(entrypoint[1])


@pytest.mark.parametrize(
    ("component", "key", "value"), [("as-default", "AS_DEFAULT", "yes"), ("remove", "ACTION", "remove")]
)
def test_components(component: str, key: str, value: str) -> None:
    """Each changes one setting, in every overlay."""
    for overlay in OVERLAYS:
        plain, with_it = (_only(_overlay(overlay, *extra), "ConfigMap")["data"] for extra in ((), (component,)))
        assert {name for name in plain if plain[name] != with_it[name]} == {key}
        assert with_it[key] == value


def test_settings_are_those_that_the_program_reads() -> None:
    """Every setting of every overlay is explained at the top of node.py, and every one explained is set."""
    explained = set(re.findall(r"^  ([A-Z_]+) +\S", str(_program().__doc__), re.MULTILINE))
    for overlay in OVERLAYS:
        assert set(_only(_overlay(overlay), "ConfigMap")["data"]) == explained


def _program() -> ModuleType:
    """examples/kubernetes/image/node.py as a module."""
    spec = importlib.util.spec_from_file_location("cgshim_node", KUBERNETES / "image/node.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Scripted:
    """A node that fails as it is told, and counts what is tried."""

    action = "install"

    def __init__(self) -> None:
        self.files = b"one"
        self.tries = 0

    def state(self) -> bytes:
        """The checksums."""
        return self.files


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The pod's loop over a scripted node; `told` is what the cluster hears."""
    program = _program()
    node = Scripted()
    found = program.Agent(node)
    found.told = []
    found.problem = None
    found.mark = tmp_path / "ready"

    def install(node: Scripted) -> None:
        node.tries += 1
        if found.problem:
            raise found.problem

    monkeypatch.setattr(program, "install", install)
    monkeypatch.setattr(program, "MARK", str(found.mark))
    monkeypatch.setattr(program, "label", lambda works, problem: found.told.append((works, problem)))
    found.program = program
    return found


def test_a_failure_is_not_tried_again(agent: Any) -> None:
    """Until the node's configuration is another: an engine that fails with cgshim is not restarted again and again."""
    agent.problem = agent.program.Failed("it did not come up")
    for _ in range(3):
        agent.look()
    assert (agent.node.tries, agent.told, agent.mark.exists()) == (1, [(False, "it did not come up")], False)
    agent.node.files = b"two"
    agent.problem = None
    agent.look()
    assert (agent.node.tries, agent.told[-1], agent.mark.exists()) == (2, (True, ""), True)


def test_what_is_not_possible_yet_is_tried_again(agent: Any) -> None:
    """A container that still calls the program is waited for; a failure after a success takes the readiness away."""
    agent.look()
    assert agent.mark.exists()
    agent.problem = agent.program.Waiting("containers still call it")
    agent.look()
    agent.look()
    assert (agent.node.tries, agent.told[-1], agent.mark.exists()) == (3, (False, "containers still call it"), False)


def test_program_runs_on_its_own() -> None:
    """Wrong usage is told, and nothing else happens."""
    environment = {"ENGINE": "containerd", "UNITS": "containerd", "PROBE": "true"}
    argv = [sys.executable, "-I", str(KUBERNETES / "image/node.py"), "frobnicate"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (2, "usage: node.py run|once|ready\n")
