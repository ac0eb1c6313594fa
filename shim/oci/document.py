"""config.json as text: the parsed value, the spans that may be touched, and the splice.

OCI runtime-spec, config.md. Only the spans that `span` returns are ever replaced. Every other byte, above all those of
`linux.seccomp`, is written back as it was read, also bytes that are not UTF-8.
"""

from __future__ import annotations

import posix

from shim.errors import ShimError
from shim.oci.checks import Duplicate, agreeing, kind, unambiguous
from shim.oci.text import LEVELS, Malformed, members, of_any_depth, skip
from shim.rules import runtimes
from shim.system import EFBIG, KIND, READ, basename, dirname, drained, everything, isdir
from shim.system import LARGEST as OF_STREAMS
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from shim.oci.text import Member
    from shim.rules.runtimes import Family

LARGEST = 256 << 20  # bytes; engines send config.json in messages of at most 16 MiB
# inode(7): kinds of files without a size, with their articles
KINDS = {0o010000: "a FIFO", 0o020000: "a character device", 0o060000: "a block device", 0o140000: "a socket"}


class Document(Value):
    """One JSON object and the offsets of its parts.

    path: for messages. value: as parsed, except `linux.seccomp`, which cgshim does not read and which may have a
    megabyte: it is checked as JSON and is None here. spans: key path -> offsets (first, behind-last) of that value, for
    the members of the document and of its `linux` object. repeated: key paths that occur twice; differing: those of
    them whose values differ.
    """

    path: str
    text: str
    value: dict[str, Any]
    spans: dict[tuple[str, ...], tuple[int, int]]
    repeated: tuple[tuple[str, ...], ...] = ()
    differing: tuple[tuple[str, ...], ...] = ()

    def section(self, *path: str) -> str:
        """Return the text of a section for a change, "" if it is absent. Raises ShimError for a key that occurs
        twice.
        """
        if path in self.repeated or path[:1] in self.repeated:
            raise ambiguous(self.path, ".".join(path))
        return self.part(*path)

    def part(self, *path: str) -> str:
        """Return the text of a section for reading, "" if it is absent. Its key may occur twice with one value."""
        if path in self.differing or path[:1] in self.differing:
            raise ambiguous(self.path, ".".join(path))
        first, last = self.spans.get(path, (0, 0)) if path else (0, len(self.text))
        return self.text[first:last]

    def replaced(self, sections: dict[tuple[str, ...], str]) -> str:
        """Return the whole text with new texts for these sections. A section that is absent is added."""
        text = self.text
        behind = text.index("{") + 1
        new = [f'"{path[0]}":{sections[path]}' for path in sections if path not in self.spans]
        comma = "," if new and text[skip(text, behind)] != "}" else ""
        parts = [text[:behind], ",".join(reversed(new)), comma]
        # One splice for all: one for each section would copy a profile of a megabyte each time.
        for path in sorted(self.spans.keys() & sections.keys(), key=lambda path: self.spans[path]):
            first, last = self.spans[path]
            parts += (text[behind:first], sections[path])
            behind = last
        return "".join((*parts, text[behind:]))


def ambiguous(path: str, field: str) -> ShimError:
    """Return the refusal for a key that occurs twice, because runtimes would differ on which value counts."""
    return ShimError(
        "ambiguous-config",
        f"{path}: the key {field} is there more than once",
        cause="runc uses the last of two equal keys and crun the first, so the limits would depend on the runtime",
        evidence=(f"{path}: duplicate key {field}",),
        remedy=(f"keep one {field} in {path}",),
    )


def read(path: str, *, stream: bool = False) -> str:
    """Return the file's text; bytes that are not UTF-8 survive the round trip (surrogateescape). Raises ShimError.

    stream: also accept a pipe or a terminal, for a caller that reads the file only once.
    """
    return identified(path, stream=stream)[0]


def identified(path: str, *, stream: bool = False) -> tuple[str, tuple[int, int]]:
    """Return the text as `read` does, and the file's (st_dev, st_ino)."""
    try:
        handle = posix.open(path, READ)
        try:
            status = posix.fstat(handle)
            return _content(handle, status, path, stream), (status.st_dev, status.st_ino)
        finally:
            posix.close(handle)
    except OSError as error:
        if error.errno == EFBIG:
            raise unusable(path, f"it has more than {OF_STREAMS if stream else LARGEST} bytes") from error
        raise _unreadable(path, error) from error


def _content(handle: int, status: posix.stat_result, path: str, stream: bool) -> str:
    found = KINDS.get(status.st_mode & KIND)
    if found and not stream:
        raise _no_file(path, f"{path} is {found}, not a regular file", found)
    if status.st_size > LARGEST:
        raise unusable(path, f"the file has {status.st_size} bytes, more than the {LARGEST} that are read")
    if found:
        from shim.oci import stream as streams

        return streams.drained(handle, path).decode("utf-8", "surrogateescape")
    return everything(handle, status, path, LARGEST).decode("utf-8", "surrogateescape")


def standard_input(name: str, most: int = OF_STREAMS) -> str:
    """Return the text on standard input. Raises ShimError above `most` bytes. name: for messages."""
    try:
        return drained(0, most).decode("utf-8", "surrogateescape")
    except OSError as error:
        if error.errno != EFBIG:
            raise
        raise unusable(name, f"it has more than {most} bytes") from error


def _unreadable(path: str, error: OSError) -> ShimError:
    if basename(path) != "config.json":
        return _no_file(path, f"{path} cannot be read: {errno_name(error)}", errno_name(error))
    bundle = dirname(path)
    what = f"{path} cannot be read: {errno_name(error)}"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)) and not isdir(bundle):
        what = f"the bundle {bundle} does not exist or is not a directory"
    elif isinstance(error, FileNotFoundError):
        what = f"the bundle {bundle} has no {basename(path)}"
    elif isinstance(error, IsADirectoryError):
        what = f"{path} is a directory, not a file"
    return _no_file(path, what, errno_name(error))


