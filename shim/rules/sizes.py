"""Numbers and sizes as the kernel reads and writes them in interface files."""

from __future__ import annotations

SUFFIXES = "KMGTPE"  # memparse(), lib/cmdline.c
LARGEST = (1 << 63) - 1
UNLIMITED = (1 << 63) - (1 << 31)  # PAGE_COUNTER_MAX in bytes, and a margin for the largest page
NO_HOST_HAS = 1 << 62  # bytes: a limit of so much memory is none
BASES = {"0x": 16, "0X": 16}


class Untranslatable(ValueError):
    """`what` is wrong; `remedy` says how to write it, "" if v1 cannot express the value at all."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def with_unit(value: int) -> str:
    """Return bytes for people: `64 MiB (67108864 bytes)`; a number that is no whole unit as it is."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size and value % size == 0:
            return f"{value // size} {unit} ({value} bytes)"
    return f"{value} bytes"


def number(key: str, value: str, least: int = 0, most: int = LARGEST, *, words: str = "") -> int:
    """A decimal number in a range, as kstrtou64() takes it. words: what else the file takes, for the remedy."""
    if not _decimal(value) or not least <= int(value[:32]) <= most:
        what = f"{value!r} is not a number from {least} to {most}"
        raise Untranslatable(what, f"{key} takes a number from {least} to {most}{words}")
    return int(value[:32])


def size(key: str, value: str) -> int:
    """Bytes with an optional suffix K to E, or -1 for `max`. Raises Untranslatable.

    From 2^63 bytes on it is LARGEST; a number that does not fit into the kernel's 64 bits would start again at 0
    there, so it is refused.
    """
    if value == "max":
        return -1
    try:
        found = amount(value)
    except Untranslatable:
        found = 1 << 64
    if found >> 64 or not _decimal(value.rstrip(SUFFIXES + SUFFIXES.lower())):
        raise Untranslatable(
            f"{value!r} is not a valid size", f"{key} takes bytes below 2^64, also with a suffix K, M, G, or 'max'"
        )
    return min(found, LARGEST)


def unlimited(text: str) -> bool:
    """Is it as many bytes as the kernel's largest page counter, or more."""
    try:
        return UNLIMITED <= amount(text) < 1 << 64
    except Untranslatable:
        return False


def amount(text: str) -> int:
    """A number in any base that the kernel reads (10, 0x10, 010), with an optional suffix. Raises Untranslatable."""
    digits, shift = text, 0
    if digits[-1:] and digits[-1] in SUFFIXES + SUFFIXES.lower() and digits[:2] not in BASES:
        digits, shift = text[:-1], 10 * (SUFFIXES.index(text[-1].upper()) + 1)
    base = BASES.get(digits[:2], 8 if digits[:1] == "0" and len(digits) > 1 else 10)
    try:
        if not (digits.isascii() and digits.isalnum() and len(digits) <= 32):
            raise ValueError
        return int(digits, base) << shift
    except ValueError:
        raise Untranslatable(f"{text!r} is not a number") from None


def _decimal(digits: str) -> bool:
    """Digits that are decimal to the kernel, too, which reads 010 as eight."""
    return digits.isascii() and digits.isdigit() and (digits == "0" or not digits.startswith("0"))
