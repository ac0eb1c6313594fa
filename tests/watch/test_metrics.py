"""The book of metrics: what it keeps of samples, events and alerts, for how long, and of how many containers."""

from __future__ import annotations

import re

from shim.observe.allocation import Allocated
from shim.observe.pressure import Pressure
from shim.watch.alert import TYPES
from shim.watch.metrics import LINGER, OF_CONTAINERS, OF_WATCHER, Book
from tests.syntax import ROOT
from tests.watched_made import MIB, NO_PSI, alert, event, sample

NAME = re.compile(r"cgshim_[a-z0-9_]+")


def _values(book: Book, name: str) -> dict[tuple[str, ...], float]:
    """Labels -> value of one metric; of labels the container's name and the family's own."""
    return {
        (*one.labels[1:2], *([one.extra] if one.family.label else [])): one.value
        for one in book.series()
        if one.family.name == name
    }


def _one(book: Book, name: str) -> float | None:
    return _values(book, f"cgshim_container_{name}").get(("web",))


def test_gauges_are_the_newest_values() -> None:
    """Bytes as the sample has them."""
    book = Book()
    book.sample(sample(memory={"working_set": 10 * MIB}))
    book.sample(sample(time=1005, memory={"working_set": 11 * MIB}))
    book.tick(1005)
    assert _one(book, "memory_working_set_bytes") == 11534336
    assert _one(book, "memory_limit_bytes") == 104857600
    assert _one(book, "running") == 1


def test_what_the_kernel_lacks_has_no_series() -> None:
    """No figure is not 0: without swap accounting, a limit or PSI there is no series."""
    book = Book()
    book.sample(sample(memory={"swap": None, "peak": None}, limit=None, pressure=NO_PSI))
    book.tick(1000)
    assert _one(book, "memory_swap_bytes") is None
    assert _one(book, "memory_peak_bytes") is None
    assert _one(book, "memory_limit_bytes") is None
    assert _values(book, "cgshim_container_memory_pressure_stalled_seconds") == {}


def test_seconds_are_made_of_microseconds() -> None:
    """Prometheus' base unit for time is the second."""
    psi = Pressure(source="psi", totals={"some": 2_500_000, "full": 1_000_000}, evidence="")
    book = Book()
    book.sample(sample(pressure=psi, cpu={"nr_periods": 40, "nr_throttled": 3, "throttled_usec": 250_000}))
    book.tick(1000)
    pressure = _values(book, "cgshim_container_memory_pressure_stalled_seconds")
    assert pressure == {("web", "some"): 2.5, ("web", "full"): 1.0}
    assert (_one(book, "cpu_periods"), _one(book, "cpu_throttled_periods")) == (40, 3)
    assert _one(book, "cpu_throttled_seconds") == 0.25


def test_what_was_allocated_is_a_counter() -> None:
    """Of what memory.stat counts; a kernel that counts none has no series. It outlives its container."""
    book = Book()
    book.sample(sample(allocated=Allocated(bytes=5 * MIB, source="memory.stat: total_pgpgin x page size")))
    book.tick(1000)
    assert _one(book, "memory_allocated_bytes") == 5242880
    book.gone(sample().id)
    book.tick(1001)
    assert _one(book, "memory_allocated_bytes") == 5242880
    other = Book()
    other.sample(sample(allocated=Allocated(bytes=None, source="memory.stat has no pgfault")))
    other.tick(1000)
    assert _one(other, "memory_allocated_bytes") is None
    (family,) = [one for one in OF_CONTAINERS if one.name == "cgshim_container_memory_allocated_bytes"]
    assert (family.kind, family.label) == ("counter", "")


def test_kill_of_a_whole_container_is_seen_after_its_end() -> None:
    """The kernel's counters went with the cgroup; the event says it, and the counter stays for five minutes."""
    book = Book()
    book.sample(sample(events={"oom_kill": 1}))
    book.event(event("oom_kill", time=1002, count=2))
    book.gone(sample().id)
    book.tick(1003)
    assert (_one(book, "oom_kills"), _one(book, "running")) == (3, 0)
    assert _one(book, "memory_working_set_bytes") is None
    book.tick(1003 + LINGER - 1)
    assert _one(book, "oom_kills") == 3
    book.tick(1003 + LINGER)
    assert _one(book, "oom_kills") is None


def test_event_that_follows_from_a_sample_counts_once() -> None:
    """The watcher gives the sample first, then the events that its counters show."""
    book = Book()
    book.sample(sample(events={"oom_kill": 2}))
    book.event(event("oom_kill", time=1000, counter="oom_kill", count=2, total=2))
    book.event(event("oom_kill", time=1000, count=2))
    book.tick(1000)
    assert _one(book, "oom_kills") == 2


