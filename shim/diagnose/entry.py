"""A row of the catalogue, and the fragments its patterns are made of.

Runtimes say the same thing in many wordings over their versions ("opening file `F` for writing: E", "open `F` for
writing: E", "openat2 /path/F: e"). The fragments here cover all of them, so that an entry names only the file and
the error. Every pattern is searched without regard to case, and ^ and $ are the ends of a line.
"""

from __future__ import annotations

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from shim.diagnose.facts import Facts

    Check = Callable[[Facts, "Words"], "tuple[str, ...]"]
    Foresight = Callable[[Facts], "tuple[str, ...]"]

# The errno phrases of Go and of glibc, or the name of the errno where a text has already been through `render`.
EACCES = r"(?:permission denied|EACCES)"
EBUSY = r"(?:device or resource busy|EBUSY)"
EAGAIN = r"(?:resource temporarily unavailable|EAGAIN)"
EINVAL = r"(?:invalid argument|EINVAL)"
ELOOP = r"(?:too many levels of symbolic links|ELOOP)"
ENODEV = r"(?:no such device|ENODEV)"
ENOENT = r"(?:no such file or directory|ENOENT)"
ENOSPC = r"(?:no space left on device|ENOSPC)"
ENOSYS = r"(?:function not implemented|ENOSYS)"
ENOTDIR = r"(?:not a directory|ENOTDIR)"
EOPNOTSUPP = r"(?:operation not supported|not supported|EOPNOTSUPP)"
EPERM = r"(?:operation not permitted|EPERM)"
ERANGE = r"(?:numerical result out of range|ERANGE)"
EROFS = r"(?:read-only file system|EROFS)"


def named(file: str) -> str:
    """An interface file, with or without its directory and the runtimes' quotes; groups `path`, `directory`, `file`."""
    return rf"[`'\"]?(?P<path>(?P<directory>/[^\n`'\":]*/)?(?P<file>{file}))[`'\"]?"


def writing(file: str, error: str) -> str:
    """Writing `file` (a regex for its name) failed with `error`; both runtimes, all wordings."""
    return rf"\bwrit(?:e|ing)(?: file)?(?: to)? {named(file)}: {error}"


def opening(file: str, error: str) -> str:
    """Opening or finding `file` failed with `error`; both runtimes, all wordings."""
    return rf"\b(?:open|openat2|opening|opening file|stat|access) {named(file)}(?: for writing)?: {error}"


def making(error: str) -> str:
    """Creating a cgroup directory failed with `error`; group `path`."""
    verbs = r"\b(?:mkdir|mkdirat|create|creating cgroup directory)"
    return rf"{verbs} [`'\"]?(?P<path>/sys/fs/cgroup/[^\n`'\":]*)[`'\"]?: {error}"


def creating(file: str) -> str:
    """crun before 1.0 opened `file` with O_CREAT, which the cgroup file systems refuse (EACCES) where it is missing."""
    return rf"\bopening file {named(file)} for writing: {EACCES}"


def mounted(source: str, problem: str) -> str:
    """runc's report that `problem` (a regex) came of mounting `source`, all versions; groups as for `mounting`."""
    target = r"to rootfs(?: \\*\"[^\"\n]*\")? at \\*\"(?P<destination>[^\"\\\n]*)\\*\""
    return rf"\bmounting \\*\"(?P<source>{source})\\*\" {target}(?:: | caused:? \\*\"?){problem}"


def mounting(fstype: str, error: str) -> str:
    """Mounting source or type `fstype` failed with `error`; groups `source` and `destination`."""
    runc = mounted(fstype, rf"(?:[^\n]*: )?{error}")
    crun = rf"\bmount `(?P<source2>{fstype})` to [`'](?P<destination2>[^`'\n]*)[`']: {error}"
    return f"(?:{runc}|{crun})"


class Words(Value):
    """What a pattern found: the matched text and its named groups.

    Groups that say the same in the wordings of different runtimes are numbered (`path`, `path2`) and one value here.
    proven: these words have no other cause.
    """

    text: str
    groups: dict[str, str]
    proven: bool = True

    def __getitem__(self, name: str) -> str:
        """The group's text, "" where this wording has none."""
        return self.groups.get(name, "")

    @property
    def controller(self) -> str:
        """The controller that the words are about: named, or the first part of the interface file's name."""
        return self["controller"] or self["file"].split(".")[0]

    def values(self, runtime: str) -> dict[str, str]:
        """For templates: the groups, the controller and the runtime's name."""
        return {**({"controller": self.controller} if self.controller else {}), **self.groups, "runtime": runtime}


class Entry(Value):
    """One known failure.

    code: stable, kebab-case. title: a noun phrase for lists.
    patterns: regular expressions, any of which recognises it: these words have no other cause worth naming.
    ambiguous: words that have other causes too; a match counts only when `confirm` finds evidence.
        An entry with neither gives no message at all and is found by looking.
    verdict, cause, remedy: templates; `{name}` is a named group of the pattern, or <name> where it has none.
    confirm: looks at the host and returns the evidence, () when the host does not support this cause.
    foresee: the same look without a failure, for `cgshimctl doctor`; evidence, or () when all is well.
    rank: of several confirmed causes the lowest wins; ties go to the earlier row.
    ours: False: not about mounts or cgroups, the message passes through untouched.
    """

    code: str
    title: str
    verdict: str
    cause: str
    remedy: tuple[str, ...]
    reference: str
    patterns: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    confirm: Check | None = None
    foresee: Foresight | None = None
    rank: int = 50
    ours: bool = True

    @property
    def silent(self) -> bool:
        """Does it give no message?"""
        return not self.patterns and not self.ambiguous

    def found_in(self, text: str) -> Words | None:
        """What the first fitting pattern found."""
        import re

        for pattern in self.patterns + self.ambiguous:
            match = re.search(pattern, text, re.IGNORECASE | re.MULTILINE)
            if match is not None:
                named = {
                    key.rstrip("0123456789"): value for key, value in match.groupdict().items() if value is not None
                }
                return Words(text=match.group(0), groups=named, proven=pattern in self.patterns)
        return None


class Placeholders(dict):  # type: ignore[type-arg]
    """Values for a template; what is not known shows as <name>."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def fill(template: str, values: dict[str, str]) -> str:
    """The template with its `{name}`s replaced."""
    return template.format_map(Placeholders(values))
