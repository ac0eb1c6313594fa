"""`cgshimctl engine` for containerd: the exact file for each version of its configuration, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shim.engines.containerd import PLUGINS
from tests.engine_machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

FILE = "/etc/containerd/config.toml"
BACKUP = FILE + ".cgshim-backup"
COMMENT = "# cgshim in front of the OCI runtime; `cgshimctl engine remove containerd` takes it back.\n"
# As Debian 12's package has it.
DEBIAN = """\
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
"""
SECOND = 'plugins."io.containerd.grpc.v1.cri".containerd'
# The built-in entry goes as soon as another one is written, so it is written, too.
RUNC = f"""\
[{SECOND}.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

"""
ENTRY = f"""\
[{SECOND}.runtimes.cgshim]
  runtime_type = "io.containerd.runc.v2"
  [{SECOND}.runtimes.cgshim.options]
    BinaryName = "/usr/bin/cgshim-runc"
"""
# A kubeadm node's, with comments, an own default and the option that must not get lost.
NODE = f"""\
# managed by the site
version = 2
[{SECOND}]
  default_runtime_name = "runc" # as ever
  snapshotter = "overlayfs"

  # what pods get
  [{SECOND}.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    privileged_without_host_devices = false
    pod_annotations = ["io.site.*"]
    [{SECOND}.runtimes.runc.options]
      SystemdCgroup = true  # kubelet's driver
      BinaryName = ""

# metrics
[metrics]
  address = "127.0.0.1:1338"
"""
COPIED = f"""
[{SECOND}.runtimes.cgshim]
  runtime_type = "io.containerd.runc.v2"
  privileged_without_host_devices = false
  pod_annotations = ["io.site.*"]
  [{SECOND}.runtimes.cgshim.options]
    BinaryName = "/usr/bin/cgshim-runc"
    SystemdCgroup = true
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with runc."""
    return Machine(tmp_path)


def test_without_any_configuration(machine: Machine) -> None:
    """A file of version 2, which every containerd from 1.2 on reads, and the command that makes it known."""
    output = machine.install("containerd")
    assert machine.files() == {FILE: f"{COMMENT}version = 2\n\n{RUNC}{ENTRY}"}
    assert "containerd reads it after: systemctl restart containerd" in output


@pytest.mark.parametrize("arguments", [(), ("--as-default",), ("--name", "fitted")], ids=["named", "default", "other"])
@pytest.mark.parametrize(
    "text", [None, DEBIAN, NODE, "", "version = 2"], ids=["none", "debian", "node", "empty", "bare"]
)
def test_there_and_back(machine: Machine, text: str | None, arguments: tuple[str, ...]) -> None:
    """Install is idempotent, and after remove every byte is as it was."""
    if text is not None:
        machine.write(FILE, text)
    machine.there_and_back("containerd", *arguments)


def test_entry_is_added_at_the_end(machine: Machine) -> None:
    """Debian's file keeps every line; the old text is kept beside it."""
    machine.write(FILE, DEBIAN)
    machine.install("containerd")
    assert machine.files() == {FILE: f"{DEBIAN}\n{RUNC}{ENTRY}", BACKUP: DEBIAN}


def test_options_are_copied_and_comments_stay(machine: Machine) -> None:
    """SystemdCgroup and all else that the default runtime's entry says is said of cgshim, too."""
    machine.write(FILE, NODE)
    machine.install("containerd")
    assert machine.read(FILE) == NODE + COPIED


def test_default_is_changed_in_its_place(machine: Machine) -> None:
    """--as-default changes the one value; the comment behind it stays."""
    machine.write(FILE, NODE)
    machine.install("containerd", "--as-default")
    changed = NODE.replace('default_runtime_name = "runc" # as ever', 'default_runtime_name = "cgshim" # as ever')
    assert machine.read(FILE) == changed + COPIED


def test_default_is_added_to_its_table(machine: Machine) -> None:
    """A table without a default gets it as its first key, indented as its keys are."""
    text = f'version = 2\n[{SECOND}]\n    snapshotter = "overlayfs"\n'
    machine.write(FILE, text)
    machine.install("containerd", "--as-default")
    assert machine.read(FILE) == (
        f'version = 2\n[{SECOND}]\n    default_runtime_name = "cgshim"\n    snapshotter = "overlayfs"\n\n{RUNC}{ENTRY}'
    )


def test_default_without_its_table(machine: Machine) -> None:
    """Where the table is missing it is added in front of the entry."""
    machine.write(FILE, DEBIAN)
    machine.install("containerd", "--as-default")
    assert machine.read(FILE) == f'{DEBIAN}\n[{SECOND}]\n  default_runtime_name = "cgshim"\n\n{RUNC}{ENTRY}'


def test_version_3(machine: Machine) -> None:
    """containerd 2's own version names the plugin otherwise."""
    machine.write(FILE, "version = 3\n")
    machine.install("containerd")
    assert machine.read(FILE) == "version = 3\n\n" + (RUNC + ENTRY).replace(PLUGINS[2], PLUGINS[3])


def test_version_1(machine: Machine) -> None:
    """A file that does not say its version is of version 1, whose plugin is called cri."""
    machine.write(FILE, '[plugins.cri]\n  sandbox_image = "pause"\n')
    machine.install("containerd")
    assert machine.read(FILE) == (
        '[plugins.cri]\n  sandbox_image = "pause"\n'
        "\n"
        "[plugins.cri.containerd.runtimes.runc]\n"
        '  runtime_type = "io.containerd.runc.v2"\n'
        "\n"
        "[plugins.cri.containerd.runtimes.cgshim]\n"
        '  runtime_type = "io.containerd.runc.v2"\n'
        "  [plugins.cri.containerd.runtimes.cgshim.options]\n"
        '    BinaryName = "/usr/bin/cgshim-runc"\n'
    )


def test_unknown_version(machine: Machine) -> None:
    """A version from the future is refused, for nobody knows where its entries go."""
    machine.write(FILE, "version = 4\n")
    message = machine.refused("install", "containerd")
    assert f"{FILE}: version 4 of containerd's configuration is not known [engine-config-version]" in message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version = 2\nroot = \n", 2),
        ("version = 2\n[plugins\n", 2),
        ("version = 2\n[a]\nx = 1\n[b]\n[a]\n", 5),
        ("version = 2\nx = 1\nx = 2\n", 3),
    ],
    ids=["no value", "open header", "table twice", "key twice"],
)
def test_malformed_configuration(machine: Machine, text: str, line: int) -> None:
    """What is no TOML is reported with its line and never rewritten, by no command."""
    machine.write(FILE, text)
    for command in ("install", "remove", "status"):
        message = machine.refused(command, "containerd")
        assert f"{FILE}, line {line}: not valid TOML; the file is unchanged [malformed-engine-config]" in message


