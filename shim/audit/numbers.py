"""Parses numbers as engines, systemd and the kernel write them."""

from __future__ import annotations

from shim.audit.limit import NONE, UNLIMITED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BINARY = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
POD = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def whole(value: Any) -> int | None:
    """Return a JSON integer, None for anything else, booleans included."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def positive(value: Any) -> int | None:
    """Return a number above 0, NONE for a negative one; 0 means "not set" to engines and runtimes."""
    found = whole(value)
    return None if not found else found if found > 0 else NONE


def shown(text: Any) -> int | None:
    """Return the kernel's value: a number, NONE for `max` or a v1 number that means the same; None for other text."""
    word = text.strip() if isinstance(text, str) else ""
    if word in ("max", "-1"):
        return NONE
    number = integer(word)
    if number is None or number < 0:
        return None
    return NONE if number >= UNLIMITED else number


def size(word: str) -> int | None:
    """Return bytes of an option's value: `64m`, `1.5g`, `1073741824b`, `-1` (docker/go-units, RAMInBytes)."""
    word = word.strip().lower()
    if word == "-1":
        return NONE
    number = word.rstrip("bkmgtpi")
    unit = word[len(number) :].replace("ib", "").rstrip("b") or ("b" if number else "")
    try:
        return int(float(number) * BINARY[unit])
    except (ValueError, KeyError, OverflowError):
        return None


def quantity(word: Any, scale: int = 1) -> int | None:
    """Return a Kubernetes quantity in units of 1/scale: `500m` with scale 1000 is 500, `128Mi` is bytes."""
    text = str(word)
    digits = text.rstrip("kKMGTim")
    unit = text[len(digits) :]
    factors = {**POD, "m": 0.001, "": 1}
    try:
        return round(float(digits) * scale * factors[unit])
    except (ValueError, KeyError, OverflowError):
        return None


def sized(text: str) -> int | None:
    """Return a size from a unit file: bytes, K, M, G, T (powers of 1024), or `infinity`; None for a share of RAM."""
    if text == "infinity":
        return NONE
    return size(text) if text and text[-1] != "%" else None


def present(pairs: dict[str, int | str | None]) -> dict[str, int | str]:
    """Return the pairs whose value is not None."""
    return {name: value for name, value in pairs.items() if value is not None}


def section(value: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object inside an object, {} if there is none."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def integer(text: Any) -> int | None:
    """Return an integer from ASCII decimal digits with an optional sign, None for anything else."""
    word = text.strip() if isinstance(text, str) else ""
    digits = word[1:] if word.startswith("-") else word
    return int(word) if digits.isascii() and digits.isdigit() and len(digits) < 30 else None


def entries(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects in a list inside an object; anything else is left out."""
    found = value.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def last_option(options: dict[str, list[str]], *names: str) -> str | None:
    """Return the last value of an option, which is the one that counts."""
    words = [word for name in names for word in options.get(name, ())]
    return words[-1] if words else None
