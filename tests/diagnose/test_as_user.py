"""What is explained and foreseen for an unprivileged user, whose own way into namespaces and cgroups counts."""

from __future__ import annotations

import pytest

from shim.diagnose.diagnosis import Context
from shim.diagnose.explain import explain
from shim.diagnose.host_checks import foreseen
from tests.diagnose.test_facts import MEMORY, ROOT, TMPFS, UNIFIED
from tests.replayed import ReplayedView

NO_RIGHTS = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\nSeccomp:\t0\n"
PRIVILEGED = "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n"
NO_JOIN = "cannot set memory limit: container could not join or create cgroup"  # runc, libcontainer/cgroups/fs
DEVICES = "37 30 0:40 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n"


def _view(status: str, mounts: str, **more: str) -> ReplayedView:
    return ReplayedView({"text": {"/proc/self/mountinfo": mounts, "/proc/self/status": status, **more}})


def test_v1_cgroups_are_roots() -> None:
    """The controller is mounted: it is the user who has no cgroup there."""
    view = _view(NO_RIGHTS, ROOT + TMPFS + MEMORY)
    found = explain(NO_JOIN, Context(view=view, runtime="runc", kernel_log=""))
    assert found.code == "rootless-on-v1"
    assert "mount -t cgroup" not in " ".join(found.remedy)


def test_root_on_v1_is_told_of_the_mount() -> None:
    """As before: where no hierarchy has it, that is the reason."""
    view = _view(PRIVILEGED, ROOT + TMPFS + DEVICES)
    assert explain(NO_JOIN, Context(view=view, runtime="runc", kernel_log="")).code == "v1-controller-not-mounted"


@pytest.mark.parametrize("mounts", [ROOT + TMPFS + MEMORY + DEVICES, ROOT + UNIFIED], ids=["v1", "cgroup2"])
def test_a_user_is_not_warned_of_what_he_does_not_need(mounts: str) -> None:
    """A user namespace gives him CAP_SYS_ADMIN in it, and no filter is loaded for him."""
    found = foreseen(Context(view=_view(NO_RIGHTS, mounts), runtime="runc", kernel_log=""))
    codes = [one.code for one in found]
    assert "outer-layer-forbids-namespaces" not in codes
    assert not [code for code in codes if code.startswith("device-filter")]


def test_a_user_without_user_namespaces() -> None:
    """Switched off, they are the reason why nothing will start."""
    path = "/proc/sys/kernel/unprivileged_userns_clone"
    found = foreseen(Context(view=_view(NO_RIGHTS, ROOT + UNIFIED, **{path: "0\n"}), runtime="runc", kernel_log=""))
    assert [(one.code, one.evidence) for one in found if "namespaces" in one.code] == [
        ("outer-layer-forbids-namespaces", (f"{path}: 0",))
    ]
