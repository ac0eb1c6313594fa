"""How one cause is chosen among several, what is said when there is none, and how it is rendered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shim.diagnose.diagnosis import Context, Diagnosis
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.entry import Entry, Words
from shim.diagnose.explain import NOT_RECOGNISED, SEVERAL_CAUSES, entry_of, explain, looked, without_words
from shim.diagnose.facts import Facts
from shim.diagnose.render import as_dict, plain, render
from tests.replayed import ReplayedView

MOUNTS = "30 21 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
V1_CPU = MOUNTS + "31 30 0:40 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
SETTING = "error setting cgroup config for procHooks process: "
MEMSW = SETTING + 'failed to write "1": write /sys/fs/cgroup/memory/x/memory.memsw.limit_in_bytes: invalid argument'


def _context(text: dict[str, str] | None = None, **fields: Any) -> Context:
    return Context(view=ReplayedView({"text": text or {}}), **{"kernel_log": "", **fields})


def _resources(**resources: Any) -> dict[str, Any]:
    return {"linux": {"resources": resources}}


@pytest.mark.parametrize(
    "text",
    [
        "cannot set the table limit: container could join",
        "open `/sys/fs/cgroupie/memory/x`: No such file or directory",
        "writing file `cpu.weight`: Input/output error",
        "unable to set memory limits",
        "could not join cgroup namespace",
        "container's cgroup is empty",
        "mkdir /var/lib/x: read-only file system",
        "mkdir /srv/fs/cgroup/x: permission denied",
        "seccomp: entry on tid_real 298 found",
        "exec: process finished",
        "swap limit should be set",
        "statfs '/sys/fs': No such file or directory",
        "pivot_root: No such file or directory",
    ],
)
def test_near_misses_are_not_recognised(text: str) -> None:
    """A text that only looks like a known one gets no cause."""
    assert explain(text, _context()).code == NOT_RECOGNISED


@pytest.mark.parametrize(
    ("resources", "code"),
    [
        ({"memory": {"limit": 1 << 27, "swap": 1 << 26}}, "swap-below-limit"),
        ({"memory": {"swap": 1 << 26}}, "swap-without-limit"),
    ],
)
def test_the_confirmed_cause_wins(resources: dict[str, Any], code: str) -> None:
    """The same words, two causes: config.json decides."""
    found = explain(MEMSW, _context(config=_resources(**resources)))
    assert (found.code, found.confirmed) == (code, True)


def test_several_unconfirmed_causes_are_the_answer() -> None:
    """Words with several causes and no fact for any: each is given, the likeliest first, and none is confirmed."""
    found = explain(MEMSW, _context())
    assert (found.code, found.confirmed, found.ours) == (SEVERAL_CAUSES, False, True)
    assert found.others == ("swap-below-limit", "swap-without-limit", "swap-limit-raced")
    assert [one.code for one in found.causes] == ["swap-below-limit", "swap-without-limit", "swap-limit-raced"]
    assert found.cause == "This message has several causes, and no fact on the host decides between them."
    assert found.causes[1].tell == ("is --memory-swap (compose: memswap_limit) given without --memory (mem_limit)?")


def test_a_configuration_rules_causes_out() -> None:
    """What config.json contradicts is no candidate any more; what it cannot contradict is left."""
    fine = _context(config=_resources(memory={"limit": 1 << 27, "swap": 1 << 28}))
    assert explain(MEMSW, fine).code == "swap-limit-raced"


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("failed to write 4194305 to pids.max: write /sys/fs/cgroup/pids/x/pids.max", "pids-limit-above-maximum"),
        ('failed to write "-1": write /sys/fs/cgroup/pids/x/pids.max', "pids-limit-negative"),
        (
            "failed to write 500 to cpu.cfs_quota_us: write /sys/fs/cgroup/cpu/x/cpu.cfs_quota_us",
            "cpu-quota-out-of-range",
        ),
        ('failed to write "13000": write /sys/fs/cgroup/cpu/x/cpu.cfs_quota_us', "cpu-quota-above-parent"),
        ('failed to write "0": write /sys/fs/cgroup/memory/x/memory.swappiness', "swappiness-not-changeable"),
        ('failed to write "250": write /sys/fs/cgroup/memory/x/memory.swappiness', "swappiness-out-of-range"),
        ('failed to write "a-b": write /sys/fs/cgroup/cpuset/x/cpuset.cpus', "cpuset-malformed"),
    ],
)
def test_the_number_in_the_message_decides(written: str, code: str) -> None:
    """No configuration and no host are needed where the value that was written stands in the words."""
    found = explain(f"{SETTING}{written}: invalid argument", _context())
    assert (found.code, found.confirmed) == (code, False)


@pytest.mark.parametrize(
    "path",
    [
        "/sys/fs/cgroup/cpuset/system.slice:cri-containerd:0123abcd/cpuset.cpus",
        "/sys/fs/cgroup/cpuset/a name with blanks/cpuset.cpus",
        "/sys/fs/cgroup/cpuset/machine.slice/libpod\\x2dabc.scope/cpuset.cpus",
        f"/sys/fs/cgroup/cpuset/{'long/' * 150}cpuset.cpus",
    ],
)
def test_any_path_is_a_path(path: str) -> None:
    """Colons, blanks, escapes and great length do not hide the file at its end."""
    found = explain(f'{SETTING}failed to write "9": write {path}: permission denied', _context())
    assert found.code == "cpuset-not-in-parent"


def test_entries_of_the_other_layout_are_no_candidates() -> None:
    """A path of v1 leads to no cause of cgroup2, and the other way round."""
    for path, wrong in (
        ("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "controller-not-enabled"),
        ("/sys/fs/cgroup/x.slice/memory.max", "v1-controller-not-mounted"),
    ):
        found = explain(f"open `{path}`: No such file or directory", _context())
        assert wrong not in (found.code, *found.others)


NO_DEVICES = "failed to start daemon: Devices cgroup isn't mounted"


@pytest.mark.parametrize(
    ("pasted", "code"),
    [
        (NO_DEVICES, "docker-needs-devices-hierarchy"),
        (f"root@OpenWrt:~# dockerd\n{NO_DEVICES}", "cgroup2-covered-on-openwrt"),
        (f"{NO_DEVICES}\nOpenWrt 23.05.2, r23630", "cgroup2-covered-on-openwrt"),
        (json.dumps({"host": "OpenWrt", "msg": NO_DEVICES}), "cgroup2-covered-on-openwrt"),
    ],
)
def test_what_stands_around_the_message_decides(pasted: str, code: str) -> None:
    """The prompt, a version or another line says on which host it was."""
    assert explain(pasted, _context(placed=False)).code == code


@pytest.mark.parametrize(
    "pasted",
    [
        'mounting "/x;reboot" to rootfs at "/y" caused: not a directory',
        '"cgroup_parent": "/x"\nfailed to load cgroup /x;reboot: cgroups: cgroup deleted',
        'error mounting "tmpfs" to rootfs at "/sys/x": create mountpoint for /sys/x;reboot mount: mkdirat y: EACCES',
        "x;reboot.service: Failed to set 'memory.limit_in_bytes' attribute on '/x' to '1': Device or resource busy",
        "unable to retrieve OCI runtime error (open l): /x;reboot/runc did not terminate successfully: exit status 127",
    ],
)
def test_a_name_in_a_command_has_no_shell_in_it(pasted: str) -> None:
    """Remedies are pasted into a shell, and names in a message may come from the container."""
    found = explain(pasted, _context(placed=False))
    for one in found.causes or (found,):
        assert not [step for step in (*one.remedy, one.tell) if ";reboot" in step]


@pytest.mark.parametrize("name", ["/a/../../home", "/..", "/a b", "/a*", "/a?", "/[a-z]", "/$HOME", "/a!1"])
def test_a_path_in_a_command_is_one_word_and_stays_below_its_directory(name: str) -> None:
    """The step with rmdir below /sys/fs/cgroup is there for a plain path alone; the others stay."""
    words = "Couldn't move process 7 to requested cgroup '{0}': Device or resource busy"
    whole = explain(words.format("/user.slice/x.scope"), _context(placed=False))
    found = explain(words.format(name), _context(placed=False))
    assert found.code == whole.code == "unit-cgroup-left-behind"
    step = "Remove the empty tree, from below: find /sys/fs/cgroup/user.slice/x.scope -depth -type d -exec rmdir {} +"
    assert found.remedy == tuple(one for one in whole.remedy if one != step)
    assert step in whole.remedy


def test_an_unknown_text_from_another_host_has_no_facts_of_this_one() -> None:
    """It asks for more words, and does not say which layout an unknown host has."""
    found = explain("the cgroup gnomes are on strike", _context(placed=False).changed(view=Elsewhere()))
    assert (found.code, found.cause, found.evidence) == (NOT_RECOGNISED, "", ())


def test_our_own_words_are_not_around_the_message() -> None:
    """A diagnosis that is pasted back names hosts in its remedy, which says nothing of this one."""
    found = explain(NO_DEVICES, _context(placed=False))
    again = render(found, 4000)
    assert "OpenWrt" in again
    assert explain(again, _context(placed=False)).code == found.code


def test_our_own_refusal_pasted_back_is_its_entry() -> None:
    """Alone, behind an engine's words, and in a record: the code in brackets is known."""
    text = "cgshim: memory.limit: 5 is below what a start needs [bad-resources]\n  remedy: raise it"
    for form in (text, f"Error: OCI runtime error: {text}", json.dumps({"level": "error", "msg": text})):
        found = explain(form, _context())
        assert found.code == "bad-resources"


