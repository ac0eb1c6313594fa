"""Real leaks in real containers, side by side: recorded by `cgshimctl watch`, found by `cgshimctl leaks`.

What each container does is in matrix/guest/leaking.py: it grows by a known rate, of one kind. What is found is compared
with that.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.bundle import find_busybox, make_bundle
from integration.capabilities import busybox_problem, require, root_problem
from integration.containers import SEARCH_PATH, Runtime, call, find_runtime
from integration.test_audit_page import NAMES, _run, browser_problem
from shim.watch.threads import Threads
from shim.watch.watcher import Options, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.long
HERE = Path(__file__).resolve().parent
CTL = (sys.executable, "-m", "shim.cli.main")
MIB = 1 << 20
INTERVAL, QUIET = 0.2, 5.0
# The watcher limits itself to a share of one core: the more a sample costs, the fewer it takes. The trend test needs
# this many. With 15 it lacks power, and can miss the trend of a straight line whose small errors are autocorrelated.
SAMPLES, PATIENCE = 45, 180.0
LIMIT = 512 * MIB
CACHED = 320  # MiB of the file that is read: enough for 200 seconds, which a busy machine may need for the samples
# What runs -> MiB a second, the verdict, the kind that leaks.
LEAKS = {
    "anonymous": (2.0, "leak", "anonymous"),
    "shmem": (2.0, "leak", "shmem"),
    "sockets": (0.5, "leak", "kernel"),
    "dentries": (0.5, "leak", "kernel"),
    "cache": (1.5, "cache", ""),
    "sawtooth": (10.0, "", ""),
    "steady": (0.0, "steady", ""),
}

# Added to a copy of the page: what the browser made of it, and which texts of a picture reach beyond its edges.
MEASURE = """<script>
const seen = {wide: document.documentElement.scrollWidth > window.innerWidth,
  loaded: performance.getEntriesByType("resource").length, pictures: document.querySelectorAll("svg").length,
  cut: [...document.querySelectorAll("svg")].flatMap((svg) => [...svg.querySelectorAll("text")].filter((text) =>
    text.getBoundingClientRect().right > svg.getBoundingClientRect().right + 1 ||
    text.getBoundingClientRect().left < svg.getBoundingClientRect().left - 1).map((text) => text.textContent))};
