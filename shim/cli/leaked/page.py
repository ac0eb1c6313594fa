"""One HTML page with the plots and the numbers behind them, without external resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shim.cli.leaked.plot import picture, text
from shim.cli.leaked.shape import TEST
from shim.cli.leaked.words import called, clock, rate, verdict
from shim.watch.leaks.judge import LEAK
from shim.watch.leaks.runs import shown

if TYPE_CHECKING:
    from typing import Iterable, Sequence

    from shim.watch.leaks.assess import Assessment
    from shim.watch.leaks.judge import Judgement

STYLE = """
:root { color-scheme: light; } body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem;
  padding: 0 1rem; color: #222; background: #fff; }
h1 { font-size: 1.4rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; }
svg { max-width: 100%; height: auto; } .wide { overflow-x: auto; } .leak { color: #b00000; font-weight: 600; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .25rem .6rem;
  border-bottom: 1px solid #ddd; } td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; padding: .3rem 0; } .about { color: #555; }
"""
MOST = 200  # events listed for one container, the newest


def page(path: str, found: Sequence[Assessment], problems: Sequence[str], confidence: float) -> str:
    """Return the document."""
    leaks = sum(1 for one in found if one.leaking)
    title = f"{leaks} of {len(found)} containers leak memory" if leaks else "No container leaks memory"
    start, end = min(one.run.start for one in found), max(one.run.end for one in found)
    about = f"{path}: {clock(start)} to {clock(end)} UTC. Test: {TEST}; confidence {confidence:.4g}."
    notes = "".join(f"<li>{text(problem)}</li>" for problem in problems)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = f'<h1>{title}</h1>\n<p class="about">{text(about)}</p>\n{f"<ul>{notes}</ul>" if notes else ""}'
    sections = "".join(_section(number, one) for number, one in enumerate(found))
    start_ = f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}<style>{STYLE}</style></head>\n'
    return f"{start_}<body>\n{body}\n{sections}</body>\n</html>\n"


def _section(number: int, one: Assessment) -> str:
    svg = picture([one]).replace('"title desc"', f'"title{number} desc{number}"')
    svg = svg.replace('id="title"', f'id="title{number}"').replace('id="desc"', f'id="desc{number}"')
    kinds = _table(
        ("Kind", "Verdict", "From", "To", "Rate", "Between", "Why"),
        (
            (kind, found.verdict, shown(found.first), shown(found.last), *_rates(found), found.why)
            for kind, found in one.kinds.items()
        ),
    )
    then = [(clock(event.time), event.what, event.source) for event in one.happened]
    began = f"<h3>What happened when it began</h3>{_table(EVENTS, then)}" if then else ""
    events = [(clock(event.time), event.what, event.source) for event in one.run.happenings[-MOST:]]
    rest = f"<details><summary>Events: {len(events)}</summary>{_table(EVENTS, events)}</details>" if events else ""
    mark = ' class="leak"' if one.leaking else ""
    sentence = verdict(one)
    told = f"<p{mark}>{text(sentence[0].upper() + sentence[1:])}.</p>"
    return (
        f'<section title="{text(one.who.id)}"><h2>{text(called(one))}</h2>{told}\n{svg}{kinds}{began}{rest}</section>\n'
    )


def _rates(found: Judgement) -> tuple[str, str]:
    """Return the slope and its interval, "" for a figure that does not change."""
    trend = found.trend
    return (rate(trend.slope), f"{rate(trend.low)} and {rate(trend.high)}") if trend and trend.slope else ("", "")


EVENTS = ("Time (UTC)", "What", "How it was learned")


def _table(titles: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td{_class(cell)}>{text(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _class(cell: str) -> str:
    return ' class="leak"' if cell == LEAK else ' class="number"' if cell[:1].isdigit() and len(cell) < 24 else ""