def test_a_tiny_limit_explains_whatever_else_is_said() -> None:
    """The process was killed; what the runtime reports is only the pieces."""
    text = (
        SETTING + "failed to call BPF_PROG_ATTACH (BPF_CGROUP_DEVICE): can't attach program: no such file or directory"
    )
    small = explain(text, _context(config=_resources(memory={"limit": 4096})))
    large = explain(text, _context(config=_resources(memory={"limit": 1 << 28})))
    assert small.code == "memory-limit-kills-runtime"
    assert large.code == "device-filter-failed"


def test_a_tiny_limit_does_not_explain_an_unrelated_failure() -> None:
    """crun puts its memory hint in front of anything; the cause stays the cause."""
    text = "the memory limit could be too low: invalid configuration: cannot use unified on cgroup v1"
    config = _resources(memory={"limit": 4096}, unified={"memory.max": "1"})
    assert explain(text, _context(config=config, runtime="crun")).code == "unified-on-v1"


def test_a_missing_command_is_not_ours() -> None:
    """The image's failure passes through as it came, noise included."""
    text = 'time="t" level=error msg="runc run failed: exec: \\"nope\\": executable file not found in $PATH"\n'
    found = explain(text, _context())
    assert (found.code, found.ours) == ("image-command-not-found", False)
    assert render(found) == text


