"""The account of a container's memory: notes from captured hosts, and what is left when the cgroup is gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shim.containers.hook_state import State
from shim.host.captured import CapturedView
from shim.observe import memory
from shim.observe.delays import NOT_ASKED
from shim.stages import poststop
from shim.state import files
from tests.observe.test_oom import LINUX_6_18

if TYPE_CHECKING:
    from shim.host.view import Identity

HOSTS = Path(__file__).resolve().parents[1] / "hosts"
PID = 4242
EVENTS = "low 0\nhigh 2\nmax 10\noom 1\noom_kill 1\noom_group_kill 0\n"
LATER = "low 0\nhigh 5\nmax 211\noom 3\noom_kill 2\noom_group_kill 0\n"
STALLS = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"


class Changing(CapturedView):
    """A captured host on which some files have other contents and some directories are gone."""

    def __init__(self, host: str, contents: dict[str, str], gone: tuple[str, ...] = ()) -> None:
        super().__init__(str(HOSTS / host))
        self.contents = {f"/proc/{PID}/stat": f"{PID} (sh) S 1 1 1\n", **contents}
        self.gone = gone

    def read(self, path: str) -> tuple[str, Identity] | None:
        """As put in, else as captured."""
        if path in self.contents:
            found = super().identity(path.rpartition("/")[0]) or super().identity("/proc/self")
            assert found is not None
            return self.contents[path], found.changed(directory=False)
        return super().read(path)

    def identity(self, path: str) -> Identity | None:
        """As captured, None for what is gone."""
        return None if path in self.gone else super().identity(path)


UNIFIED = "debian12-unified-6.1"
POD = "/sys/fs/cgroup/kp/pod"
ABOVE = "/sys/fs/cgroup/kp"


def _unified(events: str, stalls: tuple[int, int], gone: tuple[str, ...] = ()) -> Changing:
    contents = {
        f"/proc/{PID}/cgroup": "0::/kp/pod\n",
        f"{POD}/memory.max": "8388608\n",
        f"{ABOVE}/memory.events": events,
        f"{ABOVE}/memory.peak": "9437184\n",
        f"{ABOVE}/memory.pressure": STALLS.format(*stalls),
    }
    return Changing(UNIFIED, contents, gone)


def _noted(view: CapturedView, number: int = 100) -> dict[str, Any]:
    return {**memory.place(view, PID), "kernel_log": number}


def _account(
    view: CapturedView,
    noted: dict[str, Any] | None,
    records: list[tuple[int, str]] | None,
    delays: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return memory.account(view, noted, records, delays or {"reason": NOT_ASKED})


def _figures(account: dict[str, Any]) -> dict[str, int]:
    return {one["name"]: one["value"] for one in account["figures"]}


def _absent(account: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["reason"] for one in account["absent"]}


def _records(number: int, path: str = "/kp/pod") -> list[tuple[int, str]]:
    return [(number + place, line.replace("/hx/c", path)) for place, line in enumerate(LINUX_6_18)]


def test_place_on_cgroup2() -> None:
    """Version, directory, path, limit and the counters above, from the captured host."""
    noted = memory.place(_unified(EVENTS, (313, 236)), PID)
    assert (noted["version"], noted["path"], noted["directory"]) == (2, "/kp/pod", POD)
    assert noted["limit"] == "8388608"
    assert (noted["above"]["directory"], noted["above"]["peak"]) == (ABOVE, "9437184")
    assert noted["above"]["events"] == {"low": 0, "high": 2, "max": 10, "oom": 1, "oom_kill": 1, "oom_group_kill": 0}
    assert noted["pressure"] == {"directory": ABOVE, "some": 313, "full": 236}


def test_cgroup2_gone_without_a_kill() -> None:
    """Differences of what the cgroup above counts for all below it; the peak only as a bound from above."""
    noted = _noted(_unified(EVENTS, (313, 236)))
    account = _account(_unified(LATER, (1313, 736), gone=(POD,)), noted, [(100, "before"), (101, "after")])
    assert _figures(account) == {
        "oom_kills": 0,
        "limit": 8388608,
        "events.max": 201,
        "events.oom": 2,
        "events.oom_kill": 1,
        "events.oom_group_kill": 0,
        "events.high": 3,
        "events.low": 0,
        "peak_above": 9437184,
        "pressure.some": 1000,
        "pressure.full": 500,
    }
    by_name = {one["name"]: one for one in account["figures"]}
    assert by_name["events.oom"]["source"] == f"{ABOVE}/memory.events, difference between start and end"
    assert by_name["events.oom"]["includes"] == f"all that ran below {ABOVE} meanwhile"
    assert by_name["peak_above"]["includes"] == "upper bound: includes everything that ever ran in that cgroup"
    assert list(_absent(account)) == ["peak"]


def test_kill_gives_the_peak() -> None:
    """At the kill the kernel prints the usage of the cgroup whose limit was hit."""
    noted = _noted(_unified(EVENTS, (0, 0)))
    account = _account(_unified(LATER, (0, 0), gone=(POD,)), noted, _records(101))
    assert (_figures(account)["oom_kills"], _figures(account)["peak"]) == (1, 8 << 20)
    assert account["killed"] == [{"name": "tail", "pid": 10929, "cgroup": "/kp/pod", "limited_by": "/kp/pod"}]
    assert _absent(account) == {}


def test_kill_by_a_limit_above_says_nothing_of_the_peak() -> None:
    """The usage in the log is then another cgroup's."""
    noted = _noted(_unified(EVENTS, (0, 0)))
    records = [(n, text.replace("oom_memcg=/kp/pod", "oom_memcg=/kp")) for n, text in _records(101)]
    account = _account(_unified(LATER, (0, 0), gone=(POD,)), noted, records)
    assert account["killed"][0]["limited_by"] == "/kp"
    assert "peak" not in _figures(account)


