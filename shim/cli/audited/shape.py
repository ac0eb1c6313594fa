"""The object of `audit --json`: hosts, their containers, their limits. All other renderings are made from it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from shim import __version__
from shim.audit import after as migration
from shim.audit.limit import shown
from shim.audit.row import ENFORCED, LOST, ORDER, Row
from shim.errors import ShimError

if TYPE_CHECKING:
    from shim.containers.container import Container
    from shim.host.facts import Host

SCHEMA = 1
COLUMNS = ("asked", "configured", "systemd", "kernel", "effective")


def of_host(name: str, kernel: str, host: Host, containers: list[dict[str, Any]], problems: tuple[str, ...]) -> Any:
    """Return one host's part."""
    return {
        "host": name,
        "kernel": kernel,
        "layout": host.layout,
        "layout_evidence": host.layout_evidence,
        "cgshim": __version__,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "containers": containers,
        "problems": list(problems),
    }


def of_container(container: Container, rows: list[Row], there: migration.After | None) -> dict[str, Any]:
    """Return one container; `verdict` is its worst."""
    names = ("id", "engine", "pod", "image", "state", "pid", "bundle", "runtime")
    found: dict[str, Any] = {"name": container.title, **{name: getattr(container, name) for name in names}}
    found["verdict"] = rows[0].verdict if rows else ENFORCED
    found["limits"] = [_row(row) for row in rows]
    found["problems"] = list(container.problems)
    if there is not None:
        found["after"] = {"outcome": there.outcome, "changes": [change.__dict__ for change in there.changes]}
    return found


def _row(row: Row) -> dict[str, Any]:
    texts = {name: None if getattr(row, name) is None else shown(row.unit, getattr(row, name)) for name in COLUMNS}
    raw = {name: getattr(row, name) for name in COLUMNS}
    return {
        "limit": row.limit,
        "verdict": row.verdict,
        "lost": row.lost,
        "hint": row.hint,
        "why": row.why,
        "unit": row.unit,
        "where": row.where,
        "values": raw,
        "shown": texts,
    }


def fleet(hosts: list[dict[str, Any]], target: str = "") -> dict[str, Any]:
    """Return everything: the hosts, the counts of all, and the answer about the migration if it was requested."""
    containers = [container for host in hosts for container in host["containers"]]
    limits = [limit for container in containers for limit in container["limits"]]
    counts = {verdict: sum(limit["verdict"] == verdict for limit in limits) for verdict in ORDER}
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "summary": {
            "hosts": len(hosts),
            "containers": len(containers),
            "limits": len(limits),
            "lost": sum(limit["verdict"] in LOST for limit in limits),
            "verdicts": {verdict: count for verdict, count in counts.items() if count},
        },
        "hosts": hosts,
    }
    outcomes = [container["after"]["outcome"] for container in containers if "after" in container]
    if outcomes or target:
        by_outcome = {outcome: outcomes.count(outcome) for outcome in migration.OUTCOMES if outcome in outcomes}
        found["after"] = {"target": target, "answer": migration.answer(outcomes), "outcomes": by_outcome}
    return found


def merged(paths: tuple[str, ...]) -> dict[str, Any]:
    """Return the audits of several hosts as one. Raises ShimError naming the file that is not an audit."""
    hosts: list[dict[str, Any]] = []
    targets = []
    for path in paths:
        value = _loaded(path)
        hosts += value["hosts"]
        targets.append(str((value.get("after") or {}).get("target") or ""))
    return fleet(hosts, ", ".join(dict.fromkeys(target for target in targets if target)))


def _loaded(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _unusable(path, f"is not JSON: {error}") from error
    if not isinstance(value, dict) or value.get("schema") != SCHEMA or not isinstance(value.get("hosts"), list):
        raise _unusable(path, f"is not the output of `cgshimctl audit --json` with schema {SCHEMA}")
    try:
        fleet(value["hosts"])
    except (KeyError, TypeError, AttributeError) as error:
        raise _unusable(path, f"has a host without its containers or limits: {error}") from error
    return value


def _unusable(path: str, what: str) -> ShimError:
    return ShimError(
        "bad-audit",
        f"{path} {what}",
        evidence=(f"{path}: {what}",),
        remedy=("write it with: cgshimctl audit --json >FILE",),
    )
