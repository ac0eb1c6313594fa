"""Takes a runtime's output apart: messages, their levels, and noise.

Noise is text that a runtime prints beside the cause or before it. runc's warning about OOM counts comes with every
failure at an early stage. crun prints "the memory limit could be too low" before failures that have nothing to do with
memory. Engines append their own verdict.
"""

from __future__ import annotations

import re

from shim.diagnose.line_breaks import PROMPT, are_full, rejoined, without_breaks
from shim.diagnose.other_languages import in_english
from shim.diagnose.records import LEFT_OUT, records
from shim.diagnose.retold import retold
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Part = TypeVar("Part")

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
# A pasted diagnosis: only the runtime's own words in it count (`shim.diagnose.render`).
DIAGNOSED = re.compile(r"cgshim: .* \[[a-z0-9-]+\]\s*$", re.MULTILINE)
QUOTED = re.compile(r"^\s*runtime: (.*)$", re.MULTILINE)
# The runtime's phrases that `shim.diagnose.render` abbreviates, because engines act on them.
ABBREVIATED = (
    (re.compile(r"\bexecutable not found \(ENOENT\) in\b"), "executable file not found in"),
    (re.compile(r"\bEACCES\b"), "permission denied"),
    (re.compile(r"\bEPERM\b"), "operation not permitted"),
    (re.compile(r"\bENOENT\b"), "no such file or directory"),
)
# The same from `cgshimctl explain`: the runtime's words are below this heading.
SHOWN = re.compile(
    r"^\s*code:? +[a-z0-9-]+ *$.*?^The runtime's own (?:words|message):?\s*$(?P<words>.*)", re.MULTILINE | re.DOTALL
)
INNER = re.compile(r'^(?:time=(?:"[^"]*"|\S+) )?level=\w+ msg="(?P<msg>.*?)"?$')
FAILED = re.compile(r"\b(?:[Ee]rror response|[Ee]rror: |[Ff]ailed|cannot)\b")
QUIETER = re.compile(
    r"(?:DEBU|INFO|WARN)\[\d+\] (?!\[\d+\] System error)|(?:time=\S+ )?level=(?:debug|info|warning) "
    r"|(?:Error: )?lxc[\w-]* \S+ \d{14}\.\d+ (?:WARN|NOTICE|INFO|DEBUG|TRACE) "
)
# runc from 1.4 on joins its own and its children's messages; each is a line of its own.
JOINED = re.compile(r"; (?=runc init error\(s\): |nsexec(?:-\d)?\[\d+\]: )")
# The frame that k9s and other programs draw around a text on the terminal.
FRAME = re.compile(r"^[ \t]*[\u2502\u2503\u2551][ \t]?|[ \t]*[\u2502\u2503\u2551][ \t]*$", re.MULTILINE)
CONTINUED = re.compile(r"\\\n[ \t]*(\\ )?")  # a folded string of YAML
ESCAPED_LINE_END = re.compile(r"\\+[nr](?![a-z]{2})|\\+n(?=cgshim: |runtime: |time=|level=)|\\+t")
PRINTED = str.maketrans({"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u00a0": " ", "\uff1a": ": "})

# crun before 0.11 quoted a path with ', and later with `.
OLD_QUOTES = re.compile(r"'([^'`\n]*)'(?=[\s:,.]|$)")
# Typographic quotes and an ellipsis in a record that is written in ASCII.
ESCAPED_PRINTED = re.compile(r"\\+u(201[89cd]|2026)", re.IGNORECASE)
# A text that was copied from a URL or from Markdown source.
IN_ADDRESS = re.compile(r"(?<=[\w:,;%])%(20)(?=[a-z])", re.IGNORECASE)
ESCAPED_TICK = re.compile(r"\\+`")
# A text that was pasted as a quotation or as the end of a sentence.
WHOLE_QUOTED = re.compile(r"\A\s*(?P<quote>```|[`\"'])(?P<said>(?:(?!(?P=quote)).)*)(?P=quote)[.,;]?\s*\Z", re.DOTALL)
SENTENCE_ENDS = re.compile(r"(?<=[\w)/\"'`\]])(?:\.+|\u2026)\s*\Z")

# A text whose blanks behind colons were lost.
NO_BLANK = re.compile(r"(?<=[\w'\"`)]) ?:(?=[a-z])", re.IGNORECASE)
NO_BLANK_BEFORE = re.compile(
    r":(?:permission denied|operation not permitted|no such file|invalid argument|device or resource busy)",
    re.IGNORECASE,
)

