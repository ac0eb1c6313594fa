"""Foreign text made printable: what is escaped, and what stays."""

from __future__ import annotations

import unicodedata

import pytest

from shim.errors import ascii_lines
from shim.errors import printable_line as line
from shim.errors import printable_lines as lines

# Unicode's general categories (UAX 44) of what is invisible, ends a line, reorders text or is half a character.
CONTROLS = {
    "\x00": r"\x00",
    "\x07": r"\x07",
    "\x0b": r"\x0b",
    "\r": r"\r",
    "\x1b": r"\x1b",
    "\x7f": r"\x7f",
    "\x80": r"\x80",
    "\x85": r"\x85",  # NEL: ends a line
    "\x9b": r"\x9b",  # CSI: ESC [ in one character
    "\xad": r"\xad",
    "\u061c": r"\u061c",
    "\u200b": r"\u200b",
    "\u200e": r"\u200e",
    "\u200f": r"\u200f",
    "\u2028": r"\u2028",
    "\u2029": r"\u2029",
    **{chr(number): rf"\u{number:04x}" for number in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    "\ufeff": r"\ufeff",
    "\ud800": r"\ud800",
    "\U000e0041": r"\U000e0041",  # a tag: an invisible letter
}


@pytest.mark.parametrize(("character", "shown"), CONTROLS.items(), ids=[f"U+{ord(one):04X}" for one in CONTROLS])
def test_controls_are_escaped(character: str, shown: str) -> None:
    """In a line and in a message of several."""
    assert line(f"a{character}b") == lines(f"a{character}b") == f"a{shown}b"


def test_every_character_that_is_not_printable_is_escaped() -> None:
    """All of Unicode: no control, format, surrogate, unassigned or private character and no separator comes through."""
    everything = "".join(map(chr, range(0x110000)))
    through = set(line(everything)) - {"\t"}
    assert {unicodedata.category(one) for one in through if one != " "} & {
        *("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")
    } == set()
    assert set(lines(everything)) - through == {"\n", "\t"}


def test_bytes_that_are_not_utf_8() -> None:
    """As a file's were read (surrogateescape): each keeps its number."""
    assert line(b"a\xffb\x85".decode("utf-8", "surrogateescape")) == r"a\udcffb\udc85"


@pytest.mark.parametrize("text", ["", "a b", "käse", "日本語", "\N{GRINNING FACE}", "a\tb", "C:\\n", '"quoted"'])
def test_printable_text_stays(text: str) -> None:
    """Words of all languages, a tab and backslashes are as they were."""
    assert line(text) == lines(text) == text


def test_line_ends() -> None:
    """Escaped in a line, kept in a message."""
    assert line("a\nb\r\nc") == r"a\nb\r\nc"
    assert lines("a\nb\r\nc") == "a\nb\\r\nc"


def test_ascii() -> None:
    """One `?` for each character that engines would escape; line ends stay."""
    assert ascii_lines("a\u202eb\x85\x1b\ncé\td\re\ud800") == "a?b??\nc? d e?"
