"""Any output of any runtime is survived: an answer, never an exception, and never a text that engines misread."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shim.diagnose.diagnosis import Context
from shim.diagnose.explain import explain
from shim.diagnose.render import render
from tests.replayed import ReplayedView, quoted

pytestmark = pytest.mark.property
BOUNDED = settings(deadline=None, max_examples=60)

REAL = st.sampled_from([case.text for case in quoted()])
PIECES = st.one_of(
    REAL, st.text(max_size=80), st.sampled_from(["{", '{"msg": 1}', "level=error msg=", "\x1b[", "\r\n"])
)
TEXTS = st.lists(PIECES, max_size=6).map("\n".join)
CONFIGS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["linux", "resources", "memory", "limit", "mounts", "cpu", "blockIO", "unified", "namespaces"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
FILES = st.dictionaries(
    st.sampled_from(["/proc/self/mountinfo", "/proc/self/cgroup", "/proc/self/status", "/proc/cgroups"]),
    st.text(max_size=60),
    max_size=4,
)
PHRASES = re.compile("permission denied|operation not permitted|no such file or directory", re.IGNORECASE)


@given(text=TEXTS, config=CONFIGS, files=FILES, path=st.one_of(st.none(), st.text(max_size=12)))
@BOUNDED
def test_every_output_gets_an_answer(text: str, config: Any, files: dict[str, str], path: str | None) -> None:
    """Whatever the words, the configuration and the host's files are: a diagnosis, rendered within its bounds."""
    view = ReplayedView({"text": files})
    found = explain(text, Context(view=view, config=config, cgroups_path=path, kernel_log=""))
    shown = render(found)
    assert found.raw == text
    if not found.ours:
        assert shown == text
        return
    assert shown.isascii()
    assert len(shown) <= 1900
    assert len(shown.split("\n")[0]) <= 200
    assert PHRASES.search(shown) is None


# Two failures, the second of which has several causes: all of them are causes of both.
TWO = [
    'failed to write "67108864": write /sys/fs/cgroup/memory/x/c/memory.limit_in_bytes: invalid argument',
    (
        "runc run failed: unable to start container process: error during container init: error setting cgroup config "
        'for procHooks process: failed to write "500 100000": write /sys/fs/cgroup/x/cpu.max: invalid argument'
    ),
]


@example(texts=TWO, spread=False)
@given(texts=st.lists(REAL, min_size=1, max_size=3), spread=st.booleans())
@BOUNDED
def test_a_log_is_read_like_its_messages(texts: list[str], spread: bool) -> None:
    """JSON records, one a line or pretty-printed: the answer is one that a message of them has by itself."""
    records = [json.dumps({"level": "error", "msg": text}, indent=2 if spread else None) for text in texts]
    context = Context(view=ReplayedView({}), kernel_log="")
    plain = [text for text in texts if "level=" not in text]
    if len(plain) == len(texts):
        alone = [explain(text, context) for text in texts]
        logged = explain("\n".join(records), context)
        possible = {cause.code for one in alone for cause in (one, *one.causes)}
        assert {cause.code for cause in logged.causes or (logged,)} <= possible
        if len(texts) == 1:
            assert (logged.code, logged.causes) == (alone[0].code, alone[0].causes)
