"""Checks of CRIU's own log, its plugins and its kernel."""

from __future__ import annotations

from shim.diagnose.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Check, Words

PLUGINS = ("/usr/lib/criu", "/usr/local/lib/criu", "/usr/lib64/criu", "/usr/libexec/criu")
CUDA = "cuda_plugin.so"
LOG_BYTES = 400000  # the end of a log is where it failed


def log_lines(facts: Facts, words: Words) -> list[str]:
    """Error lines of the log file that the message names; () where it names none that can be read."""
    path = words["log"]
    text = (facts.text(path) or "")[-LOG_BYTES:] if path else ""
    return [line.strip() for line in text.splitlines() if "Error (" in line]


def logged(phrase: str) -> Check:
    """Evidence: the log, or the message itself, has a line that matches `phrase`."""

    def check(facts: Facts, words: Words) -> tuple[str, ...]:
        import re

        lines = log_lines(facts, words)
        found = [line for line in lines if re.search(phrase, line, re.IGNORECASE)]
        path = words["log"]
        return tuple(f"{path}: {line}" for line in found[:2])

    return check


def first_error(facts: Facts, words: Words) -> tuple[str, ...]:
    """The first errors of the log: later ones follow from them."""
    path = words["log"]
    return tuple(f"{path}: {line}" for line in log_lines(facts, words)[:3])


def cuda_plugin(facts: Facts) -> tuple[str, ...]:
    """The CUDA plugin is installed and considers itself usable: its device node or its driver is there."""
    plugin = next((f"{directory}/{CUDA}" for directory in PLUGINS if facts.exists(f"{directory}/{CUDA}")), "")
    driver = next((path for path in ("/dev/nvidiactl", "/proc/driver/nvidia/gpus") if facts.exists(path)), "")
    return (f"{plugin}: present", f"{driver}: present") if plugin and driver else ()


def incompatible_plugin(facts: Facts, words: Words) -> tuple[str, ...]:
    """The log says so, or the plugin is active."""
    return logged(r"incompatible with the freezer cgroup")(facts, words) or cuda_plugin(facts)


def no_criu(facts: Facts, words: Words) -> tuple[str, ...]:
    """No criu where it is looked for."""
    paths = [words["path"], "/usr/sbin/criu", "/usr/bin/criu", "/usr/local/sbin/criu"]
    first = next((path for path in paths if path), "")
    return () if any(facts.exists(path) for path in paths if path) else (f"{first}: absent",)
