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
# The same as `cgshimctl explain` shows it: the runtime's words stand below this heading.
SHOWN = re.compile(
    r"^\s*code:? +[a-z0-9-]+ *$.*?^The runtime's own (?:words|message):?\s*$(?P<words>.*)", re.MULTILINE | re.DOTALL
)
LOGFMT = re.compile(
    r'^(?:time=(?:"[^"]*"|\S+) )?level=(?P<level>\w+) msg=(?P<msg>"(?:[^"\\]|\\.)*(?:"|$)|\S+)(?P<rest>.*)$'
)
INNER = re.compile(r'^(?:time=(?:"[^"]*"|\S+) )?level=\w+ msg="(?P<msg>.*?)"?$')
# What stands in front of a program's own line: the journal, klog, container logs, events of Kubernetes, mail quotes.
PROGRAM = r"[\w@.:/()-]+(?:\[\d+\])?: "
IN_FRONT = re.compile(
    rf"^(?:(?:[A-Z][a-z]{{2}} +\d{{1,2}} [\d:.]{{8,}}|\d{{4}}-\d\d-\d\dT[\d:.,]{{8,}}\S*) (?!level=)\S+ {PROGRAM}"
    r"|[IWEF]\d{4} [\d:.]{8,} +\d+ [\w.-]+\.go:\d+\] "
    r"|\[?\d{4}[-/]\d\d[-/]\d\d[T ][\d:.,]{8,}\S*\]?:? (?:std(?:out|err) [FP] )?"
    r"|> ?|(?:Warning|Normal) +[A-Z]\w+ +[\w<>]+(?: \(x\d+ over \w+\))? +\w[\w.,/-]* +)"
)
KLOG = re.compile(r'\berr="((?:[^"\\]|\\.)*)"')  # klog's structured form
TERMINAL = re.compile(r"^(?P<level>DEBU|INFO|WARN|ERRO|FATA|PANI)\[\d+\] *")
# An engine's word, without a level, for what it leaves out and goes on.
LEFT_OUT = re.compile(r"\b(?:discarded|ignored|limited without swap)\.?(?: +[\d.]+s)?$", re.IGNORECASE)
QUIETER = re.compile(r"(?:DEBU|INFO|WARN)\[\d+\] (?!\[\d+\] System error)|(?:time=\S+ )?level=(?:debug|info|warning) ")
LEVELS = {"DEBU": "debug", "INFO": "info", "WARN": "warning", "ERRO": "error", "FATA": "fatal", "PANI": "panic"}
# How a line begins that is a message of its own and no continuation.
STARTS = re.compile(
    r"^\s*(?:$|[{}\[\]]|(?:DEBU|INFO|WARN|ERRO|FATA)\[|time=|level=|[Ee]rror:|ERROR:?|WARNING:|[Ff]ailed "
    r"|docker: |cgshim: |  ?[a-z]+: "
    rf"|{IN_FRONT.pattern[1:]}|\w+_linux\.go:\d+: starting|(?:runc|crun|podman|docker|kubelet)\b[^:]{{0,40}}: )"
)
# runc from 1.4 on joins what it and its children say; each is a line of its own.
JOINED = re.compile(r"; (?=runc init error\(s\): |nsexec(?:-\d)?\[\d+\]: )")
CONTINUED = re.compile(r"\\\n[ \t]*(\\ )?")  # a folded string of YAML
ESCAPED_LINE_END = re.compile(r"\\+[nr](?![a-z]{2})|\\+n(?=cgshim: |runtime: |time=|level=)|\\+t")
PRINTED = str.maketrans({"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u00a0": " "})

# crun before 0.11 quoted a path with ', and with ` from then on.
OLD_QUOTES = re.compile(r"'([^'`\n]*)'(?=[\s:,.]|$)")
# A text that was copied from an address or from Markdown source.
IN_ADDRESS = re.compile(r"(?<=[\w:,;%])%(20)(?=[a-z])", re.IGNORECASE)
ESCAPED_TICK = re.compile(r"\\+`")

# Every wrapper that quotes a message escapes its quotes once more.
ESCAPED_QUOTE = re.compile(r'\\+"')

