"""How the kernel shows a value that was written to an interface file: one comparison for each shape of file.

Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/*.rst. Memory sizes are rounded down to a page. Some files have
one line a device; in others the position of a word gives its meaning. Pure.
"""

from __future__ import annotations

from shim.rules.sizes import UNLIMITED, Untranslatable, amount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable


def agrees(shape: str, wanted: str, text: str, page: int) -> bool:
    """Return whether a file with this content shows the wanted value. Raises KeyError for a shape that is not in
    SHAPES.

    page: bytes of a memory page on the machine that the file is from.
    """
    wanted, found = wanted.strip(), text.strip()
    if shape in SIZES:
        return SIZES[shape](wanted, found, page)
    if shape == "any-form":  # an unknown file
        return _page(wanted, found, page) or any(same(wanted, found) for same in SHAPES.values())
    return SHAPES[shape](wanted, found)


def without(wanted: str, text: str) -> str:
    """Return `wanted` less the number in a file with this content; `wanted` itself if the file shows no limit."""
    wanted, found = wanted.strip(), text.strip()
    return str(int(wanted) - int(found)) if wanted.isdigit() and found.isdigit() else wanted


def _exact(wanted: str, found: str) -> bool:
    """The same words in the same order."""
    return wanted.split() == found.split()


def _page(wanted: str, found: str, page: int) -> bool:
    """Bytes, rounded down to a page; `max` also as the page counter's largest value (v1)."""
    try:
        asked, shown = _bytes(wanted or "0"), _bytes(found)
    except Untranslatable:
        return wanted == found
    asked = -1 if asked >= UNLIMITED else asked
    shown = -1 if shown >= UNLIMITED else shown
    return asked == shown or (asked > 0 and asked // page * page == shown)


def _pages(wanted: str, found: str, page: int) -> bool:
    """The difference of two sizes, each of which was rounded down to a page."""
    return _page(wanted, found, page) or (wanted.isdigit() and _page(str(int(wanted) - page), found, page))


def _at_most(wanted: str, found: str, page: int) -> bool:
    """That number or less: the runtime's result depends on more than a plan can know."""
    return _page(wanted, found, page) or (wanted.isdigit() and found.isdigit() and int(found) <= int(wanted))


def _bytes(text: str) -> int:
    return -1 if text == "max" else amount(text)


def _number(wanted: str, found: str) -> bool:
    """One number, or a word such as `max`."""
    return _same_word(wanted, found)


def _first_words(wanted: str, found: str) -> bool:
    """As many words as were written, from the first on: writing `50000` keeps the period of cpu.max."""
    words = wanted.split()
    shown = found.split()[: len(words)]
    return len(words) == len(shown) and all(map(_same_word, words, shown))


def _second_word(wanted: str, found: str) -> bool:
    """The period of cpu.max."""
    return _first_words(wanted, " ".join(found.split()[1:]))


def _percents(wanted: str, found: str) -> bool:
    """Quota and period of cpu.max; the quota may be rounded up to whole percents of a CPU, as by systemd."""
    if _exact(wanted, found):
        return True
    words = wanted.split() + found.split()
    if len(words) != 4 or not all(word.isdigit() for word in words):
        return False
    quota, period, shown, shown_period = map(int, words)
    return period == shown_period and shown == -(-quota * 100 // period) * period // 100


def _cpus(wanted: str, found: str) -> bool:
    """Lists of CPUs or memory nodes: `0,1` and `0-1` are the same; only the kernel knows what `all` means."""
    from shim.rules.cpuset import normalised

    asked, shown = normalised(wanted), normalised(found)
    return bool(found) if asked == "" else asked == shown and (bool(asked) or wanted == found)


def _lines(wanted: str, found: str) -> bool:
    """Each wanted line is there. The first word of a line is its key."""
    shown = {line.split()[0]: line.split()[1:] for line in found.splitlines() if line.strip()}
    return all(_line(words[0], words[1:], shown) for words in map(str.split, wanted.splitlines()) if words)


def _line(key: str, words: list[str], shown: dict[str, list[str]]) -> bool:
    if not words or not all("=" in word for word in words):
        there = shown.get(key, [])[: len(words)]
        return key in shown and len(there) == len(words) and all(map(_same_word, words, there))
    if key not in shown:  # io.max has no line for a device without limits
        return all(word.endswith("=max") for word in words)
    found = dict(word.partition("=")[::2] for word in shown[key])
    return all(found.get(name, "") == rate for name, _, rate in (word.partition("=") for word in words))


def _percent(wanted: str, found: str) -> bool:
    """A percentage, which the kernel shows with two decimals: `10` as `10.00`."""
    return wanted == found or _decimals(wanted) == _decimals(found)


def _decimals(text: str) -> str:
    whole, _, part = text.partition(".")
    return f"{whole.lstrip('0') or '0'}.{part:0<2}"


def _same_word(wanted: str, found: str) -> bool:
    """The same text, or the same number (`0x10` is 16, and `1G` is that many bytes)."""
    if wanted == found:
        return True
    try:
        return amount(wanted) == amount(found)
    except Untranslatable:
        return False


SHAPES: dict[str, Callable[[str, str], bool]] = {
    "exact": _exact,
    "number": _number,
    "first-words": _first_words,
    "second-word": _second_word,
    "percents": _percents,
    "cpus": _cpus,
    "lines": _lines,
    "percent": _percent,
}
# Shapes for which the size of a page counts.
SIZES: dict[str, Callable[[str, str, int], bool]] = {"page": _page, "pages": _pages, "at-most": _at_most}
