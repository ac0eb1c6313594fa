"""From a runtime's message and the host's facts to one diagnosis.

Of several causes that fit the words, one that a fact on this host confirms wins. If the words have several causes and
nothing decides, all of them are returned, the likeliest first ("several-causes"), with a way to decide. If nothing
fits, the answer is "not-recognised", without a guess.
"""

from __future__ import annotations

import os

from shim.diagnose import noise, spoken
from shim.diagnose.addressed import addressed
from shim.diagnose.catalogue import ENTRIES
from shim.diagnose.diagnosis import Context, Diagnosis
from shim.diagnose.entry import Entry, Words, compiled, filled
from shim.diagnose.facts import Facts
from shim.diagnose.likely_causes import usual_suspects
from shim.diagnose.needed import Index
from shim.diagnose.time_limit import SECONDS, TimeIsUp, time_limit
from shim.values import Value

NOT_RECOGNISED = "not-recognised"
SEVERAL_CAUSES = "several-causes"
STUMBLES = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)  # of a broken check
NOTICE = 80  # ranks from here on are of notices: something was left out, and the start went on
MOST = 5  # causes to return if nothing decides

INDEXES: dict[int, tuple[tuple[Entry, ...], Index]] = {}  # by the table's id, which is its own as long as it is kept


class Candidate(Value):
    """An entry that fits the words.

    evidence: what the host shows for it, () for nothing. stated: the words that prove it.
    hinted: words anywhere in the text make it the likeliest of several.
    """

    entry: Entry
    words: Words
    evidence: tuple[str, ...]
    stated: tuple[str, ...]
    place: int
    hinted: bool

    @property
    def order(self) -> tuple[bool, bool, int, int]:
        """Sort key: proof from a fact or the words first; our own errors before foreign ones; then rank and place."""
        later = not self.entry.ours or self.entry.rank >= NOTICE
        return not (self.evidence or self.stated), later, self.entry.rank, self.place

    @property
    def likeliest(self) -> tuple[bool, bool, int, int]:
        """Sort key: its place among several possible causes."""
        first = self.entry.first_for and compiled(self.entry.first_for).search(self.words.text)
        return not self.hinted, not first, self.entry.offer, self.place

    @property
    def counts(self) -> bool:
        """True if it can be the answer: something proves it, or its words have no other cause."""
        return bool(self.evidence or self.stated) or self.words.proven


def explain(text: str, context: Context) -> Diagnosis:
    """Return the diagnosis of a runtime's output `text` (plain, logfmt or JSON; noise included)."""
    try:
        with time_limit(SECONDS):
            return _explained(text, context)
    except TimeIsUp:
        return _without_cause(text, f"the message could not be looked up in {SECONDS:.0f} seconds of CPU time")


def _explained(text: str, context: Context) -> Diagnosis:
    heard = noise.clean(text)
    own = spoken.own_code(text)
    given = spoken.own_message(text, own)
    if given is not None:
        return given
    context = context.changed(said=f"{heard.whole}\n{heard.everything}")
    facts = Facts(spoken.placed(context, heard.everything))
    possible: list[Candidate] = []
    for last in (False, True):
        for reading in heard.readings:
            fitting = [one for words in reading for one in candidates(words, facts, last)]
            counting = sorted((one for one in fitting if one.counts), key=lambda one: one.order)
            whole = _of_broken_lines(heard, facts) if fitting else []
            if counting or whole:
                best = min([*counting[:1], *whole], key=lambda one: one.order)
                return _diagnosis(best, text, context, _rest(fitting, best))
            possible = sorted((one for one in fitting if one.entry.offer), key=lambda one: one.likeliest)
            if possible:
                return _several(possible, text, context)
    return spoken.by_code(own, text) or _not_recognised(text, heard, facts)


def _of_broken_lines(heard: noise.Heard, facts: Facts) -> list[Candidate]:
    """Return the candidates for the words without their line breaks. They may be more specific than those for one line:
    the catalogue has specific entries before general ones.
    """
    found = (one for words in heard.perhaps for one in candidates(words, facts))
    return [one for one in found if one.counts and one.entry.found_in(heard.everything) is None]


def _index(table: tuple[Entry, ...]) -> Index:
    """The entries by what their patterns need; to make it takes longer than to look up a message."""
    if id(table) not in INDEXES:
        INDEXES[id(table)] = table, Index(entry.patterns + entry.ambiguous for entry in table)
    return INDEXES[id(table)][1]


def candidates(words: str, facts: Facts, last: bool = False) -> list[Candidate]:
    """Return every entry that matches `words` and is not ruled out, with evidence from the host; with `last` those
    entries that are tried only if no other fits.
    """
    found = []
    layout = spoken.layout_of(words)
    lower = words.lower()
    for place in _index(ENTRIES).possible(lower):
        entry = ENTRIES[place]
        if entry.last is not last:
            continue
        if entry.layout and layout and entry.layout != layout:
            continue
        seen = entry.found_in(words, lower)
        if seen is None:
            continue
        if entry.beside and not compiled(entry.beside).search(facts.context.said):
            continue
        if ruled_out(entry, facts, seen):
            continue
        stated = entry.stated(seen) if entry.stated else ()
        evidence = looked(entry, facts, seen)
        hinted = bool(entry.first_beside and compiled(entry.first_beside).search(facts.context.said))
        found.append(Candidate(entry=entry, words=seen, evidence=evidence, stated=stated, place=place, hinted=hinted))
    return found


