"""`cgshimctl engine` for Podman: the exact drop-in for each situation, and back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.engine_machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

FILE = "/etc/containers/containers.conf.d/50-cgshim.conf"
MAIN = "/etc/containers/containers.conf"
COMMENT = "# cgshim in front of the OCI runtime; `cgshimctl engine remove podman` takes it back.\n"
TRANSPARENT = f'{COMMENT}[engine.runtimes]\n  runc = ["/usr/bin/cgshim-runc"]\n'


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with runc."""
    return Machine(tmp_path)


def test_without_any_configuration(machine: Machine) -> None:
    """The entry replaces `runc`, whose errors podman reads as JSON; nothing else is written."""
    machine.install("podman")
    assert machine.files() == {FILE: TRANSPARENT}


def test_there_and_back(machine: Machine) -> None:
    """Install is idempotent, remove leaves nothing behind: not even the directory."""
    machine.there_and_back("podman")
    assert machine.files() == {}


def test_existing_configuration_is_not_touched(machine: Machine) -> None:
    """containers.conf with comments stays as it is beside the drop-in, and so do other drop-ins."""
    machine.write(MAIN, "# ours\n[engine]\n  runtime = 'runc' # not crun\n")
    machine.write("/etc/containers/containers.conf.d/10-site.conf", "[containers]\npids_limit = 100\n")
    before = machine.files()
    machine.install("podman")
    assert machine.files() == {**before, FILE: TRANSPARENT}
    machine.remove("podman")
    assert machine.files() == before


def test_default_is_set_by_name(machine: Machine) -> None:
    """--as-default names the runtime in [engine], in front of the subtable."""
    machine.install("podman", "--as-default")
    assert machine.read(FILE) == (
        f'{COMMENT}[engine]\n  runtime = "runc"\n\n[engine.runtimes]\n  runc = ["/usr/bin/cgshim-runc"]\n'
    )
    machine.remove("podman")
    assert machine.files() == {}


def test_podmans_own_default_is_crun(tmp_path: Path) -> None:
    """Where both are installed podman runs crun, so cgshim takes crun's place, as the entry that runs crun."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    before = machine.files()
    output = machine.install("podman")
    assert machine.files() == {FILE: f'{COMMENT}[engine.runtimes]\n  crun = ["/usr/bin/cgshim-crun"]\n'}
    assert "linked /usr/bin/cgshim-crun to cgshim\n" in output
    assert os.readlink(tmp_path / "usr/bin/cgshim-crun") == "cgshim"
    machine.remove("podman")
    assert machine.files() == before


def test_another_runtime_in_the_settings(tmp_path: Path) -> None:
    """crun's containers are not handed to runc because of an older setting, which stays for who relies on it."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    machine.write("/etc/cgshim/config.json", '{"runtime": "/usr/sbin/runc"}\n')
    before = machine.files()
    words = " ".join(machine.install("podman").split())
    assert (
        "/etc/cgshim/config.json: runtime /usr/sbin/runc applies to calls of `cgshim` itself; this entry runs"
        " /usr/bin/crun"
    ) in words
    assert machine.files() == {**before, FILE: f'{COMMENT}[engine.runtimes]\n  crun = ["/usr/bin/cgshim-crun"]\n'}


@pytest.mark.parametrize(
    ("runtime", "name"), [("/opt/crun/bin/crun", "opt-crun-bin-crun"), ("/usr/bin/crun", "crun")], ids=["own", "found"]
)
def test_runtime_on_request(tmp_path: Path, runtime: str, name: str) -> None:
    """--runtime decides both: the name that is replaced and the entry; the settings are not touched."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun", "/opt/crun/bin/crun"))
    settings = '{\n    "policy": "warn",\n    "runtime": "/usr/sbin/runc"\n}\n'
    machine.write("/etc/cgshim/config.json", settings)
    machine.install("podman", "--runtime", runtime)
    own = {f"/etc/cgshim/runtimes/{name}": f"{runtime}\n"} if name != "crun" else {}
    entry = f'{COMMENT}[engine.runtimes]\n  crun = ["/usr/bin/cgshim-{name}"]\n'
    assert machine.files() == {"/etc/cgshim/config.json": settings, FILE: entry, **own}
    machine.remove("podman")
    assert machine.files() == {"/etc/cgshim/config.json": settings}


def test_the_settings_runtime_of_the_same_kind_counts(tmp_path: Path) -> None:
    """An administrator who has named a runc of their own means that one, too, where the engine says just runc."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/opt/runc"))
    machine.write("/etc/cgshim/config.json", '{"runtime": "/opt/runc"}\n')
    machine.install("podman")
    assert machine.read(FILE) == f'{COMMENT}[engine.runtimes]\n  runc = ["/usr/bin/cgshim-opt-runc"]\n'
    assert machine.read("/etc/cgshim/runtimes/opt-runc") == "/opt/runc\n"


