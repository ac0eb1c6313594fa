"""hooks.d files and `cgshimctl hooks`: schema 1.0.0 of oci-hooks(5), own files only, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from shim.cli.main import main
from shim.engines import hooks_directory as directory
from shim.engines.file import File
from shim.engines.hooks_read import crio_reads, podman_reads
from shim.engines.tree import Tree
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

ALL = ["50-cgshim-createRuntime.json", "50-cgshim-poststop.json", "50-cgshim-precreate.json"]


@pytest.fixture
def runc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executable called runc, and no settings file."""
    path = tmp_path / "runc"
    path.write_text("#!/bin/false\n")
    path.chmod(0o755)
    monkeypatch.setenv("CGSHIM_CONFIG", str(tmp_path / "none.json"))
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the hooks.d directory will be; it is not there yet."""
    return tmp_path / "etc" / "hooks.d"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tree:
    """A machine with no engine and no files but the test's; what is made is written down there."""
    tree = Tree(str(tmp_path / "machine"))
    monkeypatch.setattr("shim.engines.created.SYSTEM", str(tmp_path / "cgshim/made"))
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))
    monkeypatch.setattr("shim.engines.hooks_read.podman_reads", lambda _tree, home="": podman_reads(tree, home))
    monkeypatch.setattr("shim.engines.hooks_read.crio_reads", lambda _tree: crio_reads(tree))
    return tree


def _write(tree: Tree, path: str, text: str) -> None:
    tree.apply(File(path=path, before=None, after=text))


def test_directories_that_engines_read(machine: Tree) -> None:
    """Both read /usr/share/containers/oci/hooks.d unless hooks_dir says otherwise, the later file's word counting."""
    assert podman_reads(machine) == ("/usr/share/containers/oci/hooks.d",)
    assert crio_reads(machine) == ()
    _write(machine, "/etc/crio/crio.conf", "[crio.runtime]\n")
    assert crio_reads(machine) == ("/usr/share/containers/oci/hooks.d",)
    _write(machine, "/etc/crio/crio.conf.d/10-x", '[crio.runtime]\nhooks_dir = ["/a", "/b"]\n')
    assert crio_reads(machine) == ("/a", "/b")
    _write(machine, "/etc/containers/containers.conf.d/9.conf", '[engine]\nhooks_dir = ["/c"]\n')
    assert podman_reads(machine) == ("/c",)


def test_podmans_own_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As 4.3.1 prints it, and with two directories."""
    podman = tmp_path / "bin" / "podman"
    podman.parent.mkdir()
    monkeypatch.setenv("PATH", f"{podman.parent}:/usr/bin:/bin")
    for shown, expected in (("/usr/share/x", ("/usr/share/x",)), ("/a,/b", ("/a", "/b"))):
        podman.write_text(f"#!/bin/sh\necho '      --hooks-dir strings      Set the directory (default [{shown}])'\n")
        podman.chmod(0o755)
        assert podman_reads(Tree("/")) == expected


def test_crio_is_never_given_a_stage_that_stops_it(machine: Tree, runc: Path, place: Path) -> None:
    """CRI-O 1.36: unknown stage "precreate", and it does not start. Left out by default, refused if asked for."""
    real = os.path.realpath(place)
    _write(machine, "/etc/crio/crio.conf", f'[crio.runtime]\nhooks_dir = ["{real}"]\n')
    machine.at = lambda path: path if path == str(place) or path == real else Tree.at(machine, path)  # type: ignore[method-assign]
    result = _hooks("install", "--dir", place, "--runtime", runc)
    assert result.exit_code == 0
    assert sorted(os.listdir(place)) == [name for name in ALL if "precreate" not in name]
    assert f"CRI-O reads {place}, and does not start with a hook of the stage precreate" in result.output
    refused = _hooks("install", "--dir", place, "--runtime", runc, "--stage", "precreate")
    assert (refused.exit_code, "[crio-stage]" in refused.stderr) == (3, True)
    assert sorted(os.listdir(place)) == [name for name in ALL if "precreate" not in name]


def test_rootless(machine: Tree, runc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's directory, and hooks_dir with what podman reads already; remove brings back what there was."""
    home = tmp_path / "home" / ".config"
    home.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    for _ in range(2):
        assert _hooks("install", "--rootless", "--runtime", runc).exit_code == 0
    assert sorted(os.listdir(home / "containers/oci/hooks.d")) == ALL
    assert (home / "containers/containers.conf.d/51-cgshim-hooks.conf").read_text() == (
        "# The hooks of cgshim; `cgshimctl hooks remove --rootless` takes this away.\n"
        f'[engine]\n  hooks_dir = ["/usr/share/containers/oci/hooks.d", "{home}/containers/oci/hooks.d"]\n'
    )
    assert _hooks("remove", "--rootless").exit_code == 0
    assert [str(path) for path in (tmp_path / "home").rglob("*")] == [str(home)]