def test_kills_of_an_earlier_container_do_not_count() -> None:
    """A container of the same name ran before; its records have numbers that were there already."""
    noted = _noted(_unified(EVENTS, (0, 0)), number=200)
    assert _figures(_account(_unified(LATER, (0, 0), gone=(POD,)), noted, _records(101)))["oom_kills"] == 0


def test_overwritten_log_is_told() -> None:
    """The ring buffer went round since the start: the count may be short, and says so."""
    noted = _noted(_unified(EVENTS, (0, 0)), number=100)
    account = _account(_unified(LATER, (0, 0), gone=(POD,)), noted, _records(5000))
    (kills,) = (one for one in account["figures"] if one["name"] == "oom_kills")
    assert kills["includes"].endswith("the beginning of the log since the start is already overwritten")


def test_unreadable_log_is_a_reason() -> None:
    """dmesg_restrict: no count, and no zero."""
    account = _account(_unified(LATER, (0, 0), gone=(POD,)), _noted(_unified(EVENTS, (0, 0))), None)
    assert "oom_kills" not in _figures(account)
    assert _absent(account)["oom_kills"].startswith("the kernel's log cannot be read")


def test_another_cgroup_above_is_not_compared() -> None:
    """The cgroup above was removed and made again: another inode, so no difference is made."""
    noted = _noted(_unified(EVENTS, (0, 0)))
    noted["above"]["inode"] += 1
    account = _account(_unified(LATER, (0, 0), gone=(POD,)), noted, [])
    assert not [name for name in _figures(account) if name.startswith("events")]
    assert "is no longer the same" in _absent(account)["events"]


