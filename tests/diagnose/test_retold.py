"""What shells, tools and languages say about a file of a cgroup, in a runtime's words; errors in other languages."""

from __future__ import annotations

import pytest

from shim.cli.explain import context
from shim.diagnose import noise
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.explain import explain
from shim.diagnose.other_languages import ENGLISH, in_english
from shim.diagnose.retold import retold

PROCS = "/sys/fs/cgroup/a/cgroup.procs"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "# echo 1 > /sys/fs/cgroup/cpuset/a/cpuset.cpus\n-bash: echo: write error: Invalid argument",
            "failed to write 1: write /sys/fs/cgroup/cpuset/a/cpuset.cpus: Invalid argument",
        ),
        (
            'echo "8:4 1" > /cgroup/blkio/a/blkio.throttle.write_bps_device\nbash: echo: write error: No such device',
            "write /cgroup/blkio/a/blkio.throttle.write_bps_device: No such device",
        ),
        (
            "root@h:/sys/fs/cgroup/a# echo +memory > cgroup.subtree_control\nsh: write error: Device or resource busy",
            "failed to write +memory: write /sys/fs/cgroup/a/cgroup.subtree_control: Device or resource busy",
        ),
        (f"echo 7 | sudo tee {PROCS}\ntee: {PROCS}: No such process", f"write {PROCS}: No such process"),
        (f"-bash: {PROCS}: Permission denied", f"open {PROCS}: Permission denied"),
        (f"sh: 1: cannot create {PROCS}: Read-only file system", f"open {PROCS}: Read-only file system"),
        (f"sh: 1: cannot create {PROCS}: Directory nonexistent", f"open {PROCS}: no such file or directory"),
        (f"zsh: permission denied: {PROCS}", f"open {PROCS}: permission denied"),
        (f"tee: {PROCS}: Invalid argument", f"write {PROCS}: Invalid argument"),
        (f"PermissionError: [Errno 13] Permission denied: '{PROCS}'", f"open {PROCS}: Permission denied"),
        (
            "OSError: [Errno 16] Device or resource busy: '/sys/fs/cgroup/cpu,cpuacct/a'",
            "rmdir /sys/fs/cgroup/cpu,cpuacct/a: Device or resource busy",
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/sys/fs/cgroup/memory/a'",
            "mkdir /sys/fs/cgroup/memory/a: No such file or directory",
        ),
        (f"Error: EACCES: permission denied, open '{PROCS}'", f"open {PROCS}: EACCES"),
        (f"java.nio.file.AccessDeniedException: {PROCS}", f"open {PROCS}: permission denied"),
        (f"java.io.FileNotFoundException: {PROCS} (Permission denied)", f"open {PROCS}: Permission denied"),
        (f"Errno::EACCES: Permission denied @ rb_sysopen - {PROCS}", f"open {PROCS}: Permission denied"),
        (f"Access to the path '{PROCS}' is denied.", f"open {PROCS}: permission denied"),
        (
            "lxc-start: Permission denied - write /cgroup/cpuset/lxc/a/cpuset.cpus : Permission denied",
            "write /cgroup/cpuset/lxc/a/cpuset.cpus: Permission denied",
        ),
    ],
)
def test_what_others_say_is_retold(text: str, sentence: str) -> None:
    """The file, the call and the errno of each spelling."""
    assert retold(text)[-1:] == (sentence,)
    assert noise.clean(text).errors[-1] == sentence


@pytest.mark.parametrize(
    "text",
    [
        "-bash: /home/a/script.sh: Permission denied",
        "echo 1 > /tmp/x\nbash: echo: write error: No space left on device",
        "PermissionError: [Errno 13] Permission denied: '/etc/passwd'",
        "open /sys/fs/cgroup/a/cpu.max: no such file or directory",
        "echo 1 > /sys/fs/cgroup/a/cpu.max\n\n\n\nbash: echo: write error: Invalid argument",  # another command's
    ],
)
def test_other_files_are_left_alone(text: str) -> None:
    """Only files of cgroups, and only what is not said in a runtime's words already."""
    assert retold(text) == ()


def test_a_partition_that_a_shell_throttles() -> None:
    """The errno decides by its file: a shell's ENODEV is a device that cannot be throttled, not a missing cgroup."""
    text = "echo 8:4 > /sys/fs/cgroup/blkio/a/blkio.throttle.write_bps_device\nbash: echo: write error: No such device"
    assert explain(text, context(Elsewhere(), text, "", None)).code == "io-device-unknown"


@pytest.mark.parametrize(
    ("text", "english"),
    [
        (
            "-bash: echo: Schreibfehler: Das Argument ist ungültig",
            "-bash: echo: write error: invalid argument",
        ),
        ("bash: erreur d'écriture : Périphérique ou ressource occupé", "bash: write error: device or resource busy"),
        ("bash: /sys/fs/cgroup/a/memory.max\uff1a权限不够", "bash: /sys/fs/cgroup/a/memory.max: permission denied"),
        ("mkdir: /sys/fs/cgroup/a : Permission denied", "mkdir: /sys/fs/cgroup/a : Permission denied"),
    ],
)
def test_errors_in_other_languages(text: str, english: str) -> None:
    """The C library's phrases and the shells' own, and nothing of an English text."""
    assert in_english(text) == english


def test_no_phrase_is_within_another_of_a_different_meaning() -> None:
    """Otherwise the order of the table would decide."""
    said = [(phrase, meaning) for meaning, phrases in ENGLISH.items() for phrase in phrases]
    assert [
        (one, other) for one, meaning in said for other, another in said if meaning != another and one in other
    ] == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"message": "create", "data": {"error": "exit status 1: x"}}', "create: exit status 1: x"),
        ('{"message": "create", "error": {"message": "y"}}', "create: y"),
        ('{"msg": "create", "fields": {"a": 1}}', "create"),
    ],
)
def test_the_error_inside_a_record(text: str, error: str) -> None:
    """Some loggers put the error into an object of the record."""
    assert noise.clean(text).failure == error


def test_blanks_that_were_lost_behind_colons() -> None:
    """A text that was typed off."""
    text = "starting container process caused :error adding seccomp filter rule for syscall bdflush:permission denied"
    assert explain(text, context(Elsewhere(), text, "", None)).code == "seccomp-rule-refused"
