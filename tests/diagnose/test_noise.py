"""What is noise in a runtime's output, and what is not."""

from __future__ import annotations

import json
import textwrap

import pytest

from shim.diagnose import noise

OOM_COUNT = 'level=warning msg="unable to get oom kill count" error="no directory specified for memory.oom_control"'


@pytest.mark.parametrize(
    "line",
    [
        OOM_COUNT,
        'time="2026-11-22T10:52:39Z" level=warning msg="Kernel memory settings are ignored and will be removed"',
        'level=error msg="skipping device /dev/char/10:200 for systemd: stat /sys/dev/char/10:200: no such file"',
        "(00.03) tun: Unable to create tun: No such file or directory",
        'level=error msg="container still running"',
        'level=error msg="Failed to remove cgroup" error="rmdir /sys/fs/cgroup/cpu/x: device or resource busy"',
        "cgroup v1 is deprecated and will be removed in a future release.  Use cgroup v2",
    ],
)
def test_noise_is_dropped(line: str) -> None:
    """A line that comes with many failures and explains none leaves nothing behind."""
    assert noise.clean(f"{line}\nthe cause").everything == "the cause"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "the memory limit could be too low: open `/sys/fs/cgroup/memory/x`: No such file or directory",
            "open `/sys/fs/cgroup/memory/x`: No such file or directory",
        ),
        ("OOM: the memory limit could be too low: read from sync socket: x", "OOM: read from sync socket: x"),
        ("cannot set memory limit: unknown", "cannot set memory limit"),
        ("cannot set memory limit: unknown.", "cannot set memory limit"),
        ("mount `a` to `b`: Permission denied: OCI permission denied", "mount `a` to `b`: Permission denied"),
        ("\x1b[31mred\x1b[0m cause\r", "red cause"),
        ("one\r\ntwo\r\n", "one\ntwo"),
    ],
)
def test_prefixes_suffixes_and_terminal_codes_go(text: str, cause: str) -> None:
    """What runtimes put in front, engines put behind, and terminals put in between."""
    assert noise.clean(text).failure == cause


def test_logfmt_is_unquoted_and_levels_are_kept_apart() -> None:
    """Errors are what a failure is told from; warnings come second."""
    text = 'time="2026-11-22T10:52:39Z" level=warning msg="odd"\nlevel=error msg="runc run failed: \\"x\\": bad"\n'
    heard = noise.clean(text)
    assert heard.errors == ('runc run failed: "x": bad',)
    assert heard.rest == ("odd",)
    assert heard.everything == 'runc run failed: "x": bad\nodd'


def test_json_logs_are_read_by_value() -> None:
    """Records may be one a line or spread over many, as newer versions of crun print them."""
    records = [{"level": "error", "msg": "first", "time": "t"}, {"level": "warning", "msg": "second"}]
    compact = "".join(json.dumps(one) + "\n" for one in records)
    spread = "\n".join(json.dumps(one, indent=4) for one in records)
    for text in (compact, spread):
        heard = noise.clean(text)
        assert (heard.errors, heard.rest) == (("first",), ("second",))


def test_a_brace_that_is_no_json_is_text() -> None:
    """A message may begin with a brace."""
    assert noise.clean("{broken: json\nnext").errors == ("{broken: json", "next")


def test_a_pasted_diagnosis_counts_only_by_the_runtimes_words() -> None:
    """Our own causes and remedies are not the runtime's words."""
    text = "cgshim: verdict [code]\n  cause: no subsystem for mount\n  runtime: the cause: unknown\n"
    assert noise.clean(text).failure == "the cause"


def test_words_of_gos_own_runtime_are_words() -> None:
    """Go begins its messages with "runtime:" too; without a diagnosis around it such a line is one of many."""
    text = "runtime: failed to create new OS thread\nthe rest"
    assert noise.clean(text).errors == ("runtime: failed to create new OS thread", "the rest")


def test_an_empty_output_says_nothing() -> None:
    """No text, no messages."""
    assert noise.clean("") == noise.Heard(errors=(), rest=())


