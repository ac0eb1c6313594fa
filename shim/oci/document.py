"""config.json as text: the parsed value, the spans that may be touched, and the splice.

OCI runtime-spec, config.md. Only the spans handed out by `span` are ever replaced; every other byte, `linux.seccomp`
first of all, goes back to disk as it was read, also bytes that are not UTF-8.
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

LARGEST = 256 << 20  # bytes; engines pass config.json through messages of 16 MiB at most
# inode(7): what has no size, with its article.
KINDS = {0o010000: "a FIFO", 0o020000: "a character device", 0o060000: "a block device", 0o140000: "a socket"}


class Document(Value):
    """One JSON object and where its parts stand.

    path: for messages. value: as parsed, except `linux.seccomp`, which cgshim does not read and which may have a
    megabyte: it is checked as JSON and is None here. spans: key path -> (first, behind-last) offset of that
    value, for the members of the document and of its `linux` object. repeated: key paths that occur twice;
    differing: those of them whose values are not the same.
    """

    path: str
    text: str
    value: dict[str, Any]
    spans: dict[tuple[str, ...], tuple[int, int]]
    repeated: tuple[tuple[str, ...], ...] = ()
    differing: tuple[tuple[str, ...], ...] = ()

    def section(self, *path: str) -> str:
        """The text of one section that is to be changed, "" where it is absent; refuses a key that stands twice."""
        if path in self.repeated or path[:1] in self.repeated:
            raise ambiguous(self.path, ".".join(path))
        return self.part(*path)

    def part(self, *path: str) -> str:
        """The text of one section that is only read; a key that stands twice with one value is no matter then."""
        if path in self.differing or path[:1] in self.differing:
            raise ambiguous(self.path, ".".join(path))
        first, last = self.spans.get(path, (0, 0)) if path else (0, len(self.text))
        return self.text[first:last]

    def replaced(self, sections: dict[tuple[str, ...], str]) -> str:
        """The whole text with these sections' texts in place of the old; a section that is absent is added."""
        text = self.text
        behind = text.index("{") + 1
        new = [f'"{path[0]}":{sections[path]}' for path in sections if path not in self.spans]
        comma = "," if new and text[skip(text, behind)] != "}" else ""
        parts = [text[:behind], ",".join(reversed(new)), comma]
        # In one go: each step on its own would copy a profile of a megabyte once more.
        for path in sorted(self.spans.keys() & sections.keys(), key=lambda path: self.spans[path]):
            first, last = self.spans[path]
            parts += (text[behind:first], sections[path])
            behind = last
        return "".join((*parts, text[behind:]))


def ambiguous(path: str, field: str) -> ShimError:
    """The refusal for a key that stands twice where runtimes would differ on which one counts."""
    return ShimError(
        "ambiguous-config",
        f"{path}: the key {field} is there more than once",
        cause="runc uses the last of two equal keys and crun the first, so the limits would depend on the runtime",
        evidence=(f"{path}: duplicate key {field}",),
        remedy=(f"keep one {field} in {path}",),
    )


def read(path: str, *, stream: bool = False) -> str:
    """The file's text; bytes that are not UTF-8 survive the round trip (surrogateescape). Raises ShimError.

    stream: a pipe or a terminal will do, too, for who reads the file only once.
    """
    return identified(path, stream=stream)[0]


def identified(path: str, *, stream: bool = False) -> tuple[str, tuple[int, int]]:
    """`read`, and which file it was: st_dev and st_ino."""
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
    """What is on standard input. Raises ShimError above `most` bytes. name: for messages."""
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
    """The refusal of what cannot be read at all, be it a bundle's or another file. found: what open(2) met."""
    code, remedy = "unreadable-file", "name a file that is there and that you may read"
    if basename(path) == "config.json":
        code = "bad-bundle"
        remedy = "name the directory that holds config.json with --bundle, or write one with `runc spec`"
    return ShimError(code, what, evidence=(f"open {path}: {found}",), remedy=(remedy,))


def errno_name(error: OSError) -> str:
    """`ENOENT` and the like: engines reinterpret the spelled-out phrases, so messages use the names."""
    import errno

    return errno.errorcode.get(error.errno or 0, str(error.errno))


def unusable(path: str, what: str, place: str = "") -> ShimError:
    """The refusal of a file whose content is not usable."""
    where = f"{path}, {place}" if place else path
    return ShimError(
        "bad-config",
        f"{path} is not a usable OCI configuration: {what}",
        evidence=(f"{where}: {what}",),
        remedy=("correct the file or have the engine write it again; it was left as it is",),
    )


def load(text: str, path: str, *, reader: Family = "other") -> Document:
    """The document in `text`. Raises ShimError naming line and column for what is not one JSON object.

    reader: the runtime's kind. runc does not look at what follows the document, crun takes comments for white space;
    the document's text then has it so.
    """
    if not (text[:99].strip(" \t\n\r\0") or text.strip(" \t\n\r\0")):  # what is stripped is copied, be it a megabyte
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
    # `bool` stands for a function that makes nothing of an object's members: they are checked, but not kept.
    passing = of_any_depth(bool)

    def unkept(text: str, offset: int) -> tuple[Any, int]:
        return None, passing(text, offset)[1]

    def descend(text: str, offset: int) -> tuple[Any, int]:
        # `linux` alone is walked member by member: its seccomp profile, often the bulk, is then scanned just once.
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
    """The resources object at `path`, {} where it is absent or null; refuses keys that stand twice and differ."""
    text = document.part(*path)
    return section_object(document, _parsed(document, path, text, agreeing), path) if text else {}


def changeable(document: Document, path: tuple[str, ...]) -> str:
    """The text at `path` for an edit; refuses any key that stands twice in it, because one of the two would stay."""
    text = document.section(*path) if path else document.text
    _parsed(document, path, text, unambiguous)
    return text


def _parsed(document: Document, path: tuple[str, ...], text: str, pairs: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    try:
        return of_any_depth(pairs)(text, skip(text, 0))[0]  # what follows a whole document is the runtime's (load)
    except Duplicate as error:
        inside = _twice(text, skip(text, 0)) or (error.key,)
        raise ambiguous(document.path, ".".join((*path, *inside))) from None


def _twice(text: str, start: int, levels: int = LEVELS) -> tuple[str, ...]:
    """The path of the first key that stands twice in the object at `start` or in objects inside; () if none does."""
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
    """`value`, which stands at `path`, as an object; null and absent are {}. Raises ShimError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise unusable(document.path, f"{'.'.join(path)}: an object was expected, found {kind(value)}")
    return value