# Every wrapper that quotes a message escapes its quotes again.
ESCAPED_QUOTE = re.compile(r'\\+"')

NOISE_LINES = (
    r"unable to get oom kill count",
    r"kernel memory settings are ignored and will be removed",
    r"skipping device \S+ for systemd",
    r"tun: unable to create tun",
    r"^cannot toggle freezer: cgroups not configured for container",
    r"^lstat : no such file or directory",
    r"nsexec-0\[\d+\]: failed to sync with stage-1",
    r"nsexec-[12]\[\d+\]: failed to sync with (?:the )?parent",
    r"cgroup v1 is deprecated and will be removed in a future release",
    r"support for non-absolute mount destinations will be removed",
    r"failed to remove (?:cgroup|paths)",
    r"is not a shared mount, this could cause issues",
    r"^\[conmon:d\]: failed to write to /proc/self/oom_score_adj",
    r"^container still running$",
)
# Lines that runtimes quote from CRIU's log are the cause, though runc quotes them as warnings.
EXCERPT = re.compile(r'--- (?:Quoting|excerpt from CRIU log) ["`]')
EXCERPT_ENDS = re.compile(r"---(?: end of excerpt)?$")
PREFIXES = (r"the memory limit could be too low: ",)
SUFFIXES = (r": unknown\.?$", r": OCI permission denied$", r": OCI runtime error$", r"\bunknown$")
NOISE = re.compile("|".join(NOISE_LINES), re.IGNORECASE)
AFFIXES = re.compile("|".join(PREFIXES + SUFFIXES), re.IGNORECASE | re.MULTILINE)
# podman first prints its own failure to enable controllers as a warning, and the runtime then finds none.
NOT_ENABLED = re.compile(r"\bcgroup\.subtree_control[`'\"]?: \w|mkdir /sys/fs/cgroup\S*: read-only", re.IGNORECASE)
LACKS = re.compile(
    r"controllers? .* (?:is|are) not available|open `?[a-z]+\.[\w.]+`?: no such file|creating cgroup directory .*: "
    r"no such",
    re.IGNORECASE,
)
# A cause is at the beginning or the end of a line and of an output. The patterns must never get more than this: the
# time of some is quadratic in a line's length.
LINE = 2000
LINES = 400
FAILING = ("error", "fatal", "panic", "critical")


class Heard(Value):
    """A runtime's output without its noise.

    errors: messages of level error and worse, or of no level, and quoted ones. rest: warnings and information.
    rejoined: the errors of a text whose lines a terminal or folding broke, without the breaks. perhaps: the same if
    that is in doubt. aside: the noise, if there is nothing else. whole: all lines, the prompt and the noise included.
    """

    errors: tuple[str, ...]
    rest: tuple[str, ...]
    rejoined: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    whole: str = ""

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
        """The errors, or the rest if there are none."""
        return self.failure or self.everything

    @property
    def readings(self) -> tuple[tuple[str, ...], ...]:
        """The words in the order in which they are tried: without breaks if the lines were broken (in a word, or
        between two), unchanged, and at last as one line.
        """
        lines = [line.strip() for line in self.everything.split("\n")]
        folded, unbroken = (_ends(separator.join(lines)) for separator in (" ", ""))
        found = [self.rejoined, *((one,) for one in (self._reason, self.failure, self.everything))]
        found += [(folded,), (unbroken,)] if len(lines) > 1 else []
        found.append(tuple(_ends(" ".join(line.split())) for line in self.rejoined))
        found += [tuple(OLD_QUOTES.sub(r"`\1`", one) for one in words) for words in found]
        found += [
            tuple(NO_BLANK.sub(": ", one) for one in words) for words in found if NO_BLANK_BEFORE.search(str(words))
        ]
        spoken = (tuple(one for one in words if one) for words in (*found, self.aside))
        return tuple(dict.fromkeys(words for words in spoken if words))

    @property
    def _reason(self) -> str:
        """The warnings that explain why a controller could not be enabled, if the errors report that it is missing."""
        return "\n".join(line for line in self.rest if NOT_ENABLED.search(line)) if LACKS.search(self.failure) else ""