def test_directory_that_was_there_stays(runc: Path, place: Path) -> None:
    """`remove` takes away the directory that `install` has made, and no other."""
    place.mkdir(parents=True)
    _hooks("install", "--dir", place, "--runtime", runc)
    _hooks("remove", "--dir", place)
    assert place.is_dir()


def _hooks(*args: object) -> Result:
    return CliRunner().invoke(main, ["hooks", *map(str, args)])


def test_files_as_podman_and_crio_read_them(runc: Path, place: Path) -> None:
    """version, hook with an absolute path and a timeout, when, stages; nothing that the schema does not have."""
    assert _hooks("install", "--dir", place, "--runtime", runc).exit_code == 0
    assert sorted(os.listdir(place)) == ALL
    value = json.loads((place / "50-cgshim-precreate.json").read_text())
    assert set(value) == {"version", "hook", "when", "stages"}
    assert (value["version"], value["when"], value["stages"]) == ("1.0.0", {"always": True}, ["precreate"])
    assert set(value["hook"]) <= {"path", "args", "env", "timeout"}
    assert value["hook"]["path"] == str(ROOT / "hooks" / "cgshim-hook")
    assert value["hook"]["timeout"] == 30
    assert value["hook"]["args"] == ["cgshim-hook", "precreate", "--runtime", str(runc)]
    poststop = json.loads((place / "50-cgshim-poststop.json").read_text())
    assert poststop["stages"] == ["createRuntime", "poststop"]
    assert poststop["hook"]["args"] == ["cgshim-hook", "poststop"]
    assert (place / ALL[0]).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("stage", ["precreate", "createRuntime", "poststop"])
def test_entry_runs_with_an_empty_environment(runc: Path, place: Path, stage: str, state_directory: Path) -> None:
    """What is in the file starts the hook from anywhere: it complains of its empty input, with its own words."""
    _hooks("install", "--dir", place, "--runtime", runc, "--stage", stage)
    hook = json.loads((place / f"50-cgshim-{stage}.json").read_text())["hook"]
    done = subprocess.run(
        hook["args"],
        executable=hook["path"],
        check=False,
        input=b"",
        capture_output=True,
        env=dict(line.split("=", 1) for line in hook["env"]),
        cwd="/",
    )
    assert (done.stdout, done.returncode) == (b"", 0 if stage == "poststop" else 1)
    assert done.stderr.startswith(b"cgshim: ")
    assert (b"Traceback" in done.stderr, (state_directory / "last.json").exists()) == (False, True)


def test_installing_twice_changes_nothing(runc: Path, place: Path) -> None:
    """Same inode, same text; another runtime replaces it."""
    _hooks("install", "--dir", place, "--runtime", runc)
    before = {name: (place / name).stat().st_ino for name in ALL}
    again = _hooks("install", "--dir", place, "--runtime", runc)
    assert [line.split()[0] for line in again.output.splitlines()] == ["unchanged"] * 3
    assert {name: (place / name).stat().st_ino for name in ALL} == before
    other = _hooks("install", "--dir", place, "--runtime", runc, "--timeout", 5, "--stage", "precreate")
    assert other.output == f"replaced {place}/50-cgshim-precreate.json\n"


def test_remove_leaves_nothing(runc: Path, place: Path) -> None:
    """Files and directory are gone; a second call says that there is nothing."""
    _hooks("install", "--dir", place, "--runtime", runc)
    assert _hooks("remove", "--dir", place).exit_code == 0
    assert not place.exists()
    assert _hooks("remove", "--dir", place).output == f"no hook of cgshim in {place}\n"


def test_others_stay(runc: Path, place: Path) -> None:
    """Files of others are not touched, and keep the directory."""
    place.mkdir(parents=True)
    (place / "10-other.json").write_text("{}")
    _hooks("install", "--dir", place, "--runtime", runc)
    _hooks("remove", "--dir", place)
    assert os.listdir(place) == ["10-other.json"]


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"hook": {"path": "/x", "args": ["x", "cgshim-x"]}}', "[]"])
@pytest.mark.parametrize("command", ["install", "remove"])
def test_foreign_file_of_our_name_is_refused(runc: Path, place: Path, command: str, text: str) -> None:
    """Somebody else's 50-cgshim-precreate.json: status 3, nothing written, nothing removed."""
    place.mkdir(parents=True)
    foreign = place / "50-cgshim-precreate.json"
    foreign.write_text(text)
    result = _hooks(command, "--dir", place, *(("--runtime", runc) if command == "install" else ()))
    assert result.exit_code == 3
    assert f"{foreign} was not written by cgshim and is left as it is [foreign-hook]" in result.stderr
    assert (os.listdir(place), foreign.read_text()) == ([foreign.name], text)


