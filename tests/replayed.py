"""Recorded and quoted failures (`tests/failures/*.json`) with the facts that belong to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from shim.diagnose.diagnosis import Context
from shim.diagnose.facts import Status

FAILURES = Path(__file__).resolve().parent / "failures"
CONTEXT = ("config", "runtime", "bundle", "cgroups_path", "command", "container", "kernel_log")


class ReplayedView:
    """The facts of one case; everything else is absent."""

    root = "/replayed"
    page_size = 4096  # bytes: all of them were recorded on x86-64

    def __init__(self, facts: dict[str, dict[str, Any]]) -> None:
        self.facts = {kind: facts.get(kind, {}) for kind in ("text", "names", "exists", "status")}

    def text(self, path: str) -> str | None:
        """Recorded content."""
        found = self.facts["text"].get(path)
        return None if found is None else str(found)

    def names(self, path: str) -> tuple[str, ...]:
        """Recorded names."""
        return tuple(self.facts["names"].get(path, ()))

    def exists(self, path: str) -> bool:
        """Recorded itself, or above something recorded."""
        known = [name for found in self.facts.values() for name in found]
        return any(name == path or name.startswith(path.rstrip("/") + "/") for name in known)

    def identity(self, path: str) -> None:
        """Nothing was recorded."""

    def status(self, path: str) -> Status | None:
        """Recorded mode and owner."""
        found = self.facts["status"].get(path)
        if found is None:
            return None
        return Status(mode=int(found[0], 8), uid=found[1], gid=found[2], directory=found[3])


class Case(NamedTuple):
    """One failure: its text, what belongs to it, and what the diagnosis must be."""

    name: str
    code: str
    text: str
    evidence: str
    confirmed: bool
    context: Context


def recorded() -> list[Case]:
    """Provoked on one host: with bare runtimes (`integration.failures.recording`), and what engines refuse."""
    stored = json.loads((FAILURES / "recorded.json").read_text())
    refused = json.loads((FAILURES / "recorded-engines.json").read_text())
    return [_case(case, stored["texts"]) for case in (*stored["cases"], *refused["cases"])]


def guests() -> list[Case]:
    """Provoked with other kernels, layouts and versions by `integration.failures.guest_failures`."""
    return _of_guests("cases")


def silent() -> list[Case]:
    """What gives no message, in the same guests: what was read when a bare runtime hung."""
    return _of_guests("silent")


def _of_guests(kind: str) -> list[Case]:
    stored = json.loads((FAILURES / "recorded-guests.json").read_text())
    return [_case(case, stored["texts"]) for guest in stored["guests"].values() for case in guest[kind]]


def _case(case: dict[str, Any], texts: dict[str, str]) -> Case:
    facts = case["facts"]
    facts["text"] = {path: texts.get(content, content) for path, content in facts.get("text", {}).items()}
    evidence, context = case["evidence"], _context(case["context"], facts)
    return Case(case["name"], case["code"], case.get("text", ""), evidence, bool(evidence), context)


def quoted() -> list[Case]:
    """Texts of other hosts and versions; `source` says where each was seen."""
    stored = json.loads((FAILURES / "quoted.json").read_text())
    cases = []
    for number, case in enumerate(stored["cases"]):
        assert case["source"], case
        facts = {**case["facts"], "text": {**stored["hosts"][case["host"]], **case["facts"].get("text", {})}}
        name = f"{case['code']}-{number}"
        context = _context(case, facts)
        cases.append(Case(name, case["code"], case["text"], case["evidence"], case["confirmed"], context))
    return cases


def _context(fields: dict[str, Any], facts: dict[str, dict[str, Any]]) -> Context:
    known = {key: fields[key] for key in CONTEXT if key in fields}
    return Context(view=ReplayedView(facts), **{"kernel_log": "", **known})
