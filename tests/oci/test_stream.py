"""Resources from a pipe, a terminal or a device: read once, with an end in bytes and in time."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from shim.errors import ShimError
from shim.oci import document, stream

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_pipe_gives(tmp_path: Path) -> None:
    """All of it, also where the writer comes late and writes in pieces."""
    os.mkfifo(tmp_path / "fifo")

    def late() -> None:
        time.sleep(0.2)
        with open(tmp_path / "fifo", "wb", buffering=0) as file:
            for part in (b'{"pids":', b'{"limit":5}', b"}"):
                file.write(part)
                time.sleep(0.1)

    writer = threading.Thread(target=late)
    writer.start()
    assert document.read(str(tmp_path / "fifo"), stream=True) == '{"pids":{"limit":5}}'
    writer.join()


def test_a_pipe_that_is_open_already() -> None:
    """As a shell's `<(command)` gives it: /dev/fd/N."""
    reader, writer = os.pipe()
    os.write(writer, b"{}")
    os.close(writer)
    assert document.read(f"/dev/fd/{reader}", stream=True) == "{}"
    os.close(reader)


@pytest.mark.parametrize("writes", [False, True])
def test_a_fifo_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, writes: bool) -> None:
    """Whether nobody writes or somebody never ends: one error, with what came and how long was waited."""
    monkeypatch.setattr(stream, "PATIENCE", 0.3)
    os.mkfifo(tmp_path / "fifo")
    writer = os.open(tmp_path / "fifo", os.O_RDWR) if writes else -1
    if writes:
        os.write(writer, b"{}")
    start = time.monotonic()
    with pytest.raises(ShimError) as refused:
        document.read(str(tmp_path / "fifo"), stream=True)
    assert time.monotonic() - start < 3
    assert refused.value.code == "unreadable-file"
    assert refused.value.evidence == (f"{tmp_path}/fifo: {2 if writes else 0} bytes, and no end",)
    if writes:
        os.close(writer)


def test_more_than_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that never ends, and a pipe with too much in it."""
    monkeypatch.setattr(stream, "LARGEST", 100_000)
    monkeypatch.setattr(document, "OF_STREAMS", 100_000)
    (tmp_path / "resources.json").symlink_to("/dev/zero")
    reader, writer = os.pipe()

    def feed() -> None:
        os.write(writer, b"x" * 150_000)
        os.close(writer)

    feeding = threading.Thread(target=feed, daemon=True)
    feeding.start()
    for path in (str(tmp_path / "resources.json"), f"/dev/fd/{reader}"):
        with pytest.raises(ShimError) as refused:
            document.read(path, stream=True)
        assert refused.value.what == f"{path} is not a usable OCI configuration: it has more than 100000 bytes"
    os.read(reader, 150_000)
    feeding.join()
    os.close(reader)


@pytest.mark.parametrize(
    ("kind", "path", "code", "what"),
    [
        ("fifo", "config.json", "bad-bundle", "is a FIFO, not a regular file"),
        ("fifo", "resources.json", "unreadable-file", "is a FIFO, not a regular file"),
        ("/dev/zero", "config.json", "bad-bundle", "is a character device, not a regular file"),
    ],
)
def test_a_file_that_is_read_twice_must_be_one(tmp_path: Path, kind: str, path: str, code: str, what: str) -> None:
    """The runtime reads config.json after us: what is read only once is refused, at once."""
    place = tmp_path / path
    os.mkfifo(place) if kind == "fifo" else place.symlink_to(kind)
    with pytest.raises(ShimError) as refused:
        document.read(str(place))
    assert (refused.value.code, refused.value.what) == (code, f"{place} {what}")


def test_standard_input_has_an_end() -> None:
    """More than the budget is refused by name; what fits is read whole."""
    for size, refused in ((1000, False), (1001, True)):
        reader, writer = os.pipe()
        os.write(writer, b"x" * size)
        os.close(writer)
        kept = os.dup(0)
        os.dup2(reader, 0)
        try:
            if refused:
                with pytest.raises(ShimError, match="standard input is not a usable OCI configuration"):
                    document.standard_input("standard input", 1000)
            else:
                assert document.standard_input("standard input", 1000) == "x" * size
        finally:
            os.dup2(kept, 0)
            os.close(kept)
            os.close(reader)


def test_a_terminal_is_waited_for() -> None:
    """Whoever types has as long as the runtime allows: a read that finds nothing yet is no end and no error."""
    master, slave = os.openpty()
    os.set_blocking(slave, False)
    typed = threading.Timer(0.2, os.write, (master, b"{}\n\x04"))
    typed.start()
    try:
        assert stream.drained(slave, "standard input") == b"{}\n"
    finally:
        typed.join()
        os.close(master)
        os.close(slave)
