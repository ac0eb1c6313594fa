"""`cgshimctl audit`: its table, its page, its XML, merged files, filters and exit statuses, over a recorded host."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shim.cli import audit as command
from shim.cli.main import main
from shim.containers.inventory import inventory
from shim.containers.resolve import named
from shim.containers.tree import HostTree
from shim.host.detect import detect
from tests.audited_host import laid_out, recorded_host

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from shim.host.facts import Host
    from shim.host.view import View

LOST = """\
VERDICT              CONTAINER     LIMIT          ASKED   RUNTIME  KERNEL  EFFECTIVE
lost in the runtime  docker dock2  memory.kernel  40 MiB  40 MiB   none    none
    its cgroup has none, which nobody set; the runtime's own record does not have it either

Containers: 1. Limits: 1 (1 lost in the runtime).
1 limit is lost.
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recorded Debian 12 is this host; one of its ten containers has lost a limit."""
    tree = laid_out("debian-12", tmp_path / "host")
    real = command.of_this_host
    monkeypatch.setattr(command, "of_this_host", lambda asked, root: real(asked, str(tree)))
    monkeypatch.setattr(command, "host_of", lambda view, containers: recorded_host())
    look = detect

    def detected(view: View, names: tuple[str, ...], **how: Any) -> Host:
        """The recorded host has every file of v1; captured ones are looked at."""
        if view.root != str(tree):
            return look(view, names, **how)
        return recorded_host().changed(interface={name: not name.startswith("io.") for name in names})

    monkeypatch.setattr(command, "detect", detected)
    return tree


def _audit(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


def _json(*arguments: object) -> dict[str, Any]:
    return dict(json.loads(_audit("--json", *arguments).stdout))


def test_table_of_what_is_lost(host: Path) -> None:
    """The whole text, below the line with the host's name; status 1."""
    del host
    result = _audit("--only", "lost")
    assert result.exit_code == 1
    first, _, rest = result.output.partition("\n")
    assert re.fullmatch(r"\S+: hybrid, Linux \S+", first)
    assert rest == LOST


STACKED = """\
lost in the runtime: docker dock2, memory.kernel
    asked 40 MiB, runtime 40 MiB, kernel none, effective
    none
    its cgroup has none, which nobody set; the runtime's own
    record does not have it either

Containers: 1. Limits: 1 (1 lost in the runtime).
1 limit is lost.
"""


