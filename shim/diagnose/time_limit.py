"""A limit on the time that an explanation may take.

A container's strings stand in the runtime's message, and an author of an image must not keep a processor busy. The
catalogue's patterns take time in proportion to a line, and tests hold them to it. This is the second lock.
"""

from __future__ import annotations

from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator
    from typing import Any
else:
    import _signal as signal  # as in shim.call.delegate

SECONDS = 20.0  # of user CPU time; usual texts take half a second, most of it for compiling the patterns


class TimeIsUp(BaseException):
    """The explanation took too long. Not an Exception: no check of the catalogue may take it for its own failure."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp in the block after `seconds` of user CPU time (setitimer(2), ITIMER_VIRTUAL); `re` looks for
    signals while it searches. Outside the main thread, where Python has no signal handlers, there is no limit.
    """
    try:
        former = signal.signal(signal.SIGVTALRM, _end)
    except ValueError:
        yield
        return
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, former)


def _end(_number: int, _frame: Any) -> None:
    raise TimeIsUp
