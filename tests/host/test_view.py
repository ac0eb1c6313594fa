"""The reader: real files, absent ones, look-alikes and things that must not block."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from shim.host.view import View, quote


def test_text_is_read_below_the_root(tmp_path: Path) -> None:
    """Paths are the host's; the root is put before them."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/swaps").write_text("Filename\n")
    assert View(str(tmp_path)).text("/proc/swaps") == "Filename\n"


def test_absent_file_keeps_its_errno(tmp_path: Path) -> None:
    """None, and the reason for the evidence."""
    view = View(str(tmp_path))
    assert view.text("/proc/swaps") is None
    assert view.errors == {"/proc/swaps": errno.ENOENT}
    assert view.why("/proc/swaps") == "/proc/swaps: ENOENT"


def test_a_directory_is_not_text(tmp_path: Path) -> None:
    """Reading a directory fails with its errno."""
    (tmp_path / "a").mkdir()
    view = View(str(tmp_path))
    assert view.text("/a") is None
    assert view.why("/a") == "/a: EISDIR"


def test_not_looked_at_is_said(tmp_path: Path) -> None:
    """`why` of a path that was never accessed invents no errno."""
    assert View(str(tmp_path)).why("/x") == "/x: not looked at"


def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    """A FIFO without a writer under a well-known name is told apart at once, and is not read."""
    os.mkfifo(tmp_path / "swaps")
    view = View(str(tmp_path))
    assert view.text("/swaps") is None
    assert view.why("/swaps") == "/swaps: EINVAL"


def test_a_device_that_never_ends(tmp_path: Path) -> None:
    """A link to /dev/zero is not one of the kernel's files; nothing of it is read."""
    (tmp_path / "swaps").symlink_to("/dev/zero")
    view = View(str(tmp_path))
    assert view.text("/swaps") is None
    assert view.why("/swaps") == "/swaps: EINVAL"


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    """32 MiB are the most that is read of one file; a sparse gigabyte costs nothing."""
    (tmp_path / "mountinfo").touch()
    os.truncate(tmp_path / "mountinfo", 1 << 30)
    view = View(str(tmp_path))
    assert view.text("/mountinfo") is None
    assert view.why("/mountinfo") == "/mountinfo: EFBIG"


def test_bytes_that_are_no_text_survive(tmp_path: Path) -> None:
    """Undecodable bytes neither raise nor vanish."""
    (tmp_path / "x").write_bytes(b"a\xffb")
    text = View(str(tmp_path)).text("/x")
    assert text is not None
    assert text.encode("utf-8", "surrogateescape") == b"a\xffb"


def test_long_files_are_read_whole(tmp_path: Path) -> None:
    """More than one read(2): a mountinfo of a thousand mounts."""
    (tmp_path / "x").write_text("0123456789" * 20_000)
    assert len(View(str(tmp_path)).text("/x") or "") == 200_000


def test_a_regular_file_is_not_the_kernels(tmp_path: Path) -> None:
    """Same name, same content, but a size: somebody put it there."""
    (tmp_path / "cgroup.stat").write_text("nr_descendants 0\n")
    view = View(str(tmp_path))
    assert view.text("/cgroup.stat") == "nr_descendants 0\n"
    assert not view.kernel_file("/cgroup.stat")


def test_an_empty_file_proves_nothing(tmp_path: Path) -> None:
    """Size 0 without content is an ordinary empty file."""
    (tmp_path / "cgroup.stat").touch()
    assert not View(str(tmp_path)).kernel_file("/cgroup.stat")


def test_a_link_to_a_kernel_file_elsewhere_is_no_interface_file(tmp_path: Path) -> None:
    """The content is the kernel's, but the file is not on its directory's device."""
    (tmp_path / "cgroup.stat").symlink_to("/proc/self/stat")
    view = View(str(tmp_path))
    assert view.text("/cgroup.stat")
    assert not view.kernel_file("/cgroup.stat")


def test_a_kernel_file_is_one() -> None:
    """procfs behaves as kernfs does: size 0 and content."""
    assert View().kernel_file("/proc/self/stat")
    assert os.stat("/proc/self/stat").st_size == 0


def test_identity_is_stat(tmp_path: Path) -> None:
    """Device, inode and size as stat(2) says."""
    (tmp_path / "x").write_text("abc")
    found, real = View(str(tmp_path)).identity("/x"), os.stat(tmp_path / "x")
    assert found is not None
    assert (found.device, found.inode, found.size, found.directory) == (real.st_dev, real.st_ino, 3, False)


def test_first_child_is_a_directory(tmp_path: Path) -> None:
    """Files and links to directories are passed over."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/")
    (tmp_path / "child").mkdir()
    assert View(str(tmp_path)).first_child("/") == "child"
    assert View(str(tmp_path)).first_child("/child") is None
    assert View(str(tmp_path)).first_child("/absent") is None


def test_device_numbers() -> None:
    """mountinfo's spelling to stat's number; -1 for what is none."""
    assert View().device("0:28") == os.makedev(0, 28)
    assert View().device("x") == -1


@pytest.mark.parametrize(
    ("content", "line"),
    [("a b\n", "/f: a b"), ("a  b\nc\n", "/f: a b | c"), ("", "/f: empty"), ("\n", "/f: empty")],
)
def test_quoted_evidence_is_one_line(content: str, line: str) -> None:
    """`path: content`, lines joined, white space folded."""
    assert quote("/f", content) == line