def test_long_lines_keep_their_ends() -> None:
    """The cause stands at an end of the line; the middle would only cost time."""
    (line,) = noise.clean("begin " + "/a" * 30000 + ": invalid argument").errors
    assert line.startswith("begin /a/a")
    assert line.endswith(": invalid argument")
    assert len(line) == noise.LINE + len(" ... ")


def test_long_outputs_keep_their_ends() -> None:
    """A Go panic begins with its cause, a log ends with it."""
    lines = noise.clean("\n".join(f"line {number}" for number in range(5000))).errors
    assert len(lines) == noise.LINES
    assert (lines[0], lines[-1]) == ("line 0", "line 4999")


def test_what_runc_quotes_of_crius_log_is_the_cause() -> None:
    """Warnings by their level, but the error only says that CRIU failed; what comes after is a warning again."""
    text = """level=warning msg="before"
level=warning msg="--- Quoting \\"/w/dump.log\\""
level=warning msg="12:(00.02) Error (criu/x.c:1): the cause"
level=warning msg=---
level=warning msg="after"
level=error msg="criu failed: type DUMP errno 0"
"""
    heard = noise.clean(text)
    quoted = ('--- Quoting "/w/dump.log"', "12:(00.02) Error (criu/x.c:1): the cause")
    assert heard.errors == (*quoted, "criu failed: type DUMP errno 0")
    assert heard.rest == ("before", "---", "after")


def _on_a_terminal(text: str, width: int = 80) -> str:
    """What is copied from a terminal of that width: every longer line is broken at its edge."""
    return "\n".join(line[start : start + width] for line in text.split("\n") for start in range(0, len(line), width))


LOG = """\
root@node:~# podman run --memory 64m docker.io/library/alpine
WARN[0005] Failed to add conmon to cgroupfs sandbox: write /sys/fs/cgroup/cgroup.subtree_control: invalid argument
Error: OCI runtime error: crun: creating file `/var/lib/containers/storage/overlay/8d3ac3/merged/dev/shm`: EPERM"""


def test_lines_that_a_terminal_broke_are_joined_again() -> None:
    """Each line of a log by itself: its begin and its level are what they were."""
    broken = _on_a_terminal(LOG)
    assert len(broken.split("\n")) == 5
    assert noise.clean(broken).errors == noise.clean(LOG).errors


def test_lines_of_the_same_length_are_not_joined() -> None:
    """A record that repeats has lines as long as the longest one, and none of them goes on in the next."""
    line = "Aug 16 21:41:25 minikube kubelet[16778]: E0816 kubelet.go:1384] Failed to start ContainerManager"
    assert noise.clean(f"{line}\n{line}\n{line}").errors == noise.clean(line).errors * 3


def test_folding_is_not_taken_for_a_terminal() -> None:
    """Lines that end where the next word has no room are of folding: their break stands for a blank."""
    folded = textwrap.fill("cannot enable the controllers " * 3 + "a" * 50 + " for the cgroup of this pod", 50)
    assert max(map(len, folded.split("\n"))) == 50
    assert not noise.clean(folded).errors[0].startswith("cannot enable the controllerscannot")
    assert " ".join(folded.split()) in " ".join(noise.clean(folded).rejoined + noise.clean(folded).perhaps)


def test_lines_of_lxc_have_levels() -> None:
    """LXC writes each step with its level; the whole line stays, because its file and function say which step."""
    warning = "lxc web 20210906035948.972 WARN     conf - conf.c:lxc_map_ids:3389 - newuidmap binary is missing"
    error = "lxc web 20210906035949.781 ERROR    conf - conf.c:run_buffer:323 - Script exited with status 1"
    heard = noise.clean(f"{warning}\n{error}")
    assert (heard.errors, heard.rest) == ((error,), (warning,))
    assert noise.clean(json.dumps({"level": "error", "msg": f"{warning}\n{error}"})).errors == (error,)
