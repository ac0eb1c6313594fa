"""Texts that people published, each as they would paste it: what is said of it, in every form and beside any host."""

from __future__ import annotations

import functools
import json
import re
import textwrap
from pathlib import Path
from typing import Any, Callable

import pytest

from shim.cli.explain import context
from shim.diagnose import noise
from shim.diagnose.catalogue import ENTRIES
from shim.diagnose.diagnosis import Diagnosis
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.entry import Entry, Words
from shim.diagnose.explain import NOT_RECOGNISED, SEVERAL_CAUSES, explain
from shim.diagnose.render import render
from shim.host.captured import CapturedView
from tests.extent import ALL, SAMPLE
from tests.replayed import FAILURES

REPORTED: list[dict[str, Any]] = json.loads((FAILURES / "reported.json").read_text())["cases"]
PART = REPORTED[::3] if SAMPLE else REPORTED
NUMBER = {case["id"]: number for number, case in enumerate(REPORTED)}
HOSTS = Path(__file__).resolve().parents[1] / "hosts"
TREES = sorted(path.name for path in HOSTS.iterdir() if (path / "manifest.json").exists())
VIEWS = {name: CapturedView(str(HOSTS / name)) for name in TREES}
CODES = {entry.code for entry in ENTRIES}
SOURCE = re.compile(r"https://\S+|(?:runc|crun) [\d.]+, Linux [\d.]+")
PLACEHOLDER = re.compile(r"<(?:controller|path|source|destination|limit|usage|key|file|unit|reason|name|count)>")


@functools.cache  # the plain text is what each of its forms is held against
def _explained(text: str, view: Any = None) -> Diagnosis:
    return explain(text, context(view or Elsewhere(), text, "", None))


@pytest.mark.parametrize("case", REPORTED, ids=lambda case: case["id"])
def test_a_reported_text_gets_its_causes(case: dict[str, Any]) -> None:
    """Without any host the words decide: one cause, or each that they may have, and nothing is confirmed."""
    found = _explained(case["text"])
    assert found.code == case["code"]
    assert [one.code for one in found.causes] == case.get("causes", [])
    assert not found.confirmed
    assert SOURCE.match(case["source"])


@pytest.mark.parametrize("case", PART, ids=lambda case: case["id"])
def test_an_answer_is_whole(case: dict[str, Any]) -> None:
    """Cause and remedy are there, several causes can be told apart, and nothing stands for what is not known."""
    found = _explained(case["text"])
    assert found.code != NOT_RECOGNISED
    for one in found.causes or (found,):
        texts = "\n".join((one.verdict, one.cause, one.tell, *one.remedy))
        assert one.code in CODES
        assert one.cause
        assert one.remedy
        assert PLACEHOLDER.search(texts) is None
        assert "{" not in one.verdict
        assert one.tell or not found.causes
    if found.code == SEVERAL_CAUSES:
        assert len(found.causes) > 1


def _wrapped(text: str, separator: str) -> str:
    return separator.join(text[start : start + 78] for start in range(0, len(text), 78))


FORMS: dict[str, Callable[[str], str]] = {
    "terminal": lambda text: "\n".join(_wrapped(line, "\n") for line in text.split("\n")),
    "words": lambda text: "\n".join(textwrap.wrap(text, 76, break_long_words=False, break_on_hyphens=False)),
    "crlf": lambda text: text.replace("\n", "\r\n") + "\r\n",
    "colours": lambda text: f"\x1b[31;1m{text}\x1b[0m",
    "tabs": lambda text: f"\t{text}",
    "json": lambda text: json.dumps({"level": "error", "msg": text, "time": "2026-01-01T00:00:00Z"}),
    "json in json": lambda text: json.dumps({"log": json.dumps({"level": "error", "msg": text})}),
    "status": lambda text: json.dumps({"state": {"waiting": {"reason": "CreateError", "message": text}}}, indent=2),
    "logfmt": lambda text: f'time="2026-01-01T00:00:00Z" level=error msg={json.dumps(text)}',
    "journal": lambda text: f'Nov 29 09:14:13 node-1 dockerd[812]: time="x" level=error msg={json.dumps(text)}',
    "klog": lambda text: f'E1129 09:14:13.123456    812 pod_workers.go:965] "Error syncing pod" err={json.dumps(text)}',
    "event": lambda text: f"  Warning  Failed  3m11s (x35 over 8m)  kubelet  Error: {text}",
    "quote": lambda text: "\n".join(f"> {line}" for line in text.split("\n")),
    "fence": lambda text: f"```\n{text}\n```",
    "sentence": lambda text: f"{text}.",
    "command": lambda text: f"admin@node-1:~$ sh start.sh\n{text}\nadmin@node-1:~$ ",
}