def test_table_on_a_narrow_terminal(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 60 columns each limit is a paragraph with the names of its values: no cell is cut."""
    del host
    monkeypatch.setattr("shim.cli.terminal.columns", lambda: 60)
    assert _audit("--only", "lost").output.partition("\n")[2] == STACKED


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("arguments", [(), ("--after", "unified"), ("--only", "lost")], ids=" ".join)
def test_no_line_is_wider_than_the_terminal(
    host: Path, arguments: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the width: only a word that cannot be broken, such as a path, may be."""
    del host
    monkeypatch.setattr("shim.cli.terminal.columns", lambda: width)
    lines = _audit(*arguments).output.splitlines()
    assert len(lines) > 5
    assert [line for line in lines if len(line) > width and " " in line.strip()] == []


def test_nothing_lost_is_status_0(host: Path) -> None:
    """podman's containers alone have all that was asked; each has a line with its limits."""
    del host
    result = _audit("--engine", "podman")
    assert result.exit_code == 0
    assert "VERDICT" not in result.output
    assert (
        "podman swappy   memory.limit 32 MiB, memory.swap 64 MiB, cpu.quota 0.5 CPUs, cpuset.cpus 0," in result.output
    )
    assert result.output.endswith("\nContainers: 2. Limits: 10 (10 enforced).\n")


def test_no_containers_at_all(tmp_path: Path) -> None:
    """An empty host is not an error; a root without /proc is not a host."""
    result = _audit("--tree", tmp_path)
    assert result.exit_code == 3
    assert "it has no proc directory" in result.stderr
    (tmp_path / "proc").mkdir()
    result = _audit("--tree", tmp_path)
    assert result.exit_code == 0
    assert result.output.endswith("\nNo containers were found.\n")


def test_json_has_the_documented_keys(host: Path) -> None:
    """Keys as in --help, the numbers raw and as text."""
    del host
    found = _json("--container", "dock2")
    assert list(found) == ["schema", "summary", "hosts"]
    assert list(found["summary"]) == ["hosts", "containers", "limits", "lost", "verdicts"]
    (container,) = found["hosts"][0]["containers"]
    assert container["verdict"] == "lost in the runtime"
    (swap,) = [limit for limit in container["limits"] if limit["limit"] == "memory.swap"]
    assert list(swap) == ["limit", "verdict", "lost", "hint", "why", "unit", "where", "values", "shown"]
    assert swap["values"] == {
        "asked": 67108864,
        "configured": 67108864,
        "systemd": None,
        "kernel": 67108864,
        "effective": 67108864,
    }
    assert swap["shown"]["kernel"] == "64 MiB"


def test_page_is_one_file_that_asks_for_nothing(host: Path) -> None:
    """No script, no link to anywhere, every container and verdict; status as for the text."""
    del host
    result = _audit("-o", "html")
    assert result.exit_code == 1
    assert result.output.startswith("<!DOCTYPE html>\n")
    assert re.findall(r"<script|<link|<img|<iframe|https?:|url\(|@import", result.output) == []
    for words in ("docker dock2", "cri tests/shared-bare/cri-web", "lost in the runtime"):
        assert words in result.output
    limits = _json()["summary"]["limits"]
    assert f"<h1>1 of {limits} container limits is lost</h1>" in result.output


@pytest.mark.parametrize("form", ["html", "junit"])
def test_names_are_somebody_elses_words(host: Path, form: str) -> None:
    """A container's name with markup in it is text in the page and in the XML."""
    path = next(path for path in host.rglob("config.v2.json") if '"/dock2"' in path.read_text())
    path.write_text(path.read_text().replace('"/dock2"', '"/<script>alert(1)</script>\\u0007&\\""'))
    result = _audit("-o", form, "--engine", "docker")
    assert "<script>" not in result.output
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in result.output
    if form == "junit":
        ET.fromstring(result.output)


def test_names_do_not_steer_the_terminal(host: Path) -> None:
    """A name with an escape sequence and a line break in it is shown with their codes."""
    path = next(path for path in host.rglob("config.v2.json") if '"/dock2"' in path.read_text())
    path.write_text(path.read_text().replace('"/dock2"', '"/a\\u001b[31mb\\nc"'))
    result = _audit("--engine", "docker")
    assert "\x1b" not in result.output
    assert "docker a\\x1b[31mb\\x0ac" in result.output


def test_junit_is_what_ci_reads(host: Path) -> None:
    """A suite a host, a case a limit; the lost one is a failure with the reason."""
    del host
    result = _audit("--junit", "--engine", "docker")
    assert result.exit_code == 1
    root = ET.fromstring(result.output)
    (suite,) = root.findall("testsuite")
    assert (suite.get("failures"), suite.get("skipped"), suite.get("errors")) == ("1", "0", "0")
    assert int(suite.get("tests") or 0) == len(suite.findall("testcase"))
    (failed,) = [case for case in suite.findall("testcase") if case.find("failure") is not None]
    assert (failed.get("classname"), failed.get("name")) == ("docker dock2", "memory.kernel")
    message = failed.find("failure").get("message") or ""  # type: ignore[union-attr]
    assert message.startswith("lost in the runtime: asked 40 MiB, kernel none: ")


def test_files_of_many_hosts_are_merged(host: Path, tmp_path: Path) -> None:
    """Two hosts' files give one audit with both; filters work on it; the page has both."""
    del host
    names = []
    for number in (1, 2):
        path = tmp_path / f"host{number}.json"
        found = _json()
        found["hosts"][0]["host"] = f"host{number}"
        path.write_text(json.dumps(found))
        names.append(path)
    merged = _json("--merge", *names)
    assert [one["host"] for one in merged["hosts"]] == ["host1", "host2"]
    assert merged["summary"]["containers"] == 20
    assert merged["summary"]["lost"] == 2
    assert _json("--merge", *names, "--engine", "podman")["summary"]["lost"] == 0
    page = _audit("--merge", *names, "-o", "html")
    assert page.exit_code == 1
    assert "<h2>host1</h2>" in page.output
    assert "<h2>host2</h2>" in page.output


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "is not JSON"),
        ("[]", "is not the output of `cgshimctl audit --json` with schema 1"),
        ('{"schema": 2, "hosts": []}', "is not the output of `cgshimctl audit --json` with schema 1"),
        ('{"schema": 1, "hosts": [{}]}', "has a host without its containers or limits: 'containers'"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_file_that_is_no_audit(tmp_path: Path, content: str | None, what: str) -> None:
    """One message with the file and what is wrong with it; status 3."""
    path = tmp_path / "host.json"
    if content is not None:
        path.write_text(content)
    result = _audit("--merge", path)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"cgshim: {path} {what}")
    assert " [bad-audit]\n" in result.stderr
    assert "remedy: write it with: cgshimctl audit --json >FILE" in result.stderr


