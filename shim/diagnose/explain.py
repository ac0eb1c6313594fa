"""From a runtime's words and the host's facts to one diagnosis.

Of several causes that fit the words, one that a fact on this host confirms wins. Where the words have several causes
and none is confirmed, the answer is "not-recognised" with the facts that are most often the reason: no guess.
"""

from __future__ import annotations

from shim.diagnose import noise
from shim.diagnose.catalogue import ENTRIES
from shim.diagnose.diagnosis import Context, Diagnosis
from shim.diagnose.entry import Entry, Words, fill
from shim.diagnose.facts import Facts
from shim.diagnose.suspects import usual_suspects
from shim.values import Value

NOT_RECOGNISED = "not-recognised"


class Candidate(Value):
    """An entry that fits the words. evidence: what the host shows for it, () if nothing does."""

    entry: Entry
    words: Words
    evidence: tuple[str, ...]
    place: int

    @property
    def order(self) -> tuple[bool, int, int]:
        """Confirmed first, then by rank, then by place in the catalogue."""
        return not self.evidence, self.entry.rank, self.place

    @property
    def counts(self) -> bool:
        """Can this be the answer: confirmed, or its words have no other cause."""
        return bool(self.evidence) or self.words.proven


def explain(text: str, context: Context) -> Diagnosis:
    """The diagnosis of a runtime's output `text` (plain, logfmt or JSON; noise included)."""
    heard = noise.clean(text)
    facts = Facts(context)
    fitting: list[Candidate] = []
    for words in (heard.failure, heard.everything):
        fitting = fitting or candidates(words, facts)
    foreign = [one for one in fitting if not one.entry.ours]
    counting = sorted((one for one in foreign or fitting if one.counts), key=lambda one: one.order)
    if not counting:
        return _not_recognised(text, facts, tuple(one.entry.code for one in fitting))
    others = tuple(one.entry.code for one in fitting if one is not counting[0])
    return _diagnosis(counting[0], text, context, others)


def candidates(words: str, facts: Facts) -> list[Candidate]:
    """Every entry that recognises `words`, with what the host shows for it."""
    found = []
    for place, entry in enumerate(ENTRIES):
        seen = entry.found_in(words)
        if seen is not None:
            found.append(Candidate(entry=entry, words=seen, evidence=looked(entry, facts, seen), place=place))
    return found


def looked(entry: Entry, facts: Facts, words: Words) -> tuple[str, ...]:
    """What the entry's check finds. A check that stumbles over a file of unknown form finds nothing: the runtime's
    failure is what the user has to learn of, not ours.
    """
    if entry.confirm is None:
        return ()
    try:
        return entry.confirm(facts, words)
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError):
        return ()


def without_words(code: str, evidence: tuple[str, ...], values: dict[str, str]) -> Diagnosis:
    """The diagnosis of an entry that was found by looking, not by a message. Raises KeyError for an unknown code."""
    entry = entry_of(code)
    return Diagnosis(
        code=entry.code,
        verdict=fill(entry.verdict, values),
        cause=fill(entry.cause, values),
        evidence=evidence,
        remedy=tuple(fill(step, values) for step in entry.remedy),
        reference=entry.reference,
        confirmed=True,
    )


def entry_of(code: str) -> Entry:
    """The catalogue's row. Raises KeyError for an unknown code."""
    for entry in ENTRIES:
        if entry.code == code:
            return entry
    raise KeyError(code)


def _diagnosis(best: Candidate, text: str, context: Context, others: tuple[str, ...]) -> Diagnosis:
    entry, values = best.entry, best.words.values(context.runtime)
    return Diagnosis(
        code=entry.code,
        verdict=fill(entry.verdict, values),
        cause=fill(entry.cause, values),
        evidence=best.evidence,
        remedy=tuple(fill(step, values) for step in entry.remedy),
        reference=entry.reference,
        raw=text,
        confirmed=bool(best.evidence),
        ours=entry.ours,
        others=others,
    )


def _not_recognised(text: str, facts: Facts, fitting: tuple[str, ...]) -> Diagnosis:
    cause = "These facts of the host are most often the reason of a failed start; none of them is proven to be it."
    if fitting:
        cause = "The words fit several causes and this host's facts confirm none of them: " + ", ".join(fitting) + "."
    return Diagnosis(
        code=NOT_RECOGNISED,
        verdict=f"{facts.context.runtime} failed with a message that is not in the catalogue",
        cause=cause,
        evidence=usual_suspects(facts),
        remedy=("cgshimctl doctor", "Run the same command with --debug and read what comes before the last line."),
        raw=text,
        others=fitting,
    )
