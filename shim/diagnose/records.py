"""Parses log records in a runtime's output: JSON, logfmt, klog, the journal, and engines' prefixes of a line."""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOGFMT = re.compile(
    r'^(?:time=(?:"[^"]*"|\S+) )?level=(?P<level>\w+) msg=(?P<msg>"(?:[^"\\]|\\.)*(?:"|$)|\S+)(?P<rest>.*)$'
)
# Prefixes of a program's own line: the journal, klog, container logs, events of Kubernetes, mail quotes.
PROGRAM = r"[\w@.:/()-]+(?:\[\d+\])?: "
# An event's columns: last seen (kubectl get events), type, reason, age and source (kubectl describe), or the object.
AGE = r"(?:\d[\dsmhdy]*|<\w+>)(?: +\(x\d+ over \w+\))?"
EVENT = (
    rf"(?:{AGE} +)?(?:Warning|Normal) +[A-Z]\w+ +"
    rf"(?:{AGE} +\w[\w.,/-]* +|(?:kubelet,?|[a-z][\w.]*[-/][\w.,/-]*) +)"
)
IN_FRONT = re.compile(
    rf"^(?:(?:[A-Z][a-z]{{2}} +\d{{1,2}} [\d:.]{{8,}}|\d{{4}}-\d\d-\d\dT[\d:.,]{{8,}}\S*(?<!:)) (?!level=)\S+ {PROGRAM}"
    r"|[IWEF]\d{4} [\d:.]{8,} +\d+ [\w.-]+\.go:\d+\] "
    r"|\[?\d{4}[-/]\d\d[-/]\d\d[T ][\d:.,]{8,}\S*\]?:? (?:std(?:out|err) [FP] )?"
    r"|#\d+ \d+\.\d+ |[\w.-]+ +\| (?=\S)"  # BuildKit's steps, and Compose's names of services
    rf"|> ?|{EVENT})"
)
KLOG = re.compile(r'\berr="((?:[^"\\]|\\.)*)"')  # klog's structured form
TERMINAL = re.compile(r"^(?P<level>DEBU|INFO|WARN|ERRO|FATA|PANI)\[\d+\] *")
LEVELS = {"DEBU": "debug", "INFO": "info", "WARN": "warning", "ERRO": "error", "FATA": "fatal", "PANI": "panic"}
# LXC's own log: the whole line is the message, because its file and function say which step failed.
LXC = re.compile(r"^lxc[\w-]* \S+ \d{14}\.\d+ (?P<level>[A-Z]+) ")
# An engine's word, without a level, for errors that it skips.
LEFT_OUT = re.compile(r"\b(?:discarded|ignored|limited without swap)\.?(?: +[\d.]+s)?$", re.IGNORECASE)


def records(text: str) -> list[tuple[str, str]]:
    """Return (level, message) of every record; level "" if the format has none."""
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
            found.append(line_record(line.strip()))
    return found


def _json_record(value: Any) -> tuple[str, str]:
    if not isinstance(value, dict):
        return "", str(value)
    message = value.get("msg", value.get("message"))
    if not isinstance(message, str):
        return "", "\n".join(_texts(value))
    message = _inner(message)
    more = _reason(value)
    return str(value.get("level", "")), f"{message}: {more}" if more else message


def _reason(value: dict[str, Any], depth: int = 4) -> str:
    """Return the error of a log record, which some loggers put into an object of its own ("data", "fields")."""
    given = next((value[name] for name in ("error", "err", "exception", "stderr") if value.get(name)), None)
    reason = value.get("reason")
    if given is None and isinstance(reason, str) and " " in reason:  # a single word is an event's, as FailedMount
        given = reason
    if given is not None:
        return given if isinstance(given, str) else "\n".join(_texts(given))
    inside = (one for one in value.values() if isinstance(one, dict))
    return next(filter(None, (_reason(one, depth - 1) for one in inside)), "") if depth else ""


def _inner(text: str) -> str:
    """Return the message of a JSON record inside a JSON string; any other text is unchanged."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _json_record(value)[1] or text


def _texts(value: Any, depth: int = 12) -> list[str]:
    """Return every string in a JSON value that is not a log record, such as the state of a container."""
    if isinstance(value, str):
        return [_inner(value)]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inside for text in _texts(one, depth - 1)] if depth else []


def line_record(line: str) -> tuple[str, str]:
    """Return (level, message) of one line, without its prefix."""
    for _ in range(3):
        if LOGFMT.match(line):
            break
        line = IN_FRONT.sub("", line, count=1).lstrip()
    terminal = TERMINAL.match(line)
    if terminal is not None:
        return LEVELS[terminal["level"]], line[terminal.end() :]
    step = LXC.match(line)
    if step is not None:
        return step["level"].lower(), line
    match = LOGFMT.match(line)
    if match is None:
        return "warning" if LEFT_OUT.search(line) else "", KLOG.sub(lambda one: f"err={_go_string(one[1])}", line)
    message = match["msg"]
    if message.startswith('"'):
        message = _go_string(_unquoted(message))
    return match["level"], message + match["rest"].rstrip()


def _go_string(text: str) -> str:
    """Decode Go's quoting, as far as logs use it."""
    return re.sub(r"\\(.)", lambda escape: {"n": "\n", "t": "\t"}.get(escape[1], escape[1]), text)


def _unquoted(message: str) -> str:
    """Return the message without its quotes; the last one is missing if a line was cut."""
    return message[1:-1] if len(message) > 1 and message.endswith('"') else message[1:]