def test_name_that_podman_does_not_know(machine: Machine) -> None:
    """Another name is added to the whole list of names with JSON errors: podman 4.3 refuses {append=true}."""
    output = machine.install("podman", "--name", "fitted")
    assert machine.read(FILE) == (
        f"{COMMENT}[engine]\n"
        '  runtime_supports_json = ["crun", "runc", "kata", "runsc", "youki", "krun", "ocijail", "fitted"]\n'
        "\n"
        "[engine.runtimes]\n"
        '  fitted = ["/usr/bin/cgshim-runc"]\n'
    )
    assert "podman's default stays runc; use `podman --runtime fitted ...`, or --as-default" in output


def test_configured_list_of_json_names_is_kept(machine: Machine) -> None:
    """A list that the site has set is extended, not replaced by podman's own."""
    machine.write(MAIN, '[engine]\nruntime_supports_json = ["site"]\n')
    machine.install("podman", "--name", "fitted")
    assert '  runtime_supports_json = ["site", "fitted"]\n' in machine.read(FILE)


def test_second_name_is_refused(machine: Machine) -> None:
    """Containers may remember the first name, so it is not replaced silently."""
    machine.install("podman", "--name", "fitted")
    message = machine.refused("install", "podman", "--name", "runc")
    assert "cgshim is registered with podman under the name 'fitted' already [registered-otherwise]" in message


def test_malformed_configuration(machine: Machine) -> None:
    """A broken containers.conf is reported with its line, and nothing is written."""
    machine.write(MAIN, "[engine]\nruntime = runc\n")
    message = machine.refused("install", "podman")
    assert f"{MAIN}, line 2: not valid TOML; the file is unchanged [malformed-engine-config]" in message


def test_rootless_directory(machine: Machine, tmp_path: Path) -> None:
    """--rootless writes below XDG_CONFIG_HOME, and cannot write the machine's settings."""
    result = machine.engine("install", "podman", "--rootless", env={"XDG_CONFIG_HOME": "/home/ann/.config"})
    assert result.exit_code == 0, result.output
    place = "/home/ann/.config/containers/containers.conf.d/50-cgshim.conf"
    assert machine.files("/home/ann/.config") == {place: TRANSPARENT}
    assert machine.files() == {}
    assert machine.engine("remove", "podman", "--rootless", env={"XDG_CONFIG_HOME": "/home/ann/.config"}).exit_code == 0
    assert not machine.has("/home/ann/.config/containers")


def test_rootless_entry(tmp_path: Path) -> None:
    """A user's podman that runs crun gets the entry for crun; nothing of the machine's is changed."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    machine.install("podman", "--rootless")
    assert machine.files() == {}
    assert os.readlink(tmp_path / "usr/bin/cgshim-crun") == "cgshim"


@pytest.mark.parametrize("database", ["bolt_state.db", "db.sql"])
def test_remembered_name_is_warned_about(machine: Machine, database: str) -> None:
    """Containers keep the runtime's name in podman's database; under `runc` that is harmless."""
    machine.install("podman", "--name", "fitted")
    store = f"/var/lib/containers/storage/libpod/{database}"
    machine.write(store, '\0{"id":"1","runtime":"fitted","x":1}\0{"runtime":"runc"}')
    output = machine.remove("podman")
    words = " ".join(output.split())
    assert "warning: podman has containers that remember the runtime 'fitted' and cannot start without it" in words
    machine.install("podman")
    assert "warning" not in machine.remove("podman")


def test_what_others_added_is_kept(machine: Machine) -> None:
    """A drop-in of ours that says more than the entry is set aside by remove, and copied by install."""
    machine.install("podman")
    text = machine.read(FILE) + "\n[containers]\npids_limit = 7\n"
    machine.write(FILE, text)
    output = " ".join(machine.remove("podman").split())
    assert f"warning: {FILE} had more than the entry; it is kept as {FILE}.cgshim-backup" in output
    assert machine.files() == {FILE + ".cgshim-backup": text}
    (machine.root / FILE[1:]).with_name("50-cgshim.conf.cgshim-backup").unlink()
    machine.write(FILE, text)
    machine.install("podman")
    assert machine.read(FILE + ".cgshim-backup") == text
