"""The runtime's command line, read as runc and crun read it.

Where the two differ, these rules apply, as observed with runc 1.1.5 and crun 1.8.1:

- runc accepts flags after the container id, which crun refuses as extra arguments: they are read.
- runc with urfave/cli v3 accepts global flags after the command, which older ones and crun refuse: they are read.
- `-bundle X` and `-b=X` are Go's forms. crun's short options cluster (`-dbX`), and its long ones may be abbreviated.
- The last of several equal flags wins. An empty `--bundle` counts as missing. Any word can be a flag's value, also
  `--`.
- A command line that a runtime would refuse is read as far as possible; the refusal is left to the runtime.
"""

from __future__ import annotations

from shim.call.flags import COMMANDS, RUNC_VALUED, Reader, find_command, named, read_command
from shim.oci.cgroups_path import DRIVERS
from shim.system import join, normpath
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.call.flags import Slot
    from shim.rules.base import Driver


class Invocation(Value):
    """One call of the runtime.

    arguments: argv without the program's name, unchanged.
    command: the subcommand; "" if there is none or a flag before it cannot be classified. Behind a command that is not
        in COMMANDS nothing is read.
    container_id: the first operand of the command, "" if it is missing.
    bundle: absolute path, not resolved; the working directory if the flag is missing; "" for update and checkpoint,
        which have no bundle.
    log, root, pid_file: as written (crun takes `file:PATH`, `journald:ID` and `syslog:ID` for a log); "" if missing.
    log_format: "text" if missing.
    systemd_cgroup: the state of --systemd-cgroup.
    cgroup_manager: crun's --cgroup-manager, "" if missing or overridden by a later --systemd-cgroup.
    config: absolute path of crun's --config, "" if missing or the default.
    resources: FILE of update's --resources, "-" for standard input; has_resources is true if the flag is there,
        even with an empty value.
    detach: the state of --detach, which only run and restore have.
    help: the runtime will only print its help.
    options: the command's own flags in order, by their long names, as (name, value); value "true" or "false" for
        one without an argument. Global flags are not among them.
    command_index: index of the command in arguments, -1 if there is none.
    bundle_slot, log_slot, log_format_slot, resources_slot: position of the value in force, as (index in arguments,
        offset in that word); None if the flag is missing.
    """

    arguments: tuple[str, ...]
    command: str = ""
    container_id: str = ""
    bundle: str = ""
    log: str = ""
    log_format: str = "text"
    root: str = ""
    pid_file: str = ""
    systemd_cgroup: bool = False
    cgroup_manager: str = ""
    config: str = ""
    resources: str = ""
    has_resources: bool = False
    detach: bool = False
    help: bool = False
    options: tuple[tuple[str, str], ...] = ()
    command_index: int = -1
    bundle_slot: Slot | None = None
    log_slot: Slot | None = None
    log_format_slot: Slot | None = None
    resources_slot: Slot | None = None

    @property
    def driver(self) -> Driver:
        """The cgroup driver: "systemd", "cgroupfs" or "disabled"; crun refuses any other --cgroup-manager."""
        for known in DRIVERS:
            if known == self.cgroup_manager:
                return known
        return "systemd" if self.systemd_cgroup else "cgroupfs"

    @property
    def document(self) -> str:
        """Absolute path of the configuration that the runtime will read; "" for a command without a bundle."""
        if not self.bundle:
            return ""
        return self.config or join(self.bundle, "config.json")


def _container_id(operands: list[tuple[str, bool]]) -> str:
    """Return the first operand that cannot be the value of an unknown flag, else the first.

    An unknown flag, from a newer runtime, may or may not have a value. The commands take exactly one operand. So a word
    that follows such a flag is its value if another operand remains for the id, and else it is the id.
    """
    for word, after_unknown in operands:
        if not after_unknown:
            return word
    return operands[0][0] if operands else ""


def _absolute(path: str, cwd: str) -> str:
    return normpath(join(cwd, path))


def _settle_cgroup(flags: list[tuple[str, str]]) -> tuple[bool, str]:
    """Return the state of --systemd-cgroup and the --cgroup-manager in force; in crun the later of the two wins."""
    systemd, chosen = False, ""
    for name, value in flags:
        if name == "cgroup-manager":
            chosen = value
        elif name == "systemd-cgroup":
            systemd = value == "true"
            chosen = "" if systemd else chosen
    return systemd, chosen


def parse(arguments: list[str], cwd: str) -> Invocation:
    """Read argv without the program's name. cwd: the absolute path that relative ones start from. Never fails."""
    reader = Reader(arguments)
    index = find_command(reader)
    command = arguments[index] if index >= 0 else ""
    if command in COMMANDS:
        reader.position = index + 1
        read_command(reader, command)
    last = dict(reader.globals + reader.options)
    systemd, chosen = _settle_cgroup(reader.globals)
    has_bundle = command in COMMANDS and "bundle" in named(RUNC_VALUED, command)
    config = last.get("config", "")
    return Invocation(
        arguments=tuple(arguments),
        command=command,
        container_id=_container_id(reader.operands),
        bundle=_absolute(last.get("bundle", ""), cwd) if has_bundle else "",
        log=last.get("log", ""),
        log_format=last.get("log-format", "text"),
        root=last.get("root", ""),
        pid_file=last.get("pid-file", ""),
        systemd_cgroup=systemd,
        cgroup_manager=chosen,
        # crun reads the default name in the bundle, any other name relative to the caller's working directory.
        config="" if config in ("", "config.json") else _absolute(config, cwd),
        resources=last.get("resources", ""),
        has_resources="resources" in last,
        detach=last.get("detach") == "true",
        help=reader.help,
        options=tuple(reader.options),
        command_index=index,
        bundle_slot=reader.slots.get("bundle"),
        log_slot=reader.slots.get("log"),
        log_format_slot=reader.slots.get("log-format"),
        resources_slot=reader.slots.get("resources"),
    )


def _put(arguments: list[str], slot: Slot, value: str) -> None:
    index, offset = slot
    arguments[index] = arguments[index][:offset] + value


def _with_flag(invocation: Invocation, name: str, slot: Slot | None, value: str) -> list[str]:
    """Return the arguments with the command's flag `name` set to `value`, in its place or else behind the command."""
    arguments = list(invocation.arguments)
    if slot:
        _put(arguments, slot, value)
    elif invocation.command_index >= 0:
        behind = invocation.command_index + 1
        arguments[behind:behind] = [f"--{name}", value]
    return arguments


def with_bundle(invocation: Invocation, path: str) -> list[str]:
    """Return the arguments with another bundle; unchanged for a command that has none. Parse them again before the next
    edit.
    """
    if not invocation.bundle:
        return list(invocation.arguments)
    return _with_flag(invocation, "bundle", invocation.bundle_slot, path)


def with_resources(invocation: Invocation, path: str) -> list[str]:
    """Return the arguments of an update that reads the resources from `path`; those of another command are
    unchanged.
    """
    if invocation.command != "update":
        return list(invocation.arguments)
    return _with_flag(invocation, "resources", invocation.resources_slot, path)


def with_log(invocation: Invocation, file: str, log_format: str) -> list[str]:
    """Return the arguments with the global --log and --log-format set. Missing ones go to the front."""
    arguments = list(invocation.arguments)
    front: list[str] = []
    for name, slot, value in (
        ("--log", invocation.log_slot, file),
        ("--log-format", invocation.log_format_slot, log_format),
    ):
        if slot:
            _put(arguments, slot, value)
        else:
            front += [name, value]
    return front + arguments
