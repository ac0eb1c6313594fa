"""Names and files that another user made: real calls as root, with a real runtime behind them.

Whatever stands in a bundle, root touches nothing outside of it, and no call takes longer than it would without.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import program_problem, require
from integration.containers import call
from shim.oci.atomic import ACL
from tests.oci.test_atomic import FLIP, FOR_ONE, OTHER
from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.bundle import Bundle
    from integration.containers import Result, Shim
    from integration.kernel import CgroupValues

# Needs an edit under every layout: `unified` is rewritten on v1, kernel memory on v2.
NEEDS_EDIT = {"memory": {"limit": 67108864, "kernel": 67108864}, "unified": {"pids.max": "100"}}
AT_ONCE = 60  # seconds; a call takes a tenth of one, and one that waits for what never comes takes forever


@pytest.fixture
def open_path(tmp_path: Path) -> Path:
    """The test's own directory, which another user may enter."""
    for place in (tmp_path, *list(tmp_path.parents)[:2]):
        place.chmod(0o755)
    return tmp_path


def _timed(shim: Shim, *words: str, stdin: str = "") -> Result:
    start = time.monotonic()
    done = shim(*words, stdin=stdin)
    assert time.monotonic() - start < AT_ONCE, str(done)
    return done


@pytest.mark.parametrize("depth", [1, 8])
def test_a_key_that_leads_out_of_the_cgroup(
    shim: Shim, bundle: Bundle, container: str, tmp_path: Path, depth: int
) -> None:
    """`unified` names a file of ours, by way of a cgroup that is there: refused before anything, the file as it was."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    key = f"hugetlb.x/{'../' * depth}{str(victim).lstrip('/')}"
    bundle.configure(resources={"unified": {key: "0"}}, linux={"cgroupsPath": f"/{container}"})
    before = bundle.config_path.read_bytes()
    for mount in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (mount / "cgroup.controllers").exists():
            (mount / container / "hugetlb.x").mkdir(parents=True)
    try:
        done = _timed(shim, "create", "--bundle", str(bundle.path), container)
    finally:
        _remove_cgroups(container)
    assert victim.read_text() == "precious"
    assert done.status == 1, str(done)
    assert "it is not the name of a cgroup interface file" in done.err
    assert bundle.config_path.read_bytes() == before
    assert shim.containers() == []


@pytest.mark.parametrize("policy", ["refuse", "warn"])
def test_what_a_container_says_it_had_kept(
    shim: Shim, bundle: Bundle, container: str, tmp_path: Path, policy: str
) -> None:
    """The annotation of the bridge with such a key: nothing is written, whatever the policy."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    kept = {f"hugetlb.x/../../../../../../..{victim}": "0", f"memory.x/../../../../../../..{victim}": "0"}
    annotations = {"io.cgshim.bridge": json.dumps(kept), "io.cgshim.policy": policy}
    bundle.configure(annotations=annotations)
    shim("create", "--bundle", str(bundle.path), container)
    assert victim.read_text() == "precious"


def test_a_path_of_many_parts(shim: Shim, bundle: Bundle, container: str) -> None:
    """60,000 levels took twenty seconds; what no hierarchy has is refused at once."""
    for path, what in (("/a" * 60000, "longer than the 4095 bytes"), ("/a" * 1000, "1000 levels")):
        bundle.configure(linux={"cgroupsPath": path})
        done = _timed(shim, "create", "--bundle", str(bundle.path), container)
        assert (done.status, "[bad-cgroups-path]" in done.err, what in done.err) == (1, True, True), str(done)
        assert len(done.err) < 2000


def test_a_path_at_the_budgets_end_is_made(
    shim: Shim, bundle: Bundle, container: str, cgroup_values: Callable[[int], CgroupValues]
) -> None:
    """64 levels are no reason to refuse; the limit is where it was asked for."""
    path = f"/{container}" + "/a" * 63
    bundle.configure(resources={"pids": {"limit": 33}}, linux={"cgroupsPath": path})
    pid = shim.create(bundle, container)
    assert cgroup_values(pid).read("pids.max") == "33"
    shim.must("delete", "--force", container)
    _remove_cgroups(container)