def test_bridged_after_the_note() -> None:
    """On a hybrid host cgshim enables memory and sets the limit after `create`: the cgroup above counts from 0 on."""
    before = _unified(EVENTS, (0, 0))
    for name in (f"{POD}/memory.max", f"{ABOVE}/memory.events"):
        del before.contents[name]
        before.manifest["errors"][name] = "ENOENT"
    noted = {**memory.place(before, PID, {"memory.max": "8388608"}), "kernel_log": 100, "container": "web"}
    account = _account(_unified(LATER, (0, 0), gone=(POD,)), noted, _records(101))
    assert (_figures(account)["limit"], _figures(account)["events.oom_kill"]) == (8388608, 2)
    (source,) = (one["source"] for one in account["figures"] if one["name"] == "limit")
    assert source.startswith(f"annotation io.cgshim.bridge: set by cgshim in {POD}")
    moved = _account(_unified(LATER, (0, 0), gone=(POD,)), noted, _records(101, "/cgshim/web"))
    assert [one["cgroup"] for one in moved["killed"]] == ["/cgshim/web"]


def test_cgroup_that_is_still_there_speaks_for_itself() -> None:
    """Its own counters are exact, with nothing of others in them."""
    before = _unified(EVENTS, (0, 0))
    after = _unified(LATER, (0, 0))
    after.contents[f"{POD}/memory.events"] = "low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\n"
    after.contents[f"{POD}/memory.peak"] = "8388608\n"
    account = _account(after, _noted(before), [])
    figures = _figures(account)
    assert (figures["events.max"], figures["events.oom_kill"], figures["peak"]) == (7, 1, 8388608)
    (source,) = {one["source"] for one in account["figures"] if one["name"].startswith("events")}
    assert source == f"{POD}/memory.events"


def test_v1_counts_each_cgroup_alone() -> None:
    """Documentation/admin-guide/cgroup-v1/memory.rst: nothing hierarchical to compare; absent, with that reason."""
    own = "/sys/fs/cgroup/memory/hx/c"
    contents = {f"/proc/{PID}/cgroup": "4:memory:/hx/c\n0::/hx/c\n", f"{own}/memory.limit_in_bytes": "8388608\n"}
    view = Changing("debian12-hybrid-6.18", contents)
    mount = view.manifest["directories"]["/sys/fs/cgroup/memory"]
    view.manifest["directories"][own] = {"device": mount["device"], "inode": 7, "type": "cgroup", "files": ""}
    noted = _noted(view)
    assert (noted["version"], noted["directory"], noted["limit"], noted["above"]) == (1, own, "8388608", {})
    account = _account(Changing("debian12-hybrid-6.18", {}), noted, _records(101, "/hx/c"))
    assert (_figures(account)["oom_kills"], _figures(account)["peak"]) == (1, 8 << 20)
    assert "cgroup v1 count each cgroup alone" in _absent(account)["events"]
    assert _absent(account)["pressure"] == f"no PSI: no cgroup2 directory; {NOT_ASKED}"


HEARD = {"tasks": 43, "without": 0, "unplaced": 0, "overruns": 0, "totals": {"swapin": 0, "reclaim": 2_345_678}}


def test_delays_of_a_host_without_psi() -> None:
    """psi=0: the file is there and cannot be read. The figures are called what they are, and nothing is absent."""
    before, after = _unified(EVENTS, (0, 0)), _unified(LATER, (0, 0), gone=(POD,))
    for view in (before, after):
        del view.contents[f"{ABOVE}/memory.pressure"]
        view.manifest["errors"][f"{ABOVE}/memory.pressure"] = "EOPNOTSUPP"
    noted = _noted(before)
    account = _account(after, noted, [], HEARD)
    assert {name: value for name, value in _figures(account).items() if "pressure" in name or "delay" in name} == {
        "delay.swapin": 0,
        "delay.reclaim": 2345,
    }
    (one,) = (one for one in account["figures"] if one["name"] == "delay.reclaim")
    assert one["source"] == "taskstats: delay accounting of each task, reported by the kernel when it ended"
    assert (one["unit"], one["includes"]) == ("microseconds lost", "this container: 43 task(s)")
    assert "pressure" not in _absent(account)
    unasked = _absent(_account(after, noted, []))["pressure"]
    assert unasked == f"no PSI: {ABOVE}/memory.pressure: EOPNOTSUPP; {NOT_ASKED}"


