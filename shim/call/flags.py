"""The flags of runc and crun, and how an argument names one.

Sources: `--help` of runc 1.1.5 and crun 1.8.1; main.go, create.go, run.go, restore.go, update.go and checkpoint.go of
runc at 76d9cf5d; crun.c and the files of the same names of crun at ba38286f. shim/launcher.sh has the same tables,
which a test compares.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Slot = tuple[int, int]
    Table = dict[str, str]  # command -> names of flags, separated by spaces

COMMANDS = ("create", "run", "restore", "update", "checkpoint")

GLOBAL_VALUED = ("log", "log-format", "log-level", "root", "criu", "rootless", "cgroup-manager")
GLOBAL_BOOLEAN = ("debug", "systemd-cgroup")
# crun accepts any prefix of a long option; log-level was added after 1.8.1.
CRUN_GLOBAL_VALUED = ("cgroup-manager", "log", "log-format", "log-level", "root", "rootless")
CRUN_GLOBAL_BOOLEAN = ("debug", "systemd-cgroup")

_START = "bundle b console-socket pidfd-socket pid-file preserve-fds"
_LIMITS = (
    "resources r blkio-weight cpu-period cpu-quota cpu-share cpu-rt-period cpu-rt-runtime cpuset-cpus cpuset-mems"
    " kernel-memory kernel-memory-tcp memory memory-reservation memory-swap pids-limit l3-cache-schema mem-bw-schema"
)
_IMAGE = "image-path work-path manage-cgroups-mode"
_SECURITY = "lsm-profile lsm-mount-context"
_CRIU = "tcp-established ext-unix-sk shell-job file-locks"


# One letter is a short option for crun; for Go's flag parser it is a name like any other.
RUNC_VALUED: Table = {
    "create": _START,
    "run": _START,
    "restore": f"bundle b console-socket pid-file empty-ns {_IMAGE} {_SECURITY}",
    "update": f"{_LIMITS} cpu-burst cpu-idle",
    "checkpoint": f"parent-path status-fd page-server empty-ns {_IMAGE}",
}
RUNC_BOOLEAN: Table = {
    "create": "no-pivot no-new-keyring",
    "run": "detach d keep no-subreaper no-pivot no-new-keyring",
    "restore": f"detach d no-subreaper no-pivot auto-dedup lazy-pages {_CRIU}",
    "update": "",
    "checkpoint": f"leave-running lazy-pages pre-dump auto-dedup tcp-skip-in-flight link-remap {_CRIU}",
}
CRUN_VALUED: Table = {
    "create": "bundle b config f console-socket pid-file preserve-fds",
    "run": "bundle b config f console-socket pid-file preserve-fds",
    "restore": f"bundle b console-socket pid-file network-lock {_IMAGE} {_SECURITY}",
    "update": _LIMITS,
    "checkpoint": f"parent-path network-lock {_IMAGE}",
}
CRUN_BOOLEAN: Table = {
    "create": "no-pivot no-subreaper no-new-keyring",
    "run": "detach d keep no-pivot no-subreaper no-new-keyring",
    "restore": f"detach d tcp-close {_CRIU}",
    "update": "",
    "checkpoint": f"leave-running pre-dump {_CRIU}",
}
_LONG_NAMES = {"b": "bundle", "d": "detach", "f": "config", "r": "resources"}
_HELP = ("--help", "-help", "--h", "-h", "--usage", "-?")
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def named(table: Table, command: str) -> list[str]:
    """Return the names of a command's flags."""
    return table[command].split()


def _split(word: str) -> tuple[str, int, str | None]:
    """Return `--name=value` or `-name=value` as name, offset of the value (0 if none is attached) and value."""
    dashes = 2 if word.startswith("--") else 1
    equals = word.find("=")
    if equals < 0:
        return word[dashes:], 0, None
    return word[dashes:equals], equals + 1, word[equals + 1 :]


def _in_full(name: str, command: str) -> str:
    """Return the long option of crun that `name` abbreviates; `name` itself if it is not the prefix of exactly one."""
    known = (*named(CRUN_VALUED, command), *named(CRUN_BOOLEAN, command))
    found = [full for full in known if len(full) > 1 and full.startswith(name)]
    return found[0] if name and len(found) == 1 else name