def _remove_cgroups(name: str) -> None:
    for mount in [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*")]:
        for directory, _, _ in os.walk(mount / name, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                continue


@pytest.mark.parametrize("what", ["fifo", "/dev/zero", "socket"])
@pytest.mark.parametrize("command", ["create", "run"])
def test_a_configuration_that_is_no_file(shim: Shim, bundle: Bundle, container: str, what: str, command: str) -> None:
    """Neither a FIFO that nobody writes to nor a device without an end is read."""
    bundle.config_path.unlink()
    if what == "fifo":
        os.mkfifo(bundle.config_path)
    elif what == "socket":
        os.mknod(bundle.config_path, stat.S_IFSOCK | 0o600)
    else:
        bundle.config_path.symlink_to(what)
    done = _timed(shim, command, "--bundle", str(bundle.path), container)
    assert done.status == 1, str(done)
    assert "[bad-bundle]" in done.err
    bundle.config_path.unlink()
    bundle.configure()


def test_settings_that_are_no_file(shim: Shim) -> None:
    """A FIFO instead of the settings stops nobody forever."""
    shim.settings_path.unlink()
    os.mkfifo(shim.settings_path)
    program = "import sys; sys.path.insert(0, sys.argv[1]); from shim.planning import settings\n"
    program += "settings.load({'CGSHIM_CONFIG': sys.argv[2]})"
    start = time.monotonic()
    done = call([sys.executable, "-IS", "-c", program, str(ROOT), str(shim.settings_path)], env=shim.environment)
    assert time.monotonic() - start < AT_ONCE
    assert "cannot be read: EINVAL" in done.err
    shim.settings_path.unlink()


def test_update_reads_what_a_shell_pipes(
    shim: Shim, bundle: Bundle, container: str, cgroup_values: Callable[[int], CgroupValues]
) -> None:
    """`--resources <(command)` is a pipe, and works as with the bare runtime; so does standard input."""
    require("bash", program_problem("bash"))
    bundle.configure(resources={"pids": {"limit": 40}})
    pid = shim.create(bundle, container)
    piped = '<(sleep 1; echo \'{"pids":{"limit":41}}\')'
    given = '- <<<\'{"pids":{"limit":42}}\''
    for limit, source in ((41, piped), (42, given)):
        line = f'"$@" update --resources {source} {container}'
        done = call(["bash", "-c", line, "bash", *shim.prefix], env=shim.environment)
        assert done.status == 0, str(done)
        assert cgroup_values(pid).read("pids.max") == str(limit)


def test_update_from_a_device_without_an_end(shim: Shim, bundle: Bundle, container: str) -> None:
    """32 MiB of /dev/zero are enough to know."""
    bundle.configure()
    shim.create(bundle, container)
    done = _timed(shim, "update", "--resources", "/dev/zero", container)
    assert (done.status, "more than 33554432 bytes" in done.err) == (1, True), str(done)


def test_an_id_that_climbs(shim: Shim, bundle: Bundle) -> None:
    """crun would take the directory above its root for the container's."""
    bundle.configure(resources=NEEDS_EDIT)
    before = bundle.config_path.read_bytes()
    for container in ("..", ".", "a/b", "../x"):
        done = _timed(shim, "create", "--bundle", str(bundle.path), container)
        assert (done.status, "[bad-container-id]" in done.err) == (1, True), str(done)
    assert bundle.config_path.read_bytes() == before


def test_a_bundle_keeps_what_its_file_carries(
    shim: Shim, bundle: Bundle, container: str, cgroup_values: Callable[[int], CgroupValues]
) -> None:
    """After a create with an edit: same ACL, same user.* attribute, same owner and mode, and the limit in force."""
    try:
        os.setxattr(bundle.config_path, "user.note", b"n")
    except OSError as error:
        require("extended attributes", str(error))
    bundle.configure(resources=NEEDS_EDIT)
    os.setxattr(bundle.config_path, ACL, FOR_ONE)
    os.chown(bundle.config_path, OTHER, OTHER)
    before = bundle.config_path.stat()
    pid = shim.create(bundle, container)
    after = bundle.config_path.stat()
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert os.getxattr(bundle.config_path, ACL) == FOR_ONE
    assert os.getxattr(bundle.config_path, "user.note") == b"n"
    assert cgroup_values(pid).read("pids.max") == "100"


@pytest.mark.long
def test_an_owner_who_flips_a_link_while_root_creates(
    shim: Shim, bundle: Bundle, container: str, open_path: Path
) -> None:
    """Sixty creates against a process that turns config.json into a link to root's file and back."""
    config: dict[str, Any] = bundle.configure(resources=NEEDS_EDIT)
    victim = open_path / "victim"
    victim.write_text(json.dumps(config))
    before = (victim.read_bytes(), victim.stat().st_ino, victim.stat().st_mtime_ns)
    shim.extra_environment["CGSHIM_STATE"] = str(open_path / "state")
    os.chown(bundle.path, OTHER, OTHER)
    program = FLIP.replace("""'{"old": true}'""", "text").replace("os.setuid", "text = open(victim).read(); os.setuid")
    argv = [sys.executable, "-IS", "-c", program, str(bundle.path), str(victim)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        for number in range(60):
            done = shim("create", "--bundle", str(bundle.path), f"{container}-{number}")
            if done.status == 0:
                shim.must("delete", "--force", f"{container}-{number}")
        process.kill()
    assert (victim.read_bytes(), victim.stat().st_ino, victim.stat().st_mtime_ns) == before
    left = [name for name in os.listdir(bundle.path) if ".cgshim-" in name]
    assert len(left) <= 1, left


PLANT = """
import os, sys
state, victim, root = sys.argv[1:]
os.setgid(4242); os.setuid(4242)
os.makedirs(state + "/bundles")
os.symlink(victim, state + "/bundles/" + root)
"""


def test_a_planted_state_directory(shim: Shim, bundle: Bundle, container: str, open_path: Path) -> None:
    """A bundle on a read-only mount needs a stand-in; what another user has made in its place is not touched."""
    shared, victim = open_path / "shared", open_path / "victim"
    shared.mkdir()
    shared.chmod(0o1777)
    (victim / "web").mkdir(parents=True)
    (victim / "web" / "config.json").write_text("precious")
    root = str(shim.root).strip("/").replace("/", "-")
    state = shared / "cgshim-0"
    subprocess.run([sys.executable, "-IS", "-c", PLANT, str(state), str(victim), root], check=True)
    bundle.configure(resources=NEEDS_EDIT)
    subprocess.run(["mount", "--bind", "-o", "ro", str(bundle.path), str(bundle.path)], check=True)
    try:
        shim.extra_environment["CGSHIM_STATE"] = str(state)
        done = shim("create", "--bundle", str(bundle.path), container)
        assert (victim / "web" / "config.json").read_text() == "precious"
        assert (done.status, "[unwritable-bundle]" in done.err, f"{state}: EPERM, it belongs" in done.err) == (
            1,
            True,
            True,
        ), done
        assert "CGSHIM_STATE" in done.err
        shim.extra_environment["CGSHIM_STATE"] = str(open_path / "own")
        shim.create(bundle, container)
        shim.must("delete", "--force", container)
    finally:
        subprocess.run(["umount", str(bundle.path)], check=True)
