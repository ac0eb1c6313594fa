"""What stands in for `os` and `os.path`: the same answers, for anything that a path may be."""

from __future__ import annotations

import errno
import os
import posix
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shim import system
from tests.syntax import ROOT

# Paths that have all the parts that matter, far more often than random text has.
PARTS = st.sampled_from(["/", "/", "//", ".", "..", "a", "b c", "...", ".a", "\udcff", "é"])
PATHS = st.lists(PARTS, max_size=8).map("".join)


@pytest.mark.property
@given(PATHS)
@example("")
@example("//")
@example("///..")
@example("../..//a/./b/../..")
def test_path_functions_answer_as_os_path(path: str) -> None:
    """Of one path: base name, directory, normal and absolute form."""
    assert system.basename(path) == os.path.basename(path)
    assert system.dirname(path) == os.path.dirname(path)
    assert system.normpath(path) == os.path.normpath(path)
    assert system.abspath(path) == os.path.abspath(path)


@pytest.mark.property
@given(PATHS, st.lists(PATHS, max_size=3))
def test_join_answers_as_os_path(path: str, more: list[str]) -> None:
    """Of any number of parts, empty and absolute ones among them."""
    assert system.join(path, *more) == os.path.join(path, *more)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A file, a directory, a FIFO, links to each and to nothing, and a loop."""
    (tmp_path / "file").write_text("")
    (tmp_path / "directory" / "below").mkdir(parents=True)
    os.mkfifo(tmp_path / "fifo")
    for name in ("file", "directory", "fifo", "nothing", "loop"):
        (tmp_path / f"to-{name}").symlink_to(name if name != "loop" else "to-loop")
    (tmp_path / "directory" / "up").symlink_to("../to-directory/below")
    return tmp_path


def test_content_is_what_open_reads(tmp_path: Path) -> None:
    """Of regular files of any size, and of the kernel's, which say that they have none."""
    for size in (0, 1, 65536, 65537, 300_000):
        (tmp_path / "file").write_bytes(os.urandom(size))
        assert system.content(str(tmp_path / "file")) == (tmp_path / "file").read_bytes()
    environment = {"LONG": "x" * 100_000}
    program = "import sys; sys.path.insert(0, sys.argv[1]); from shim import system\n"
    program += "print(system.content('/proc/self/environ') == open('/proc/self/environ', 'rb').read() != b'')"
    argv = [sys.executable, "-IS", "-c", program, str(ROOT)]
    assert subprocess.run(argv, check=True, env=environment, capture_output=True, text=True).stdout == "True\n"


def test_content_has_an_end(tmp_path: Path) -> None:
    """A FIFO blocks nobody, a device is not read, /dev/null is empty, and of a file there is a most."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "file").write_bytes(b"x" * 1000)
    for name in ("fifo", "zero"):
        with pytest.raises(OSError, match="not a regular file") as caught:
            system.content(str(tmp_path / name))
        assert caught.value.errno == errno.EINVAL
    assert system.content(str(tmp_path / "null")) == b""
    assert system.content(str(tmp_path / "file"), 1000) == b"x" * 1000
    with pytest.raises(OSError, match="more than 999 bytes") as caught:
        system.content(str(tmp_path / "file"), 999)
    assert caught.value.errno == errno.EFBIG
    with pytest.raises(OSError, match="more than 2 bytes"):  # of the kernel's own files no size is known before
        system.content("/proc/self/stat", 2)


@pytest.mark.parametrize("now", [0, 999, 1000, 1001, 200_000])
def test_content_of_a_file_that_changes_meanwhile(tmp_path: Path, now: int) -> None:
    """What fstat(2) said a moment ago does not cut what is read."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    handle = os.open(path, os.O_RDONLY)
    try:
        status = os.fstat(handle)
        path.write_bytes(os.urandom(now))
        assert system.everything(handle, status, str(path)) == path.read_bytes()
    finally:
        os.close(handle)


@pytest.mark.parametrize("name", ["nothing", "directory", "to-loop", "file/below"])
def test_content_that_cannot_be_read(tree: Path, name: str) -> None:
    """The same error that open() raises."""
    with pytest.raises(OSError) as expected:  # noqa: PT011 # which of its kinds is the question
        (tree / name).read_bytes()
    with pytest.raises(type(expected.value)) as caught:
        system.content(str(tree / name))
    assert caught.value.errno == expected.value.errno


