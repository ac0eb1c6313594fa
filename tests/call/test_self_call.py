"""A runtime that leads back to cgshim is refused before anything is read or written."""

from __future__ import annotations

import os
import posix
import subprocess
from typing import TYPE_CHECKING

import pytest

from shim.call import self_call
from shim.errors import ShimError
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LAUNCHER = (ROOT / "shim" / "launcher.sh").read_text()


def _program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "text",
    [LAUNCHER, "#!/bin/sh\n# cgshim launcher\nexit 0\n", LAUNCHER[:60]],
    ids=["this", "of-0.1", "cut"],
)
@pytest.mark.parametrize("name", ["cgshim", "runc", "anything"])
def test_copy_under_any_name(tmp_path: Path, text: str, name: str) -> None:
    """Known by its first lines, through a symbolic link, too."""
    copy = _program(tmp_path / "there" / name, text)
    link = tmp_path / "link"
    link.symlink_to(copy)
    for path in (copy, link):
        with pytest.raises(ShimError) as caught:
            self_call.refuse(str(path))
        error = caught.value
        assert (error.code, error.what) == ("bad-runtime", f"the real runtime {path} leads back to cgshim")
        assert error.evidence == (f"{path} starts with the text of cgshim's launcher",)


@pytest.mark.parametrize("content", [b"\x7fELF", b"", b"#!/bin/sh\nexec runc\n", b"#!/bin/sh\n# cgshim\n"])
def test_what_is_none(tmp_path: Path, content: bytes) -> None:
    """Programs, scripts of others, and what cannot be read: delegate says what is wrong with that."""
    path = tmp_path / "runc"
    path.write_bytes(content)
    self_call.refuse(str(path))
    for other in (str(tmp_path), str(tmp_path / "missing"), "/proc/self/mem", "a\0b"):
        self_call.refuse(other)


def _fake_processes(monkeypatch: pytest.MonkeyPatch, table: dict[int, tuple[int, list[str]]]) -> None:
    """pid -> (parent, words of the command line); 10 is this process's parent."""

    def read(path: str, most: int) -> bytes:
        _, _, pid, file = path.split("/")
        parent, words = table[int(pid)]
        return (
            b"\0".join(os.fsencode(word) for word in [*words, ""])
            if file == "cmdline"
            else (f"{pid} (a) b) S {parent} 1 1".encode())
        )

    real = self_call._read
    monkeypatch.setattr(
        self_call, "_read", lambda path, most: read(path, most) if path[:6] == "/proc/" else real(path, most)
    )
    monkeypatch.setattr(posix, "getppid", lambda: 10)


def _call(runtime: str) -> list[str]:
    program = LAUNCHER.partition("-X utf8 -c '")[2].partition("' ")[0]
    return ["/usr/bin/python3", "-BIS", "-X", "utf8", "-c", program, "/usr/lib/cgshim", runtime, "", "create", "c1"]


def test_parent_with_the_same_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that becomes cgshim again: the second call knows the first one by its command line."""
    runtime = tmp_path / "wrapper"
    runtime.write_bytes(b"\x7fELF")
    _fake_processes(monkeypatch, {10: (1, _call(str(runtime)))})
    with pytest.raises(ShimError) as caught:
        self_call.refuse(str(runtime))
    assert caught.value.evidence == ("process 10, which started this one, is cgshim with the same runtime",)
    self_call.refuse("/usr/sbin/runc")


@pytest.mark.parametrize(("head", "refused"), [(b"#!/bin/sh\n", True), (b"\x7fELF", False)], ids=["script", "program"])
def test_ancestor_beyond_a_wrapper_that_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes, refused: bool
) -> None:
    """A script that calls cgshim as its child is looked through; nothing is asked of other programs' ancestors."""
    runtime = tmp_path / "wrapper"
    runtime.write_bytes(head)
    table = {10: (9, ["/bin/sh", str(runtime)]), 9: (8, _call("/other")), 8: (7, _call(str(runtime))), 7: (1, ["x"])}
    _fake_processes(monkeypatch, table)
    if refused:
        with pytest.raises(ShimError, match="leads back"):
            self_call.refuse(str(runtime))
    else:
        self_call.refuse(str(runtime))


def test_hook_of_cgshims_is_no_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hooks run the same program text with another module."""
    runtime = str(tmp_path / "runc")
    words = [word.replace('"shim.call.entry"', '"hooks.poststop"') for word in _call(runtime)]
    _fake_processes(monkeypatch, {10: (1, words)})
    self_call.refuse(runtime)


@pytest.mark.parametrize("way", ["becomes", "calls"])
def test_real_wrapper_that_calls_cgshim(tmp_path: Path, way: str) -> None:
    """The whole circle, with real processes: it ends on the second round, with one clear message."""
    wrapper = tmp_path / "wrapper"
    _program(wrapper, f'#!/bin/sh\n{"exec " if way == "becomes" else ""}{ROOT}/shim/launcher.sh "$@"\n')
    (tmp_path / "config.json").write_text('{"ociVersion":"1.0.2"}')
    environment = {
        "CGSHIM_RUNTIME": str(wrapper),
        "CGSHIM_CONFIG": str(tmp_path / "none"),
        "CGSHIM_STATE": str(tmp_path),
    }
    argv = [str(ROOT / "shim/launcher.sh"), "--log", str(tmp_path / "log"), "create", "--bundle", str(tmp_path), "c1"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 1
    assert (
        f"the real runtime {wrapper} leads back to cgshim [bad-runtime]" in done.stderr + (tmp_path / "log").read_text()
    )