document.body.setAttribute("data-seen", JSON.stringify(seen));
</script>"""


def browse(*argv: str) -> subprocess.CompletedProcess[str]:
    """A browser without a window."""
    return _run(next(path for path in map(shutil.which, NAMES) if path), *argv)


@pytest.fixture(scope="module")
def recorded(
    tmp_path_factory: pytest.TempPathFactory, runtime_problems: Callable[[str], str]
) -> Iterator[tuple[Path, dict[str, str]]]:
    """A recording of all of them, and the id of each."""
    require("root", root_problem())
    require("busybox", busybox_problem())
    require("runc", runtime_problems("runc"))
    place = tmp_path_factory.mktemp("leaks")
    runtime = Runtime("runc", find_runtime("runc"), place / "root", [])
    ids = {kind: f"cgshim-leak-{kind}-{os.getpid()}" for kind in LEAKS}
    try:
        for kind, container in ids.items():
            _start(runtime, place / kind, kind, container)
        _record(place / "recording", runtime, ids)
        yield place / "recording", ids
    finally:
        runtime.cleanup()


def _start(runtime: Runtime, place: Path, kind: str, container: str) -> None:
    """A container with this machine's Python, a tmpfs, and a file that is not in the page cache."""
    bundle = make_bundle(place, find_busybox())
    rootfs = place / "rootfs"
    for name in ("usr", "shm", "files", "names"):
        (rootfs / name).mkdir()
    for name in ("lib", "lib64"):
        if os.path.islink(f"/{name}"):
            (rootfs / name).symlink_to(os.readlink(f"/{name}"))
    shutil.copy(HERE / "matrix/guest/leaking.py", rootfs / "leaking.py")
    if kind == "cache":
        with open(rootfs / "files" / "large", "wb") as large:
            large.writelines(b"x" * MIB for _ in range(CACHED))
            large.flush()
            os.fsync(large.fileno())
            os.posix_fadvise(large.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    bundle.configure(
        args=["/usr/bin/python3", "/leaking.py", kind, str(LEAKS[kind][0]), str(QUIET)],
        mounts=[
            {"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]},
            {"destination": "/shm", "type": "tmpfs", "source": "tmpfs", "options": ["size=512m"]},
        ],
        resources={"memory": {"limit": LIMIT}},
    )
    runtime.create(bundle, container)
    runtime.must("start", container)


def _record(file: Path, runtime: Runtime, ids: dict[str, str]) -> None:
    """Two watchers, the first of which is killed; during the second one something happens to `steady`."""
    argv = [*CTL, "watch", "--record", str(file), "--interval", str(INTERVAL), "--root", str(runtime.root)]
    options: Any = {"cwd": HERE.parent, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    killed = subprocess.Popen([*argv, *ids.values()], **options)
    time.sleep(QUIET)
    killed.kill()
    killed.communicate(timeout=60)
    watcher = subprocess.Popen([*argv, *ids.values()], **options)
    time.sleep(QUIET)
    runtime.must("exec", "--detach", ids["steady"], "/bin/sleep", "300")
    runtime.must("update", "--memory", str(LIMIT + MIB), ids["steady"])
    deadline = time.monotonic() + PATIENCE
    while _samples(file) < SAMPLES and time.monotonic() < deadline and watcher.poll() is None:
        time.sleep(1)
    watcher.send_signal(signal.SIGTERM)
    _, told = watcher.communicate(timeout=60)
    assert (watcher.returncode, told) == (0, ""), told


def _samples(file: Path) -> int:
    """How many samples the recording has of each container."""
    return file.read_text().count('{"s":') // len(LEAKS)


@pytest.fixture(scope="module")
def found(recorded: tuple[Path, dict[str, str]]) -> dict[str, Any]:
    """What runs -> what `leaks --json` says of its container."""
    file, ids = recorded
    shown = call([*CTL, "leaks", str(file), "-o", "json"], env={"PATH": SEARCH_PATH}, cwd=str(HERE.parent))
    assert shown.status == 1, str(shown)
    print(shown.out)
    by_id = {one["id"]: one for one in json.loads(shown.out)["containers"]}
    return {kind: by_id[container] for kind, container in ids.items()}


@pytest.mark.parametrize("kind", LEAKS)
def test_each_is_told_from_the_others(found: dict[str, Any], kind: str) -> None:
    """The kind that leaks, and no other; a cache is a cache; what is given back, or does nothing, is not a leak."""
    _, verdict, leaking = LEAKS[kind]
    one = found[kind]
    if leaking == "kernel":
        require("accounting of kernel memory", "" if "kernel" in one["kinds"] else "this kernel counts none")
    assert one["leaking"] == ([leaking] if leaking else []), one
    if verdict:
        assert one["verdict"] == verdict, one


@pytest.mark.parametrize("kind", ["anonymous", "shmem"])
def test_rate_and_moment_are_those_of_the_leak(found: dict[str, Any], kind: str) -> None:
    """Within a tenth of what the program does; the limit is reached when arithmetic says so."""
    one = found[kind]
    trend = one["kinds"][kind]["trend"]
    assert trend["rate"] == pytest.approx(LEAKS[kind][0] * MIB, rel=0.1)
    assert trend["rate_low"] <= trend["rate"] <= trend["rate_high"]
    assert one["limit_bytes"] == LIMIT
    held = sum(one["kinds"][part]["last_bytes"] for part in ("anonymous", "shmem", "kernel") if part in one["kinds"])
    assert one["limit_reached"]["seconds"] == pytest.approx((LIMIT - held) / trend["rate"], rel=0.15)


def test_a_killed_watcher_ends_no_run(recorded: tuple[Path, dict[str, str]], found: dict[str, Any]) -> None:
    """Each container has one run, from before the kill to after it; both watchers have their header."""
    assert recorded[0].read_text().count('{"recording":"cgshim"') == 2
    assert {one["run"] for one in found.values()} == {1}
    assert all(one["samples"] >= SAMPLES - 1 for one in found.values()), [one["samples"] for one in found.values()]


def test_what_happened_is_beside_the_samples(found: dict[str, Any]) -> None:
    """An exec, by the name of its program, and a changed limit, by both values; no container has either by itself."""
    events = [
        (event["kind"], event["what"]) for event in found["steady"]["events"] if event["kind"] in ("exec", "limit")
    ]
    kinds = dict(events)
    assert kinds["exec"].endswith(", command sleep")
    assert kinds["limit"] == f"limit changed from {LIMIT // MIB} MiB to {LIMIT // MIB + 1} MiB"
    assert len(events) == 2
    assert not [event for event in found["anonymous"]["events"] if event["kind"] in ("exec", "limit")]


def test_allocation_is_counted(found: dict[str, Any]) -> None:
    """The sawtooth allocates although it gives the memory back; the steady container allocates nothing."""
    rate, base = (found[kind]["allocation_rate"] for kind in ("sawtooth", "steady"))
    assert base < MIB / 4
    assert rate > LEAKS["sawtooth"][0] * MIB / 2


def test_the_picture_shows_all_of_them(recorded: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """An SVG with a panel for each container, and a page, both well-formed and loading nothing."""
    for form in ("svg", "html"):
        target = tmp_path / f"leaks.{form}"
        argv = [*CTL, "leaks", str(recorded[0]), "-o", form, "--output", str(target)]
        assert call(argv, env={"PATH": SEARCH_PATH}, cwd=str(HERE.parent)).status == 1
        content = target.read_text()
        assert content.count("<polyline") >= len(LEAKS)
        assert "href" not in content
        assert "src=" not in content


def test_the_page_is_painted(recorded: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """A real browser lays the page out, also in a small window, no wider than that, and loads nothing."""
    require("headless browser", browser_problem())
    target = tmp_path / "leaks.html"
    call(
        [*CTL, "leaks", str(recorded[0]), "-o", "html", "--output", str(target)],
        env={"PATH": SEARCH_PATH},
        cwd=str(HERE.parent),
    )
    target.write_text(target.read_text().replace("</body>", f"{MEASURE}</body>"))
    for width in (1200, 500):
        done = browse(f"--window-size={width},900", "--dump-dom", target.as_uri())
        match = re.search(r'data-seen="([^"]*)"', done.stdout)
        assert match, done.stderr
        seen = json.loads(html.unescape(match.group(1)))
        assert (seen["wide"], seen["loaded"], seen["pictures"]) == (False, 0, len(LEAKS))
        assert seen["cut"] == []


def test_threads_are_attributed_to_their_container(recorded: tuple[Path, dict[str, str]]) -> None:
    """What `--trace` shows beside a process: its name, and the container whose cgroup it is in; of this one, none."""
    file, ids = recorded
    watcher = Watcher(Options(names=tuple(ids.values()), roots=(str(file.parent / "root"),)))
    try:
        watcher.discover("test")
        followed = list(watcher.roster.followed.values())
        found = Threads().look_up([*(one.container.pid for one in followed), os.getpid()], followed)
    finally:
        watcher.close()
    assert {one.id for one in followed} == set(ids.values())
    for one in followed:
        thread = found[one.container.pid]
        assert (thread.pid, thread.container) == (one.container.pid, one.container.title)
        assert thread.name.startswith("python3")
    assert found[os.getpid()].container == ""
