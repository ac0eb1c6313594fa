r"""The one error type of the program, and foreign text made printable for it and for every other channel.

Library code raises `ShimError`; only the edges (`entry`, `cli`, `hooks`) turn it into text, a log record and an
exit status.

What a configuration, an image, a runtime or a state file says is data. Shown as it is, a line end in it would start a
line or a record that seems to be cgshim's own, and controls would steer the terminal: C0 and C1 (U+0085 ends a line),
U+2028 and U+2029, the bidirectional controls that reorder what is read, halves of surrogate pairs that UTF-8 cannot
say. So every character that Unicode does not count as printable, except a tab, is shown as its escape in Python's
manner: `\n`, `\x1b`, `\x85`, `\u202e`, `\udcff` (a byte FF that is not UTF-8).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Level = Literal["info", "warning"]
    Notice = tuple[Level, str]  # what is told although the call succeeds


class ShimError(Exception):
    """A refusal or failure that the user can act on.

    code: stable, kebab-case, documented in docs/diagnoses.md.
    what: the verdict, one sentence.
    cause: why, one or two sentences; "" where the verdict says it all.
    evidence: facts that prove it, one a line: a path and its content, a field and its value.
    remedy: what to do, one step a line.
    status: exit status of the process (a runtime's own failure is 1).
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        cause: str = "",
        evidence: tuple[str, ...] = (),
        remedy: tuple[str, ...] = (),
        status: int = 1,
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.cause = cause
        self.evidence = evidence
        self.remedy = remedy
        self.status = status

    def text(self) -> str:
        """The whole message, verdict first, as the engine's user reads it: whatever foreign words are in it, each part
        is one line of printable characters.
        """
        lines = [f"cgshim: {self.what} [{self.code}]"]
        if self.cause:
            lines.append(f"  cause: {self.cause}")
        lines.extend(f"  evidence: {fact}" for fact in self.evidence)
        lines.extend(f"  remedy: {step}" for step in self.remedy)
        return "\n".join(map(printable_line, lines))


def printable_line(text: str) -> str:
    """`text` in one line: whatever it holds, it ends no line and steers nothing. Printable text stays as it is."""
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() or one == "\t" else escaped(one) for one in text])


def printable_lines(text: str) -> str:
    """A message of ours with several lines, its foreign parts in `printable_line` already: line ends stay."""
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
