"""A file replaced whole or not at all: what it carries, who else is at work, and what dead processes left."""

from __future__ import annotations

import errno
import os
import posix
import signal
import stat
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require, root_problem
from shim.oci import atomic, attribute_calls
from shim.oci.document import identified
from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLD, NEW = b'{"old": true}', b'{"new": true}'
OTHER = 4242  # nobody's uid
FUNCTIONS = ("listxattr", "getxattr", "setxattr", "removexattr")


@pytest.fixture(params=["as it is", "built with musl"])
def python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """This Python, and one whose `posix` has no calls for extended attributes; the tests' `os` keeps its own."""
    if request.param == "built with musl":
        for name in FUNCTIONS:
            monkeypatch.delattr(posix, name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config.json in a bundle of its own."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    path = bundle / "config.json"
    path.write_bytes(OLD)
    return path


def _attributes_problem(place: Path) -> str:
    try:
        os.setxattr(place, "user.cgshim-probe", b"1")
        os.removexattr(place, "user.cgshim-probe")
    except OSError as error:
        return f"{place}: {error.strerror}"
    return ""


def _acl(*entries: tuple[int, int, int]) -> bytes:
    """The value of system.posix_acl_access: version 2, then (tag, permissions, id) of linux/posix_acl_xattr.h."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


USER_OBJ, USER, GROUP_OBJ, MASK, NO_ID = 0x01, 0x02, 0x04, 0x10, 0xFFFFFFFF
# user::rw- user:4242:r-- group::--- mask::r-- other::---
FOR_ONE = _acl((USER_OBJ, 6, NO_ID), (USER, 4, OTHER), (GROUP_OBJ, 0, NO_ID), (MASK, 4, NO_ID), (0x20, 0, NO_ID))


@pytest.mark.usefixtures("python")
def test_access_lists_and_attributes_stay(config: Path) -> None:
    """A file that the group may not read is not readable to it afterwards; the ACL and user.* are the same bytes."""
    require("extended attributes", _attributes_problem(config))
    os.setxattr(config, atomic.ACL, FOR_ONE)
    os.setxattr(config, "user.note", b"\0\xff")
    before = config.stat().st_mode
    assert stat.S_IMODE(before) == 0o640  # the mask stands where the group's bits are
    atomic.replace(str(config), NEW)
    assert config.read_bytes() == NEW
    assert os.getxattr(config, atomic.ACL) == FOR_ONE
    assert os.getxattr(config, "user.note") == b"\0\xff"
    assert config.stat().st_mode == before


@pytest.mark.usefixtures("python")
def test_security_labels_stay(config: Path) -> None:
    """A label of a security module is carried where the file system keeps one, module or not."""
    require("root", root_problem())
    require("extended attributes", _attributes_problem(config))
    label = b"system_u:object_r:container_file_t:s0:c1,c2\0"
    try:
        os.setxattr(config, "security.selinux", label)
    except OSError as error:
        require("security.selinux", f"{config}: {error.strerror}")
    atomic.replace(str(config), NEW)
    assert os.getxattr(config, "security.selinux") == label


@pytest.mark.usefixtures("python")
def test_an_inherited_access_list_goes(config: Path) -> None:
    """The directory's default ACL gives every new file an entry; the file that is replaced had none."""
    require("extended attributes", _attributes_problem(config))
    config.chmod(0o640)
    os.setxattr(config.parent, "system.posix_acl_default", FOR_ONE)
    atomic.replace(str(config), NEW)
    assert atomic.ACL not in os.listxattr(config)
    assert stat.S_IMODE(config.stat().st_mode) == 0o640


def test_another_file_in_its_place_is_not_touched(config: Path, tmp_path: Path) -> None:
    """What was made for the file that was read is not written over another."""
    _, identity = identified(str(config))
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    config.unlink()
    config.symlink_to(victim)
    with pytest.raises(OSError, match="another file has taken its place") as caught:
        atomic.replace(str(config), NEW, identity)
    assert caught.value.errno == errno.ESTALE
    assert victim.read_bytes() == b"precious"
    assert os.listdir(config.parent) == ["config.json"]


def test_a_name_that_changes_at_the_last_moment(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Between the writing and the rename: seen; and the victim is safe, for rename(2) follows no link."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    real = posix.fsync

    def flip(handle: int) -> None:
        real(handle)
        config.unlink()
        config.symlink_to(victim)

    monkeypatch.setattr(posix, "fsync", flip)
    with pytest.raises(OSError, match="another file has taken its place"):
        atomic.replace(str(config), NEW)
    assert victim.read_bytes() == b"precious"
    assert os.listdir(config.parent) == ["config.json"]


def test_a_link_of_another_user_is_not_followed(config: Path, tmp_path: Path) -> None:
    """As fs.protected_symlinks has it: a link of the target's owner, of root or of the caller leads on."""
    require("root", root_problem())
    link = tmp_path / "config.json"
    link.symlink_to(config)
    os.chown(link, OTHER, OTHER, follow_symlinks=False)
    with pytest.raises(PermissionError):
        atomic.replace(str(link), NEW)
    assert config.read_bytes() == OLD
    os.chown(config, OTHER, OTHER)
    atomic.replace(str(link), NEW)
    assert (config.read_bytes(), config.stat().st_uid) == (NEW, OTHER)


FLIP = """
import os, sys
bundle, victim = sys.argv[1:]
os.setuid(4242)
print("ready", flush=True)
while True:
    os.symlink(victim, bundle + "/link"); os.rename(bundle + "/link", bundle + "/config.json")
    with open(bundle + "/own", "w") as file:
        file.write('{"old": true}')
    os.rename(bundle + "/own", bundle + "/config.json")
"""


def test_an_owner_who_flips_a_link_all_the_time(config: Path, tmp_path: Path) -> None:
    """The bundle's owner turns config.json into a link to another file and back while root replaces it."""
    require("root", root_problem())
    for place in (tmp_path, *list(tmp_path.parents)[:2]):
        place.chmod(0o755)
    victim = tmp_path / "victim"
    victim.write_bytes(OLD)
    os.chown(config.parent, OTHER, OTHER)
    os.chown(config, OTHER, OTHER)
    before = victim.stat()
    argv = [sys.executable, "-IS", "-c", FLIP, str(config.parent), str(victim)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        end, tried = time.monotonic() + 3, 0
        while time.monotonic() < end:
            tried += 1
            try:
                _, identity = identified(str(config))
                atomic.replace(str(config), NEW, identity)
            except OSError:
                continue
        process.kill()
    assert tried > 50
    now = victim.stat()
    assert (victim.read_bytes(), now.st_ino, now.st_mtime_ns) == (OLD, before.st_ino, before.st_mtime_ns)


def test_what_dead_processes_left_is_removed(config: Path) -> None:
    """Temporary files of processes that are gone go with the next call; a living one's and others' files stay."""
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    names = [f".config.json.cgshim-{number}" for number in (dead.pid, "x", 1)] + [".other.cgshim-999999999", "log.json"]
    for name in names:
        (config.parent / name).write_text("")
    atomic.replace(str(config), NEW)
    assert sorted(os.listdir(config.parent)) == sorted([*names[1:], "config.json"])


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from shim.oci import atomic
print("ready", flush=True)
while True:
    atomic.replace(sys.argv[2], b"x" * 300000)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_signals_leave_one_file_at_most_and_the_next_call_none(config: Path, number: signal.Signals) -> None:
    """Whenever the signal comes, nothing piles up."""
    for times in range(1, 9):
        with subprocess.Popen(
            [sys.executable, "-IS", "-c", KILLED, str(ROOT), str(config)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(times / 100)
            process.send_signal(number)
        assert len(os.listdir(config.parent)) <= 2
    atomic.replace(str(config), NEW)
    assert os.listdir(config.parent) == ["config.json"]


def test_a_new_file_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    """Whatever the umask; and one that takes after another file has that one's, if it is there."""
    before = os.umask(0o077)
    try:
        atomic.put(str(tmp_path / "a"), NEW, mode=0o644)
        (tmp_path / "model").write_bytes(OLD)
        (tmp_path / "model").chmod(0o751)
        atomic.put(str(tmp_path / "b"), NEW, like=str(tmp_path / "model"))
        atomic.put(str(tmp_path / "c"), NEW, mode=0o600, like=str(tmp_path / "absent"))
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "abc"] == [0o644, 0o751, 0o600]


def test_a_write_that_takes_nothing_is_an_error(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No endless loop where write(2) says 0."""
    monkeypatch.setattr(posix, "write", lambda _handle, _data: 0)
    with pytest.raises(OSError, match="nothing was written"):
        atomic.replace(str(config), NEW)
    assert (config.read_bytes(), os.listdir(config.parent)) == (OLD, ["config.json"])


def test_what_somebody_else_has_removed_by_then(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner of a directory may be quicker in cleaning up; the error is the write's, not that of the cleaning."""

    def fsync(handle: int) -> None:
        os.unlink(f"{config.parent}/.config.json.cgshim-{os.getpid()}")
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(posix, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error") as failed:
        atomic.replace(str(config), NEW)
    assert failed.value.errno == errno.EIO
    assert (config.read_bytes(), os.listdir(config.parent)) == (OLD, ["config.json"])


def _opened(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


@pytest.mark.parametrize("file", [str, _opened])
def test_attributes_without_the_calls_of_python(config: Path, file: Callable[[str], int | str]) -> None:
    """The functions that stand in for those of `posix` do and raise the same."""
    require("extended attributes", _attributes_problem(config))
    opened = file(str(config))
    os.setxattr(config, "user.one", b"\0\xff")
    attribute_calls.setxattr(opened, "user.two", b"")
    assert sorted(attribute_calls.listxattr(opened)) == sorted(os.listxattr(config))
    assert {"user.one", "user.two"} <= set(os.listxattr(config))
    assert (attribute_calls.getxattr(opened, "user.one"), os.getxattr(config, "user.two")) == (b"\0\xff", b"")
    attribute_calls.removexattr(opened, "user.one")
    assert "user.one" not in os.listxattr(config)
    with pytest.raises(OSError, match=os.strerror(errno.ENODATA)) as failed:
        attribute_calls.getxattr(opened, "user.one")
    assert (failed.value.errno, failed.value.filename) == (errno.ENODATA, opened)


@pytest.mark.parametrize(("number", "fine"), [(errno.EOPNOTSUPP, True), (errno.EIO, False)])
def test_a_file_system_without_attributes(
    config: Path, monkeypatch: pytest.MonkeyPatch, number: int, fine: bool
) -> None:
    """There is nothing to carry over then; any other error may hide an access list, so nothing is written."""

    def listxattr(file: object) -> list[str]:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(posix, "listxattr", listxattr)
    if fine:
        atomic.replace(str(config), NEW)
    else:
        with pytest.raises(OSError, match="Input/output error"):
            atomic.replace(str(config), NEW)
    assert (config.read_bytes(), os.listdir(config.parent)) == (NEW if fine else OLD, ["config.json"])


def test_an_attribute_that_is_there_already(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file may have inherited it; it is not set again, which a security module could refuse."""
    monkeypatch.setattr(posix, "listxattr", lambda file: ["security.x", "user.y"])
    monkeypatch.setattr(
        posix, "getxattr", lambda file, name: b"same" if name == "security.x" else str(type(file)).encode()
    )
    written: list[tuple[str, bytes]] = []
    monkeypatch.setattr(posix, "setxattr", lambda file, name, value: written.append((name, value)))
    atomic.replace(str(config), NEW)
    assert written == [("user.y", b"<class 'str'>")]


def test_a_directory_that_cannot_be_listed() -> None:
    """Cleaning up is never worth an error."""
    handle = os.open("/dev/null", os.O_RDONLY)
    atomic.clean(handle)
    os.close(handle)


def test_a_directory_that_cannot_be_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every file system can (fsync(2), EINVAL); the file is in its place in any case."""
    flushed: list[bool] = []

    def fsync(handle: int) -> None:
        flushed.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        if flushed[-1]:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(posix, "fsync", fsync)
    atomic.put(str(tmp_path / "new"), NEW)
    assert ((tmp_path / "new").read_bytes(), flushed) == (NEW, [False, True])
