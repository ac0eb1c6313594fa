"""crun on Alpine: built with musl, whose strerror(3) has other words than glibc's for some errors.

The pairs were printed by strerror of musl 1.2.3 and of glibc 2.36 on one machine. Go has words of its own (those of
glibc, in small letters), but runc's first stages are C, too.
"""

from __future__ import annotations

import re

import pytest

from shim.diagnose.explain import explain
from tests.replayed import Case, guests, quoted, recorded

WORDS = {
    "Input/output error": "I/O error",
    "Cannot allocate memory": "Out of memory",
    "Device or resource busy": "Resource busy",
    "Invalid cross-device link": "Cross-device link",
    "Too many open files": "No file descriptors available",
    "Inappropriate ioctl for device": "Not a tty",
    "Numerical result out of range": "Result not representable",
    "File name too long": "Filename too long",
    "Too many levels of symbolic links": "Symbolic link loop",
    "Value too large for defined data type": "Value too large for data type",
    "Operation not supported": "Not supported",
    "Disk quota exceeded": "Quota exceeded",
    "Connection timed out": "Operation timed out",
}
# With a capital letter, as C has them: Go's are the same everywhere.
GLIBC = re.compile("|".join(map(re.escape, WORDS)))
CASES = [case for case in (*recorded(), *guests(), *quoted()) if GLIBC.search(case.text)]


def test_there_are_such_texts() -> None:
    """The table is not tested by nothing: busy, looping and out-of-range things were recorded."""
    assert {word for case in CASES for word in GLIBC.findall(case.text)} >= {
        "Device or resource busy",
        "Too many levels of symbolic links",
        "Inappropriate ioctl for device",
        "Numerical result out of range",
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_the_same_failure_in_the_words_of_musl(case: Case) -> None:
    """Code, proof and evidence are those of the text as it was recorded."""
    text = GLIBC.sub(lambda match: WORDS[match[0]], case.text)
    found, before = explain(text, case.context), explain(case.text, case.context)
    assert (found.code, found.confirmed) == (case.code, case.confirmed)
    assert found.evidence == tuple(GLIBC.sub(lambda match: WORDS[match[0]], line) for line in before.evidence)
