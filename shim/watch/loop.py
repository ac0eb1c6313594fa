"""Waits for descriptors and calls their handlers."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[int], None]  # called with the events, as in epoll(7)

IN, PRIORITY, ERROR = select.EPOLLIN, select.EPOLLPRI, select.EPOLLERR


class Loop:
    """epoll(7), and a pipe that ends the wait from a signal handler or another thread."""

    def __init__(self) -> None:
        self.poll = select.epoll()
        self.handlers: dict[int, Handler] = {}
        self.pipe = os.pipe()
        for end in self.pipe:
            os.set_blocking(end, False)
        self.add(self.pipe[0], IN, lambda _: self._woken())

    def add(self, handle: int, events: int, handler: Handler) -> None:
        """Call `handler` whenever `handle` is ready. Raises OSError."""
        self.poll.register(handle, events)
        self.handlers[handle] = handler

    def drop(self, handle: int) -> None:
        """Remove a descriptor, before it is closed."""
        if self.handlers.pop(handle, None) is not None:
            self.poll.unregister(handle)

    def wait(self, seconds: float) -> bool:
        """Wait until a descriptor is ready and handle it, or until the time is over. Return True if one was ready."""
        ready = self.poll.poll(max(0.0, seconds))
        for handle, events in ready:
            handler = self.handlers.get(handle)  # an earlier handler may have dropped it
            if handler:
                handler(events)
        return bool(ready)

    def wake(self) -> None:
        """End the wait."""
        os.write(self.pipe[1], b"x")

    def _woken(self) -> None:
        os.read(self.pipe[0], 64)

    def close(self) -> None:
        """Close the loop's own descriptors."""
        self.poll.close()
        for end in self.pipe:
            os.close(end)