def test_delays_beside_psi() -> None:
    """Where there is PSI both are told, each under its own name; why there are no delays only if they were wanted."""
    noted, after = _noted(_unified(EVENTS, (313, 236))), _unified(LATER, (1313, 736), gone=(POD,))
    both = _figures(_account(after, noted, [], HEARD))
    assert (both["pressure.some"], both["delay.reclaim"]) == (1000, 2345)
    assert "delay" not in _absent(_account(after, noted, []))
    assert _absent(_account(after, noted, [], {"reason": "off"}))["delay"] == "off"


@pytest.mark.parametrize("short", [{"overruns": 1}, {"unplaced": 2}])
def test_what_may_be_missing_is_said(short: dict[str, int]) -> None:
    """Records that the kernel dropped, or whose task nobody could place: the figure is a lower bound."""
    account = _account(_unified(LATER, (0, 0)), _noted(_unified(EVENTS, (0, 0))), [], {**HEARD, **short})
    (one,) = (one for one in account["figures"] if one["name"] == "delay.reclaim")
    assert one["includes"].startswith("this container: 43 task(s); at least: ")


def test_no_note_no_figures() -> None:
    """The hook was not there at the start: everything is absent and says what to install."""
    account = _account(_unified(LATER, (0, 0)), None, _records(1))
    assert account["figures"] == []
    assert set(_absent(account)) == {"oom_kills", "events", "peak", "limit", "pressure"}
    assert set(_absent(account).values()) == {memory.NOT_NOTED}


def _report(place: Path, container: str, **fields: Any) -> None:
    place.mkdir(parents=True, exist_ok=True)
    value = {"schema": 1, "container": container, "figures": [], "killed": [], "absent": [], **fields}
    (place / f"{container}.json").write_text(json.dumps(value))


def test_recall_takes_the_beginning_of_one_id(state_directory: Path) -> None:
    """Engines show twelve characters; what fits two containers fits none."""
    for container in ("0123456789abcdef", "0123ffff", "web"):
        _report(state_directory / "reports", container)
    assert (poststop.recall("0123456789ab") or {})["container"] == "0123456789abcdef"
    assert (poststop.recall("web") or {})["container"] == "web"
    assert poststop.recall("0123") is None
    assert poststop.recall("other") is None
    assert poststop.recall("") is None
    _report(state_directory / "reports", "new", schema=2)
    assert poststop.recall("new") is None


def test_ids_do_not_lead_out_of_the_directory(state_directory: Path) -> None:
    """An id with slashes is none, but a hook's standard input can hold anything."""
    outside = state_directory / "secret.json"
    outside.write_text('{"schema": 1}')
    assert poststop.recall("../secret") is None
    assert files.name_of("../../etc/passwd") == "..-..-etc-passwd.json"


@pytest.mark.parametrize(
    ("status", "pid", "expected"),
    [
        ("creating", 7, False),  # runc, createRuntime
        ("created", 7, False),  # crun 1.8, createRuntime; runc, poststart
        ("running", 7, False),  # crun 1.8, poststart
        ("stopped", 0, True),  # crun, runc and podman, poststop
        ("", 0, True),
    ],
)
def test_stage_is_told_by_the_state(status: str, pid: int, expected: bool) -> None:
    """As runc 1.1.5, crun 1.8.1 and podman 4.3.1 were seen to word it."""
    assert poststop.ended(State(container="c", pid=pid, bundle="/b", annotations={}, status=status)) is expected


def test_dead_init_has_no_place() -> None:
    """On v1 a dead process is in the root cgroup: its counters are nobody's account."""
    contents = {f"/proc/{PID}/cgroup": "4:memory:/\n0::/\n", f"/proc/{PID}/stat": f"{PID} (sh) Z 1 1 1\n"}
    noted = memory.place(Changing("debian12-hybrid-6.18", contents), PID)
    assert (noted["directory"], noted["path"], noted["limit"]) == ("", "", "")
