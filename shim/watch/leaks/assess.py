"""The answer for one run of a container: what leaks, since when, what happened then, and when it reaches the limit."""

from __future__ import annotations

from bisect import bisect_left

from shim.values import Value
from shim.watch.leaks.judge import CACHE, GIVEN_BACK, LEAK, MOVED, SHORT, UNKNOWN, VERDICTS, Judgement, judge
from shim.watch.leaks.runs import HELD, KINDS, PRIVATE, latest
from shim.watch.leaks.trend import CONFIDENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.watch.leaks.runs import Happening, Line, Run
    from shim.watch.lives import Who

NEAR = 2.0  # spans around the change of the slope: events there may be the cause
NEAREST = 5.0  # seconds, if spans are shorter
RECLAIMABLE = "; the kernel may hold dentries and inodes among it, which it gives back when memory is short"


class Estimate(Value):
    """Seconds until the limit is reached at this rate; `soonest` and `latest` from the interval. None: never."""

    limit: int
    rate: float
    seconds: float
    soonest: float
    latest: float | None


class Assessment(Value):
    """One run. verdict: of judge.VERDICTS, the gravest of its kinds. leaking: the kinds that leak, the fastest first.

    kinds: kind -> judgement. began: UNIX seconds of the start of the fastest leak, None if it has leaked since the
    recording began. happened: events near that moment. reaches: the limit, None if nothing leaks or no limit is known.
    """

    run: Run
    verdict: str
    kinds: dict[str, Judgement]
    leaking: tuple[str, ...]
    began: float | None
    happened: tuple[Happening, ...]
    reaches: Estimate | None

    @property
    def who(self) -> Who:
        """The container."""
        return self.run.who


def assess(run: Run, confidence: float = CONFIDENCE) -> Assessment:
    """Return the answer for `run`. confidence: of the test and of the intervals, below 1."""
    limit = latest(run.limits.get("limit", ()))
    found = {kind: judge(line.times, line.values, limit, confidence) for kind, line in _judged(run)}
    private = run.lines.get(PRIVATE)
    found = {kind: _until_killed(run, kind, judgement, confidence) for kind, judgement in found.items()}
    kinds = {kind: _adjusted(kind, judgement, private, limit, confidence) for kind, judgement in found.items()}
    leaking = sorted((kind for kind in kinds if kinds[kind].verdict == LEAK), key=lambda kind: -_rate(kinds[kind]))
    began = kinds[leaking[0]].began if leaking else None
    verdicts = [judgement.verdict for judgement in kinds.values()] or [UNKNOWN]
    return Assessment(
        run=run,
        verdict=min(verdicts, key=VERDICTS.index),
        kinds=kinds,
        leaking=tuple(leaking),
        began=began,
        happened=_near(run, began) if leaking else (),
        reaches=_reaches(run, limit, confidence) if leaking else None,
    )


def _judged(run: Run) -> list[tuple[str, Line]]:
    return [(kind, run.lines[kind]) for kind in KINDS if kind in run.lines]


def _rate(judgement: Judgement) -> float:
    return judgement.trend.slope if judgement.trend else 0.0


def _until_killed(run: Run, kind: str, found: Judgement, confidence: float) -> Judgement:
    """Judge the longest stretch between kills: memory that falls because the kernel kills is not given back."""
    kills = sorted({one.time for one in run.happenings if one.kind == "oom"})
    if found.verdict != GIVEN_BACK or not kills:
        return found
    line = run.lines[kind]
    stretches: dict[int, list[int]] = {}
    for number, moment in enumerate(line.times):
        stretches.setdefault(bisect_left(kills, moment), []).append(number)
    longest = max(stretches.values(), key=len)
    # The spans of the kills themselves have values from before and after.
    first, last = longest[0] + (longest[0] > 0), longest[-1] + (longest[-1] == len(line.times) - 1)
    limit = latest(run.limits.get("limit", ()))
    judged = judge(line.times[first:last], line.values[first:last], limit, confidence)
    if judged.verdict != LEAK:
        return found
    why = f"it comes down only when the kernel kills for lack of memory, {len(kills)} times, and rises again: "
    return judged.changed(why=why + judged.why, first=found.first, last=found.last)


def _adjusted(kind: str, found: Judgement, private: Line | None, limit: int | None, confidence: float) -> Judgement:
    """Adjust for the kind: page cache is reclaimed on demand, and swap only moves memory."""
    if found.verdict != LEAK:
        return found
    if kind == "file":
        why = "page cache grows until memory is short, and is given back then: it is not a leak"
        return found.changed(verdict=CACHE, why=why)
    if kind == "kernel":
        return found.changed(why=found.why + RECLAIMABLE)
    if kind == "swap" and private is not None:
        whole = judge(private.times, private.values, limit, confidence)
        if whole.verdict not in (LEAK, SHORT):
            why = "memory is moved to swap: anonymous memory, shmem and swap together do not go on rising"
            return found.changed(verdict=MOVED, why=why)
    return found


def _near(run: Run, began: float | None) -> tuple[Happening, ...]:
    """Return the events around `began`, or without it those at the beginning of the run."""
    around = max(NEAREST, NEAR * run.spacing)
    moment = run.start if began is None else began
    return tuple(one for one in run.happenings if abs(one.time - moment) <= around)


def _reaches(run: Run, limit: int | None, confidence: float) -> Estimate | None:
    """Estimate from memory that the kernel cannot reclaim: page cache is freed first near the limit."""
    held = run.lines.get(HELD)
    if limit is None or held is None:
        return None
    whole = judge(held.times, held.values, limit, confidence)
    if whole.trend is None or whole.trend.slope <= 0:
        return None
    left = max(0.0, limit - whole.last)
    low = whole.trend.low
    return Estimate(
        limit=limit,
        rate=whole.trend.slope,
        seconds=left / whole.trend.slope,
        soonest=left / whole.trend.high,
        latest=left / low if low > 0 else None,
    )
