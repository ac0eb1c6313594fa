"""The assessments as JSON: plain numbers in bytes and seconds, not rounded, without texts for people alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shim.watch.alert import iso
from shim.watch.leaks.runs import latest

if TYPE_CHECKING:
    from shim.watch.leaks.assess import Assessment, Estimate
    from shim.watch.leaks.judge import Judgement
    from shim.watch.leaks.runs import Happening

TEST = "Mann-Kendall with ties, variance after Hamed and Rao; slopes after Theil and Sen"


def shape(path: str, found: list[Assessment], problems: list[str], confidence: float) -> dict[str, Any]:
    """Return the whole answer."""
    return {
        "file": path,
        "test": TEST,
        "confidence": confidence,
        "leaks": sum(1 for one in found if one.leaking),
        "problems": problems,
        "containers": [_container(one) for one in found],
    }


def _container(one: Assessment) -> dict[str, Any]:
    run, who = one.run, one.who
    return {
        "id": who.id,
        "name": who.name,
        "engine": who.engine,
        "pod": who.pod,
        "run": run.number,
        "from": iso(run.start),
        "to": iso(run.end),
        "samples": run.samples,
        "limit_bytes": latest(run.limits.get("limit", ())),
        "allocation_rate": run.allocated,
        "verdict": one.verdict,
        "leaking": list(one.leaking),
        "began": iso(one.began) if one.began is not None else None,
        "happened_then": [_happening(event) for event in one.happened],
        "limit_reached": _estimate(one.reaches) if one.reaches else None,
        "kinds": {kind: _kind(judgement) for kind, judgement in one.kinds.items()},
        "events": [_happening(event) for event in run.happenings],
    }


def _kind(found: Judgement) -> dict[str, Any]:
    trend = found.trend
    tested = {
        "rate": trend.slope,
        "rate_low": trend.low,
        "rate_high": trend.high,
        "tau": trend.tau,
        "p": trend.p,
        "values": trend.count,
        "variance_factor": trend.inflation,
    } if trend else None  # fmt: skip
    return {
        "verdict": found.verdict,
        "why": found.why,
        "first_bytes": int(found.first),
        "last_bytes": int(found.last),
        "began": iso(found.began) if found.began is not None else None,
        "rate_before": found.before,
        "trend": tested,
    }


def _estimate(found: Estimate) -> dict[str, Any]:
    return {
        "limit_bytes": found.limit,
        "rate": found.rate,
        "seconds": found.seconds,
        "seconds_low": found.soonest,
        "seconds_high": found.latest,
    }


def _happening(one: Happening) -> dict[str, Any]:
    return {"time": iso(one.time), "kind": one.kind, "what": one.what, "source": one.source}
