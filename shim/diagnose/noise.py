"""Takes a runtime's output apart: what was said, at which level, and what of it is noise.

Noise is what a runtime prints beside the cause or in front of it: runc's warning about OOM counts comes with every
failure at an early stage, crun puts "the memory limit could be too low" before failures that have nothing to do with
memory, engines append their own verdict.
"""

from __future__ import annotations

import json
import re

from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
# A diagnosis that was pasted back: only the runtime's own words in it count (`shim.diagnose.render`).
DIAGNOSED = re.compile(r"cgshim: .* \[[a-z0-9-]+\]\s*$", re.MULTILINE)
QUOTED = re.compile(r"^\s*runtime: (.*)$", re.MULTILINE)
LOGFMT = re.compile(r'^(?:time="?[^"\s]*"? )?level=(?P<level>\w+) msg=(?P<msg>"(?:[^"\\]|\\.)*"|\S+)(?P<rest>.*)$')

# Every wrapper that quotes a message escapes its quotes once more.
ESCAPED_QUOTE = re.compile(r'\\+"')

NOISE_LINES = (
    r"unable to get oom kill count",
    r"kernel memory settings are ignored and will be removed",
    r"skipping device \S+ for systemd",
    r"tun: unable to create tun",
    r"cannot toggle freezer: cgroups not configured for container",
    r"^lstat : no such file or directory",
    r"nsexec-0\[\d+\]: failed to sync with stage-1",
    r"cgroup v1 is deprecated and will be removed in a future release",
    r"support for non-absolute mount destinations will be removed",
    r"failed to remove (?:cgroup|paths)",
    r"^container still running$",
)
# What runtimes quote of CRIU's log is the cause, though runc quotes it as warnings.
EXCERPT = re.compile(r'--- (?:Quoting|excerpt from CRIU log) ["`]')
EXCERPT_ENDS = re.compile(r"---(?: end of excerpt)?$")
PREFIXES = (r"the memory limit could be too low: ",)
SUFFIXES = (r": unknown\.?$", r": OCI permission denied$", r": OCI runtime error$", r"\bunknown$")
NOISE = re.compile("|".join(NOISE_LINES), re.IGNORECASE)
AFFIXES = re.compile("|".join(PREFIXES + SUFFIXES), re.IGNORECASE | re.MULTILINE)
# A cause stands at the beginning or the end of a line and of an output. The patterns must never see more than this:
# the time of some grows with the square of a line's length.
LINE = 2000
LINES = 400
FAILING = ("error", "fatal", "panic", "critical")


class Heard(Value):
    """A runtime's output without its noise.

    errors: messages of level error and worse, or of no level, and quoted ones. rest: warnings and information.
    """

    errors: tuple[str, ...]
    rest: tuple[str, ...]

    @property
    def failure(self) -> str:
        """The errors, one a line."""
        return "\n".join(self.errors)

    @property
    def everything(self) -> str:
        """Errors first, then the rest, one a line."""
        return "\n".join(self.errors + self.rest)


def clean(text: str) -> Heard:
    """The messages of a JSON or logfmt log, or the lines of plain text, without noise."""
    plain = ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    own = QUOTED.findall(plain) if DIAGNOSED.search(plain) else []
    errors: list[str] = []
    rest: list[str] = []
    records = _records("\n".join(own) if own else plain)
    if len(records) > LINES:
        records = records[: LINES // 2] + records[-LINES // 2 :]
    excerpt = False
    for level, message in records:
        excerpt = bool(EXCERPT.match(message)) or (excerpt and not EXCERPT_ENDS.match(message))
        short = "\n".join(_ends(line) for line in ESCAPED_QUOTE.sub('"', message).split("\n"))
        quiet = AFFIXES.sub("", short).strip()
        if quiet and not NOISE.search(quiet):
            (errors if excerpt or not level or level.lower() in FAILING else rest).append(quiet)
    return Heard(errors=tuple(errors), rest=tuple(rest))


def _ends(line: str) -> str:
    return line if len(line) <= LINE else f"{line[: LINE // 2]} ... {line[-LINE // 2 :]}"


def _records(text: str) -> list[tuple[str, str]]:
    """(level, message) of every record; level "" where the format has none."""
    found: list[tuple[str, str]] = []
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        if text[position] == "{":
            try:
                value, position = decoder.raw_decode(text, position)
            except (ValueError, RecursionError):
                pass
            else:
                found.append(_json_record(value))
                continue
        line, _, _ = text[position:].partition("\n")
        position += len(line) + 1
        if line.strip():
            found.append(_line(line.strip()))
    return found


def _json_record(value: Any) -> tuple[str, str]:
    if not isinstance(value, dict):
        return "", str(value)
    message = str(value.get("msg", value.get("message", "")))
    more = value.get("error")
    return str(value.get("level", "")), f"{message}: {more}" if more else message


def _line(line: str) -> tuple[str, str]:
    match = LOGFMT.match(line)
    if match is None:
        return "", line
    message = match["msg"]
    if message.startswith('"'):
        message = re.sub(r"\\(.)", lambda escape: {"n": "\n", "t": "\t"}.get(escape[1], escape[1]), message[1:-1])
    return match["level"], message + match["rest"].rstrip()
