"""The end of a large `linux.seccomp`, found without reading what is in it.

A profile may have a megabyte in fifty thousand strings. The scanner in C makes an object of each, 4 to 7 ms for what
nobody here looks at, and the runtime reads and judges it anyway. What has to be known is where it ends, and for every
text that a runtime would accept that must be certain. Engines write JSON without white space between its parts; a
profile of any other form is left to the scanner, and so is a small one.
"""

from __future__ import annotations

from shim.oci.text import Malformed, parse

LONGEST = 1 << 14  # characters of what follows the profile: engines put it near the end
TRIES = 32
# White space, and what readers more lenient than RFC 8259 take for comments and strings.
FOREIGN = (" ", "\n", "\t", "\r", "/", "'")


def end(text: str, start: int) -> int:
    """The offset behind the object at `start`, a member of an object that is itself a member of the document.

    -1 where that cannot be said; where it can, the object may still be malformed inside.

    A brace ends the object if

    - it ends something at that depth: what follows is, to the end of the text, the rest of two objects, and the brace
      stands outside of strings: if it stood inside of one, the next quote would end that string, and the letter behind
      it would belong to nothing;
    - it is the first to do so: after an earlier one another member would follow sooner or later, that is `},"`.
    """
    brace = len(text)
    for _ in range(TRIES):
        brace = text.rfind("}", start, brace)
        if brace < 0 or len(text) - brace > LONGEST:
            return -1
        if _is_rest(text[brace + 1 :]) and text.find('},"', start, brace + 1) < 0:
            return -1 if any(text.find(mark, start, brace) >= 0 for mark in FOREIGN) else brace + 1
    return -1


def _is_rest(text: str) -> bool:
    """Do these characters finish two objects, one inside the other, behind a member of the inner one."""
    key = text.partition('"')[2][:1]
    if key and not (key.isascii() and key.isalpha()):
        return False
    # Asked first, because a text that the scanner refuses costs 7 ms the first time (shim.oci.text).
    if text.count("}") - text.count("{") != 2 or text.count("]") != text.count("["):
        return False
    try:
        parse('{"":{"":0' + text)
    except Malformed:
        return False
    return True
