"""Command lines as real runtimes read them: which files they open is what shim.call.argv says that they mean.

The configuration is not JSON and the root is empty, so that no runtime gets any further; strace says what it looked at.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.capabilities import program_problem, require
from integration.containers import SEARCH_PATH, find_runtime
from shim.call.argv import parse

OPENED = re.compile(
    r'openat\(AT_FDCWD[^,]*, "([^"]*)"|chdir\("([^"]*)"|(?:newfstatat|stat|lstat)\((?:AT_FDCWD[^,]*, )?"([^"]*)"'
)
COMMANDS = st.sampled_from(["create", "run"])
# Spellings of one flag; {} is its value. Each runtime has those that its own parser takes.
SPELLINGS = {
    "runc": {
        "root": ["--root {}", "--root={}", "-root {}", "-root={}"],
        "log": ["--log {}", "--log={}", "-log {}"],
        "bundle": ["--bundle {}", "--bundle={}", "-bundle {}", "-bundle={}", "-b {}", "-b={}"],
        "switch": ["--no-pivot", "-no-pivot", "--no-new-keyring", "--no-pivot=false"],
    },
    "crun": {
        "root": ["--root {}", "--root={}"],
        "log": ["--log {}", "--log={}"],
        "bundle": ["--bundle {}", "--bundle={}", "-b {}", "-b{}", "--bund {}", "--bu={}"],
        "switch": ["--no-pivot", "--no-pi", "--no-new-keyring", "--no-new"],
        "global": ["--syst", "--systemd-cgroup", "--cgroup cgroupfs", "--cgroup-m=cgroupfs", "--log-f json"],
    },
}
NAMES = st.sampled_from(["c1", "create", "run", "state", "a-b", "x.y"])
PLACES = st.sampled_from(["one", "two", "create", "run"])


@pytest.fixture(scope="module", params=["runc", "crun"])
def runtime(request: pytest.FixtureRequest) -> str:
    """The path of each runtime; none of them starts anything here, so that the host's layout does not matter."""
    name: str = request.param
    require("strace", program_problem("strace"))
    require(name, "" if find_runtime(name) else f"{name} is not installed")
    return find_runtime(name)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles whose config.json no runtime can read."""
    made = tmp_path_factory.mktemp("lines")
    (made / "config.json").write_text("no JSON")
    for name in ("one", "two", "create", "run"):
        (made / name).mkdir()
        (made / name / "config.json").write_text("no JSON")
    return made


@st.composite
def lines(draw: st.DrawFn, name: str) -> list[str]:
    """A command line with every flag spelled, repeated and ordered in some way; PLACE stands for the directory."""
    # One spelling of each flag in a line: runc refuses `--bundle` and `-b` in one.
    spelled = {kind: draw(st.sampled_from(forms)) for kind, forms in SPELLINGS[name].items()}

    def flag(kind: str, value: str) -> list[str]:
        return spelled[kind].format(value).split(" ")

    words: list[str] = []
    for kind in draw(st.permutations(["root", "log", "global"])):
        for _ in range(draw(st.integers(0, 2))):
            if kind in spelled:
                words += flag(kind, f"PLACE/{draw(PLACES)}-{kind}")
    words.append(draw(COMMANDS))
    for kind in draw(st.permutations(["bundle", "switch"])):
        for _ in range(draw(st.integers(0, 2))):
            words += flag(kind, f"PLACE/{draw(PLACES)}")
    return [*words, *draw(st.sampled_from([[], ["--"]])), draw(NAMES)]


def _looked_at(runtime: str, words: list[str], place: Path) -> set[str]:
    """Absolute paths of what the runtime opened, entered or asked for."""
    trace = place / "trace"
    calls = "openat,chdir,newfstatat,stat,lstat"
    line = [
        shutil.which("strace") or "",
        "-f",
        "-qq",
        "-s",
        "4096",
        "-e",
        f"trace={calls}",
        "-o",
        str(trace),
        runtime,
        *words,
    ]
    subprocess.run(line, check=False, cwd=place, capture_output=True, env={"PATH": SEARCH_PATH}, timeout=60)
    found = set()
    here = place
    for match in OPENED.finditer(trace.read_text(errors="replace")):
        opened, entered, asked = match.groups()
        if entered:
            here = here / entered
        found.add(str(here / (opened or entered or asked)))
    return found


def _check(runtime: str, words: list[str], place: Path) -> None:
    words = [word.replace("PLACE", str(place)) for word in words]
    invocation = parse(words, str(place))
    seen = _looked_at(runtime, words, place)
    configurations = {path for path in seen if path.endswith("/config.json") and path.startswith(str(place))}
    assert configurations == {f"{invocation.bundle}/config.json"}, words
    logs = {path for path in seen if path.endswith("-log")}
    if Path(runtime).name == "runc":
        assert logs == ({invocation.log} if invocation.log else set()), words
    else:  # crun opens its log after the configuration
        assert logs <= {invocation.log}, words


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_runtime_opens_what_the_line_means(runtime: str, place: Path, data: st.DataObject) -> None:
    """The bundle whose configuration is read and the log that is opened are those that cgshim reads out of the line."""
    _check(runtime, data.draw(lines(Path(runtime).name)), place)