# The forms that keep the levels of the lines.
AS_IT_STANDS = ("terminal", "words", "crlf", "colours", "tabs", "quote", "fence", "sentence", "command")


def _forms_of_each() -> list[Any]:
    """Every text in five forms, other ones for each text in turn; of a sample in two, with `--all` in all."""
    steps = range(0, len(FORMS), 1 if ALL else 7 if SAMPLE else 3)
    return [
        pytest.param(case, form, id=f"{case['id']}-{form}")
        for number, case in enumerate(PART)
        for form in (list(FORMS)[(number + step) % len(FORMS)] for step in steps)
    ]


@pytest.mark.parametrize(("case", "form"), _forms_of_each())
def test_its_form_does_not_matter(case: dict[str, Any], form: str) -> None:
    """Broken by a terminal or folding, coloured, wrapped in records and events: the answer is the same."""
    text = case["text"].strip()
    if form in ("terminal", "words") and "\n" in text:
        text = text.splitlines()[0] if len(text.splitlines()[0]) > 60 else text
    if form == "words" and "level=" in text:
        text = text.rpartition('msg="')[2].rstrip('"')  # a record broken in front of its level is two lines
    if form not in AS_IT_STANDS and ("WARN[" in text or "level=warning" in text):
        text = text.splitlines()[-1]  # a record of an error has the error alone
    expected = _explained(text)
    found = _explained(FORMS[form](text))
    assert (found.code, [one.code for one in found.causes]) == (expected.code, [one.code for one in expected.causes])


# Published as folded or broken once already (the first four), with a single break, or with two lines at the edge.
NOT_AGAIN = {"gitpod-5790", "koordinator-546", "coreos-1612", "microk8s-784", "moby-moby-10004", "toolbox-1085"}
LOGS = [case for case in PART if "\n" in case["text"].strip() and case["id"] not in NOT_AGAIN]


@pytest.mark.parametrize("case", LOGS, ids=lambda case: case["id"])
def test_a_terminal_may_break_the_lines_of_a_log(case: dict[str, Any]) -> None:
    """Several lines, each broken at the edge of a terminal: the answer is that of the whole lines."""
    text = case["text"].strip("\n")
    broken = "\n".join("\n".join(re.findall(".{1,80}", line)) for line in text.split("\n"))
    expected, found = _explained(text), _explained(broken)
    assert (found.code, [one.code for one in found.causes]) == (expected.code, [one.code for one in expected.causes])


@pytest.mark.parametrize("case", PART, ids=lambda case: case["id"])
def test_a_diagnosis_pasted_back_is_the_same(case: dict[str, Any]) -> None:
    """The text that an engine's user was shown gives the same answer again."""
    found = _explained(case["text"])
    again = _explained(render(found, 4000))
    assert again.code == found.code