def test_counter_that_fell_begins_again() -> None:
    """The same container in a new cgroup: Prometheus takes a fall for a reset."""
    book = Book()
    book.sample(sample(events={"oom_kill": 5}))
    book.sample(sample(time=1005, events={"oom_kill": 1}))
    book.tick(1005)
    assert _one(book, "oom_kills") == 1


def test_limit_hits_have_one_name_on_v1_and_v2() -> None:
    """cgroup2's `max` and v1's `failcnt` count the same thing."""
    book = Book()
    book.sample(sample("new", events={"max": 7}))
    book.sample(sample("old", version="v1", events={"failcnt": 9}))
    book.tick(1000)
    assert _values(book, "cgshim_container_memory_limit_hits") == {("new",): 7, ("old",): 9}


def test_alerts_are_counted_by_type() -> None:
    """Those that were held back count, too; each type is there from 0 on, so that the first one is an increase."""
    book = Book()
    book.sample(sample())
    book.tick(999)
    assert _values(book, "cgshim_container_alerts") == {("web", kind): 0 for kind in TYPES}
    book.alert(alert())
    book.alert(alert("pressure", repeated=4))
    book.tick(1000)
    given = {labels: value for labels, value in _values(book, "cgshim_container_alerts").items() if value}
    assert given == {("web", "oom_kill"): 1, ("web", "pressure"): 5}


def test_number_of_containers_is_bounded() -> None:
    """Beyond the bound there are no series but a count; those that ended first make room."""
    book = Book(most=2)
    for name in ("a", "b", "c"):
        book.sample(sample(name))
    book.tick(1000)
    assert set(_values(book, "cgshim_container_running")) == {("a",), ("b",)}
    assert _values(book, "cgshim_watch_containers_left_out") == {(): 1}
    assert _values(book, "cgshim_watch_containers") == {(): 3}
    book.gone(sample("a").id)
    book.tick(1001)
    book.sample(sample("c"))
    book.tick(1002)
    assert _values(book, "cgshim_container_running") == {("b",): 1, ("c",): 1}
    assert _values(book, "cgshim_watch_containers_left_out") == {(): 0}


def test_churn_does_not_grow_the_book() -> None:
    """Thousands of short containers leave no more than the bound, and after five minutes nothing."""
    book = Book(most=50)
    for number in range(1000):
        book.sample(sample(f"job{number}-"))
        book.gone(sample(f"job{number}-").id)
        book.tick(1000 + number / 10)
    assert len(book.kept) == 50
    book.tick(2000)
    assert book.kept == {}


def test_container_without_series_that_ends_is_forgotten() -> None:
    """It no longer counts as left out."""
    book = Book(most=1)
    book.sample(sample("a"))
    book.sample(sample("b"))
    book.gone(sample("b").id)
    book.tick(1000)
    assert _values(book, "cgshim_watch_containers_left_out") == {(): 0}


def test_labels_are_one_short_line() -> None:
    """A name of any length with a line end in it is foreign text."""
    book = Book()
    book.sample(sample("a\nb" + "x" * 500))
    book.tick(1000)
    ((name,),) = _values(book, "cgshim_container_running")
    assert name.startswith("a\\nbx")
    assert len(name) == 200


def test_names_follow_the_conventions() -> None:
    """Prometheus: own prefix, base unit at the end; counters get `_total` when they are shown."""
    for family in (*OF_CONTAINERS, *OF_WATCHER):
        assert re.fullmatch(r"cgshim_(container|watch)_[a-z_]+", family.name)
        assert not re.search(r"_(total|count|sum|bucket)$", family.name)
        if "memory" in family.name and family.kind == "gauge":
            assert family.name.endswith("_bytes")
        assert family.help.endswith(".")


def test_documentation_has_every_metric() -> None:
    """docs/watch.md has a row for each, with cadvisor's counterpart, and none besides."""
    section = (ROOT / "docs" / "watch.md").read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in section.splitlines() if "| `cgshim" in line
    ]
    shown = {row[0]: row[1] for row in rows}
    expected = {}
    for family in (*OF_CONTAINERS, *OF_WATCHER):
        expected[family.name + ("_total" if family.kind == "counter" else "")] = family.cadvisor
    assert {name: text.replace("`", "") for name, text in shown.items()} == {**expected, "cgshim_build_info": ""}
