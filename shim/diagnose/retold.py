"""Retells what shells, tools and languages say about a file of a cgroup in the words of runtimes.

A shell's "write error" does not name the file; that stands in the command before it. tee, Python, Node.js, Java, Ruby
and .NET name it in an order of their own. All of them become "write FILE: ERRNO", "open FILE: ERRNO", "mkdir DIRECTORY:
ERRNO" or "rmdir DIRECTORY: ERRNO", for which the catalogue has its patterns.
"""

from __future__ import annotations

import re

from shim.diagnose.entry import (
    EACCES,
    EAGAIN,
    EBUSY,
    EEXIST,
    EINVAL,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSPC,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
    ERANGE,
    EROFS,
)

OPENED = f"{EACCES}|{ENOENT}|{EROFS}"  # said when a file is opened, not when it is written
EMPTIED = rf"{EBUSY}|directory not empty|ENOTEMPTY"  # said when a directory is removed
OTHERS = f"{EAGAIN}|{EEXIST}|{EINVAL}|{ENODEV}|{ENOMEM}|{ENOSPC}|{EOPNOTSUPP}|{EOVERFLOW}|{EPERM}|{ERANGE}"
ERROR = rf"(?P<error>no such process|{EMPTIED}|{OPENED}|{OTHERS})"
# A file of a cgroup, with its directory or without, or anything below a directory that has "cgroup" in its name.
CONTROLLERS = (
    r"(?:cgroup|memory|cpu|cpuset|cpuacct|pids|io|blkio|hugetlb|rdma|misc|devices|freezer|net_cls|net_prio|perf_event)"
)
NAME = rf"(?:{CONTROLLERS}\.[a-z0-9][\w.]*|tasks|release_agent|notify_on_release)"
PART = r"[^\s'\"`:;()<>|$]"
FILE = rf"(?P<file>(?:/{PART}{{0,400}}/)?{NAME}(?![\w.])|/{PART}{{0,100}}cgroup{PART}{{0,400}})"
COMMAND = re.compile(
    rf"\b(?:echo|printf|cat|sed|xargs)\b(?P<value>[^\n>|]{{0,200}})(?:\|[^\n/|]{{0,40}}\btee\b[^\n/]{{0,20}}|>>?) *"
    rf"['\"]?{FILE}",
    re.IGNORECASE,
)
# The directory in a shell's prompt, for a file without one.
PROMPT = re.compile(r"[:\s](?P<place>/[^\s#$:]{0,300})(?:\](?=[#$])|[#$]) ?(?:echo|printf|cat)\b")
WRITE_ERROR = re.compile(rf"\b(?:write error|couldn't flush stdout): {ERROR}", re.IGNORECASE)
# mount(8) names a mount point, not a file; behind "Error" any program may stand.
SHELL = r"(?:^|\s)(?:-?(?:/[\w/]{1,40}/)?(?:ba|da|a|z|k)?sh|(?!u?mount:|error:)[\w./-]{1,80}): "
SPOKEN = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"{SHELL}(?:\d+: |line \d+: )?(?:cannot (?:create|open) )?{FILE}: {ERROR}",
        rf"\bzsh: {ERROR}: {FILE}",
        rf"\btee: ['\"]?{FILE}['\"]?: {ERROR}",
        rf"\[Errno \d+\] {ERROR}: b?['\"]{FILE}['\"]",
        rf"\b(?P<error>E[A-Z]{{3,}}): [a-z ,-]+, (?P<call>[a-z]+) '{FILE}'",
        rf"\b(?:FileSystemException|IOException): {FILE}: {ERROR}",
        rf"\bIOException: {ERROR}: {FILE}",
        rf"\bFileNotFoundException: {FILE} \({ERROR}\)",
        rf"{ERROR} @ \w+ - {FILE}",
        rf"\b{ERROR} - (?:(?P<call2>write|open|mkdir)|Failed to (?P<call3>write|open)[^\n/]{{0,60}}) ['\"]?{FILE}",
    )
)
# Exceptions that have the errno in their names.
NAMED = (
    (re.compile(rf"\bAccessDeniedException: {FILE}", re.IGNORECASE), "permission denied"),
    (re.compile(rf"\bAccess to the path ['\"]{FILE}['\"] is denied", re.IGNORECASE), "permission denied"),
    (re.compile(rf"\bNoSuchFileException: {FILE}", re.IGNORECASE), "no such file or directory"),
    (
        re.compile(rf"\bcannot (?:create|open) {FILE}: Directory nonexistent", re.IGNORECASE),
        "no such file or directory",
    ),
)
IS_FILE = re.compile(rf"(?:^|/){NAME}$", re.IGNORECASE)
IS_OPENED = re.compile(OPENED, re.IGNORECASE)
IS_EMPTIED = re.compile(EMPTIED, re.IGNORECASE)
NEXT = 3  # lines after a command in which its error is looked for


def retold(text: str) -> tuple[str, ...]:
    """Return a runtime's sentence for each failure in `text` that a shell, a tool or a language's library reports."""
    lines = text.split("\n")
    found: list[str] = []
    for number, line in enumerate(lines):
        found += _written(line, lines[number : number + NEXT + 1])
        spoken = (form.search(line) for form in SPOKEN)
        found += [_sentence(one["file"], one["error"], _call(one)) for one in spoken if one is not None]
        found += [_sentence(one["file"], error, "") for form, error in NAMED for one in form.finditer(line)]
    return tuple(dict.fromkeys(found))


def _written(line: str, near: list[str]) -> list[str]:
    """Return the sentence for a command that writes to a file of a cgroup, and the shell's error below it."""
    command = COMMAND.search(line)
    failed = next(filter(None, map(WRITE_ERROR.search, near)), None) if command is not None else None
    if command is None or failed is None:
        return []
    file, value = command["file"], command["value"].strip(" '\"\\")
    prompt = PROMPT.search(line)
    if prompt is not None and "/" not in file:
        file = f"{prompt['place'].rstrip('/')}/{file}"
    front = f"failed to write {value}: " if re.fullmatch(r"[\w.,+-]+", value) else ""
    return [f"{front}write {file}: {failed['error']}"]


def _call(match: re.Match[str]) -> str:
    """Return the system call that the text names, "" for none."""
    named = match.groupdict()
    return next((named[name] for name in ("call", "call2", "call3") if named.get(name)), "").lower()


def _sentence(file: str, error: str, call: str) -> str:
    if not call and IS_FILE.search(file):
        call = "open" if IS_OPENED.match(error) else "write"
    elif not call:
        call = "rmdir" if IS_EMPTIED.match(error) else "mkdir"
    return f"{call} {file}: {error}"