NOISE_LINES = (
    r"unable to get oom kill count",
    r"kernel memory settings are ignored and will be removed",
    r"skipping device \S+ for systemd",
    r"tun: unable to create tun",
    r"^cannot toggle freezer: cgroups not configured for container",
    r"^lstat : no such file or directory",
    r"nsexec-0\[\d+\]: failed to sync with stage-1",
    r"cgroup v1 is deprecated and will be removed in a future release",
    r"support for non-absolute mount destinations will be removed",
    r"failed to remove (?:cgroup|paths)",
    r"is not a shared mount, this could cause issues",
    r"^\[conmon:d\]: failed to write to /proc/self/oom_score_adj",
    r"^container still running$",
)
# What runtimes quote of CRIU's log is the cause, though runc quotes it as warnings.
EXCERPT = re.compile(r'--- (?:Quoting|excerpt from CRIU log) ["`]')
EXCERPT_ENDS = re.compile(r"---(?: end of excerpt)?$")
PREFIXES = (r"the memory limit could be too low: ",)
SUFFIXES = (r": unknown\.?$", r": OCI permission denied$", r": OCI runtime error$", r"\bunknown$")
NOISE = re.compile("|".join(NOISE_LINES), re.IGNORECASE)
AFFIXES = re.compile("|".join(PREFIXES + SUFFIXES), re.IGNORECASE | re.MULTILINE)
# podman puts its own failure to enable controllers in front, as a warning, and the runtime then finds none.
NOT_ENABLED = re.compile(r"\bcgroup\.subtree_control[`'\"]?: \w|mkdir /sys/fs/cgroup\S*: read-only", re.IGNORECASE)
LACKS = re.compile(
    r"controllers? .* (?:is|are) not available|open `?[a-z]+\.[\w.]+`?: no such file|creating cgroup directory .*: "
    r"no such",
    re.IGNORECASE,
)
# A cause stands at the beginning or the end of a line and of an output. The patterns must never see more than this:
# the time of some grows with the square of a line's length.
LINE = 2000
NARROW = 40  # columns; no terminal is narrower
LONGEST_WORD = 40  # folding leaves up to this much of a line empty
LINES = 400
FAILING = ("error", "fatal", "panic", "critical")


class Heard(Value):
    """A runtime's output without its noise.

    errors: messages of level error and worse, or of no level, and quoted ones. rest: warnings and information.
    rejoined: the errors of a text whose lines a terminal or folding broke, as they read without the breaks.
    """

    errors: tuple[str, ...]
    rest: tuple[str, ...]
    rejoined: tuple[str, ...] = ()

    @property
    def failure(self) -> str:
        """The errors, one a line."""
        return "\n".join(self.errors)

    @property
    def everything(self) -> str:
        """Errors first, then the rest, one a line."""
        return "\n".join(self.errors + self.rest)

    @property
    def first(self) -> str:
        """The errors; the rest where there are none."""
        return self.failure or self.everything

    @property
    def readings(self) -> tuple[str, ...]:
        """The words in the order in which they are tried: without breaks where the lines were broken, as they came, and
        at last as one line.
        """
        lines = [line.strip() for line in self.everything.split("\n")]
        folded, unbroken = (_ends(separator.join(lines)) for separator in (" ", ""))
        found = (*self.rejoined, self._reason, self.failure, self.everything)
        found = (*found, *((folded, unbroken) if len(lines) > 1 else ()))
        found = (*found, *(OLD_QUOTES.sub(r"`\1`", one) for one in found))
        return tuple(dict.fromkeys(one for one in found if one))

    @property
    def _reason(self) -> str:
        """The warnings that say why a controller, whose lack the errors tell of, could not be enabled."""
        return "\n".join(line for line in self.rest if NOT_ENABLED.search(line)) if LACKS.search(self.failure) else ""


def clean(text: str) -> Heard:
    """The messages of a JSON or logfmt log, or the lines of plain text, without noise."""
    plain = ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n").translate(PRINTED)
    plain = IN_ADDRESS.sub(lambda found: chr(int(found[1], 16)), plain)
    plain = ESCAPED_TICK.sub("`", plain)
    plain = CONTINUED.sub(lambda found: " " if found[1] else "", plain)
    own = QUOTED.findall(plain) if DIAGNOSED.search(plain) else []
    shown = SHOWN.search(plain)
    own = own or ([shown["words"]] if shown else [])
    plain = "\n".join(own) if own else plain
    heard = _heard(plain)
    if not heard.everything:  # noise alone is what was asked about
        heard = Heard(errors=tuple(line.strip() for line in plain.split("\n") if line.strip())[:LINES], rest=())
    return heard.changed(rejoined=tuple(_heard(joined).first for joined in _rejoined(plain)))


