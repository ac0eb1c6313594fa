"""`cgshimctl negotiate`: one word for scripts, settings that engines read, one clear error where there is no answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from shim.cli.main import main
from shim.engines.toml_text import parsed

HOSTS = Path(__file__).resolve().parents[1] / "hosts"
V3 = ("plugins", "io.containerd.cri.v1.runtime", "containerd", "runtimes", "runc", "options", "SystemdCgroup")
V2 = ("plugins", "io.containerd.grpc.v1.cri", "containerd", "runtimes", "runc", "options", "SystemdCgroup")
# Engine -> file, path of the key as the engine's own documentation has it, its value for the systemd driver.
KEYS: dict[str, list[tuple[str, tuple[str, ...], Any]]] = {
    "docker": [("/etc/docker/daemon.json", ("exec-opts",), ["native.cgroupdriver=systemd"])],
    "containerd": [
        ("/etc/containerd/config.toml", V3, True),
        ("/etc/containerd/config.toml", V2, True),
        ("/var/lib/kubelet/config.yaml", ("cgroupDriver",), "systemd"),
    ],
    "crio": [
        ("/etc/crio/crio.conf.d/10-cgroup-driver.conf", ("crio", "runtime", "cgroup_manager"), "systemd"),
        ("/var/lib/kubelet/config.yaml", ("cgroupDriver",), "systemd"),
    ],
    "podman": [
        ("/etc/containers/containers.conf.d/10-cgroup-driver.conf", ("engine", "cgroup_manager"), "systemd"),
    ],
}


def _negotiate(tree: str, *arguments: str) -> Any:
    return CliRunner().invoke(main, ["negotiate", "--root-tree", str(HOSTS / tree), *arguments])


@pytest.mark.parametrize(
    ("tree", "word"), [("matrix-systemd", "2"), ("matrix-legacy-6.1", "1"), ("debian12-hybrid-6.18", "hybrid")]
)
def test_stdout_is_one_word(tree: str, word: str) -> None:
    """`version=$(cgshimctl negotiate)` needs no parsing."""
    found = _negotiate(tree)
    assert (found.exit_code, found.stdout) == (0, f"{word}\n")


def test_notes_go_to_stderr() -> None:
    """What an engine cannot do here is told beside the answer, not in it."""
    found = _negotiate("matrix-memory-off")
    assert found.stdout == "2\n"
    assert found.stderr == "note: no hierarchy has memory, so no engine enforces such limits here\n"


def test_ambiguous_host_fails_with_the_reason() -> None:
    """Status 1, nothing on stdout, one message with evidence and remedy on stderr."""
    found = _negotiate("forged-unified")
    assert (found.exit_code, found.stdout) == (1, "")
    verdict, evidence, remedy = found.stderr.splitlines()
    assert verdict == (
        "cgshim: what is at /sys/fs/cgroup is not a cgroup file system that can be recognised: "
        "the version is ambiguous [no-cgroup-version]"
    )
    assert evidence.startswith("  evidence: /sys/fs/cgroup: plain files or directories")
    assert remedy == "  remedy: mount the kernel's own over it: mount -t cgroup2 none /sys/fs/cgroup"


def test_ambiguous_host_in_json() -> None:
    """The version is null, and the problem says why."""
    found = _negotiate("forged-unified", "--json")
    shown = json.loads(found.stdout)
    assert (found.exit_code, shown["schema"], shown["version"]) == (1, 1, None)
    assert shown["problem"]["code"] == "no-cgroup-version"


def test_version_is_told_where_only_the_driver_is_unknown() -> None:
    """A capture that does not tell what PID 1 is answers half of the question, and fails."""
    found = _negotiate("debian12-unified-6.1", "--engine", "docker", "--json")
    shown = json.loads(found.stdout)
    assert (found.exit_code, shown["version"], shown["problem"]["code"]) == (1, "2", "no-cgroup-driver")


@pytest.mark.parametrize("engine", KEYS)
def test_settings_are_in_the_engines_own_form(engine: str) -> None:
    """Parsed as the engine parses it, each text has the key that the engine documents, with the driver."""
    import yaml  # type: ignore[import-untyped,unused-ignore]

    shown = json.loads(_negotiate("matrix-systemd", "--engine", engine, "--json").stdout)
    assert (shown["engine"]["name"], shown["engine"]["driver"]) == (engine, "systemd")
    read: list[tuple[str, tuple[str, ...], Any]] = []
    for setting, (_, path, _) in zip(shown["engine"]["settings"], KEYS[engine]):
        file, text = setting["file"], setting["text"]
        found: Any = yaml.safe_load(text) if file.endswith((".yaml", ".json")) else parsed(text, file)
        for key in path:
            found = found[key]
        read.append((file, path, found))
    assert read == KEYS[engine]
    assert len(shown["engine"]["settings"]) == len(KEYS[engine])


def test_text_has_the_settings() -> None:
    """The version first, then the driver, why, and each file."""
    found = _negotiate("matrix-systemd", "--engine", "crio")
    assert found.stdout.splitlines() == [
        "2",
        "crio driver: systemd",
        "because systemd is PID 1 and makes the cgroups of this host; /proc/self/cgroup: /system.slice/matrix.service",
        "",
        "/etc/crio/crio.conf.d/10-cgroup-driver.conf",
        "[crio.runtime]",
        'cgroup_manager = "systemd"',
        'conmon_cgroup = "system.slice"',
        "",
        "/var/lib/kubelet/config.yaml",
        "cgroupDriver: systemd",
    ]


def test_cri_o_with_cgroupfs_keeps_conmon_in_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """CRI-O's own check: with cgroupfs, conmon_cgroup is "pod" or empty."""
    from shim.host.facts import Fact

    monkeypatch.setattr("shim.host.negotiation.systemd", lambda view, whole: Fact(value=False, evidence="no mark"))
    shown = json.loads(_negotiate("matrix-hybrid-6.1", "--engine", "crio", "--json").stdout)
    runtime = parsed(shown["engine"]["settings"][0]["text"], "x")["crio"]["runtime"]
    assert (runtime["cgroup_manager"], runtime["conmon_cgroup"]) == ("cgroupfs", "pod")
    assert shown["engine"]["notes"] == [
        "the kubelet of Kubernetes 1.35 and later starts on cgroup v1 only with failCgroupV1: false"
    ]


def test_bad_input() -> None:
    """An engine that is not known is wrong usage; a directory that is no host is bad input."""
    assert _negotiate("matrix-systemd", "--engine", "lxc").exit_code == 2
    found = _negotiate("no-such-tree")
    assert (found.exit_code, found.stdout) == (3, "")
    assert "[bad-host-tree]" in found.stderr
