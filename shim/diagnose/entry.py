"""A row of the catalogue, and the fragments of its patterns.

Runtimes say the same thing in many wordings over their versions ("opening file `F` for writing: E", "open `F` for
writing: E", "openat2 /path/F: e"). The fragments here cover all of them, so that an entry names only the file and
the error. Patterns ignore case, and ^ and $ match at the ends of a line.
"""

from __future__ import annotations

import re

from shim.diagnose.needed import may_match
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from shim.diagnose.facts import Facts

    Check = Callable[[Facts, "Words"], "tuple[str, ...]"]
    Stated = Callable[["Words"], "tuple[str, ...]"]
    Excluded = Callable[[Facts, "Words"], bool]
    Foresight = Callable[[Facts], "tuple[str, ...]"]

# The errno phrases of Go and of glibc, and musl's if they differ (crun on Alpine), or the name of the errno, for a text
# from `render`.
EACCES = r"(?:permission denied|EACCES)"
ECONNREFUSED = r"(?:connection refused|ECONNREFUSED)"
EBUSY = r"(?:(?:device or )?resource busy|EBUSY)"
EAGAIN = r"(?:resource temporarily unavailable|EAGAIN)"
EEXIST = r"(?:file exists|EEXIST)"
EINTR = r"(?:interrupted system call|EINTR)"
EINVAL = r"(?:invalid argument|EINVAL)"
ELOOP = r"(?:too many levels of symbolic links|symbolic link loop|ELOOP)"
EMFILE = r"(?:too many open files|no file descriptors available|EMFILE)"
ENAMETOOLONG = r"(?:file ?name too long|ENAMETOOLONG)"
ENODEV = r"(?:no such device|ENODEV)"
ENOENT = r"(?:no such file or directory|ENOENT)"
ENOMEM = r"(?:cannot allocate memory|out of memory|ENOMEM)"
ENOSPC = r"(?:no space left on device|ENOSPC)"
ENOSYS = r"(?:function not implemented|ENOSYS)"
ENOTDIR = r"(?:not a directory|ENOTDIR)"
ENOTTY = r"(?:inappropriate ioctl for device|not a tty|ENOTTY)"
EOPNOTSUPP = r"(?:operation not supported|not supported|EOPNOTSUPP)"
EOVERFLOW = r"(?:value too large for (?:defined )?data type|EOVERFLOW)"
EPERM = r"(?:operation not permitted|EPERM)"
EDQUOT = r"(?:(?:disk )?quota exceeded|EDQUOT)"
ERANGE = r"(?:numerical result out of range|result not representable|ERANGE)"
EROFS = r"(?:read-only file system|EROFS)"
# A character of a path: systemd's paths contain colons, and only a colon followed by a blank ends a path.
CHARACTER = r"(?:[^\n`'\":]|:(?![\s\"']))"
# The controllers of v1 by the names of their hierarchies, alone or mounted together ("cpu,cpuacct"); other directories
# below /sys/fs/cgroup (unified, systemd, slices, containers) do not match.
V1_NAMES = r"(?:cpuset|cpuacct|cpu|blkio|memory|devices|freezer|net_cls|net_prio|perf_event|hugetlb|pids|rdma|misc)"
V1_HIERARCHY = rf"/sys/fs/cgroup/(?P<controller>{V1_NAMES})(?:,[a-z_]+)*/"


def named(file: str) -> str:
    """Match an interface file, with or without its directory and the runtimes' quotes; groups `path`, `directory`,
    `file`.
    """
    return rf"[`'\"]?(?P<path>(?P<directory>/{CHARACTER}*/)?(?P<file>{file}))[`'\"]?"


def bare(file: str) -> str:
    """Match an interface file without a verb, and usually without its directory, as in a text that was cut before
    it.
    """
    return rf"(?:^|: |=)[`'\"]?(?:/sys/fs/cgroup/{CHARACTER}*/)?(?P<file0>{file})[`'\"]?"


