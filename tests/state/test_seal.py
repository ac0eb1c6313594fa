"""The seal: HMAC-SHA256 as RFC 4231 has it, and a key that nobody else can read or put there."""

from __future__ import annotations

import hashlib
import hmac
import os
import posix
import stat
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require, root_problem
from shim.errors import ShimError
from shim.state import files, seal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def key(state_directory: Path) -> Path:
    """Where the key of this test is."""
    return state_directory / "key"


def test_the_code_is_hmac_sha256() -> None:
    """RFC 4231, test cases 1 and 2 (keys of 20 and 4 bytes)."""
    first = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    second = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert seal._code(b"\x0b" * 20, b"Hi There") == first
    assert seal._code(b"Jefe", b"what do ya want for nothing?") == second


def test_it_agrees_with_the_library(key: Path) -> None:
    """The key in the file is the one that is used."""
    made = seal.of(b"limits")
    assert made == hmac.new(key.read_bytes(), b"limits", hashlib.sha256).hexdigest()
    assert seal.fits(b"limits", made)
    assert not seal.fits(b"other limits", made)
    assert not seal.fits(b"limits", made.upper())


def test_the_key_is_made_once_and_for_its_owner_alone(key: Path) -> None:
    """32 random bytes, mode 0600; looking makes none, and nothing is left beside it."""
    assert seal.fits(b"limits", "0" * 64) is False
    assert not key.exists()
    seal.of(b"a")
    made = key.read_bytes()
    seal.of(b"b")
    assert (len(made), stat.S_IMODE(key.stat().st_mode)) == (32, 0o600)
    assert key.read_bytes() == made
    assert os.listdir(key.parent) == ["key"]


def test_another_call_was_faster(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two first calls at once: both use the key that got the name first."""
    link = posix.link

    def late(source: str, target: str) -> None:
        key.write_bytes(b"k" * 32)
        key.chmod(0o600)
        link(source, target)

    monkeypatch.setattr(posix, "link", late)
    assert seal.of(b"a") == hmac.new(b"k" * 32, b"a", hashlib.sha256).hexdigest()
    assert os.listdir(key.parent) == ["key"]


def _spoilt(key: Path, how: str) -> str:
    """Make it so; what is said of it."""
    key.write_bytes(b"k" * (31 if how == "short" else 33 if how == "long" else 32))
    key.chmod(0o640 if how == "readable" else 0o600)
    if how == "foreign":
        os.chown(key, 12345, 12345)
    if how == "link":
        key.rename(key.parent / "target")
        key.symlink_to(key.parent / "target")
    if how == "directory":
        key.unlink()
        key.mkdir(mode=0o700)
    if how == "open-directory":
        key.parent.chmod(0o777)
        return f"{key.parent}: its mode is 0777, which gives others access"
    said = {
        "readable": "its mode is 0640, which gives others access",
        "foreign": f"it belongs to uid 12345, not to {os.geteuid()}",
        "link": "it cannot be read: ELOOP",
        "directory": "it is not a regular file",
    }
    return f"{key}: {said.get(how, 'it does not have exactly 32 bytes')}"


@pytest.mark.parametrize("how", ["short", "long", "readable", "foreign", "link", "directory", "open-directory"])
def test_a_key_that_others_may_know_is_not_used(key: Path, how: str) -> None:
    """Neither to seal with nor to look with; what is wrong with it is said."""
    if how == "foreign":
        require("root", root_problem())
    said = _spoilt(key, how)
    for used in (lambda: seal.of(b"a"), lambda: seal.fits(b"a", "00")):
        with pytest.raises(ShimError) as refused:
            used()
        assert (refused.value.code, refused.value.what) == ("no-key", said)


def test_a_place_where_no_key_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sealed, so nothing is written into a configuration either."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CGSHIM_STATE", str(tmp_path / "file" / "state"))
    with pytest.raises(ShimError) as refused:
        seal.of(b"a")
    assert refused.value.code == "no-key"
    assert refused.value.what.endswith("/file/state/key: it cannot be read: ENOTDIR")


@pytest.mark.parametrize(
    ("uid", "writable", "variables", "expected"),
    [
        (0, True, {}, "/var/lib/cgshim/key"),
        (0, True, {"XDG_STATE_HOME": "/x"}, "/var/lib/cgshim/key"),
        (0, False, {"XDG_STATE_HOME": "/x"}, "/x/cgshim/key"),
        (1000, True, {"XDG_STATE_HOME": "/x"}, "/x/cgshim/key"),
        (1000, True, {"XDG_STATE_HOME": "relative", "HOME": "/elsewhere"}, "/home/of/1000/.local/state/cgshim/key"),
        (1000, True, {}, "/home/of/1000/.local/state/cgshim/key"),
        (2000, True, {"HOME": "/home/me"}, "/home/me/.local/state/cgshim/key"),
        (1000, True, {"CGSHIM_STATE": "/s"}, "/s/key"),
    ],
)
def test_where_the_key_is(
    monkeypatch: pytest.MonkeyPatch, uid: int, writable: bool, variables: dict[str, str], expected: str
) -> None:
    """Root's survives a reboot in /var/lib; a user's is below the state directory, also for a hook without HOME."""
    monkeypatch.setattr(posix, "geteuid", lambda: uid)
    monkeypatch.setattr(posix, "access", lambda *_: writable)
    monkeypatch.setattr(files, "outer_user", lambda: uid or 1000)
    monkeypatch.setattr("pwd.getpwuid", _Entry)
    assert seal._path(variables) == expected


class _Entry:
    """A line of passwd(5); uid 2000 has none."""

    def __init__(self, number: int) -> None:
        if number == 2000:
            raise KeyError(number)
        self.pw_dir = f"/home/of/{number}"
