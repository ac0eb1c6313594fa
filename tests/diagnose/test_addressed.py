"""Sentences and steps for one errno or one engine: which of them a reader gets (shim/diagnose/addressed.py)."""

from __future__ import annotations

import pytest

from shim.cli.explain import context
from shim.diagnose.addressed import addressed, engines, errnos
from shim.diagnose.catalogue import ENTRIES
from shim.diagnose.elsewhere import Elsewhere
from shim.diagnose.entry import Entry
from shim.diagnose.explain import explain

BOTH = Entry(
    code="x",
    title="x",
    verdict="x",
    cause="It failed. EPERM, EACCES: a filter. ENOSPC: a number is used up. No such file: it is gone.",
    remedy=(
        "docker: a",
        "ENOSPC: b",
        "EPERM in a container: c",
        "Kubernetes: d",
        "podman, buildah: e",
        "Always f",
    ),
    reference="x",
)


def test_sentences_and_steps_for_another_errno_are_left_out() -> None:
    """Those without an errno in front, and those for the errno that the words show, remain."""
    told = addressed(BOTH, "unshare: operation not permitted", "")
    assert told.cause == "It failed. EPERM, EACCES: a filter."
    assert told.remedy == ("docker: a", "EPERM in a container: c", "Kubernetes: d", "podman, buildah: e", "Always f")


def test_a_step_for_the_errno_of_the_message_loses_its_label() -> None:
    """It says nothing any more. A label with more words than the errno stays."""
    assert addressed(BOTH, "unshare: no space left on device", "").remedy[1] == "b"


@pytest.mark.parametrize("words", ["unshare failed", "unshare: too many levels of symbolic links"])
def test_without_a_known_errno_all_remains(words: str) -> None:
    """Nothing decides, so the reader has to."""
    told = addressed(BOTH, words, "")
    assert (told.cause, set(told.remedy)) == (BOTH.cause, set(BOTH.remedy))


def test_the_errno_may_stand_behind_the_words_or_elsewhere() -> None:
    """A pattern may end before the errno; the line counts, and only then the whole text."""
    text = "mount: permission denied\nunshare failed: no such file or directory\n"
    assert addressed(BOTH, "unshare failed", text).cause == "It failed. No such file: it is gone."
    assert addressed(BOTH, "not in the text", "x: permission denied\n").cause == "It failed. EPERM, EACCES: a filter."


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("podman run alpine", ["ENOSPC: b", "EPERM in a container: c", "podman, buildah: e", "Always f"]),
        ("podman run docker.io/library/alpine", ["ENOSPC: b", "EPERM in a container: c", "podman, buildah: e"]),
        ("kubelet: x", ["ENOSPC: b", "EPERM in a container: c", "Kubernetes: d", "Always f", "docker: a"]),
        ("crun: x", ["docker: a", "ENOSPC: b", "EPERM in a container: c", "Kubernetes: d", "podman, buildah: e"]),
    ],
)
def test_steps_for_other_engines_come_last(text: str, order: list[str]) -> None:
    """A step is for other engines only if the text names one, and the step none of these. None is left out."""
    told = addressed(BOTH, "x", text).remedy
    assert list(told[: len(order)]) == order
    assert sorted(told) == sorted(BOTH.remedy)


def test_errnos_are_known_by_name_and_phrase() -> None:
    """The phrases of Go, glibc and musl, as in every pattern."""
    assert errnos("a: Read-only file system; ENOSPC") == {"EROFS", "ENOSPC"}
    assert errnos("a: Resource busy") == {"EBUSY"}


def test_a_registry_is_no_engine() -> None:
    """podman names docker.io in every second command."""
    assert engines("podman pull docker.io/library/alpine docker://alpine") == {"podman"}


@pytest.mark.parametrize("name", ["EPERM", "EACCES", "ENOENT", "EINVAL", "EBUSY", "ENOSPC", "EROFS"])
def test_no_errno_takes_a_whole_text_away(name: str) -> None:
    """Of each entry a cause remains where it has one, and a step where it has steps."""
    for entry in ENTRIES:
        told = addressed(entry, name, name)
        assert (bool(told.cause), bool(told.remedy)) == (bool(entry.cause), bool(entry.remedy)), entry.code


def test_the_number_of_namespaces_is_named_alone() -> None:
    """From a real report: the text names EINVAL and the sysctl; AppArmor and Ubuntu have no place in the answer."""
    text = (
        "Error during unshare(CLONE_NEWUSER): Invalid argument\n"
        "User namespaces are not enabled in /proc/sys/user/max_user_namespaces.\n"
    )
    told = explain(text, context(Elsewhere(), text, "", None))
    assert told.cause == "ENOSPC, EINVAL: user.max_user_namespaces is 0 (RHEL and CentOS 7)."
    assert told.remedy == ("sysctl -w user.max_user_namespaces=28633 (CentOS 7: boot with user_namespace.enable=1)",)
