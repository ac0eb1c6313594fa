"""JUnit XML for CI systems: a suite for each host, a case for each limit; lost ones fail, unknown ones are skipped."""

from __future__ import annotations

from typing import Any

from shim.audit.row import UNKNOWN
from shim.cli.audited.text import called


def page(fleet: dict[str, Any]) -> str:
    """Return the document."""
    suites = "".join(_suite(host) for host in fleet["hosts"])
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="cgshimctl audit">\n{suites}</testsuites>\n'


def _suite(host: dict[str, Any]) -> str:
    cases = [(container, limit) for container in host["containers"] for limit in container["limits"]]
    failed = sum(limit["lost"] for _, limit in cases)
    skipped = sum(limit["verdict"] == UNKNOWN for _, limit in cases)
    counts = f'tests="{len(cases)}" failures="{failed}" skipped="{skipped}" errors="0"'
    inside = "".join(_case(container, limit) for container, limit in cases)
    return f"  <testsuite name={_attribute(host['host'])} {counts}>\n{inside}  </testsuite>\n"


def _case(container: dict[str, Any], limit: dict[str, Any]) -> str:
    names = f"classname={_attribute(called(container))} name={_attribute(limit['limit'])}"
    if limit["lost"]:
        return f"    <testcase {names}><failure message={_attribute(_message(limit))}/></testcase>\n"
    if limit["verdict"] == UNKNOWN:
        return f"    <testcase {names}><skipped message={_attribute(_message(limit))}/></testcase>\n"
    return f"    <testcase {names}/>\n"


def _message(limit: dict[str, Any]) -> str:
    shown = limit["shown"]
    return (
        f"{limit['verdict']}: asked {shown['asked'] or shown['configured']}, kernel {shown['kernel']}: {limit['why']}"
    )


def _attribute(text: str) -> str:
    """Escape a text. XML 1.0 cannot contain control characters in any form."""
    clean = "".join(letter if letter >= " " and not "\ud800" <= letter <= "\udfff" else "�" for letter in text)
    from xml.sax.saxutils import quoteattr  # it imports urllib, http and ssl: a third of the tool's start-up time

    return quoteattr(clean)
