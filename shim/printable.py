r"""Foreign text made printable: the one place where words of others become safe for terminals, logs and records.

What a configuration, an image, a runtime or a state file says is data. Shown as it is, a line end in it would start a
line or a record that seems to be cgshim's own, and controls would steer the terminal: C0 and C1 (U+0085 ends a line),
U+2028 and U+2029, the bidirectional controls that reorder what is read, halves of surrogate pairs that UTF-8 cannot
say. So every character that Unicode does not count as printable, a tab left out, is shown as its escape in Python's
manner: `\n`, `\x1b`, `\x85`, `\u202e`, `\udcff` (a byte FF that is not UTF-8).

Imported only where something is said, never by a call that succeeds and has nothing to tell.
"""

from __future__ import annotations


def line(text: str) -> str:
    """`text` in one line: whatever it holds, it ends no line and steers nothing. Printable text stays as it is."""
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() or one == "\t" else escaped(one) for one in text])


def lines(text: str) -> str:
    """A message of ours with several lines, its foreign parts in `line` already: line ends stay."""
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() or one in "\n\t" else escaped(one) for one in text])


def ascii_lines(text: str) -> str:
    """For engines, which escape each character beyond ASCII with up to twelve bytes and then cut: `?` stands for it.

    Line ends stay; a tab and a carriage return become a space.
    """
    return "".join([one if one == "\n" or " " <= one <= "~" else " " if one in "\t\r" else "?" for one in text])


def escaped(character: str) -> str:
    """One character as its escape in ASCII."""
    return character.encode("unicode_escape").decode("ascii")
