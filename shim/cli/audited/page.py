"""One HTML page without external resources: it can be mailed, archived, and opened from a file."""

from __future__ import annotations

from html import escape
from typing import Any

from shim.audit.row import CAPPED, ENFORCED, LOST, ORDER, STRICTER
from shim.cli.audited.text import called

STYLE = """
:root { color-scheme: light dark; --line: #8884; --bad: #c62828; --odd: #b26a00; --fine: #2e7d32; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
.numbers { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0; padding: 0; list-style: none; }
.numbers li { border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .8rem; }
.numbers b { display: block; font-size: 1.3rem; }
.answer { border-left: .3rem solid currentColor; padding: .4rem .8rem; font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; } td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.why { opacity: .8; font-size: .9em; overflow-wrap: anywhere; }
.bad, .odd { color: var(--bad); font-weight: 600; } .odd { color: var(--odd); } .fine { color: var(--fine); }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --odd: #ffb74d; --fine: #81c784; } }
"""
TITLES = (
    "Verdict",
    "Container",
    "Limit",
    "Asked of the engine",
    "Asked of the runtime",
    "systemd",
    "Kernel",
    "Effective",
)


def page(fleet: dict[str, Any]) -> str:
    """Return the document."""
    summary = fleet["summary"]
    numbers = [("hosts", summary["hosts"]), ("containers", summary["containers"]), ("limits", summary["limits"])]
    numbers += list(summary["verdicts"].items())
    boxes = "".join(
        f'<li class="{_class(name)}"><b>{count}</b> {escape(_counted(name, count))}</li>' for name, count in numbers
    )
    after = fleet.get("after")
    told = (
        f'<p class="answer">After the migration ({_text(after["target"])}): {_text(after["answer"])}</p>'
        if after
        else ""
    )
    hosts = "".join(_host(host) for host in fleet["hosts"])
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{_title(fleet)}</title>'
    body = f'<h1>{_title(fleet)}</h1>\n<ul class="numbers">{boxes}</ul>\n{told}\n{hosts}'
    start = f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}<style>{STYLE}</style></head>\n'
    return f"{start}<body>\n{body}</body>\n</html>\n"


def _title(fleet: dict[str, Any]) -> str:
    lost, limits = fleet["summary"]["lost"], fleet["summary"]["limits"]
    return f"{lost} of {limits} container limits {'is' if lost == 1 else 'are'} lost"


def _counted(name: str, count: int) -> str:
    """Return what is counted; a verdict has no plural."""
    return name[:-1] if count == 1 and name in ("hosts", "containers", "limits") else name


def _host(host: dict[str, Any]) -> str:
    pairs = [(limit, container) for container in host["containers"] for limit in container["limits"]]
    pairs.sort(key=lambda pair: ORDER.index(pair[0]["verdict"]))
    rows = "".join(_row(limit, container) for limit, container in pairs)
    titles = "".join(f"<th>{title}</th>" for title in TITLES)
    about = f"{host['layout']}, Linux {host['kernel']}, {host['time']}, cgshim {host['cgshim']}"
    table = f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table></div>'
    inside = f"{table if pairs else ''}{_after(host)}{_problems(host)}"
    return f"<h2>{_text(host['host'])}</h2>\n<p>{_text(about)}</p>\n{inside}\n"


def _row(limit: dict[str, Any], container: dict[str, Any]) -> str:
    cells = [limit["shown"][name] or "-" for name in ("asked", "configured", "systemd", "kernel", "effective")]
    numbers = "".join(f'<td class="number">{_text(cell)}</td>' for cell in cells)
    why = f'<div class="why">{_text(limit["why"])}</div>' if limit["why"] else ""
    name, verdict = _text(called(container)), _text(limit["verdict"])
    mark = f'<td class="{_class(limit["verdict"])}">{verdict}</td>'
    who = f'<td title="{_text(container["id"])}">{name}{why}</td>'
    return f"<tr>{mark}{who}<td>{_text(limit['limit'])}</td>{numbers}</tr>\n"


def _after(host: dict[str, Any]) -> str:
    rows = [
        f"<tr><td>{_text(change['outcome'])}</td><td>{_text(called(container))}</td><td>{_text(change['field'])}</td>"
        f"<td>{_text(change['reason'])}</td><td>{_text(change['without'])}</td></tr>\n"
        for container in host["containers"]
        for change in container.get("after", {}).get("changes", ())
    ]
    if not rows:
        return ""
    titles = "".join(f"<th>{title}</th>" for title in ("Outcome", "Container", "Field", "Why", "Without cgshim"))
    return f'<h3>After the migration</h3><div class="wide"><table><tr>{titles}</tr>{"".join(rows)}</table></div>'


def _problems(host: dict[str, Any]) -> str:
    told = list(host["problems"])
    told += [f"{called(one)}: {problem}" for one in host["containers"] for problem in one["problems"]]
    items = "".join(f"<li>{_text(line)}</li>" for line in told)
    return f"<h3>What could not be read</h3><ul>{items}</ul>" if told else ""


def _class(verdict: str) -> str:
    if verdict in LOST:
        return "bad"
    return "fine" if verdict == ENFORCED else "odd" if verdict in (CAPPED, STRICTER, "unknown") else ""


def _text(text: Any) -> str:
    """Return names and paths, which are foreign text, escaped and without surrogates."""
    return escape(str(text).encode("utf-8", "replace").decode("utf-8"), quote=True)
