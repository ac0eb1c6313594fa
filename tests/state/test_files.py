"""The state directory: where it is, whose it must be, and what another user cannot make of it."""

from __future__ import annotations

import os
import posix
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require, root_problem
from shim.call import stand_in
from shim.errors import ShimError
from shim.oci.document import load
from shim.state import files
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

OTHER = 4242  # nobody's uid


@pytest.mark.parametrize(
    ("uid", "environment", "there", "expected"),
    [
        (0, {}, ("/run",), "/run/cgshim"),
        (0, {"XDG_RUNTIME_DIR": "/run/user/1000"}, ("/run", "/run/user/1000"), "/run/cgshim"),
        (0, {"_CONTAINERS_ROOTLESS_UID": "1000"}, ("/run", "/run/user/1000"), "/run/user/1000/cgshim"),
        (1000, {"XDG_RUNTIME_DIR": "/x"}, ("/x", "/run/user/1000"), "/x/cgshim"),
        (1000, {"XDG_RUNTIME_DIR": "x"}, ("x", "/run/user/1000"), "/run/user/1000/cgshim"),
        (1000, {"XDG_RUNTIME_DIR": "/gone"}, ("/run/user/1000",), "/run/user/1000/cgshim"),
        (1000, {}, ("/run/user/1000",), "/run/user/1000/cgshim"),
        (1000, {"XDG_STATE_HOME": "/s", "HOME": "/home/u"}, ("/home/u",), "/s/cgshim"),
        (1000, {"HOME": "/home/u"}, ("/home/u",), "/home/u/.local/state/cgshim"),
        (1000, {"HOME": "/nonexistent"}, ("/tmp",), ""),
        (1000, {"CGSHIM_STATE": "/y"}, (), "/y"),
        (1000, {"CGSHIM_STATE": "y", "HOME": "/home/u"}, ("/home/u",), "/home/u/.local/state/cgshim"),
    ],
)
def test_which_directory_it_is(
    monkeypatch: pytest.MonkeyPatch, uid: int, environment: dict[str, str], there: tuple[str, ...], expected: str
) -> None:
    """root's is /run/cgshim; a user's is below what the session or the home directory gives; never below /tmp."""
    monkeypatch.setattr(posix, "geteuid", lambda: uid)
    monkeypatch.setattr(files, "outer_user", lambda: 1000)
    monkeypatch.setattr(posix, "access", lambda path, _: path in there)
    monkeypatch.setattr(files, "isdir", lambda path: path in there)
    assert files.directory(environment) == expected


def test_no_directory_at_all(tmp_path: Path) -> None:
    """Nothing is kept and nothing read where there is none; a bundle that cannot be written is refused."""
    assert files.read("", "a.json") is None
    assert files.names("") == []
    with pytest.raises(FileNotFoundError):
        files.write("", "a.json", {})
    place = stand_in.path_of("", "/run/runc", "c")
    with pytest.raises(ShimError) as refused:
        stand_in.make(load("{}", "c"), "{}", str(tmp_path), place)
    assert refused.value.code == "unwritable-bundle"
    assert refused.value.evidence == (f"{place}: ENOENT, {files.NOWHERE}",)
    assert any("CGSHIM_STATE" in step for step in refused.value.remedy)


def test_what_is_made_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Every level that is missing, and the file."""
    place = tmp_path / "a" / "b"
    before = os.umask(0)
    try:
        files.write(str(place), "x.json", {"n": 1})
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (place.parent, place, place / "x.json")] == [0o700, 0o700, 0o600]
    assert files.read(str(place), "x.json") == {"n": 1}


@pytest.mark.parametrize("level", ["a", "a/b", "a/b/c"])
def test_another_users_level_is_not_used(tmp_path: Path, level: str) -> None:
    """Whichever it is: nothing is read, written, listed or removed below it."""
    require("root", root_problem())
    place = tmp_path / "a" / "b" / "c"
    files.write(str(place), "x.json", {"n": 1})
    os.chown(tmp_path / level, OTHER, OTHER)
    with pytest.raises(PermissionError) as refused:
        files.write(str(place), "y.json", {})
    assert refused.value.filename == str(tmp_path / level)
    assert (files.read(str(place), "x.json"), files.names(str(place))) == (None, [])
    files.drop(str(place), "x.json")
    assert os.listdir(place) == ["x.json"]


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o720])
def test_a_directory_that_others_may_write_to(tmp_path: Path, mode: int) -> None:
    """Shared ones least of all: the sticky bit saves what is in /tmp, but anybody may put files there."""
    place = tmp_path / "shared"
    place.mkdir()
    place.chmod(mode)
    os.chown(place, -1, OTHER) if os.geteuid() == 0 else None
    with pytest.raises(PermissionError, match="others may write to it"):
        files.write(str(place), "x.json", {})
    if mode == 0o1777:
        (place / "own").mkdir(mode=0o700)
        files.write(str(place / "own"), "x.json", {})
        with pytest.raises(FileNotFoundError):  # in a shared directory nothing is made
            files.write(str(place / "missing"), "x.json", {})


def test_links_of_ones_own_are_followed(tmp_path: Path) -> None:
    """/var/run and moved home directories are links; a circle of them ends."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "absolute").symlink_to(tmp_path / "link")
    files.write(str(tmp_path / "absolute" / "x"), "x.json", {"n": 1})
    assert files.read(str(tmp_path / "real" / "x"), "x.json") == {"n": 1}
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OSError, match="too many symbolic links"):
        files.opened(str(tmp_path / "one"))