def test_not_recognised_gives_facts_and_no_cause() -> None:
    """The honest answer has what is unusual about the host."""
    facts = {
        "/proc/self/mountinfo": V1_CPU + "40 30 0:50 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 ro\n",
        "/sys/fs/cgroup/unified/cgroup.controllers": "hugetlb\n",
        "/proc/self/uid_map": "0 100000 65536\n",
        "/proc/self/status": "CapEff:\t0000000000000000\n",
        "/proc/cmdline": "quiet cgroup_disable=memory\n",
    }
    found = explain("a cgroup of gibberish", _context(facts, config=_resources(memory={"limit": 4096})))
    assert found.code == NOT_RECOGNISED
    assert found.evidence == (
        "cgroup layout: hybrid (v1: cpu)",
        "/sys/fs/cgroup/unified/cgroup.controllers: hugetlb",
        "mountinfo: /sys/fs/cgroup/unified cgroup2 ro - ro",
        "memory limit: 4096 bytes, small for the runtime itself",
        "/proc/self/uid_map: 0 100000 65536",
        "/proc/self/status CapEff: 0000000000000000 (without CAP_SYS_ADMIN, CAP_SYS_RESOURCE)",
        "/proc/cmdline: cgroup_disable=memory",
    )
    assert found.cause == "No cause is known for this message; these facts of the host are worth a look."
    assert explain("gibberish", _context(facts)).evidence == ()


def test_a_warning_counts_only_without_an_error() -> None:
    """The deprecation warning of an occupied cgroup does not hide the error beside it."""
    warning = 'level=warning msg="DEPRECATED: running container in a non-empty cgroup won\'t be supported in runc 1.2"'
    error = 'level=error msg="cannot set kernel memory with cgroupv2"'
    assert explain(warning, _context()).code == "cgroup-not-empty"
    assert explain(f"{warning}\n{error}", _context()).code == "kernel-memory-removed"


@pytest.mark.parametrize("config", [None, {}, [], "x", {"linux": None}, {"linux": {"resources": [1]}}])
def test_any_configuration_is_survived(config: Any) -> None:
    """A configuration of the wrong shape leads to less evidence, never to an exception."""
    assert explain(MEMSW, _context(config=config)).code in (SEVERAL_CAUSES, "swap-limit-raced")


def test_a_check_that_stumbles_finds_nothing() -> None:
    """A file of unknown form costs its evidence, never the diagnosis."""

    def stumbling(facts: Facts, words: Words) -> tuple[str, ...]:
        raise ValueError(words.text)

    entry = entry_of("crun-refuses-hybrid").changed(confirm=stumbling)
    assert isinstance(entry, Entry)
    words = Words(text="x", groups={})
    assert looked(entry, Facts(_context()), words) == ()


def test_without_words_fills_templates_and_leaves_out_what_is_not_known() -> None:
    """A row found by looking takes the values it is given; a step without its value is left out."""
    found = without_words("limits-written-to-tmpfs", ("proof",), {"path": "/sys/fs/cgroup/x"})
    assert (
        found.verdict
        == "/sys/fs/cgroup/x is a plain directory, not a cgroup mount: limits written there have no effect"
    )
    assert found.remedy == ("rm -r /sys/fs/cgroup/x",)
    assert without_words("limits-written-to-tmpfs", ("proof",), {}).verdict == (
        "a controller directory is a plain folder: limits are written into ordinary files"
    )
    assert (found.evidence, found.confirmed) == (("proof",), True)