class Reader:
    """The scan over one command line and its findings so far."""

    def __init__(self, arguments: list[str]) -> None:
        self.words = arguments
        self.position = 0
        self.globals: list[tuple[str, str]] = []
        self.options: list[tuple[str, str]] = []
        self.slots: dict[str, Slot] = {}
        self.operands: list[tuple[str, bool]] = []
        self.help = False

    def value(self, offset: int) -> str | None:
        """Return the value at `offset` of the current word, or the next word if `offset` is 0; None if there is
        none.
        """
        if offset:
            return self.words[self.position][offset:]
        if self.position + 1 >= len(self.words):
            return None
        self.position += 1
        return self.words[self.position]

    def take(self, name: str, offset: int, into: list[tuple[str, str]]) -> None:
        """Record the flag `name` whose value starts at `offset`, or is the next word."""
        value = self.value(offset)
        if value is not None:
            into.append((name, value))
            self.slots[name] = (self.position, offset)

    def switch(self, name: str, attached: str | None, into: list[tuple[str, str]]) -> None:
        """Record the flag `name`, which needs no value but may have one in Go."""
        if attached in _FALSE:
            into.append((name, "false"))
        elif not attached or attached in _TRUE:
            into.append((name, "true"))


def _global_in_full(name: str) -> str:
    """Return the global option of crun that `name` abbreviates; `name` itself if it abbreviates none.

    If several match, return the first: crun refuses those, but a value behind them must be read as a value. Without
    log-level, `log-` abbreviates log-format alone.
    """
    if not name or name in GLOBAL_VALUED or name in GLOBAL_BOOLEAN:
        return name
    return next((full for full in CRUN_GLOBAL_VALUED + CRUN_GLOBAL_BOOLEAN if full.startswith(name)), name)


def _global_flag(reader: Reader, word: str, *, abbreviated: bool = False) -> bool:
    """Read a global flag; return False if `word` is not one."""
    name, offset, attached = _split(word)
    name = _global_in_full(name) if abbreviated else name
    if name in GLOBAL_VALUED:
        reader.take(name, offset, reader.globals)
    elif name in GLOBAL_BOOLEAN:
        reader.switch(name, attached, reader.globals)
    else:
        return False
    return True


def find_command(reader: Reader) -> int:
    """Return the index of the command; -1 if there is none or a flag before it cannot be classified."""
    while reader.position < len(reader.words):
        word = reader.words[reader.position]
        if word == "--":
            reader.position += 1
            return reader.position if reader.position < len(reader.words) else -1
        if not word.startswith("-") or word == "-":
            return reader.position
        if not _global_flag(reader, word, abbreviated=True) and "=" not in word:
            return -1
        reader.position += 1
    return -1


def _command_flag(reader: Reader, word: str, command: str) -> bool:
    """Read a flag of the command, in Go's or crun's form or abbreviated; return False if `word` is not one."""
    valued, boolean = named(RUNC_VALUED, command), named(RUNC_BOOLEAN, command)
    name, offset, attached = _split(word)
    if word.startswith("--"):
        # After two dashes crun knows abbreviations, but no single letters.
        name = name if name in valued or name in boolean else _in_full(name, command)
        valued, boolean = valued + named(CRUN_VALUED, command), boolean + named(CRUN_BOOLEAN, command)
    if name in valued:
        reader.take(_LONG_NAMES.get(name, name), offset, reader.options)
    elif name in boolean:
        reader.switch(_LONG_NAMES.get(name, name), attached, reader.options)
    else:
        return _global_flag(reader, word)
    return True


def _cluster(reader: Reader, word: str, command: str) -> bool:
    """Read crun's short options in one word, such as `-db/bundle`; return False if one of them is unknown."""
    if word.startswith("--"):
        return False
    for index in range(1, len(word)):
        letter = word[index]
        if letter in named(CRUN_VALUED, command):
            for flag in word[1:index]:
                reader.switch(_LONG_NAMES[flag], None, reader.options)
            reader.take(_LONG_NAMES[letter], index + 1 if index + 1 < len(word) else 0, reader.options)
            return True
        if letter not in named(CRUN_BOOLEAN, command):
            return False
    for flag in word[1:]:
        reader.switch(_LONG_NAMES[flag], None, reader.options)
    return True


def read_command(reader: Reader, command: str) -> None:
    """Read the arguments behind the command, from reader.position on."""
    unknown_before = False
    while reader.position < len(reader.words):
        word = reader.words[reader.position]
        if word == "--":
            reader.operands.extend((operand, False) for operand in reader.words[reader.position + 1 :])
            return
        if not word.startswith("-") or word == "-":
            reader.operands.append((word, unknown_before))
            unknown_before = False
        elif word in _HELP:
            # crun stops at the id, and its checkpoint and restore ignore one further argument.
            reader.help = reader.help or not reader.operands or command not in ("restore", "checkpoint")
            unknown_before = False
        else:
            known = _command_flag(reader, word, command) or _cluster(reader, word, command)
            unknown_before = not known and "=" not in word
        reader.position += 1