def writing(file: str, error: str) -> str:
    """Match: writing `file` (a regex for its name) failed with `error`; both runtimes, and systemd (with or without the
    cgroup and the value), all wordings.
    """
    value = r"(?: \"?[^\s\":]{1,40}\"? to)?"  # the value, where runc says only what it failed to write to where
    written = rf"(?:\bwrit(?:e|ing)(?: file)?{value}(?: to)? {named(file)}|{bare(file)}): {error}"
    place = r"(?: attribute)?(?: on '?[^\n']*'?)?(?: to '(?P<asked9>[^'\n]*)')?"
    others = r"(?!'blkio\.[^\n]* to 'default )"  # systemd's own weight, which is not a container's
    return rf"(?:{written}|\bFailed to (?:re)?set {others}'?(?P<file9>{file})'?{place}: {error})"


# What runc prints about the value: "failed to write 500 to cpu.cfs_quota_us: write ...", "failed to write \"500\":
# write ...".
WROTE = r"(?:failed to write \"?(?P<asked>[^\s\":]+)(?:\\n)?\"?\s*(?:to \"?[\w./,:-]+\"?)?: )?"


def opening(file: str, error: str) -> str:
    """Match: opening or finding `file` failed with `error`; both runtimes, all wordings."""
    verbs = r"\b(?:open|openat2|opening|opening file|stat|access)"
    return rf"(?:{verbs} {named(file)}(?: for writing)?|{bare(file)}): {error}"


def making(error: str) -> str:
    """Match: creating a cgroup directory failed with `error`; group `path`. Wordings of runtimes, mkdir(1) and
    systemd.
    """
    verbs = (
        r"(?:\b(?:mkdir|mkdirat|create|creating cgroup directory)|can(?:not|'t) create directory"
        r"|failed to create(?: control group| cgroup| directory)?)"
    )
    runtimes = rf"{verbs} [`'\"]?(?P<path>/sys/fs/cgroup/{CHARACTER}*)[`'\"]?"
    systemd = rf"failed to create (?:cgroup|control group) [`'\"]?(?P<path9>/(?!sys/){CHARACTER}*)[`'\"]?"
    return rf"(?:{runtimes}|{systemd}): {error}"


def creating(file: str) -> str:
    """Match: before 1.0 crun and runc opened `file` with O_CREAT, which cgroupfs refuses (EACCES) if it is missing."""
    return rf"\bopen(?:ing file)? {named(file)}(?: for writing)?: {EACCES}"


def mounted(source: str, problem: str) -> str:
    """Match runc's report of `problem` (a regex) while mounting `source`, all versions; groups as for `mounting`."""
    target = r"to rootfs(?:(?: \\*\"[^\"\n]*\")? at)? \\*\"(?P<destination>[^\"\\\n]*)\\*\""
    return rf"\bmounting \\*\"(?P<source>{source})\\*\" {target}(?:: | caused:? \\*\"?){problem}"


def mounting(fstype: str, error: str) -> str:
    """Match: mounting source or type `fstype` failed with `error`; groups `source` and `destination`."""
    runc = mounted(fstype, rf"(?:[^\n]*: )?{error}")
    crun = rf"\bmount [`'\"]?(?P<source2>{fstype})[`'\"]? to [`'\"]?(?P<destination2>[^`'\"\n:]*)[`'\"]?: {error}"
    old = rf"\bmounting (?P<source3>{fstype}) into (?P<destination3>[^\s\"]+) {error}"  # libcontainer before 1.5
    return f"(?:{runc}|{crun}|{old})"


COMPILED: dict[str, re.Pattern[str]] = {}  # larger than the cache of `re`, because the table has more patterns


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern: ignore case, and match ^ and $ at the ends of each line."""
    if pattern not in COMPILED:
        COMPILED[pattern] = re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    return COMPILED[pattern]


class Words(Value):
    """A match: the matched text and its named groups.

    Groups with the same meaning in the wordings of different runtimes are numbered (`path`, `path2`) and are one value
    here. proven: these words have no other cause.
    """

    text: str
    groups: dict[str, str]
    proven: bool = True

    def __getitem__(self, name: str) -> str:
        """Return the group's text, "" if this wording has none."""
        return self.groups.get(name, "")

    @property
    def controller(self) -> str:
        """The controller that the words are about: the named one, or the first part of the interface file's name."""
        return self["controller"] or self["file"].split(".")[0]

    def values(self, runtime: str) -> dict[str, str]:
        """Return values for templates: the groups, the controller and the runtime's name."""
        name = runtime if runtime in ("runc", "crun") else "the runtime"
        return {**({"controller": self.controller} if self.controller else {}), **self.groups, "runtime": name}


