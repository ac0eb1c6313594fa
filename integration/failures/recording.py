"""Records provoked failures with the facts that were read, for tests that run anywhere.

`python -m integration.failures.recording [NAME...]`, as root on a host that `integration.test_failures` accepts, writes
tests/failures/recorded.json; with names only those rows are recorded, and the others stay as they are. Texts,
contexts and facts are what was seen; what is expected of them is the hand-written table's.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from shim.host import membership

FILE = Path(__file__).resolve().parents[2] / "tests" / "failures" / "recorded.json"
LONG = 200  # characters of a fact that are worth storing once
DEFAULT_KEYS = ("ociVersion", "hostname")


def relevant(mountinfo: str, top: str) -> str:
    """The lines that say something about cgroups, kernel file systems, the root and the test's own directory."""
    kept = []
    for line in mountinfo.splitlines():
        point = line.split(" ")[4]
        if point == "/" or point.startswith(("/sys", "/proc", top)):
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)


def errors(log: str) -> str:
    """The lines of CRIU's log that say what went wrong; the rest is every page and file of the container."""
    return "".join(f"{line}\n" for line in log.splitlines() if "Error (" in line)


def anonymous(text: str, top: str, own: str) -> str:
    """The recording without names that only the host has where it was made."""
    text = text.replace(top, "/bundles/x").replace("$TOP", "/bundles/x").replace(own, "own")
    for path in sorted(set(membership.paths(Path("/proc/self/cgroup").read_text()).values()), key=len, reverse=True):
        if path != "/":
            text = text.replace(path, "/host")
    first = Path("/proc/1/comm").read_text().strip()
    return text if first in ("bash", "systemd") else text.replace(first, "init")  # words that messages have, too


def trimmed(config: dict[str, Any], standard: dict[str, Any]) -> dict[str, Any]:
    """The configuration without what every row has."""
    kept = {key: value for key, value in config.items() if key not in DEFAULT_KEYS}
    kept["mounts"] = [one for one in config["mounts"] if one not in standard["mounts"] or one["type"] == "devpts"]
    kept["process"] = {key: value for key, value in config["process"].items() if standard["process"].get(key) != value}
    if config["linux"]["namespaces"] == standard["linux"]["namespaces"]:
        kept["linux"] = {key: value for key, value in config["linux"].items() if key != "namespaces"}
    return kept


def record(row: Any, runtime: str, *, forking: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """Provoke one row: what happened, what was read and what the table expects of it; then the diagnosis found.

    forking: as for `integration.failures.provoking.run_row`.
    """
    from integration.failures.provoked import remove_cgroups, whole_config
    from integration.failures.provoking import run_row

    top, own = Path(tempfile.mkdtemp(prefix="cgshim-record-")), f"cgshim-record-{os.getpid()}"
    try:
        answer = run_row(row, runtime, top, own, forking=forking)
    finally:
        remove_cgroups(own)
        subprocess.run(["umount", "-R", str(top / "closed" / "rootfs")], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(top, ignore_errors=True)
    code, evidence = row.expect[runtime]
    facts, context = answer["facts"], answer["context"]
    facts["text"]["/proc/self/mountinfo"] = relevant(facts["text"]["/proc/self/mountinfo"], str(top))
    logs = [path for path in facts["text"] if path.startswith(str(top)) and path.endswith(".log")]
    facts["text"].update({path: errors(facts["text"][path]) for path in logs})
    context["config"] = trimmed(context["config"], whole_config(str(top / "rootfs"), f"/{own}/c"))
    case = {
        "name": f"{row.name}-{runtime}",
        "code": code,
        "evidence": evidence,
        "text": answer["text"],
        "context": context,
        "facts": {kind: found for kind, found in facts.items() if found},
    }
    found = {"status": answer["status"], "code": answer["code"], "evidence": answer["evidence"]}
    anonymised: list[dict[str, Any]] = json.loads(anonymous(json.dumps([case, found]), str(top), own))
    return anonymised[0], anonymised[1]


def shared(cases: list[dict[str, Any]]) -> dict[str, str]:
    """Long texts that the cases have in common: each is stored once, under a name that takes its place."""
    texts: dict[str, str] = {}
    for case in cases:
        for path, content in case["facts"]["text"].items():
            if len(content) > LONG:
                known = next((name for name, one in texts.items() if one == content), f"@{len(texts)}")
                texts[known] = content
                case["facts"]["text"][path] = known
    return texts


def kept(names: list[str]) -> dict[str, dict[str, Any]]:
    """The cases of the file by name, with their texts in full; none of them if everything is recorded again."""
    stored = json.loads(FILE.read_text()) if names else {"texts": {}, "cases": []}
    for case in stored["cases"]:
        content = case["facts"]["text"]
        case["facts"]["text"] = {path: stored["texts"].get(text, text) for path, text in content.items()}
    return {case["name"]: case for case in stored["cases"]}


def main(names: list[str]) -> None:
    """Provoke the rows and write the recording."""
    from integration.failures.cases import CASES, FOREIGN_CASES
    from integration.failures.provoked import CGROUP, disable

    control = CGROUP / "unified" / "cgroup.subtree_control"
    enabled = control.read_text()
    before, cases = kept(names), []
    for row, runtime in [*CASES, *FOREIGN_CASES]:
        name = f"{row.name}-{runtime}"
        if not names or row.name in names or name not in before:
            print(name, file=sys.stderr)
            cases.append(record(row, runtime)[0])
        else:
            cases.append(before[name])
    disable(control, enabled)
    versions = {name: _version(name) for name in ("runc", "crun")}
    source = {"kernel": platform.release().split("-")[0], **versions, "host": "v1 hierarchies, hugetlb on cgroup2"}
    texts = shared(cases)
    FILE.write_text(json.dumps({"source": source, "texts": texts, "cases": cases}, indent=1) + "\n")


def _version(name: str) -> str:
    done = subprocess.run([name, "--version"], check=False, capture_output=True, text=True)
    return done.stdout.partition("\n")[0]


if __name__ == "__main__":
    main(sys.argv[1:])
