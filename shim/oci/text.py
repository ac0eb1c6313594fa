"""JSON as text: values with their spans, errors with their position, and a writer.

The standard `json` package costs 7 ms at start-up, nearly all of it for `re`. Its C core, `_json`, is the same parser
without it: `make_scanner` reads any value at an offset and returns where it ends, which is exactly what splicing needs.
The grammar is RFC 8259: NaN and Infinity, which Python would accept, are errors, as they are for the runtimes.
"""

from __future__ import annotations

from shim.start import extension
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _json import encode_basestring_ascii, make_scanner, scanstring
    from typing import Any, Callable

    Scan = Callable[[str, int], "tuple[Any, int]"]
else:
    _json = extension.standard("_json")
    encode_basestring_ascii, make_scanner, scanstring = (
        _json.encode_basestring_ascii,
        _json.make_scanner,
        _json.scanstring,
    )

TOO_DEEP = "nested too deeply"
LEVELS = 8  # levels of arrays and objects; no value that is read here is below more than six (linux.resources.blockIO)
BLANKS = " \t\n\r"


class Malformed(ValueError):
    """Not JSON: the reason and the offset in the text."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset

    def place(self, text: str) -> str:
        """`line L, column C`, both counted from 1."""
        before = text[: self.offset]
        return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


class Member(Value):
    """One `"key": value` of an object: the key's opening quote, and the value's first and behind-last offset."""

    key: str
    start: int
    value_start: int
    end: int
    value: Any


def _refuse_constant(name: str) -> None:
    raise Malformed(f"{name} is not a JSON number", -1)


def _integer(digits: str) -> int | float:
    """Python refuses integers of more than 4300 digits; the runtimes skip them in fields that they do not know."""
    return int(digits) if len(digits) < 1000 else float(digits)


class _Context:
    """The attributes of a `json.JSONDecoder` that `make_scanner` reads."""

    strict = True
    object_hook = None
    object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None
    parse_float = float
    parse_int = staticmethod(_integer)
    parse_constant = staticmethod(_refuse_constant)


def scanner(pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Scan:
    """Return a function (text, offset) -> (value, end). pairs: builds each object from its (key, value) list."""
    context = _Context()
    context.object_pairs_hook = pairs
    return guarded(make_scanner(context))  # type: ignore[arg-type] # typeshed names the class, not its protocol


def guarded(scan: Callable[[str, int], Any]) -> Scan:
    """Return `scan` with every failure turned into `Malformed`."""

    def checked(text: str, offset: int) -> tuple[Any, int]:
        try:
            value, end = _scanned(scan, text, offset)
        except StopIteration as stop:
            found = repr(text[stop.value]) if stop.value < len(text) else "the end of the text"
            raise Malformed(f"a value was expected, found {found}", stop.value) from None
        except Malformed as error:
            raise Malformed(error.what, offset) from None
        except RecursionError:
            raise Malformed(TOO_DEEP, offset) from None
        except ValueError as error:
            what = getattr(error, "msg", None) or str(error)
            raise Malformed(what[:1].lower() + what[1:], getattr(error, "pos", offset)) from None
        return value, end

    return checked


def _scanned(scan: Callable[[str, int], Any], text: str, offset: int) -> tuple[Any, int]:
    try:
        return scan(text, offset)  # type: ignore[no-any-return]
    except SystemError:
        # `_json` gets its exception class from json.decoder, and fails without one as long as that is not imported.
        import json.decoder  # noqa: F401

        return scan(text, offset)  # type: ignore[no-any-return]


def skip(text: str, offset: int) -> int:
    """Return the offset of the next character that is not white space. Raises Malformed at the end of the text."""
    try:
        while text[offset] in BLANKS:
            offset += 1
    except IndexError:
        raise Malformed("the text ends too early", len(text)) from None
    return offset


def members(text: str, start: int, scan: Scan, nested: dict[str, Scan] | None = None) -> tuple[list[Member], int]:
    """Return the members of the object whose `{` is at `start`, in order, and the offset behind its `}`.

    nested: scan functions for the values of certain keys.
    """
    found: list[Member] = []
    offset = skip(text, start + 1)
    if text[offset] == "}":
        return found, offset + 1
    while True:
        member = _member(text, offset, scan, nested or {})
        found.append(member)
        offset = skip(text, member.end)
        if text[offset] == "}":
            return found, offset + 1
        if text[offset] != ",":
            raise Malformed(f"',' or '}}' was expected, found {text[offset]!r}", offset)
        offset = skip(text, offset + 1)


def items(text: str, start: int, scan: Scan) -> tuple[list[tuple[Any, int, int]], int]:
    """Return the items of the array whose `[` is at `start`, each with its offsets (first, behind-last), and its
    end.
    """
    found: list[tuple[Any, int, int]] = []
    offset = skip(text, start + 1)
    if text[offset] == "]":
        return found, offset + 1
    while True:
        value, end = scan(text, offset)
        found.append((value, offset, end))
        offset = skip(text, end)
        if text[offset] == "]":
            return found, offset + 1
        if text[offset] != ",":
            raise Malformed(f"',' or ']' was expected, found {text[offset]!r}", offset)
        offset = skip(text, offset + 1)


def _member(text: str, start: int, scan: Scan, nested: dict[str, Scan]) -> Member:
    if text[start] != '"':
        raise Malformed(f"a key in double quotes was expected, found {text[start]!r}", start)
    key, offset = _string(text, start + 1)
    offset = skip(text, offset)
    if text[offset] != ":":
        raise Malformed(f"':' was expected, found {text[offset]!r}", offset)
    value_start = skip(text, offset + 1)
    value, end = nested.get(key, scan)(text, value_start)
    return Member(key=key, start=start, value_start=value_start, end=end, value=value)


_string = guarded(lambda text, offset: scanstring(text, offset, True))


def string_end(text: str, quote: int) -> int:
    """Return the offset behind the string whose opening quote is at `quote`."""
    return _string(text, quote + 1)[1]


def parse(text: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Return the only value in `text`. Raises Malformed for anything else, also behind the value."""
    value, end = scanner(pairs)(text, skip(text, 0))
    rest = text[end:].lstrip(BLANKS)
    if rest:
        raise Malformed(f"something follows the value: {rest[:1]!r}", len(text) - len(rest))
    return value