def clean(text: str) -> Heard:
    """Return the messages of a JSON or logfmt log, or the lines of plain text, without noise."""
    plain = _own_words(text)
    unbroken, sure = without_breaks(plain)
    if sure:
        plain, unbroken = unbroken, ""
    heard = _heard(plain)
    printed = _without_commands(plain.split("\n"))
    if printed and not _without_commands(heard.everything.split("\n")):  # the text is nothing but noise
        heard = Heard(errors=tuple(line.strip() for line in printed[:LINES]), rest=())
    lines = "\n".join(_ends(line) for line in _some(plain.split("\n")))
    heard = heard.changed(errors=heard.errors + retold(heard.everything), whole=lines)
    joined, begins, short = rejoined("\n".join(printed) or plain)
    whole = tuple((_heard(one).first, one) for one in joined)
    found = tuple(said or one for said, one in whole if said or not begins)
    aside = _aside(plain, heard)
    if unbroken:
        found += (_heard(unbroken).first or unbroken,)
    if begins or short or not joined:
        return heard.changed(perhaps=found, aside=aside)
    return heard.changed(rejoined=found, aside=aside)


def _without_commands(lines: list[str]) -> tuple[str, ...]:
    return tuple(line for line in lines if line.strip() and not PROMPT.match(line))


def _printed(text: str) -> str:
    """Return the text as printed: without colours, escapes of a URL or of Markdown, and YAML folding."""
    shown = ESCAPED_PRINTED.sub(lambda found: chr(int(found[1], 16)), ANSI.sub("", text))
    plain = shown.replace("\r\n", "\n").replace("\r", "\n").translate(PRINTED)
    plain = in_english(plain)
    plain = IN_ADDRESS.sub(lambda found: chr(int(found[1], 16)), plain)
    plain = SENTENCE_ENDS.sub("", WHOLE_QUOTED.sub(r"\g<said>", FRAME.sub("", ESCAPED_TICK.sub("`", plain))))
    if are_full(plain.strip("\n").split("\n")):  # a terminal may break a line behind a backslash
        return plain
    return CONTINUED.sub(lambda found: " " if found[1] else "", plain)


def _own_words(text: str) -> str:
    """Return the text as printed; of a pasted diagnosis only the runtime's own words."""
    plain = _printed(text)
    own = QUOTED.findall(plain) if DIAGNOSED.search(plain) else []
    shown = SHOWN.search(plain)
    own = own or ([shown["words"]] if shown else [])
    return _spelled_out("\n".join(own)) if own else plain


def _spelled_out(text: str) -> str:
    for short, phrase in ABBREVIATED:
        text = short.sub(phrase, text)
    return text


def _aside(text: str, heard: Heard) -> tuple[str, ...]:
    """Return the whole text, noise and warnings included, if it has nothing but words such as CreateError."""
    if not heard.everything or any(" " in line for line in heard.errors + heard.rest):
        return ()
    return (_ends("\n".join(message for _, message in records(text)[:LINES])),)


def _heard(text: str) -> Heard:
    errors: list[str] = []
    rest: list[str] = []
    found = _some(records(text))
    excerpt = False
    for level, message in found:
        excerpt = bool(EXCERPT.match(message)) or (excerpt and not EXCERPT_ENDS.match(message))
        kept = errors if excerpt or not level or level.lower() in FAILING else rest
        kept.extend(_spoken(message))
    return Heard(errors=tuple(errors), rest=tuple(rest))


def _some(found: list[Part]) -> list[Part]:
    """Return the first and the last of too many."""
    return found if len(found) <= LINES else found[: LINES // 2] + found[-LINES // 2 :]


def _spoken(message: str) -> list[str]:
    """Return the message without noise lines; messages that runc joined to it follow. A message that quotes a log, as
    engines quote a runtime's whole output, has records in it.
    """
    found = []
    for part in JOINED.split(message):
        short = "\n".join(_ends(line) for line in ESCAPED_QUOTE.sub('"', part).split("\n"))
        quiet = AFFIXES.sub("", ESCAPED_LINE_END.sub("\n", short)).strip()
        heard = [line for line in quiet.split("\n") if line.strip() and not NOISE.search(line)]
        louder = [line for line in heard if not QUIETER.match(line)]
        if any(FAILED.search(line) for line in louder):
            louder = [line for line in louder if not LEFT_OUT.search(line.strip())]
        quiet = "\n".join(_quoted(line) for line in louder or heard)
        if quiet:
            found.append(quiet)
    return found


def _quoted(line: str) -> str:
    """Return the message of a quoted record, whose own quotes may be unescaped by now; any other line is unchanged."""
    inner = INNER.match(line)
    return inner["msg"] if inner else line


def _ends(line: str) -> str:
    return line if len(line) <= LINE else f"{line[: LINE // 2]} ... {line[-LINE // 2 :]}"
