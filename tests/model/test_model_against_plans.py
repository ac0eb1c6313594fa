"""Starts and updates that hypothesis draws, through cgshim: each guard is equal, stricter where said, or reported.

The usual ones are the same in every run: 10,000 of each in CI, and 1,000 elsewhere. `tests.model.search` looks for
others.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shim.host.captured import CapturedView
from shim.oci import document
from shim.planning import rewrite
from shim.planning.settings import Settings
from tests.extent import SAMPLE
from tests.model import requests
from tests.model.judged import BASES, FIELDS, HOSTS, MACHINES, PAIRS, RUNTIMES, Call, about, faults

if TYPE_CHECKING:
    from tests.model.judged import Family

pytestmark = pytest.mark.property
BOUNDED = settings(
    deadline=None,
    max_examples=1000 if SAMPLE else 10000,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
HOST = st.sampled_from(sorted(MACHINES)).map(MACHINES.__getitem__)
PAIR = st.sampled_from(PAIRS)
CREATES = st.builds(lambda asked, host, pair: Call(asked, host, *pair), requests.RESOURCES, HOST, PAIR)
UPDATES = st.builds(
    lambda base, asked, host, pair: Call(base, host, pair[0], pair[1], asked),
    st.sampled_from(BASES),
    requests.RESOURCES,
    HOST,
    PAIR,
)


@BOUNDED
@given(CREATES)
def test_every_guard_of_a_start_means_what_it_says(call: Call) -> None:
    """On every captured host, under every version of both runtimes: equal, stricter where said, or reported."""
    assert list(faults(call)) == []


@BOUNDED
@given(UPDATES)
def test_every_guard_of_an_update_means_what_it_says(call: Call) -> None:
    """The same for the limits of a running container; what an update does not name stays as it was."""
    assert list(faults(call)) == []


NOWHERE = ("cgroup2-elsewhere-6.1", "debian12-nothing-mounted-6.1", "forged-unified")
EVERY_GUARD = {
    "memory": {"limit": 128 << 20, "swap": 192 << 20},
    "cpu": {"quota": 50000, "cpus": "0", "mems": "0"},
    "pids": {"limit": 100},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}],
    "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 100}]},
    "rdma": {"mlx5_0": {"hcaHandles": 2}},
}


@pytest.mark.parametrize("name", NOWHERE)
@pytest.mark.parametrize("family", RUNTIMES)
def test_no_guard_is_passed_on_unsaid_where_no_runtime_works(name: str, family: Family) -> None:
    """Where /sys/fs/cgroup is no cgroup file system, each guard is reported as lost: nobody could read it back."""
    loaded = document.load(json.dumps({"linux": {"resources": EVERY_GUARD}}), "config.json")
    asked = rewrite.Asked(runtime=f"/usr/bin/{family}", family=family, command="create")
    made = rewrite.of(
        loaded, rewrite.RESOURCES, asked, Settings(origins={"policy": "default"}), CapturedView(str(HOSTS / name))
    )
    lost = {guard for guard in FIELDS if any(about(guard, note.field) for note in made.plan.unenforceable)}
    assert lost == set(FIELDS)