def test_links_of_others_are_not_followed(tmp_path: Path) -> None:
    """Neither a level that is one, nor a file."""
    require("root", root_problem())
    files.write(str(tmp_path / "real"), "x.json", {"n": 1})
    (tmp_path / "link").symlink_to("real")
    os.chown(tmp_path / "link", OTHER, OTHER, follow_symlinks=False)
    assert files.read(str(tmp_path / "link"), "x.json") is None
    (tmp_path / "real" / "y.json").symlink_to("x.json")
    assert files.read(str(tmp_path / "real"), "y.json") is None


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A FIFO blocks nobody, a directory and a huge file are nothing."""
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "directory.json").mkdir()
    (tmp_path / "huge.json").touch()
    os.truncate(tmp_path / "huge.json", 1 << 40)
    assert [files.read(str(tmp_path), f"{name}.json") for name in ("fifo", "directory", "huge")] == [None] * 3


PLANTED = """
import os, sys
base, victim = sys.argv[1:]
os.setgid(4242); os.setuid(4242)
os.makedirs(base + "/bundles")
os.symlink(victim, base + "/bundles/run-runc")
"""


def test_a_planted_directory_makes_root_remove_nothing(tmp_path: Path) -> None:
    """Another user makes the state directory first, with a link in it to a directory of root's."""
    require("root", root_problem())
    shared, victim = tmp_path / "shared", tmp_path / "victim"
    for place in (tmp_path, *list(tmp_path.parents)[:2]):
        place.chmod(0o755)
    shared.mkdir()
    shared.chmod(0o1777)
    for name in ("config.json", "creator"):
        (victim / "web").mkdir(parents=True, exist_ok=True)
        (victim / "web" / name).write_text("999999999")
    state = shared / "cgshim-0"
    subprocess.run([sys.executable, "-IS", "-c", PLANTED, str(state), str(victim)], check=True)
    assert state.stat().st_uid == OTHER
    stand_in.discard_stale(str(state), "/run/runc")
    stand_in.discard(str(state / "bundles" / "run-runc" / "web"))
    assert sorted(os.listdir(victim / "web")) == ["config.json", "creator"]
    with pytest.raises(ShimError):
        stand_in.make(load("{}", "c"), "{}", "/b", stand_in.path_of(str(state), "/run/runc", "web"))
    assert (victim / "web" / "config.json").read_text() == "999999999"


def test_a_link_among_the_stand_ins_leads_nowhere(tmp_path: Path) -> None:
    """An entry of the directory that is a link is not gone into."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "config.json").write_text("precious")
    place = tmp_path / "state" / "bundles" / "run-runc"
    place.mkdir(parents=True, mode=0o700)
    (place / "gone").symlink_to(victim)
    stand_in.discard_stale(str(tmp_path / "state"), "/run/runc")
    assert (victim / "config.json").read_text() == "precious"


NOBODY = """
import os, sys
os.setgid(65534); os.setuid(65534)
os.mkdir(sys.argv[1])
"""


def test_nobodys_directory_is_not_roots(tmp_path: Path) -> None:
    """65534 is root's number only inside a user namespace in which root has none."""
    require("root", root_problem())
    with open("/proc/self/uid_map", encoding="ascii") as file:
        require("initial user namespace", "" if file.read().split() == ["0", "0", "4294967295"] else "another one")
    tmp_path.chmod(0o1777)
    for place in list(tmp_path.parents)[:2]:
        place.chmod(0o755)
    subprocess.run([sys.executable, "-IS", "-c", NOBODY, str(tmp_path / "theirs")], check=True)
    with pytest.raises(PermissionError, match="belongs to another user"):
        files.opened(str(tmp_path / "theirs"))


INSIDE = """
import sys
sys.path.insert(0, sys.argv[1])
from shim.state import files
files.write(sys.argv[2], "x.json", {"n": 1})
print(files.read(sys.argv[2], "x.json"))
"""


def test_inside_a_user_namespace(tmp_path: Path) -> None:
    """As rootless podman has it: our own uid is 0 there, and the directories above are nobody's."""
    require("root", root_problem())
    place = tmp_path / "own"
    place.mkdir(mode=0o700)
    os.chown(place, OTHER, OTHER)
    for above in (tmp_path, *list(tmp_path.parents)[:2]):
        above.chmod(0o755)
    drop = f"import os; os.setgid({OTHER}); os.setuid({OTHER}); "
    inside = ["unshare", "--user", "--map-root-user", sys.executable, "-IS", "-c", INSIDE, str(ROOT), str(place)]
    program = drop + f"os.execvp('unshare', {inside!r})"
    probe = drop + "os.execvp('unshare', ['unshare', '-Ur', 'true'])"
    tried = subprocess.run([sys.executable, "-IS", "-c", probe], check=False)
    require("user namespaces", "" if tried.returncode == 0 else "unshare -Ur fails for a user")
    done = subprocess.run([sys.executable, "-IS", "-c", program], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{'n': 1}\n", "")


def test_what_killed_calls_left_among_many_goes(tmp_path: Path) -> None:
    """Each of these files has a name of its own, so no later write would come upon the half of one; the living stay."""
    place = tmp_path / "state" / "failures"
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    files.write(str(place), "1.json", {}, 2)
    (place / f".2.json.cgshim-{dead.pid}").write_text("{")
    (place / f".3.json.cgshim-{os.getpid()}").write_text("{")
    (place / ".other").write_text("")
    files.write(str(place), "4.json", {}, 2)
    assert sorted(os.listdir(place)) == [f".3.json.cgshim-{os.getpid()}", ".other", "1.json", "4.json"]
