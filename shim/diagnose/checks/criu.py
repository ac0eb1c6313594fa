"""Checks of CRIU's own log, its plugins and its kernel."""

from __future__ import annotations

from shim.diagnose.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Check, Words

PLUGINS = ("/usr/lib/criu", "/usr/local/lib/criu", "/usr/lib64/criu", "/usr/libexec/criu")
PROGRAMS = ("/usr/sbin/criu", "/usr/bin/criu", "/usr/local/sbin/criu")
CUDA = "cuda_plugin.so"
LOG_BYTES = 400000  # the failure is at the end of a log
# CRIU probes the kernel, and logs missing features as errors; neither stops it. The exit status of a program that it
# started follows a more precise line.
HARMLESS = ("tun: Unable to create tun", "rlimit: Can't setup RLIMIT_NOFILE for self", ": exited, status=")


def log_lines(facts: Facts, words: Words) -> list[str]:
    """Return the error lines of the log file that the message names, each once; () if no such file can be read."""
    path = words["log"]
    text = (facts.text(path) or "")[-LOG_BYTES:] if path else ""
    lines = [line.strip() for line in text.splitlines() if "Error (" in line]
    told: dict[str, str] = {}
    for line in lines:
        if not any(phrase in line for phrase in HARMLESS):
            told.setdefault(said(line), line)
    return list(told.values())


def said(line: str) -> str:
    """Return the line without its time: CRIU repeats some lines a hundred times."""
    return line.partition("Error (")[2]


def logged(phrase: str) -> Check:
    """Evidence: the log, or the message itself, has a line that matches `phrase`."""

    def check(facts: Facts, words: Words) -> tuple[str, ...]:
        import re

        lines = log_lines(facts, words)
        found = [line for line in lines if re.search(phrase, line, re.IGNORECASE)]
        path = words["log"]
        return tuple(f"{path}: {line}" for line in found[:2])

    return check


def reasons(phrase: str) -> Check:
    """Evidence: the line of the log that matches `phrase`, after the error that led to it."""

    def check(facts: Facts, words: Words) -> tuple[str, ...]:
        import re

        lines = log_lines(facts, words)
        found = next((place for place, line in enumerate(lines) if re.search(phrase, line, re.IGNORECASE)), None)
        return () if found is None else tuple(f"{words['log']}: {line}" for line in lines[: found + 1][-2:])

    return check


def first_error(facts: Facts, words: Words) -> tuple[str, ...]:
    """The first errors of the log: later ones follow from them."""
    path = words["log"]
    return tuple(f"{path}: {line}" for line in log_lines(facts, words)[:3])


def cuda_plugin(facts: Facts) -> tuple[str, ...]:
    """The CUDA plugin is installed and active: its device node or its driver exists."""
    plugin = next((f"{directory}/{CUDA}" for directory in PLUGINS if facts.exists(f"{directory}/{CUDA}")), "")
    driver = next((path for path in ("/dev/nvidiactl", "/proc/driver/nvidia/gpus") if facts.exists(path)), "")
    return (f"{plugin}: present", f"{driver}: present") if plugin and driver else ()


def incompatible_plugin(facts: Facts, words: Words) -> tuple[str, ...]:
    """The log says so, or the plugin is active."""
    return logged(r"incompatible with the freezer cgroup")(facts, words) or cuda_plugin(facts)


def no_criu(facts: Facts, words: Words) -> tuple[str, ...]:
    """criu is missing at the path in the message and at its usual place; for crun its library is missing."""
    if words["library"]:
        return no_library(facts, words["library"])
    paths = (words["path"],) if words["path"] else PROGRAMS
    return (f"{paths[0]}: absent",) if all(facts.absent(path) for path in paths) else ()


def no_library(facts: Facts, name: str) -> tuple[str, ...]:
    """The shared library is in none of the directories that ld.so(8) searches."""
    places = [f"/usr/lib/{one}" for one in facts.names("/usr/lib") if one.endswith("-linux-gnu")]
    places += ["/usr/lib64", "/usr/lib", "/usr/local/lib"]
    return (f"{places[0]}/{name}: absent",) if all(facts.absent(f"{place}/{name}") for place in places) else ()


def no_image(facts: Facts, words: Words) -> tuple[str, ...]:
    """The file in the message does not exist, or CRIU did not find one of its own."""
    if words["path"]:
        return () if not facts.absent(words["path"]) else (f"{words['path']}: absent",)
    return logged(r"\(empty-image\)")(facts, words)


def external_mount(facts: Facts, words: Words) -> tuple[str, ...]:
    """The source of one of the container's mounts is gone, or the log names the mount."""
    source = words["source"]
    if source:
        mounts = facts.config("mounts") or ()
        ours = [one for one in mounts if isinstance(one, dict) and one.get("source") == source]
        gone = facts.context.command == "restore" and ours and facts.absent(source)
        return (f"{source}: absent, config.json mounts it at {ours[0].get('destination')}",) if gone else ()
    return logged(r"proper root mount|external bind mount|unreachable sharing")(facts, words)