NAMES = [
    *("file", "directory", "fifo", "to-file", "to-directory", "to-fifo", "to-nothing", "to-loop", "nothing"),
    *("directory/up", "to-directory/up/..", "to-directory/../file", "file/below", "a\0b", "", "."),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_kinds_are_those_of_os_path(tree: Path, name: str) -> None:
    """What is there, with links followed, loops and impossible names included."""
    path = f"{tree}/{name}"
    asked: list[tuple[Callable[[str], bool], Callable[[str], bool]]] = [
        (system.exists, os.path.exists),
        (system.isdir, os.path.isdir),
        (system.isfile, os.path.isfile),
    ]
    assert [own(path) for own, _ in asked] == [theirs(path) for _, theirs in asked]


@pytest.mark.parametrize("name", ["file", "to-file", "to-directory/up", "to-directory/up/..", "to-fifo", "."])
def test_realpath_of_what_there_is(tree: Path, name: str) -> None:
    """Every link on the way is resolved, and a FIFO blocks nobody."""
    assert system.realpath(f"{tree}/{name}") == os.path.realpath(f"{tree}/{name}")


@pytest.mark.parametrize("name", ["nothing", "to-nothing", "to-loop", "file/below"])
def test_realpath_of_nothing_is_the_path_itself(tree: Path, name: str) -> None:
    """No error: whoever uses the path next gets the kernel's own."""
    assert system.realpath(f"{tree}/{name}") == f"{tree}/{name}"


ENVIRONMENT = """
import os, sys
sys.path.insert(0, sys.argv[1])
from shim import system
assert system.environment() == dict(os.environ), (system.environment(), os.environ)
text = system.environment()["BYTES"]
assert system.fsencode(text) == os.fsencode(text) == b"\\xff\\xc3\\xa9=", text
"""


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
def test_environment_is_that_of_os(locale: str) -> None:
    """Every byte of it, whatever the locale."""
    variables = {b"BYTES": b"\xff\xc3\xa9=", b"EMPTY": b"", b"LC_ALL": locale.encode()}
    argv = [sys.executable, "-IS", "-c", ENVIRONMENT, str(ROOT)]
    done = subprocess.run(argv, check=False, env=variables, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_environment_of_a_running_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the program itself has set is there; changing the answer changes nothing."""
    monkeypatch.setenv("CGSHIM_STATE", "/somewhere")
    found = system.environment()
    found["CGSHIM_STATE"] = "/elsewhere"
    assert system.environment()["CGSHIM_STATE"] == "/somewhere"


@pytest.mark.parametrize("memfd", [True, False])
@pytest.mark.parametrize("inheritable", [True, False])
def test_file_without_a_path(monkeypatch: pytest.MonkeyPatch, memfd: bool, inheritable: bool) -> None:
    """What Python 3.7 has instead of memfd_create(2) can be opened through /proc, too, and no directory shows it."""
    if not memfd:
        monkeypatch.delattr(posix, "memfd_create", raising=False)
    handle = system.memory_file("x", inheritable=inheritable)
    try:
        assert os.get_inheritable(handle) is inheritable
        os.write(handle, b"text")
        with open(f"/proc/self/fd/{handle}", "rb") as again:
            assert again.read() == b"text"
        assert os.fstat(handle).st_nlink == 0
    finally:
        os.close(handle)


def test_no_file_without_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error is the last directory's own."""
    monkeypatch.delattr(posix, "memfd_create", raising=False)
    monkeypatch.setattr(system, "NAMELESS", (str(tmp_path / "none"),))
    with pytest.raises(FileNotFoundError):
        system.memory_file("x")


@pytest.mark.parametrize("known", [True, False])
def test_pidfd(monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    """What Python 3.8 has instead of pidfd_open(2) is a descriptor of that process, or the kernel's error."""
    if not known:
        monkeypatch.delattr(posix, "pidfd_open", raising=False)
    handle = system.pidfd_open(os.getpid())
    try:
        assert f"Pid:\t{os.getpid()}\n" in Path(f"/proc/self/fdinfo/{handle}").read_text()
        assert not os.get_inheritable(handle)
    finally:
        os.close(handle)
    with pytest.raises(ProcessLookupError):
        system.pidfd_open(2**22 + 1)  # above the kernel's PID_MAX_LIMIT