def test_notation_that_cannot_be_extended(machine: Machine) -> None:
    """An inline table cannot get a table of its own: the file is refused, not damaged."""
    machine.write(FILE, f'version = 2\n[plugins]\n"{PLUGINS[2]}" = {{ containerd = {{ snapshotter = "native" }} }}\n')
    message = machine.refused("install", "containerd")
    assert "cannot edit safely; the file is unchanged [engine-config-notation]" in message


def test_entry_of_someone_else(machine: Machine) -> None:
    """A name that leads to another program is not taken over."""
    machine.write(FILE, DEBIAN + ENTRY.replace("/usr/bin/cgshim-runc", "/usr/bin/other"))
    message = machine.refused("install", "containerd")
    assert "containerd has a runtime 'cgshim' already, and it is not cgshim [name-taken]" in message
    assert f"{FILE}: cgshim leads to /usr/bin/other" in message


def test_moved_binary_is_corrected(machine: Machine) -> None:
    """An entry of ours for another place is replaced; its options stay."""
    machine.write(FILE, DEBIAN + "\n" + ENTRY.replace("/usr/bin", "/opt/cgshim/bin") + "    SystemdCgroup = true\n")
    machine.install("containerd")
    assert machine.read(FILE) == f"{DEBIAN}\n{ENTRY}    SystemdCgroup = true\n"


def test_remove_after_the_file_was_changed(machine: Machine) -> None:
    """What the site has written since stays; the former default comes back."""
    machine.write(FILE, NODE)
    machine.install("containerd", "--as-default")
    machine.write(FILE, machine.read(FILE) + '\n[debug]\n  level = "info"\n')
    machine.remove("containerd")
    assert machine.files() == {FILE: NODE + '\n[debug]\n  level = "info"\n'}