def test_an_unknown_code_is_an_error() -> None:
    """Only codes of the catalogue have a row."""
    with pytest.raises(KeyError, match="nonsense"):
        entry_of("nonsense")


LONG = Diagnosis(
    code="some-code",
    verdict="v" * 400,
    cause="c" * 300,
    evidence=tuple(f"evidence {number} " + "e" * 150 for number in range(12)),
    remedy=("r" * 200,),
    reference="somewhere",
    raw="begin " + "x" * 5000 + " end",
)


@pytest.mark.parametrize("limit", [300, 500, 1000, 1900, 4000])
def test_a_long_diagnosis_is_cut_where_it_hurts_least(limit: int) -> None:
    """Verdict and code survive, evidence goes from its end, the runtime's words lose their middle."""
    text = render(LONG, limit)
    assert len(text.encode()) <= limit
    first = text.split("\n")[0]
    assert first.startswith("cgshim: vvv")
    assert first.endswith("... [some-code]")
    assert len(first) <= 200
    if limit >= 1000:
        assert text.split("\n")[1].startswith("  cause: ccc")
        assert "  runtime: begin xxx" in text
        assert text.endswith(" end")


def test_a_short_diagnosis_is_whole() -> None:
    """Nothing is cut that fits; the order is verdict, cause, evidence, remedy, reference, the runtime's words."""
    short = Diagnosis(
        code="a-code",
        verdict="what",
        cause="why",
        evidence=("one", "two"),
        remedy=("do",),
        reference="doc",
        raw="a\nb\n",
    )
    assert render(short) == (
        "cgshim: what [a-code]\n  cause: why\n  evidence: one\n  evidence: two\n  remedy: do\n  see: doc\n"
        "  runtime: a\n  runtime: b"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x: Permission denied", "x: EACCES"),
        ("x: Operation not permitted", "x: EPERM"),
        ("x: No such file or directory: y", "x: ENOENT: y"),
        ("executable file not found in $PATH", "executable not found (ENOENT) in $PATH"),
        ("open executable: x", "open the executable: x"),
        ("a: not a directory", "a: ENOTDIR"),
        ("caf\xe9 \x1b[1m\ttab", "caf? ?[1m tab"),
    ],
)
def test_phrases_that_engines_look_for_are_replaced(before: str, after: str) -> None:
    """podman and docker would show only that line and change the exit status; only printable ASCII is safe."""
    assert plain(before) == after


def test_json_has_every_field() -> None:
    """The shape of --json is the value's own."""
    found = as_dict(Diagnosis(code="c", verdict="v", evidence=("e",)))
    assert found == {
        "code": "c",
        "verdict": "v",
        "cause": "",
        "evidence": ["e"],
        "remedy": [],
        "reference": "",
        "raw": "",
        "confirmed": False,
        "ours": True,
        "others": [],
        "tell": "",
        "causes": [],
    }


def test_dockers_hint_about_mounts_is_kept() -> None:
    """docker (setExitCodeFromError) adds its hint to "not a directory": in the runtime's own line, never in ours."""
    raw = "error mounting /a to rootfs at /b: not a directory: permission denied"
    found = Diagnosis(code="c", verdict="/a is not a directory", cause="x", raw=raw)
    lines = render(found).splitlines()
    assert lines[0] == "cgshim: /a is ENOTDIR [c]"
    assert lines[-1] == "  runtime: error mounting /a to rootfs at /b: not a directory: EACCES"


@pytest.mark.parametrize(
    ("around", "first"),
    [
        ("", "controller-not-enabled"),
        ("rootless: true", "controller-not-delegated"),
        ("rootless: false", "controller-not-enabled"),
        ("+ systemd-cgls /user.slice/user-1000.slice/user@1000.service", "controller-not-delegated"),
        ("Linux pi 6.1.21-v8+ #1642 SMP PREEMPT aarch64", "controller-disabled-at-boot"),
        ("image: docker:dind", "controllers-need-empty-cgroup"),
    ],
)
def test_words_around_a_message_order_its_causes(around: str, first: str) -> None:
    """A user's engine, a Raspberry Pi, an engine in a container: each has its own likeliest cause."""
    message = "crun: opening file `memory.max` for writing: No such file or directory"
    found = explain(f"{around}\n{message}\n", _context())
    assert found.code == SEVERAL_CAUSES
    assert found.causes[0].code == first
    assert {one.code for one in found.causes} == {
        "controller-not-enabled",
        "controller-not-delegated",
        "controllers-need-empty-cgroup",
        "controller-disabled-at-boot",
        "controller-owned-by-v1",
    }