def looked(entry: Entry, facts: Facts, words: Words) -> tuple[str, ...]:
    """Return what the entry's check finds. A check that fails on a file of unknown form finds nothing: the user must
    learn of the runtime's failure, not of ours.
    """
    if entry.confirm is None:
        return ()
    try:
        return entry.confirm(facts, words)
    except STUMBLES as error:
        _note(error, entry)
        return ()


def _note(error: Exception, entry: Entry) -> None:
    """Write the traceback of a broken check if CGSHIM_DEBUG is set; otherwise its cause would silently stay
    unconfirmed.
    """
    place = os.environ.get("CGSHIM_DEBUG", "")
    if not place:
        return
    import traceback

    try:
        with open(place, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"the check for {entry.code} failed:\n")
            traceback.print_exception(type(error), error, error.__traceback__, file=file)
    except OSError:
        return


def ruled_out(entry: Entry, facts: Facts, words: Words) -> bool:
    """Return whether the entry's `excluded` rules it out. A check that fails rules nothing out."""
    if entry.excluded is None:
        return False
    try:
        return entry.excluded(facts, words)
    except STUMBLES as error:
        _note(error, entry)
        return False


def without_words(code: str, evidence: tuple[str, ...], values: dict[str, str]) -> Diagnosis:
    """Return the diagnosis of an entry that a check found without a message. Raises KeyError for an unknown code."""
    entry = entry_of(code)
    texts = filled(entry, values)
    return Diagnosis(
        code=entry.code,
        verdict=texts.verdict,
        cause=texts.cause,
        evidence=evidence,
        remedy=texts.remedy,
        reference=entry.reference,
        confirmed=True,
    )


def entry_of(code: str) -> Entry:
    """Return the catalogue's row. Raises KeyError for an unknown code."""
    for entry in ENTRIES:
        if entry.code == code:
            return entry
    raise KeyError(code)


def _rest(fitting: list[Candidate], best: Candidate) -> tuple[str, ...]:
    others = (one.entry.code for one in fitting if one.counts or one.entry.offer)
    return tuple(code for code in dict.fromkeys(others) if code != best.entry.code)


def _diagnosis(best: Candidate, text: str, context: Context, others: tuple[str, ...]) -> Diagnosis:
    entry = addressed(best.entry, best.words.text, context.said or text)
    texts = filled(entry, best.words.values(context.runtime))
    return Diagnosis(
        code=entry.code,
        verdict=texts.verdict,
        cause=texts.cause,
        evidence=best.stated + best.evidence,
        remedy=texts.remedy,
        reference=entry.reference,
        raw=text,
        confirmed=bool(best.evidence),
        ours=entry.ours,
        others=others,
        tell="" if best.evidence or best.stated else texts.tell,
    )


def _several(possible: list[Candidate], text: str, context: Context) -> Diagnosis:
    """Return each cause that the words may have. A single one is the answer itself, marked as not proven."""
    each = list({one.entry.code: one for one in reversed(possible)}.values())[::-1]
    causes = tuple(_diagnosis(one, "", context, ()) for one in each[:MOST])
    codes = tuple(one.code for one in causes)
    ours = any(one.ours for one in causes)
    if len(causes) == 1:
        (one,) = causes
        doubt = "This message may have other causes too, and no fact on the host decides."
        return one.changed(raw=text, cause=f"{one.cause} {doubt}".strip())
    return Diagnosis(
        code=SEVERAL_CAUSES,
        verdict=f"one of {len(causes)} causes, the likeliest first: {causes[0].verdict}",
        cause="This message has several causes, and no fact on the host decides between them.",
        raw=text,
        ours=ours,
        others=codes,
        causes=causes,
    )


def _not_recognised(text: str, heard: noise.Heard, facts: Facts) -> Diagnosis:
    """Return the diagnosis without a cause. It has facts about the host only if the words are about cgroups."""
    unknown = f"{spoken.speaker(heard.everything)} failed with a message that is not in the catalogue"
    if "cgroup" not in heard.everything.lower():
        return _without_cause(text, unknown)
    evidence = usual_suspects(facts)
    cause = "No cause is known for this message; these facts of the host are worth a look." if evidence else ""
    return _without_cause(text, unknown).changed(cause=cause, evidence=evidence)


def _without_cause(text: str, verdict: str) -> Diagnosis:
    return Diagnosis(
        code=NOT_RECOGNISED,
        verdict=verdict,
        cause="",
        evidence=(),
        remedy=("Run the same command with --debug, and read what comes before the last line.",),
        raw=text,
    )