def test_remove_of_a_hand_written_entry(machine: Machine) -> None:
    """An entry that `install` did not write is found by its program and taken out, too."""
    machine.write(FILE, f"{DEBIAN}\n{ENTRY.replace('/usr/bin', '/opt/cgshim/bin')}\n# the end\n[debug]\n")
    machine.remove("containerd")
    assert machine.files() == {FILE: f"{DEBIAN}\n# the end\n[debug]\n"}


def test_two_names(machine: Machine) -> None:
    """Each is removed by its name; the copy of the original stays as long as one is left."""
    machine.write(FILE, DEBIAN)
    machine.install("containerd")
    machine.install("containerd", "--name", "fitted")
    machine.remove("containerd", "--name", "fitted")
    assert machine.files() == {FILE: f"{DEBIAN}\n{RUNC}{ENTRY}", BACKUP: DEBIAN}
    machine.remove("containerd")
    assert machine.files() == {FILE: DEBIAN}


def test_remove_after_the_entry_went_with_its_file(machine: Machine) -> None:
    """`containerd config default` over it: the file stays as it is, and the copy of the former one goes."""
    machine.write(FILE, DEBIAN)
    machine.install("containerd")
    machine.write(FILE, "version = 2\n")
    words = " ".join(machine.remove("containerd").split())
    assert (
        f"{FILE} has no entry of cgshim any more and stays as it is; its copy from before `install` is removed" in words
    )
    assert machine.files() == {FILE: "version = 2\n"}


def test_imported_entry_is_copied(machine: Machine) -> None:
    """The default's entry may be in a file that config.toml imports."""
    machine.write(FILE, 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n')
    options = f"[{SECOND}.runtimes.runc.options]\nSystemdCgroup = true\n"
    machine.write("/etc/containerd/conf.d/10-site.toml", f"version = 2\n{options}")
    words = " ".join(machine.install("containerd").split())
    assert "    SystemdCgroup = true\n" in machine.read(FILE)
    assert "warning: /etc/containerd/conf.d/10-site.toml has settings of the plugin, too" in words


def test_disabled_plugin_is_reported(machine: Machine) -> None:
    """Docker's package of containerd disables CRI: then nothing reads the entry."""
    machine.write(FILE, 'version = 2\ndisabled_plugins = ["cri"]\n')
    assert f"warning: {FILE} disables cri: nothing reads the entry" in machine.install("containerd")


def test_wrapped_crun(tmp_path: Path) -> None:
    """A node whose default entry calls crun gets cgshim in front of crun, not of the runc that lies about."""
    machine = Machine(tmp_path, ("/usr/sbin/runc", "/usr/local/bin/crun"))
    machine.write(FILE, NODE.replace('BinaryName = ""', 'BinaryName = "/usr/local/bin/crun"'))
    before = machine.files()
    machine.install("containerd")
    assert 'BinaryName = "/usr/bin/cgshim-crun"' in machine.read(FILE)
    machine.remove("containerd")
    assert machine.files() == before


def test_running_containers_are_warned_about(machine: Machine) -> None:
    """A shim calls BinaryName again to stop its container, so the program has to stay until then."""
    machine.install("containerd")
    bundle = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/0123456789abcdef"
    machine.write(f"{bundle}/runtime", "/usr/bin/cgshim-runc")
    words = " ".join(machine.remove("containerd").split())
    assert (
        "running containers call /usr/bin/cgshim-runc until they end; keep that file until then: 0123456789ab" in words
    )


@pytest.mark.parametrize("more", ["", '[debug]\nlevel = "info"\n'], ids=["alone", "with more"])
def test_remove_of_a_drop_in(machine: Machine, more: str) -> None:
    """A drop-in goes as a whole; what others have added to it is kept where containerd does not import it."""
    drop_in = "/etc/containerd/conf.d/50-cgshim.toml"
    main = 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n'
    machine.write(FILE, main)
    machine.write(drop_in, f"{COMMENT}version = 2\n\n{RUNC}{ENTRY}{more}")
    output = " ".join(machine.remove("containerd").split())
    kept = {drop_in + ".cgshim-backup": f"{COMMENT}version = 2\n\n{RUNC}{ENTRY}{more}"} if more else {}
    assert machine.files() == {FILE: main, **(kept or {"/etc/containerd/conf.d/": ""})}
    assert ("is kept: it has more than the entry" in output) == bool(more)
