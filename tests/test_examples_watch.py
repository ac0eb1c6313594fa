"""The watcher's unit, DaemonSet, alert rules and dashboard: valid, and about things that exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from integration.capabilities import program_problem, require
from shim.watch.alert import TYPES
from shim.watch.metrics import LABELS, OF_CONTAINERS, OF_WATCHER
from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = ROOT / "examples"
UNIT = EXAMPLES / "systemd/cgshim-watch.service"
RULES = EXAMPLES / "monitoring/alerts.yaml"
CASES = ROOT / "tests/monitoring/alerts.test.yaml"
DASHBOARD = EXAMPLES / "monitoring/dashboard.json"
SCRAPED = {"instance", "job"}  # labels that Prometheus adds
# What systemd.exec(5) takes away from a service; the unit names what the watcher still needs.
HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "read-only",
    "PrivateTmp": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallFilter": "@system-service",
    "SystemCallArchitectures": "native",
    "DevicePolicy": "closed",
}


def _settings() -> dict[str, str]:
    lines = [line for line in UNIT.read_text().splitlines() if line and line[0] not in "#["]
    return dict(line.split("=", 1) for line in lines)


def _names() -> dict[str, set[str]]:
    """Every metric as it is exposed -> its labels."""
    found = {}
    for family in (*OF_CONTAINERS, *OF_WATCHER):
        labels = {*(LABELS if family in OF_CONTAINERS else ()), *([family.label] if family.label else [])}
        found[family.name + ("_total" if family.kind == "counter" else "")] = labels | SCRAPED
    return found


def _commands(words: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    """cgshimctl itself with these words, for one look at an empty host."""
    (place / "proc/self").mkdir(parents=True)
    (place / "proc/self/cgroup").write_text("0::/\n")
    (place / "proc/self/mountinfo").write_text("25 1 0:20 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    argv = [sys.executable, "-m", "shim.cli.main", *words, "--once"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)


def test_unit_is_hardened() -> None:
    """Each protection is there, and no capability but those that the unit gives reasons for."""
    settings = _settings()
    assert {name: settings.get(name) for name in HARDENED} == HARDENED
    assert set(settings["CapabilityBoundingSet"].split()) == {
        *("CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_NET_ADMIN", "CAP_SYS_RESOURCE", "CAP_SYSLOG"),
    }


def test_unit_calls_what_there_is(tmp_path: Path) -> None:
    """The command line exists with these options, and its state is where the unit may write."""
    settings = _settings()
    program, *words = shlex.split(settings["ExecStart"])
    assert program == "/usr/bin/cgshimctl"
    assert words[words.index("--state") + 1] == f"/var/lib/{settings['StateDirectory']}"
    words[words.index("--state") + 1] = str(tmp_path / "state")
    options = shlex.split(settings["Environment"].strip('"').partition("=")[2])
    assert options == ["--alert", "journald"]
    words = [word for word in words if word != "$WATCH_OPTIONS"] + ["--alert", f"file:{tmp_path}/alerts"]
    done = _commands([*words, "--tree", str(tmp_path / "node")], tmp_path / "node")
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_in_systemd_itself(tmp_path: Path) -> None:
    """systemd-analyze reads every line of it, and judges the exposure to be better than medium."""
    require("systemd-analyze", program_problem("systemd-analyze"))
    unit = tmp_path / UNIT.name
    text = UNIT.read_text().replace("/usr/bin/cgshimctl", shutil.which("true") or "/bin/true")
    unit.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], check=False, capture_output=True, text=True)
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (0, []), done.stderr
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=45", str(unit)],
        check=False,
        capture_output=True,
        text=True,
    )
    old = "unrecognized option" in judged.stderr
    require("systemd-analyze --offline", "systemd before version 250" if old else "")
    assert judged.returncode == 0, judged.stdout[-500:]


def _pod() -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped,unused-ignore]

    documents = list(yaml.safe_load_all((EXAMPLES / "kubernetes/watch.yaml").read_text()))
    return dict(documents[-1]["spec"]["template"]["spec"])


def test_pod_can_write_nothing_but_its_state() -> None:
    """The node's files and its cgroups are mounted read-only, and so is the pod's own root."""
    pod = _pod()
    (container,) = pod["containers"]
    assert pod["hostPID"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "privileged" not in container["securityContext"]
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/var/lib/cgshim-watch"]
    closed = [mount["mountPath"] for mount in container["volumeMounts"] if mount.get("readOnly")]
    assert closed == ["/host", "/host/sys/fs/cgroup"]


def test_pod_calls_what_there_is(tmp_path: Path) -> None:
    """The container's command with a node's tree in place of /host: the node's namespaces, and options that exist."""
    (container,) = _pod()["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert environment["HOST"] == container["volumeMounts"][0]["mountPath"]
    assert environment["LISTEN"].rpartition(":")[2] == str(container["ports"][0]["containerPort"])
    place = tmp_path / "bin"
    place.mkdir()
    (place / "nsenter").write_text('#!/bin/sh\necho "$*"\n')
    (place / "nsenter").chmod(0o755)
    told = subprocess.run(
        [*container["command"], *container["args"]],
        check=True,
        capture_output=True,
        text=True,
        env={**environment, "PATH": f"{place}:/usr/bin:/bin"},
    ).stdout
    head, _, command = told.strip().partition(" -- ")
    assert head == "--target 1 --cgroup --uts"
    program, *words = command.split()
    assert program == "cgshimctl"
    assert words[-2:] == ["--prometheus", "0.0.0.0:9435"]
    words = [str(tmp_path / "node") if word == "/host" else word for word in words[:-2]]
    words = [str(tmp_path / "state") if word == "/var/lib/cgshim-watch" else word for word in words]
    done = _commands(words, tmp_path / "node")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _expressions() -> Iterator[tuple[str, str]]:
    """Where, expression."""
    import yaml

    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


def test_expressions_are_about_what_is_exported() -> None:
    """Each names a metric of the watcher, selects by labels that it has, and takes rates of counters alone."""
    names = _names()
    seen = set()
    for where, text in _expressions():
        found = re.findall(r"(\w+\()?(cgshim_\w+)(?:\{([^}]*)\})?(\[)?", text)
        assert found, where
        for function, name, selector, _ in found:
            assert name in names, f"{where}: {name}"
            assert set(re.findall(r"(\w+)=~?\"", selector)) <= names[name], where
            if function in ("rate(", "increase("):
                assert name.endswith("_total"), where
            if function in ("deriv(", "predict_linear("):
                assert not name.endswith("_total"), where
            seen.add(name)
    assert len(seen) > 15


def test_types_of_alerts_are_the_watchers() -> None:
    """A type that is misspelt in a rule would never fire."""
    text = RULES.read_text() + DASHBOARD.read_text()
    used = set(re.findall(r'alert_type=\\?"(\w+)', text))
    assert used
    assert used <= set(TYPES)


def test_rules_have_the_form_of_prometheus() -> None:
    """The keys of prometheus/docs/configuration/alerting_rules, names unique, labels in texts that the metric has."""
    import yaml

    groups = yaml.safe_load(RULES.read_text())
    assert set(groups) == {"groups"}
    rules = [rule for group in groups["groups"] for rule in group["rules"]]
    assert all(set(group) == {"name", "rules"} for group in groups["groups"])
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert (
            {"alert", "expr", "labels", "annotations"} <= set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        )
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        name = re.findall(r"cgshim_\w+", rule["expr"])[0]
        used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert used <= _names()[name]


def test_rules_in_promtool_itself() -> None:
    """Prometheus' own checker takes the file."""
    require("promtool", program_problem("promtool"))
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS: 12 rules found" in done.stdout


def test_rules_fire_for_what_they_are_for() -> None:
    """Prometheus' own test runner evaluates each rule over made-up series; every alert has a case that fires."""
    require("promtool", program_problem("promtool"))
    done = subprocess.run(["promtool", "test", "rules", str(CASES)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_case_that_fires() -> None:
    """A rule that is added comes with one; the runner takes a rule without a case for right."""
    import yaml

    rules = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    cases = [case for test in yaml.safe_load(CASES.read_text())["tests"] for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == rules


def test_dashboard_has_the_form_of_grafana() -> None:
    """Panels have ids, places that do not overlap, a data source and queries; variables that are used are defined."""
    dashboard = json.loads(DASHBOARD.read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] in ("stat", "timeseries")
        references = [target["refId"] for target in panel["targets"]]
        assert references == sorted(set(references))
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert ids == sorted(set(ids))
    defined = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard))) - {"__all"}
    assert used == defined
