"""Text that is not RFC 8259 or too deep for the scanner, but that the runtime in use reads.

Loaded only when the ordinary way has failed. crun's parser (yajl) allows comments; it and Go's decoder go deeper than
Python's. The runtime reads and judges what is passed over here.
"""

from __future__ import annotations

from shim.oci.text import Malformed, string_end

TOO_DEEP = "nested too deeply"


def without_comments(text: str) -> str:
    """The text with `/* … */` and `// …` outside of strings as white space, every other character at its place."""
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


def end(text: str, offset: int) -> int:
    """The offset behind the array or object at `offset`, however deep it is."""
    depth = 0
    while offset < len(text):
        char = text[offset]
        offset = string_end(text, offset) if char == '"' else offset + 1
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(char, 0)
        if depth == 0:
            return offset
    raise Malformed("the text ends too early", len(text))