def _rejoined(text: str) -> tuple[str, ...]:
    """The text without the breaks of a terminal (every line but the last is full) or of folding (every line but the
    last would not have held the next word); () for lines that are messages of their own.
    """
    lines = text.strip("\n").split("\n")
    widths = [len(line) for line in lines[:-1]]
    width = max(widths, default=0)
    full = len(widths) > 1 and width - min(widths) == 0
    own = not full and any(STARTS.match(line) for line in lines[1:])
    if width < NARROW or own or len(lines[-1]) > width or width - min(widths) > LONGEST_WORD:
        return ()
    folded = " ".join(line.strip() for line in lines)
    return ("".join(lines), folded) if width - min(widths) <= 1 else (folded,)


def _heard(text: str) -> Heard:
    errors: list[str] = []
    rest: list[str] = []
    records = _records(text)
    if len(records) > LINES:
        records = records[: LINES // 2] + records[-LINES // 2 :]
    excerpt = False
    for level, message in records:
        excerpt = bool(EXCERPT.match(message)) or (excerpt and not EXCERPT_ENDS.match(message))
        kept = errors if excerpt or not level or level.lower() in FAILING else rest
        kept.extend(_spoken(message))
    return Heard(errors=tuple(errors), rest=tuple(rest))


def _spoken(message: str) -> list[str]:
    """The message without the lines that are noise; what runc joined to it follows. A message that quotes a log, as
    engines put a runtime's whole output into one, has records in it.
    """
    found = []
    for part in JOINED.split(message):
        short = "\n".join(_ends(line) for line in ESCAPED_QUOTE.sub('"', part).split("\n"))
        quiet = AFFIXES.sub("", ESCAPED_LINE_END.sub("\n", short)).strip()
        heard = [line for line in quiet.split("\n") if line.strip() and not NOISE.search(line)]
        louder = [line for line in heard if not QUIETER.match(line)]
        quiet = "\n".join(_quoted(line) for line in louder or heard)
        if quiet:
            found.append(quiet)
    return found


def _quoted(line: str) -> str:
    """The message of a quoted record, whose own quotes may be unescaped by now; any other line as it is."""
    inner = INNER.match(line)
    return inner["msg"] if inner else line


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
    message = value.get("msg", value.get("message"))
    if not isinstance(message, str):
        return "", "\n".join(_texts(value))
    message = _inner(message)
    more = value.get("error", value.get("err"))
    return str(value.get("level", "")), f"{message}: {more}" if more else message


def _inner(text: str) -> str:
    """The message of a record of JSON that was put into a string of JSON; any other text as it is."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _json_record(value)[1] or text


def _texts(value: Any, depth: int = 12) -> list[str]:
    """Every string in a JSON value that is no record of a log, such as the state of a container."""
    if isinstance(value, str):
        return [_inner(value)]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inside for text in _texts(one, depth - 1)] if depth else []


def _line(line: str) -> tuple[str, str]:
    for _ in range(3):
        if LOGFMT.match(line):
            break
        line = IN_FRONT.sub("", line, count=1).lstrip()
    terminal = TERMINAL.match(line)
    if terminal is not None:
        return LEVELS[terminal["level"]], line[terminal.end() :]
    match = LOGFMT.match(line)
    if match is None:
        return "warning" if LEFT_OUT.search(line) else "", KLOG.sub(lambda one: f"err={_go_string(one[1])}", line)
    message = match["msg"]
    if message.startswith('"'):
        message = _go_string(_unquoted(message))
    return match["level"], message + match["rest"].rstrip()


def _go_string(text: str) -> str:
    """What Go's quoting stands for, as far as logs use it."""
    return re.sub(r"\\(.)", lambda escape: {"n": "\n", "t": "\t"}.get(escape[1], escape[1]), text)


def _unquoted(message: str) -> str:
    """Without its quotes; the last one is missing where a line was cut."""
    return message[1:-1] if len(message) > 1 and message.endswith('"') else message[1:]