class Entry(Value):
    """One known failure.

    code: stable, kebab-case. title: a noun phrase for lists.
    patterns: regular expressions, each of which identifies it: these words have no other likely cause.
    ambiguous: words that have other causes, too; a match counts only if `confirm` finds evidence. An entry with neither
        has no message and is found by its check alone.
    verdict, cause, remedy: templates; `{name}` is a named group of the pattern. See `filled` for unknown values.
    confirm: checks the host and returns the evidence, () if the host does not support this cause.
    stated: reads only the words and returns the part that proves this cause, () if none does.
    excluded: True if the words, or the configuration that was read, rule this cause out.
    layout: "v1" or "v2" for a cause that belongs to one of them; words about the other rule it out.
    beside: words that must stand anywhere in the text, too: a command, a version, the name of a host.
        Only with them is this the cause.
    offer: its place among several undecided causes, 1 is the likeliest; 0: never without evidence. first_for: words of
    the message for which this cause is the likeliest, whatever its `offer`. first_beside: the same for words that stand
    anywhere in the text; they count for more, because they tell of this host.
    tell: a command whose output decides whether this is the cause, and what to look for in it.
    foresee: the same check without a failure, for `cgshimctl doctor`; evidence, or () if all is well.
    rank: of several confirmed causes the lowest wins; ties go to the earlier row. 80 and more: a notice, not a failure.
    ours: False: not about mounts or cgroups; the message is passed through unchanged.
    last: tried only if no other entry fits the words.
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
    stated: Stated | None = None
    excluded: Excluded | None = None
    layout: str = ""
    beside: str = ""
    offer: int = 0
    first_for: str = ""
    first_beside: str = ""
    tell: str = ""
    foresee: Foresight | None = None
    rank: int = 50
    ours: bool = True
    last: bool = False

    @property
    def silent(self) -> bool:
        """True if it has no message."""
        return not self.patterns and not self.ambiguous

    def found_in(self, text: str, lower: str = "") -> Words | None:
        """Return the match of the first pattern that fits, None if none does. lower: the text in lower case, if the
        caller has it.
        """
        lower = lower or text.lower()
        for pattern in self.patterns + self.ambiguous:
            match = compiled(pattern).search(text) if may_match(pattern, lower) else None
            if match is not None:
                named = {
                    key.rstrip("0123456789"): value for key, value in match.groupdict().items() if value is not None
                }
                return Words(text=match.group(0), groups=named, proven=pattern in self.patterns)
        return None


class Placeholders(dict):  # type: ignore[type-arg]
    """Values for a template; an unknown one is shown as <name>."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def fill(template: str, values: dict[str, str]) -> str:
    """Return the template with its `{name}`s replaced; an unknown one becomes <name>, as on the page of all entries."""
    return template.format_map(Placeholders(values))


def known(template: str, values: dict[str, str]) -> bool:
    """Return whether every `{name}` of the template has a value that is not empty."""
    return all(values.get(name) for name in NAMES.findall(template.replace("{{", "").replace("}}", "")))


NAMES = re.compile(r"{(\w+)}")
# Names in a message may come from the container, and remedies are pasted into a shell: no operators, quotes or
# patterns, no blank in a path, no option, and no way up and out of a directory.
SHELL = re.compile(r"[;&|`$<>()'\"\n*?\[\]!]|^/.*\s|^-|(?:^|/)\.\.(?:/|$)")


class Filled(Value):
    """An entry's texts for one failure, without placeholders for unknown values."""

    verdict: str
    cause: str
    remedy: tuple[str, ...]
    tell: str


def filled(entry: Entry, values: dict[str, str]) -> Filled:
    """The entry's templates with their values.

    If the verdict needs an unknown value, the title replaces it. Sentences of the cause and steps of the remedy are
    left out if they need one. So are steps with a value that a shell would not take as one plain word.
    """
    plain = {name: value for name, value in values.items() if not SHELL.search(value)}
    sentences = (part for part in sentences_of(entry.cause) if known(part, values))
    return Filled(
        verdict=fill(entry.verdict if known(entry.verdict, values) else entry.title, values),
        cause=fill(" ".join(sentences), values),
        remedy=tuple(fill(step, plain) for step in entry.remedy if known(step, plain)),
        tell=fill(entry.tell, plain) if known(entry.tell, plain) else "",
    )


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a template."""
    return re.split(r"(?<=[.;]) (?=[A-Z{])", text)
