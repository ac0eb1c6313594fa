"""The one error type of the program.

Library code raises `ShimError`; only the edges (`entry`, `cli`, `hooks`) turn it into text, a log record and an
exit status.
"""

from __future__ import annotations


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
        from shim.printable import line

        lines = [f"cgshim: {self.what} [{self.code}]"]
        if self.cause:
            lines.append(f"  cause: {self.cause}")
        lines.extend(f"  evidence: {fact}" for fact in self.evidence)
        lines.extend(f"  remedy: {step}" for step in self.remedy)
        return "\n".join(map(line, lines))