@pytest.mark.parametrize("command", ["install", "remove"])
def test_directory_that_cannot_be_used_is_named(runc: Path, tmp_path: Path, command: str) -> None:
    """A file where the directory should be: status 3, the path and the errno, and what to do."""
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "hooks.d"
    result = _hooks(command, "--dir", place, *(("--runtime", runc) if command == "install" else ()))
    assert result.exit_code == 3
    first, *rest = result.stderr.splitlines()
    assert re.fullmatch(rf"cgshim: {place}\S* cannot be read or changed: Not a directory \[unwritable-hooks\]", first)
    assert "  remedy: call it as the user to whom the directory belongs" in rest


def test_dry_run_does_nothing(runc: Path, place: Path) -> None:
    """A diff for patch(1) is shown; no directory is made, no file removed."""
    shown = _hooks("install", "--dir", place, "--runtime", runc, "--dry-run")
    assert shown.exit_code == 0
    assert f"+++ b/{str(place).lstrip('/')}/50-cgshim-precreate.json" in shown.output
    assert '+    "precreate"' in shown.output
    assert not place.exists()
    _hooks("install", "--dir", place, "--runtime", runc)
    assert _hooks("remove", "--dir", place, "--dry-run").output.count("would remove ") == 3
    assert sorted(os.listdir(place)) == ALL


def test_annotated_only(runc: Path, place: Path) -> None:
    """podman and CRI-O match regular expressions on key and value (oci-hooks(5), "when.annotations")."""
    _hooks("install", "--dir", place, "--runtime", runc, "--annotated-only", "--stage", "createRuntime")
    value = json.loads((place / "50-cgshim-createRuntime.json").read_text())
    assert value["when"] == {"annotations": {"^io\\.cgshim\\.enable$": "^true$"}}


def test_list_says_what_would_not_run(runc: Path, place: Path) -> None:
    """The runtime was removed: status 1 and the path; before it was all well."""
    _hooks("install", "--dir", place, "--runtime", runc)
    well = _hooks("list", "--dir", place, "--json")
    assert (well.exit_code, [one["problems"] for one in json.loads(well.output)["hooks"]]) == (0, [[], [], []])
    runc.unlink()
    ill = _hooks("list", "--dir", place, "--json")
    found = {one["file"]: one["problems"] for one in json.loads(ill.output)["hooks"]}
    gone = [f"{runc} does not exist"]
    assert (ill.exit_code, found) == (1, dict(zip(ALL, (gone, [], gone))))
    shown = _hooks("list", "--dir", place).output
    assert shown.endswith(
        "".join(f"50-cgshim-{stage}.json: {runc} does not exist\n" for stage in ("createRuntime", "precreate"))
    )


def test_list_knows_the_inline_program_of_version_0_1(runc: Path, place: Path) -> None:
    """Its text does not fit this version's package: the hooks must be installed again, which replaces them."""
    place.mkdir(parents=True)
    inline = {
        "path": "/usr/bin/python3",
        "args": ["cgshim-precreate", "-BIS", "-c", "from shim import hot", "/usr/lib"],
    }
    value = {"version": "1.0.0", "hook": inline, "when": {"always": True}, "stages": ["precreate"]}
    (place / ALL[2]).write_text(json.dumps(value))
    listed = _hooks("list", "--dir", place, "--json")
    again = "written by version 0.1, whose program no longer runs: call `cgshimctl hooks install` again"
    assert (listed.exit_code, json.loads(listed.output)["hooks"][0]["problems"]) == (1, [again])
    _hooks("install", "--dir", place, "--runtime", runc)
    assert _hooks("list", "--dir", place).exit_code == 0


def test_list_of_nothing(place: Path) -> None:
    """No directory: nothing is there, and that is fine."""
    result = _hooks("list", "--dir", place)
    assert (result.exit_code, result.output) == (0, f"no hook of cgshim in {place}\n")


def test_prestart_is_noted_at_prestart(runc: Path, place: Path) -> None:
    """For a runtime that does not know createRuntime the account's note is made at prestart too."""
    _hooks("install", "--dir", place, "--runtime", runc, "--stage", "prestart", "--stage", "poststop")
    assert json.loads((place / "50-cgshim-poststop.json").read_text())["stages"] == ["prestart", "poststop"]


def test_runtime_that_is_none(place: Path, tmp_path: Path) -> None:
    """A hook for a runtime that is not there would refuse every container: nothing is installed."""
    result = _hooks("install", "--dir", place, "--runtime", tmp_path / "nothing")
    assert (result.exit_code, place.exists()) == (3, False)
    assert "[no-runtime]" in result.stderr


def test_pure_shapes() -> None:
    """Objects that are no hooks at all."""
    shapes: tuple[object, ...] = (None, [], {}, {"hook": None}, {"hook": {"args": [1]}}, {"hook": {"args": []}})
    for value in shapes:
        assert not directory.is_ours(value)
        assert directory.needed(value) == []
