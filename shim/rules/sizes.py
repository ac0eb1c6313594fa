"""Numbers and sizes as the kernel reads and writes them in interface files."""

from __future__ import annotations

SUFFIXES = "KMGTPE"  # memparse(), lib/cmdline.c
LARGEST = (1 << 63) - 1
UNLIMITED = (1 << 63) - (1 << 31)  # PAGE_COUNTER_MAX in bytes, and a margin for the largest page
NO_HOST_HAS = 1 << 62  # bytes: a limit of this size or more counts as unlimited
PAGE = 4096  # bytes; larger pages are multiples of it
BASES = {"0x": 16, "0X": 16}


class Untranslatable(ValueError):
    """A value with no counterpart. what: the reason. remedy: how to write it, "" if v1 cannot express the value at
    all.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def with_unit(value: int) -> str:
    """Return bytes with a unit: `64 MiB (67108864 bytes)`; a number that is not in whole units is unchanged."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size and value % size == 0:
            return f"{value // size} {unit} ({value} bytes)"
    return f"{value} bytes"


def together(limit: int, allowed: int) -> int:
    """Return memory plus swap in bytes, as v1 limits it.

    The kernel rounds each number down to a page. A sum of two rests would be a page of swap more than was allowed.
    """
    return max(limit, limit - limit % PAGE + allowed)


def number(key: str, value: str, least: int = 0, most: int = LARGEST, *, words: str = "") -> int:
    """Return a decimal number in a range, as kstrtou64() reads it. words: what else the file takes, for the remedy."""
    if not _decimal(value) or not least <= int(value[:32]) <= most:
        what = f"{value!r} is not a number from {least} to {most}"
        raise Untranslatable(what, f"{key} takes a number from {least} to {most}{words}")
    return int(value[:32])


def size(key: str, value: str) -> int:
    """Return bytes for a number with an optional suffix K to E, or -1 for `max`. Raises Untranslatable.

    Sizes of 2^63 bytes and more become LARGEST. A number that does not fit into the kernel's 64 bits would wrap around
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
    """Return whether it is at least as many bytes as the kernel's largest page counter."""
    try:
        return UNLIMITED <= amount(text) < 1 << 64
    except Untranslatable:
        return False


def amount(text: str) -> int:
    """Return a number in any base that the kernel reads (10, 0x10, 010), with an optional suffix. Raises
    Untranslatable.
    """
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
    """Return whether the kernel reads the digits as decimal; it reads 010 as eight."""
    return digits.isascii() and digits.isdigit() and (digits == "0" or not digits.startswith("0"))
