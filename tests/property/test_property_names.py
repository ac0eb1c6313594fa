"""Whatever text is let through as a name stays where it is put."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from shim.host import names

TRICKS = (
    "..",
    ".",
    "/",
    "\0",
    "\n",
    " ",
    "memory",
    ".max",
    "hugetlb.2MB",
    "a" * 300,
    "_",
    ":",
    "\u2028",
    "\ud800",
    "é",
)
TEXT = st.lists(st.one_of(st.sampled_from(TRICKS), st.text(max_size=3)), max_size=8).map("".join)


@given(TEXT)
def test_names_that_are_let_through_are_one_component(text: str) -> None:
    """An interface file, an id and a device are no path, whatever they are joined to."""
    for allowed in (names.interface_file, names.container, names.rdma_device, names.network_interface):
        if not allowed(text):
            assert os.path.normpath(f"/a/b/{text}") == f"/a/b/{text}"
            assert os.path.dirname(f"/a/b/{text}") == "/a/b"
            assert "\n" not in text
            assert "\0" not in text
            assert len(text.encode("utf-8", "surrogatepass")) <= 255


@given(TEXT)
def test_interface_files_are_ascii_words(text: str) -> None:
    """Words of letters, digits and underscores with dots between them, at least two, and nothing else."""
    words = text.split(".")
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
    fit = len(words) > 1 and len(text) <= 97 and all(word and set(word) <= set(letters) for word in words)
    assert (names.interface_file(text) == "") is fit


@given(st.lists(st.one_of(TEXT, st.sampled_from(("..", "a", ""))), max_size=6).map("/".join))
def test_cgroup_paths_do_not_climb(path: str) -> None:
    """What is let through stays below the mount that it is appended to, and needs a bounded number of looks."""
    if names.cgroups_path(path):
        return
    whole = os.path.normpath(f"/sys/fs/cgroup/{path}")
    assert f"{whole}/".startswith("/sys/fs/cgroup/")
    assert whole.count("/") <= 256 + 3