def dump(value: Any) -> str:
    """Return `value` as one line of ASCII JSON. Integers keep every digit; an infinite number stays infinite."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring_ascii(key)}:{dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(dump, value)) + "]"
    return repr(value).replace("inf", "1e999")


def of_any_depth(pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Scan:
    """Return a `scanner` for values of any depth. Below LEVELS levels, arrays and objects are None.

    yajl (crun's parser) and Go's decoder accept deeper nesting than Python; the runtime reads and judges that text.
    """
    scan = scanner(pairs)

    def passing(text: str, offset: int) -> tuple[Any, int]:
        try:
            return scan(text, offset)
        except Malformed as error:
            if error.what != TOO_DEEP:
                raise
            return _upper_levels(text, offset, scan, pairs or dict, LEVELS)

    return passing


def _upper_levels(
    text: str, offset: int, scan: Scan, pairs: Callable[[list[tuple[str, Any]]], Any], levels: int
) -> tuple[Any, int]:
    """Return the value at `offset`, with None for arrays and objects below so many levels, and its end."""
    if text[offset] not in "{[":
        return scan(text, offset)
    if not levels:
        return None, _behind(text, offset)

    def inside(text: str, offset: int) -> tuple[Any, int]:
        return _upper_levels(text, offset, scan, pairs, levels - 1)

    if text[offset] == "{":
        found, end = members(text, offset, inside)
        return pairs([(member.key, member.value) for member in found]), end
    listed, end = items(text, offset, inside)
    return [value for value, _, _ in listed], end


def _behind(text: str, offset: int) -> int:
    """Return the offset behind the array or object at `offset`, at any depth."""
    depth = 0
    while offset < len(text):
        char = text[offset]
        offset = string_end(text, offset) if char == '"' else offset + 1
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(char, 0)
        if depth == 0:
            return offset
    raise Malformed("the text ends too early", len(text))
