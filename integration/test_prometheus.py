"""A real Prometheus scrapes a real watcher: every query of the dashboard and every alert rule answers."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import program_problem, require
from integration.containers import SEARCH_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration.bundle import Bundle
    from integration.containers import Runtime

ROOT = Path(__file__).resolve().parent.parent
MONITORING = ROOT / "examples/monitoring"
MIB = 1 << 20
PATIENCE = 120  # seconds
# A process of the container is killed every two seconds, and its shell uses up the container's quota of a processor.
WORK = "while :; do tail /dev/zero; n=0; while [ $n -lt 100000 ]; do n=$((n+1)); done; done"
QUOTA = {"quota": 20000, "period": 100000}
# Panels that may have no data on some kernels, and the metric that says whether this is one.
OPTIONAL = {"Stalled for memory": "cgshim_container_memory_pressure_stalled_seconds_total"}
# Metrics of one kind of kernel: memory.high is cgroup2's.
OF_SOME = ("cgshim_container_memory_high_exceeded_total", "cgshim_container_memory_swap_bytes")


class Prometheus:
    """Its HTTP API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **query: str) -> Any:
        """The data of an answer. Raises OSError."""
        with urllib.request.urlopen(f"{self.url}/{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
            found = json.loads(answer.read())
        assert found["status"] == "success", found
        return found["data"]

    def query(self, text: str) -> list[dict[str, Any]]:
        """The series of a query, now."""
        return list(self.get("query", query=text)["result"])

    def until(self, found: Callable[[], Any]) -> Any:
        """What `found` finds, once it finds something; its last answer when the time is over."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = found()
            except OSError as error:
                answer = None
                last = error
            if answer or time.monotonic() > deadline:
                assert answer is not None, last
                return answer
            time.sleep(0.5)


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def scraped(runtime: Runtime, bundle: Bundle, container: str, tmp_path: Path) -> Iterator[Prometheus]:
    """Prometheus with the example's rules, a watcher, and a container that is killed, throttled and at its limit."""
    require("prometheus", program_problem("prometheus"))
    (bundle.path / "rootfs/bin/tail").symlink_to("busybox")
    bundle.configure(args=["/bin/sh", "-c", WORK], resources={"memory": {"limit": 32 * MIB}, "cpu": QUOTA})
    runtime.must("run", "--detach", "--bundle", str(bundle.path), container)
    watched, served = _free(), _free()
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(MONITORING / "alerts.yaml")],
        "scrape_configs": [{"job_name": "cgshim", "static_configs": [{"targets": [f"127.0.0.1:{watched}"]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(settings))  # JSON is YAML
    options = ("--root", str(runtime.root), "--interval", "1", "--prometheus", f"127.0.0.1:{watched}")
    watcher = [sys.executable, "-m", "shim.cli.main", "watch", container, *options]
    server = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    environment = {"PATH": SEARCH_PATH, "PYTHONPATH": str(ROOT)}
    with open(tmp_path / "log", "w") as log:
        running = [
            subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=log, stderr=log)
            for argv in (watcher, [*server, f"--web.listen-address=127.0.0.1:{served}"])
        ]
        try:
            yield Prometheus(served)
        finally:
            for one in running:
                one.terminate()
            for one in running:
                one.wait(60)
            print((tmp_path / "log").read_text()[-3000:])


def _asked(text: str) -> str:
    """With Grafana's variables as they are where everything is chosen."""
    return re.sub(r"\$(container|engine)", ".*", text)


def test_dashboard_and_rules(scraped: Prometheus, container: str) -> None:
    """Each panel has data, or the kernel has no such figure; the variables have values; a kill becomes an alert."""
    name = container[:12]  # of a container that no engine named
    killed = f'increase(cgshim_container_oom_kills_total{{container="{name}"}}[5m]) > 1'
    assert scraped.until(lambda: scraped.query(killed)), "no kill was scraped"
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    scraped.until(lambda: not _without_data(scraped, dashboard))
    assert _without_data(scraped, dashboard) == []
    for variable in dashboard["templating"]["list"][1:]:
        ((series, label),) = re.findall(r"^label_values\((.*), (\w+)\)$", variable["query"]["query"])
        values = scraped.get(f"label/{label}/values", **{"match[]": _asked(series)})
        assert values == {"container": [name], "engine": ["runc"]}[variable["name"]]
    (fired,) = scraped.until(lambda: _fired(scraped, "ContainerProcessOomKilled"))
    assert (fired["state"], fired["labels"]["container"]) == ("firing", name)
    assert fired["annotations"]["summary"] == f"Processes of {name} were killed for memory"
    rules = [rule for group in scraped.get("rules")["groups"] for rule in group["rules"]]
    assert [(rule["name"], rule["health"]) for rule in rules if rule["health"] != "ok"] == []
    assert len(rules) == 12


def _fired(scraped: Prometheus, name: str) -> list[dict[str, Any]]:
    return [one for one in scraped.get("alerts")["alerts"] if one["labels"]["alertname"] == name]


def _without_data(scraped: Prometheus, dashboard: dict[str, Any]) -> list[str]:
    """The queries without an answer, except those about what this kernel does not have."""
    found = []
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            if scraped.query(_asked(target["expr"])):
                continue
            metric = OPTIONAL.get(panel["title"]) or next((one for one in OF_SOME if one in target["expr"]), "")
            if not metric or scraped.query(f"{metric} > 0"):
                found.append(f"{panel['title']}: {target['expr']}")
    return found
