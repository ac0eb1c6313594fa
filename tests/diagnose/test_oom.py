"""Memory counters on both layouts: killed, stuck, how often. Contents as kernels 6.1 and 6.18 print them."""

from __future__ import annotations

from shim.diagnose.oom import MemoryCounters, pressure, verdict
from tests.replayed import ReplayedView

V2 = "/sys/fs/cgroup/x"
V1 = "/sys/fs/cgroup/memory/x"


def _view(**files: str) -> ReplayedView:
    named = {name.replace("__", "/"): content for name, content in files.items()}
    return ReplayedView({"text": named})


def _v2(text: str) -> ReplayedView:
    return ReplayedView({"text": {f"{V2}/memory.events": text}})


def _v1(text: str, failcnt: str = "0\n") -> ReplayedView:
    return ReplayedView({"text": {f"{V1}/memory.oom_control": text, f"{V1}/memory.failcnt": failcnt}})


def test_kills_on_cgroup2() -> None:
    """memory.events has every count, descendants included."""
    view = _v2("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n")
    found = pressure(view, V2)  # type: ignore[arg-type]
    line = f"{V2}/memory.events: low 0 high 0 max 12 oom 3 oom_kill 2 oom_group_kill 0"
    assert found == MemoryCounters(kills=2, events=3, failures=12, stuck=False, evidence=(line,))
    told = verdict(view, V2)  # type: ignore[arg-type]
    assert told is not None
    assert (told.code, told.verdict) == (
        "container-oom-killed",
        "the kernel killed 2 process(es) of the container for lack of memory",
    )
    assert told.evidence == (line,)


def test_kills_on_v1() -> None:
    """memory.oom_control counts kills, memory.failcnt how often the limit was hit."""
    view = _v1("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", "94\n")
    found = pressure(view, V1)  # type: ignore[arg-type]
    assert found is not None
    assert (found.kills, found.events, found.failures, found.stuck) == (1, None, 94, False)
    assert found.evidence[1] == f"{V1}/memory.failcnt: 94"
    told = verdict(view, V1)  # type: ignore[arg-type]
    assert told is not None
    assert told.code == "container-oom-killed"


def test_out_of_memory_with_the_killer_switched_off() -> None:
    """under_oom 1 with oom_kill 0: nothing dies and nothing goes on."""
    view = _v1("oom_kill_disable 1\nunder_oom 1\noom_kill 0\n", "7\n")
    told = verdict(view, V1)  # type: ignore[arg-type]
    assert told is not None
    assert told.code == "memory-oom-deadlock"
    assert told.evidence == (
        f"{V1}/memory.oom_control: oom_kill_disable 1 under_oom 1 oom_kill 0",
        f"{V1}/memory.failcnt: 7",
    )
    assert told.remedy[0].startswith(f"echo 0 > {V1}/memory.oom_control")


def test_under_oom_with_the_killer_on_is_a_moment() -> None:
    """The kernel is about to kill: that is no standstill."""
    assert verdict(_v1("oom_kill_disable 0\nunder_oom 1\noom_kill 0\n"), V1) is None  # type: ignore[arg-type]


def test_old_kernels_do_not_count_kills_on_v1() -> None:
    """Before Linux 4.13 there is no oom_kill line: the count is unknown, not zero."""
    found = pressure(_v1("oom_kill_disable 0\nunder_oom 0\n"), V1)  # type: ignore[arg-type]
    assert found is not None
    assert found.kills is None


def test_all_is_well() -> None:
    """Counters at zero give no verdict."""
    assert verdict(_v2("low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n"), V2) is None  # type: ignore[arg-type]


def test_a_cgroup_that_is_gone_tells_nothing() -> None:
    """No file, no answer."""
    assert pressure(_view(), V2) is None  # type: ignore[arg-type]
    assert verdict(_view(), V2) is None  # type: ignore[arg-type]