def _shown(tree: Path, line: str) -> bool:
    """Does the captured tree show this line of evidence? Read from its files alone."""
    manifest = json.loads((tree / "manifest.json").read_text())
    root = tree / "root"

    def content(path: str) -> str:
        file = root / path.lstrip("/")
        return " ".join(file.read_text().split()) if file.is_file() else ""

    mounts = (root / "proc/self/mountinfo").read_text() if (root / "proc/self/mountinfo").is_file() else ""
    carried = [row.rpartition(" - ")[2].split()[2].split(",") for row in mounts.splitlines() if " - cgroup " in row]
    if line.startswith("mountinfo: no cgroup mount carries "):
        name = line.removeprefix("mountinfo: no cgroup mount carries ").removeprefix("the ").removesuffix(" controller")
        return bool(mounts) and not any(name in options for options in carried)
    if line.startswith("mountinfo: /sys/fs/cgroup lies on "):
        only = line.partition("is mounted at ")[2].partition(" only")[0]
        return f" {only} " in mounts if only else " - cgroup" not in mounts
    if line.startswith("mountinfo: no cgroup mount below it"):
        return " - cgroup" not in mounts
    if line.startswith("mountinfo: "):
        return line.removeprefix("mountinfo: ").split()[0] in mounts
    path, _, said = line.partition(": ")
    if said.startswith("absent"):
        parent, _, name = path.rpartition("/")
        held = manifest["directories"].get(parent, {})
        return "." in name and bool(held) and name not in held.get("files", "").split()
    held = content(path)
    return not held if said.startswith("empty") else bool(held) and said.split(" (")[0] in held


@pytest.fixture
def words_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the patterns find in a text is the same beside every host: they search it once."""
    monkeypatch.setattr(noise, "clean", functools.lru_cache(maxsize=4)(noise.clean))
    found: dict[tuple[int, str], Words | None] = {}
    search = Entry.found_in

    def found_in(entry: Entry, words: str, _lower: str = "") -> Words | None:
        key = (id(entry), words)
        if key not in found:
            found[key] = search(entry, words)
        return found[key]

    monkeypatch.setattr(Entry, "found_in", found_in)


@pytest.mark.usefixtures("words_once")
@pytest.mark.parametrize("case", PART, ids=lambda case: case["id"])
def test_nothing_is_confirmed_that_the_host_does_not_show(case: dict[str, Any]) -> None:
    """Every text beside hosts that it did not come from: what is confirmed stands in that host's own files. A third of
    the hosts for each text in turn, all of them with `--all`.
    """
    wrong = []
    first, apart = (0, 1) if ALL else (NUMBER[case["id"]] % 9 // 3, 3)
    for name, view in list(VIEWS.items())[first::apart]:
        found = _explained(case["text"], view)
        if found.confirmed and not any(_shown(HOSTS / name, line) for line in found.evidence):
            wrong.append((name, found.code, found.evidence))
    assert wrong == []


def test_the_check_of_evidence_can_fail(tmp_path: Path) -> None:
    """A line that no file of the tree has is not shown by it."""
    (tmp_path / "root/proc/self").mkdir(parents=True)
    (tmp_path / "root/proc/self/mountinfo").write_text("30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "manifest.json").write_text('{"directories": {"/sys/fs/cgroup": {"files": "cgroup.procs"}}}')
    assert _shown(tmp_path, "mountinfo: /sys/fs/cgroup cgroup2 rw - rw")
    assert _shown(tmp_path, "/sys/fs/cgroup/memory.max: absent")
    assert not _shown(tmp_path, "/run/systemd/system: absent")
    assert not _shown(tmp_path, "/sys/fs/cgroup/cgroup.procs: absent")
    assert not _shown(tmp_path, "/proc/cgroups: memory 0 1 0")
    assert not _shown(tmp_path, "mountinfo: /sys/fs/cgroup/memory cgroup rw - rw")


@pytest.mark.parametrize(
    "name",
    ["unified", "systemd", "docker", "kubepods.slice", "lxc", "user.slice", "system.slice", "libpod_parent", "foo"],
)
@pytest.mark.parametrize("file", ["cgroup.procs", "memory.max", "cpuset.cpus.effective"])
def test_a_directory_that_is_no_controller_is_never_one(name: str, file: str) -> None:
    """Whatever lies directly below /sys/fs/cgroup: no answer calls it a controller or mounts it."""
    text = f"runc create failed: open /sys/fs/cgroup/{name}/x/{file}: no such file or directory"
    for view in (None, *VIEWS.values()):
        found = _explained(text, view)
        said = json.dumps([(one.verdict, one.remedy) for one in (found, *found.causes)])
        assert f"the {name} " not in said
        assert f"-o {name}" not in said
