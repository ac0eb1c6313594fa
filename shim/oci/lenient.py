"""Text that is not RFC 8259 but that crun reads: its parser (yajl) allows comments.

Imported only when the ordinary parser has failed. The runtime itself reads and judges the text that is skipped here.
"""

from __future__ import annotations

from shim.oci.text import Malformed, string_end


def without_comments(text: str) -> str:
    """Return the text with `/* … */` and `
    …` outside of strings as white space, so that all offsets stay the same.
    """
    parts: list[str] = []
    offset = 0
    while True:
        quote, slash = text.find('"', offset), text.find("/", offset)
        if slash < 0:
            return "".join((*parts, text[offset:]))
        if 0 <= quote < slash:
            behind = string_end(text, quote)
            parts.append(text[offset:behind])
        else:
            behind = _behind_comment(text, slash)
            blank = "".join("\n" if char == "\n" else " " for char in text[slash:behind])
            parts.append(text[offset:slash] + blank)
        offset = behind


def _behind_comment(text: str, slash: int) -> int:
    opening = text[slash : slash + 2]
    if opening not in ("/*", "//"):
        raise Malformed("a comment or a value was expected, found '/'", slash)
    end = text.find("*/" if opening == "/*" else "\n", slash + 2)
    if end < 0 and opening == "/*":
        raise Malformed("a comment has no end", slash)
    return len(text) if end < 0 else end + (2 if opening == "/*" else 0)
