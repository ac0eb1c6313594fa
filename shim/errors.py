r"""The one error type of the program, and the functions that make foreign text printable.

Library code raises `ShimError`; only the edges (`entry`, `cli`, `hooks`) turn it into text, a log record and an
exit status.

Text from a configuration, an image, a runtime or a state file is data. Printed as it is, a line end in it would start a
line or a record that looks like cgshim's own, and control characters would act on the terminal: C0 and C1 (U+0085 ends
a line), U+2028 and U+2029, the bidirectional controls, and surrogates, which UTF-8 cannot encode. So every character
that Unicode does not count as printable, except a tab, is printed as a Python escape: `\n`, `\x1b`, `\x85`, `\u202e`,
`\udcff` (a byte FF that is not UTF-8).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Level = Literal["info", "warning"]
    Notice = tuple[Level, str]  # notices: a call that succeeds shows these


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
        """Return the whole message, verdict first, one line for each part. Every line is printable, whatever foreign
        text is in it.
        """
        lines = [f"cgshim: {self.what} [{self.code}]"]
        if self.cause:
            lines.append(f"  cause: {self.cause}")
        lines.extend(f"  evidence: {fact}" for fact in self.evidence)
        lines.extend(f"  remedy: {step}" for step in self.remedy)
        return "\n".join(map(printable_line, lines))


def printable_line(text: str) -> str:
    """Return `text` as one printable line, with everything else escaped. Printable text is returned unchanged."""
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() or one == "\t" else escaped(one) for one in text])


def printable_lines(text: str) -> str:
    """Return a message of several lines with control characters escaped and line ends kept. Foreign parts must have
    gone through `printable_line` before.
    """
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() or one in "\n\t" else escaped(one) for one in text])


def ascii_lines(text: str) -> str:
    """Return `text` with `?` for each character beyond ASCII: engines escape such a character with up to twelve bytes,
    then cut.

    Line ends stay; a tab and a carriage return become a space.
    """
    return "".join([one if one == "\n" or " " <= one <= "~" else " " if one in "\t\r" else "?" for one in text])


def escaped(character: str) -> str:
    """Return the ASCII escape of one character."""
    return character.encode("unicode_escape").decode("ascii")