def _no_file(path: str, what: str, found: str) -> ShimError:
    """Return the refusal for a path that cannot be read. found: the result of open(2)."""
    code, remedy = "unreadable-file", "name a file that is there and that you may read"
    if basename(path) == "config.json":
        code = "bad-bundle"
        remedy = "name the directory that holds config.json with --bundle, or write one with `runc spec`"
    return ShimError(code, what, evidence=(f"open {path}: {found}",), remedy=(remedy,))


def errno_name(error: OSError) -> str:
    """Return the name, such as `ENOENT`: engines reinterpret the phrases of strerror(3)."""
    import errno

    return errno.errorcode.get(error.errno or 0, str(error.errno))


def unusable(path: str, what: str, place: str = "") -> ShimError:
    """Return the refusal for a file with unusable content."""
    where = f"{path}, {place}" if place else path
    return ShimError(
        "bad-config",
        f"{path} is not a usable OCI configuration: {what}",
        evidence=(f"{where}: {what}",),
        remedy=("correct the file or have the engine write it again; it was left as it is",),
    )


def load(text: str, path: str, *, reader: Family = "other") -> Document:
    """Return the document in `text`. Raises ShimError with line and column if `text` is not one JSON object.

    reader: the runtime's kind. runc ignores text behind the document, and crun treats comments as white space; the
    document's text is then without them.
    """
    if not (text[:99].strip(" \t\n\r\0") or text.strip(" \t\n\r\0")):  # strip() copies the text, up to a megabyte
        raise unusable(path, "it is empty")
    try:
        try:
            return _load(text, path, reader)
        except Malformed:
            if "/" not in text or not runtimes.of(reader).comments:
                raise
            from shim.oci import lenient

            return _load(lenient.without_comments(text), path, reader)
    except Malformed as error:
        raise unusable(path, error.what, error.place(text)) from None


def _load(text: str, path: str, reader: Family) -> Document:
    scan = of_any_depth()
    start = skip(text, 0)
    if text[start] != "{":
        value, _ = scan(text, start)
        raise Malformed(f"a JSON object was expected, found {kind(value)}", start)
    spans: dict[tuple[str, ...], tuple[int, int]] = {}
    repeated: list[tuple[str, ...]] = []
    differing: list[tuple[str, ...]] = []
    # `bool` as a constructor: objects are checked, but not kept.
    passing = of_any_depth(bool)

    def unkept(text: str, offset: int) -> tuple[Any, int]:
        return None, passing(text, offset)[1]

    def descend(text: str, offset: int) -> tuple[Any, int]:
        # Only `linux` is walked member by member, so that its seccomp profile, often most of the text, is scanned just
        # once.
        if text[offset] != "{":
            return scan(text, offset)
        found, end = members(text, offset, scan, {"seccomp": unkept})
        return _indexed(found, ("linux",), spans, repeated, differing), end

    found, end = members(text, start, scan, {"linux": descend})
    value = _indexed(found, (), spans, repeated, differing)
    rest = "" if runtimes.of(reader).text_behind else text[end:].lstrip(" \t\n\r")
    if rest:
        raise Malformed(f"something follows the configuration: {rest[:1]!r}", len(text) - len(rest))
    return Document(
        path=path, text=text, value=value, spans=spans, repeated=tuple(repeated), differing=tuple(differing)
    )


def _indexed(
    found: list[Member],
    above: tuple[str, ...],
    spans: dict[tuple[str, ...], tuple[int, int]],
    repeated: list[tuple[str, ...]],
    differing: list[tuple[str, ...]],
) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for member in found:
        path = (*above, member.key)
        if path in spans:
            repeated.append(path)
            if repr(value.get(member.key, member.value)) != repr(member.value):
                differing.append(path)
        spans[path] = (member.value_start, member.end)
        value[member.key] = member.value
    return value


def resources(document: Document, path: tuple[str, ...]) -> dict[str, Any]:
    """Return the resources object at `path`, {} if it is absent or null. Raises ShimError for a key with two values."""
    text = document.part(*path)
    return section_object(document, _parsed(document, path, text, agreeing), path) if text else {}


def changeable(document: Document, path: tuple[str, ...]) -> str:
    """Return the text at `path` for an edit. Raises ShimError for any key in it that occurs twice."""
    text = document.section(*path) if path else document.text
    _parsed(document, path, text, unambiguous)
    return text


def _parsed(document: Document, path: tuple[str, ...], text: str, pairs: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    try:
        return of_any_depth(pairs)(text, skip(text, 0))[0]  # text behind a whole document is left to the runtime (load)
    except Duplicate as error:
        inside = _twice(text, skip(text, 0)) or (error.key,)
        raise ambiguous(document.path, ".".join((*path, *inside))) from None


def _twice(text: str, start: int, levels: int = LEVELS) -> tuple[str, ...]:
    """Return the path of the first key that occurs twice in the object at `start`, at any depth; () if none does."""
    seen: set[str] = set()
    for member in members(text, start, of_any_depth())[0]:
        if member.key in seen:
            return (member.key,)
        seen.add(member.key)
        inside = _twice(text, member.value_start, levels - 1) if levels and isinstance(member.value, dict) else ()
        if inside:
            return (member.key, *inside)
    return ()


def section_object(document: Document, value: Any, path: tuple[str, ...]) -> dict[str, Any]:
    """Return `value`, which is at `path`, as an object; null and absent are {}. Raises ShimError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise unusable(document.path, f"{'.'.join(path)}: an object was expected, found {kind(value)}")
    return value
