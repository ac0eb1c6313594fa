"""Numbers and sizes as the kernel reads and writes them in interface files."""

from __future__ import annotations

SUFFIXES = "KMGTPE"  # memparse(), lib/cmdline.c
LARGEST = (1 << 63) - 1


class Untranslatable(ValueError):
    """`what` is wrong; `remedy` says how to write it, "" if v1 cannot express the value at all."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def number(key: str, value: str, least: int = 0, most: int = LARGEST) -> int:
    """A decimal number in a range, as kstrtou64() takes it."""
    if not _decimal(value) or not least <= int(value[:32]) <= most:
        raise Untranslatable(f"{value!r} is not a number from {least} to {most}", f"{key} takes a number or 'max'")
    return int(value[:32])


def size(key: str, value: str) -> int:
    """Bytes with an optional suffix K to E, or -1 for `max`."""
    if value == "max":
        return -1
    digits, shift = value, 0
    if value[-1:].upper() in SUFFIXES and value[-1:]:
        digits, shift = value[:-1], 10 * (SUFFIXES.index(value[-1].upper()) + 1)
    if not _decimal(digits):
        raise Untranslatable(f"{value!r} is no size", f"{key} takes bytes, also with a suffix K, M, G, or 'max'")
    return min(int(digits[:32]) << shift, LARGEST)


def _decimal(digits: str) -> bool:
    """Digits that are decimal to the kernel, too, which reads 010 as eight."""
    return digits.isascii() and digits.isdigit() and (digits == "0" or not digits.startswith("0"))
