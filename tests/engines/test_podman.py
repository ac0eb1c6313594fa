"""`cgshimctl engine` for Podman: the exact drop-in for each situation, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine_machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

FILE = "/etc/containers/containers.conf.d/50-cgshim.conf"
MAIN = "/etc/containers/containers.conf"
COMMENT = "# cgshim in front of the OCI runtime; `cgshimctl engine remove podman` takes it back.\n"
TRANSPARENT = f'{COMMENT}[engine.runtimes]\n  runc = ["/usr/bin/cgshim"]\n'


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with runc."""
    return Machine(tmp_path)


def test_without_any_configuration(machine: Machine) -> None:
    """The entry takes the place of `runc`, whose errors podman reads as JSON; nothing else is written."""
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
        f'{COMMENT}[engine]\n  runtime = "runc"\n\n[engine.runtimes]\n  runc = ["/usr/bin/cgshim"]\n'
    )
    machine.remove("podman")
    assert machine.files() == {}


def test_podmans_own_default_is_crun(tmp_path: Path) -> None:
    """Where both are installed podman runs crun, so cgshim takes crun's place and is told to run crun."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    before = machine.files()
    output = machine.install("podman")
    assert machine.files() == {
        FILE: f'{COMMENT}[engine.runtimes]\n  crun = ["/usr/bin/cgshim"]\n',
        "/etc/cgshim/config.json": '{\n  "runtime": "/usr/bin/crun"\n}\n',
    }
    assert "/etc/cgshim/config.json now names /usr/bin/crun: it holds for every engine" in output
    machine.remove("podman")
    assert machine.files() == before


def test_another_runtime_in_the_settings_is_a_conflict(tmp_path: Path) -> None:
    """crun's containers must not be handed to runc because of an older setting."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    machine.write("/etc/cgshim/config.json", '{"runtime": "/usr/sbin/runc"}\n')
    message = machine.refused("install", "podman")
    assert "cgshim would run /usr/sbin/runc for containers that are crun's [another-runtime]" in message
    assert "remedy: name the runtime for every engine: --runtime /usr/bin/crun" in message
    assert "remedy: or register in front of the other: --name runc" in message


def test_runtime_on_request(tmp_path: Path) -> None:
    """--runtime decides both: the name that is replaced and the setting, whose other keys stay."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    settings = '{\n    "policy": "warn",\n    "runtime": "/usr/sbin/runc"\n}\n'
    machine.write("/etc/cgshim/config.json", settings)
    machine.install("podman", "--runtime", "/usr/bin/crun")
    assert machine.read("/etc/cgshim/config.json") == settings.replace("/usr/sbin/runc", "/usr/bin/crun")
    assert machine.read("/etc/cgshim/config.json.cgshim-backup") == settings
    assert '  crun = ["/usr/bin/cgshim"]\n' in machine.read(FILE)
    machine.remove("podman")
    assert machine.files() == {"/etc/cgshim/config.json": settings}


def test_name_that_podman_does_not_know(machine: Machine) -> None:
    """Another name is added to the whole list of names with JSON errors: podman 4.3 refuses {append=true}."""
    output = machine.install("podman", "--name", "fitted")
    assert machine.read(FILE) == (
        f"{COMMENT}[engine]\n"
        '  runtime_supports_json = ["crun", "runc", "kata", "runsc", "youki", "krun", "ocijail", "fitted"]\n'
        "\n"
        "[engine.runtimes]\n"
        '  fitted = ["/usr/bin/cgshim"]\n'
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
    assert f"{MAIN}, line 2: no valid TOML; the file is left as it is [malformed-engine-config]" in message


def test_rootless_directory(machine: Machine, tmp_path: Path) -> None:
    """--rootless writes below XDG_CONFIG_HOME, and cannot write the machine's settings."""
    result = machine.engine("install", "podman", "--rootless", env={"XDG_CONFIG_HOME": "/home/ann/.config"})
    assert result.exit_code == 0, result.output
    place = "/home/ann/.config/containers/containers.conf.d/50-cgshim.conf"
    assert machine.files("/home") == {place: TRANSPARENT}
    assert machine.files() == {}
    assert machine.engine("remove", "podman", "--rootless", env={"XDG_CONFIG_HOME": "/home/ann/.config"}).exit_code == 0
    assert not machine.has("/home/ann/.config/containers")


def test_rootless_cannot_choose_the_runtime(tmp_path: Path) -> None:
    """A user whose podman runs crun is told what the administrator has to write."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/bin/crun"))
    message = machine.refused("install", "podman", "--rootless")
    assert 'remedy: let the administrator write {"runtime": "/usr/bin/crun"} to /etc/cgshim/config.json' in message


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
    assert f"warning: {FILE} said more than the entry; it is kept as {FILE}.cgshim-backup" in output
    assert machine.files() == {FILE + ".cgshim-backup": text}
    (machine.root / FILE[1:]).with_name("50-cgshim.conf.cgshim-backup").unlink()
    machine.write(FILE, text)
    machine.install("podman")
    assert machine.read(FILE + ".cgshim-backup") == text
