"""`cgshimctl plan`: what would change, on captured hosts, and what is written."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from shim.cli.main import main

if TYPE_CHECKING:
    from click.testing import Result

HERE = Path(__file__).resolve().parents[1]
HYBRID = str(HERE / "hosts" / "debian12-hybrid-6.18")
UNIFIED = str(HERE / "hosts" / "debian12-unified-6.1")
MIXED = """{
  "ociVersion": "1.0.2",
  "linux": {
    "resources": {
      "memory": {"limit": 67108864, "swappiness": 10},
      "pids": {"limit": 32}
    },
    "seccomp": { "defaultAction":   "SCMP_ACT_ALLOW" }
  }
}
"""
TEXT = """\
file     {config}
host     unified (/sys/fs/cgroup/cgroup.controllers: cpuset cpu io memory hugetlb pids rdma misc)
runtime  /opt/example/runc (--runtime)
policy   refuse (default)

What would change, and why
FIELD              EFFECT   REASON                                  LOST
memory.swappiness  dropped  cgroup2 has no swappiness for a cgroup  memory.swappiness

Unchanged: memory.limit, pids.limit.

The file, before and after
--- a/config.json
+++ b/config.json
@@ -1,8 +1,8 @@
-{{
   "ociVersion": "1.0.2",
   "linux": {{
     "resources": {{
-      "memory": {{"limit": 67108864, "swappiness": 10}},
+      "memory": {{"limit": 67108864}},
       "pids": {{"limit": 32}}
     }},
     "seccomp": {{ "defaultAction":   "SCMP_ACT_ALLOW" }}"""


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A settings file of the test's own, not there at first."""
    path = tmp_path / "settings.json"
    monkeypatch.setenv("CGSHIM_CONFIG", str(path))
    monkeypatch.delenv("CGSHIM_RUNTIME", raising=False)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config.json in a directory of its own."""
    path = tmp_path / "bundle" / "config.json"
    path.parent.mkdir()
    path.write_text(MIXED)
    return path


def _plan(*arguments: object, host: str = UNIFIED, runtime: str = "/opt/example/runc") -> Result:
    words = ["plan", "--host", host, "--runtime", runtime, *map(str, arguments)]
    return CliRunner().invoke(main, words)


def _json(*arguments: object, **where: str) -> dict[str, Any]:
    result = _plan("--json", *arguments, **where)
    assert result.exit_code in (0, 1), result.output
    shown: dict[str, Any] = json.loads(result.output)
    return shown


def test_text_is_a_table_and_a_diff(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole output for a hint that cgroup2 does not have; the annotation's line alone is cut at the width."""
    monkeypatch.setattr("shim.cli.terminal.columns", lambda: 100)
    result = _plan(config)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    annotation = lines.pop(16)
    assert annotation.startswith('+{"annotations":{"io.cgshim.report": "{')
    assert (len(annotation), annotation[-4:]) == (100, " ...")
    assert "\n".join(lines) == TEXT.format(config=config)
    assert "\x1b" not in result.output


def test_json_has_the_documented_shape(config: Path) -> None:
    """The keys of --json are the documented ones; the edit has the old value."""
    shown = _json(config)
    assert list(shown) == [
        *("schema", "config", "host", "runtime", "operation", "cgroup_manager", "policy", "ignored", "warnings"),
        *("refused", "refusal", "notes", "edits", "expectations", "diff", "output"),
    ]
    assert shown["schema"] == 1
    assert shown["config"] == str(config)
    assert shown["host"]["layout"] == "unified"
    assert shown["edits"] == [{"op": "remove", "path": "linux.resources.memory.swappiness", "old": 10}]
    assert {"field": "memory.limit", "effect": "kept", "kind": "guard", "code": "honoured"}.items() <= (
        next(note for note in shown["notes"] if note["field"] == "memory.limit").items()
    )
    limit = next(e for e in shown["expectations"] if e["field"] == "memory.limit")
    assert limit == {
        "field": "memory.limit",
        "controller": "memory",
        "version": 2,
        "file": "memory.max",
        "value": "67108864",
        "rounding": "page",
    }
    assert (shown["refused"], shown["refusal"], shown["output"]) == (False, None, None)


def test_diff_of_json_is_one_for_patch(config: Path, tmp_path: Path) -> None:
    """patch(1) makes of the old file exactly what --output writes."""
    written = tmp_path / "new.json"
    shown = _json(config, "--output", written)
    assert shown["output"] == str(written)
    patched = tmp_path / "patched.json"
    patched.write_text(MIXED)
    done = subprocess.run(
        ["git", "apply", "--unsafe-paths", "-p1", "-"],
        cwd=tmp_path,
        input=shown["diff"].replace("/config.json", "/patched.json"),
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "GIT_DIR": str(tmp_path / "none")},
    )
    assert done.returncode == 0, done.stderr
    assert patched.read_bytes() == written.read_bytes()


def test_output_differs_in_the_reported_spans_only(config: Path, tmp_path: Path) -> None:
    """Without the annotation and the dropped hint the written file is the old one, byte for byte."""
    written = tmp_path / "new.json"
    assert _plan(config, "--output", written).exit_code == 0
    value = json.loads(written.read_text())
    report = json.loads(value["annotations"]["io.cgshim.report"])
    assert [change["field"] for change in report["changes"]] == ["memory.swappiness"]
    assert value["linux"]["resources"] == {"memory": {"limit": 67108864}, "pids": {"limit": 32}}
    assert '"seccomp": { "defaultAction":   "SCMP_ACT_ALLOW" }' in written.read_text()
    assert config.read_text() == MIXED


def test_plan_of_the_output_is_empty(config: Path, tmp_path: Path) -> None:
    """Planning what was written changes nothing more."""
    written = tmp_path / "new.json"
    _plan(config, "--output", written)
    again = _json(written)
    assert (again["edits"], again["diff"]) == ([], "")


def test_bundle_is_its_config(config: Path) -> None:
    """A directory stands for its config.json."""
    assert _json(config.parent)["config"] == str(config)


def test_nothing_to_change_is_said(config: Path) -> None:
    """A configuration that needs nothing: no table, no diff, status 0."""
    config.write_text('{"linux": {"resources": {"pids": {"limit": 32}}}}')
    result = _plan(config)
    assert result.exit_code == 0
    assert result.output.endswith("\nNothing to change: the file is passed on byte for byte.\n")


def test_refusal_is_status_1_with_the_reason(config: Path, tmp_path: Path) -> None:
    """A guard that nothing can enforce: the runtime path's own message, no file written."""
    config.write_text('{"linux": {"resources": {"unified": {"misc.max": "res_a 1"}}}}')
    written = tmp_path / "new.json"
    result = _plan(config, "--output", written, host=HYBRID)
    assert result.exit_code == 1
    assert "unified.misc.max cannot be enforced on this host [unified-without-counterpart]" in (
        " ".join(result.output.split())
    )
    assert not written.exists()
    shown = _json(config, host=HYBRID)
    assert (shown["refused"], shown["refusal"]["code"]) == (True, "unified-without-counterpart")
    assert shown["diff"] == ""


def test_policy_option_wins_over_annotation_and_settings(config: Path, settings: Path) -> None:
    """--policy warn plans what would be lost; the origin is told."""
    settings.write_text('{"policy": "refuse"}')
    config.write_text(
        '{"annotations": {"io.cgshim.policy": "refuse"}, "linux": {"resources": {"unified": {"misc.max": "a 1"}}}}'
    )
    assert _json(config, host=HYBRID)["policy"] == {"value": "refuse", "origin": "annotation io.cgshim.policy"}
    shown = _json(config, "--policy", "warn", host=HYBRID)
    assert shown["policy"] == {"value": "warn", "origin": "--policy"}
    assert (shown["refused"], shown["notes"][0]["effect"]) == (False, "unenforceable")


def test_annotations_that_do_not_count_are_named(config: Path, settings: Path, state_directory: Path) -> None:
    """The plan is the one without them; a look makes no key."""
    bridge = json.dumps({"limits": {"pids.max": "max"}, "seal": "0" * 64})
    config.write_text(
        json.dumps(
            {
                "root": {"path": "rootfs"},
                "annotations": {"io.cgshim.policy": "warn", "io.cgshim.bridge": bridge},
                "linux": {"resources": {"unified": {"misc.max": "a 1"}}},
            }
        )
    )
    shown = _json(config, host=HYBRID)
    assert shown["refused"] is True
    assert shown["policy"] == {"value": "refuse", "origin": "default"}
    assert [text.partition(" is ignored")[0] for text in shown["ignored"]] == [
        "annotation io.cgshim.policy=warn",
        "annotation io.cgshim.bridge",
    ]
    assert not (state_directory / "key").exists()


def test_crun_on_a_hybrid_host_is_refused_as_a_whole(config: Path) -> None:
    """crun itself starts nothing there, so no plan can succeed; an update does not look."""
    shown = _json(config, host=HYBRID, runtime="crun")
    assert (shown["refused"], shown["refusal"]["code"]) == (True, "crun-refuses-hybrid")
    assert shown["runtime"]["kind"] == "crun"
    assert _json(config, "--operation", "update", host=HYBRID, runtime="crun")["refused"] is False


def test_update_takes_a_resources_file(config: Path) -> None:
    """With --operation update a bare resources object is planned and gets no annotation."""
    config.write_text('{"unified": {"pids.max": "9"}}')
    shown = _json(config, "--operation", "update", host=HYBRID)
    assert shown["edits"][0] == {"op": "set", "path": "linux.resources.pids", "new": {"limit": 9}}
    assert "annotations" not in shown["diff"]


def test_run_shows_the_hook_that_looks_first(config: Path, tmp_path: Path) -> None:
    """A foreground `run` starts the process by itself, so the configuration gets a hook; `create` needs none."""
    written = tmp_path / "new.json"
    shown = _json(config, "--operation", "run", "--output", written)
    assert shown["operation"] == "run"
    assert list(json.loads(written.read_text())["hooks"]) == ["createRuntime"]
    _json(config, "--operation", "create", "--output", written)
    assert "hooks" not in json.loads(written.read_text())


def test_cgroup_manager_is_read_off_the_path(config: Path) -> None:
    """SLICE:PREFIX:NAME is systemd's form of cgroupsPath; --cgroup-manager wins."""
    config.write_text('{"linux": {"cgroupsPath": "system.slice:docker:abc", "resources": {"pids": {"limit": 3}}}}')
    assert _json(config)["cgroup_manager"] == "systemd"
    assert _json(config, "--cgroup-manager", "cgroupfs")["cgroup_manager"] == "cgroupfs"
    config.write_text('{"linux": {"cgroupsPath": "/a:b:c", "resources": {"pids": {"limit": 3}}}}')
    assert _json(config)["cgroup_manager"] == "cgroupfs"


def test_one_long_line_is_laid_out_for_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines write one line; the text form shows the changed members, and no line is too wide."""
    monkeypatch.setattr("shim.cli.terminal.columns", lambda: 100)
    result = _plan(HERE / "specs" / "podman-limits.json")
    assert result.exit_code == 0
    assert "(it is one long line; laid out here for reading)" in result.output
    assert '-        "swappiness": 10,' in result.output
    assert [line for line in result.output.splitlines() if len(line) > 100] == []


def test_input_is_overwritten_by_its_own_path_only(config: Path, tmp_path: Path) -> None:
    """A link to the input is refused, the input's own path is taken."""
    link = tmp_path / "link.json"
    link.symlink_to(config)
    result = _plan(config, "--output", link)
    assert result.exit_code == 3
    assert f"{link} is the file that was read, under another name [output-is-input]" in result.output
    assert config.read_text() == MIXED
    assert _plan(config, "--output", config).exit_code == 0
    assert "io.cgshim.report" in config.read_text()
    assert sorted(os.listdir(config.parent)) == ["config.json"]


def test_output_that_cannot_be_written_is_one_message(config: Path, tmp_path: Path) -> None:
    """A missing directory: status 3, the errno, nothing left behind."""
    result = _plan(config, "--output", tmp_path / "none" / "new.json")
    assert result.exit_code == 3
    assert "cannot be written: ENOENT [unwritable-output]" in result.output


BAD = [
    (b"", "it is empty"),
    (b"{", "the text ends too early"),
    (b"[]", "a JSON object was expected, found an array"),
    (b'{"linux": []}', "linux: an object was expected, found an array"),
    (b'{"linux": {"resources": []}}', "linux.resources: an object was expected, found an array"),
    (b'{"linux": {"resources": {"memory": {"limit": "64m"}}}}', "linux.resources.memory.limit: a whole number was"),
    (b'{"linux": {"resources": {"memory": {"limit": 2, "swap": 1}}}}', "memory.swap: 1 is less than memory.limit 2"),
    (b"\x00\x01\xff\xfe", "is not a usable OCI configuration"),
]


@pytest.mark.parametrize(("content", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_one_message_and_status_3(content: bytes, message: str, config: Path) -> None:
    """The runtime path's own message, naming file and field; the file is left alone."""
    config.write_bytes(content)
    result = _plan(config)
    assert result.exit_code == 3
    assert message in result.stderr
    assert str(config) in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert config.read_bytes() == content


def test_missing_file_and_bad_settings(tmp_path: Path, settings: Path, config: Path) -> None:
    """A missing bundle, and invalid settings, are status 3 as well."""
    missing = _plan(tmp_path / "none" / "config.json")
    assert missing.exit_code == 3
    assert f"the bundle {tmp_path}/none does not exist or is not a directory" in missing.stderr
    settings.write_text("{")
    broken = _plan(config)
    assert broken.exit_code == 3
    assert f"{settings} is not a valid settings file" in broken.stderr


def test_bytes_that_are_not_utf8_survive(config: Path, tmp_path: Path) -> None:
    """A byte that is no UTF-8 neither breaks the text form nor changes in the written file."""
    config.write_bytes(MIXED.encode().replace(b"SCMP_ACT_ALLOW", b"SCMP\xff"))
    written = tmp_path / "new.json"
    assert _plan(config, "--output", written).exit_code == 0
    assert b'"SCMP\xff"' in written.read_bytes()


def test_a_configuration_may_come_through_a_pipe(config: Path) -> None:
    """`cgshimctl plan <(command)`: it is read just once, so a pipe will do; /dev/zero ends with one error."""
    reader, writer = os.pipe()
    os.write(writer, config.read_bytes())
    os.close(writer)
    piped = _json(f"/dev/fd/{reader}")
    os.close(reader)
    plain = _json(config)
    assert piped["edits"] == plain["edits"] != []
    result = _plan("/dev/zero")
    assert (result.exit_code, "it has more than 33554432 bytes" in result.stderr) == (3, True), result.output