@pytest.mark.parametrize("arguments", [["--merge"], ["host.json"], ["--merge", "a.json", "--after", "unified"]])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    """--merge without files, files without --merge, --merge with what looks at this host."""
    assert _audit(*arguments).exit_code == 2


def test_container_that_is_not_there(host: Path) -> None:
    """Status 3, one message."""
    del host
    result = _audit("--container", "nobody")
    assert result.exit_code == 3
    assert result.stderr.startswith("cgshim: this host has no container nobody [no-container]\n")


def test_after_the_migration(host: Path) -> None:
    """cgroup2 only: docker's dock2 loses two tuning values of v1, nothing changes for the others."""
    del host
    found = _json("--after", "unified")
    outcomes = {one["name"]: one["after"]["outcome"] for one in found["hosts"][0]["containers"]}
    assert {name for name, outcome in outcomes.items() if outcome != "nothing changes"} == {"dock2"}
    (dock2,) = [one for one in found["hosts"][0]["containers"] if one["name"] == "dock2"]
    assert {(one["field"], one["outcome"]) for one in dock2["after"]["changes"]} == {
        ("memory.kernel", "a hint is lost"),
        ("memory.disableOOMKiller", "a hint is lost"),
    }
    assert found["after"]["answer"] == "Yes, with a loss of tuning values: 1 of 10 containers loses a hint."


def test_after_a_kernel_without_v1_code(host: Path) -> None:
    """v1 hierarchies, memory and cpuset in cgroup2 only: cgshim sets memory limits there, the bare runtime cannot."""
    del host
    found = _json("--after", "legacy", "--container", "swappy", "--container", "conmon-web")
    for container in found["hosts"][0]["containers"]:
        changes = {one["field"]: one for one in container["after"]["changes"]}
        assert container["after"]["outcome"] == "cgshim translates"
        assert changes["memory.limit"]["without"] == "refused or ignored by the runtime"
        assert changes["memory.limit"]["reason"].endswith("cgshim sets memory.max there")
    assert found["after"]["answer"].startswith("Yes, with cgshim: 2 of 2 containers")


def test_after_a_captured_host(host: Path) -> None:
    """Any captured host is a target, by its directory."""
    from tests.syntax import ROOT

    del host
    captured = next(path for path in sorted((ROOT / "tests" / "hosts").iterdir()) if "unified" in path.name)
    found = _json("--after", captured, "--engine", "podman")
    assert found["after"]["target"] == str(captured)
    assert set(found["after"]["outcomes"]) == {"nothing changes"}


def test_target_that_is_nothing(host: Path, tmp_path: Path) -> None:
    """A directory that is not a captured host: what it lacks, status 3."""
    del host
    result = _audit("--after", tmp_path)
    assert result.exit_code == 3
    assert "is not a captured host" in result.stderr


def test_plan_of_a_container_by_its_name(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The config.json that its engine wrote; one that was never started has none."""
    found = inventory(HostTree(str(host)))
    monkeypatch.setattr("shim.containers.resolve.resolve", lambda name: named(found, name))
    result = CliRunner().invoke(main, ["plan", "--container", "dock-created"])
    assert result.exit_code == 3
    first, evidence, *_ = result.stderr.splitlines()
    assert first == "cgshim: the container dock-created has no config.json that can be read [no-configuration]"
    assert evidence == "  evidence: bundle: none is recorded; state: created"
    for arguments in ([], ["config.json", "--container", "web"]):
        assert CliRunner().invoke(main, ["plan", *arguments]).exit_code == 2
    bundle = host / "bundle"
    bundle.mkdir()
    (bundle / "config.json").write_text('{"ociVersion": "1.0.2", "linux": {"resources": {"pids": {"limit": 5}}}}')
    web = named(found, "dock-web").changed(bundle=str(bundle))
    monkeypatch.setattr("shim.containers.resolve.resolve", lambda name: web)
    planned = json.loads(CliRunner().invoke(main, ["plan", "--json", "--container", "dock-web"]).stdout)
    assert planned["config"] == f"{bundle}/config.json"
