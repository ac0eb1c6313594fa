"""The createRuntime hook of a foreground `run`, answered by the cgshim that is the runtime's parent.

That cgshim has the plan in memory, so the hook need not start an interpreter and plan again. The hook's argument
PID:START:DESCRIPTOR names the waiting process. The hook (hooks/cgshim-hook, a few lines of sh) checks that this process
is the parent of its runtime, sends it SIGURG, and reads one line from the pipe at /proc/PID/fd/DESCRIPTOR:

- `verified`: every limit is set, and the process may start;
- `verify` and the state that the hook was given: the hook must verify, and report what is wrong;
- `unread`: the hook must verify; the state could not be read, so it is still on the hook's standard input.

Only a complete success is answered with `verified`. The pipe ends with this process: a hook that waits for a dead
process reads nothing and fails the container. A process that does not handle SIGURG ignores it.
"""

from __future__ import annotations

import posix

from shim.host import process
from shim.system import content, drained, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from shim.errors import Notice
    from shim.planning.rewrite import Rewrite
else:
    import _signal as signal  # as in shim.call.delegate

SECONDS = 30  # seconds for an answer
STATE = 3  # the hook's descriptor
ETIMEDOUT = 110  # asm-generic/errno.h
LARGEST = 8 << 20  # bytes of a state (shim.containers.hook_state)


class Waiting:
    """The pipe of one `run`. place: the hook's argument. notices: the findings, None if no hook has asked yet."""

    def __init__(self) -> None:
        """Raises OSError if there is no free descriptor or no /proc."""
        started = process.field(_status("self"), process.STARTED)
        self.reader, self.writer = posix.pipe()
        self.place = f"{posix.getpid()}:{started}:{self.reader}"
        self.notices: list[Notice] | None = None

    def answer(self, hook: int, runtime: int, container: str, made: Rewrite) -> None:
        """Answer the process `hook` if the child `runtime` has started it and no hook was answered before."""
        if self.writer < 0 or _parent(hook) != runtime:
            return
        posix.close(self.reader)  # the hook has opened the pipe; if it dies now, the write fails instead of blocking
        before = signal.signal(signal.SIGALRM, _late)
        signal.alarm(SECONDS)
        try:
            write_all(self.writer, self._word(hook, container, made))
        except OSError:
            pass  # the hook gets no answer, or has ended: the container does not start
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
            posix.close(self.writer)
            self.writer = -1

    def _word(self, hook: int, container: str, made: Rewrite) -> bytes:
        try:
            state = _state(hook)
        except PermissionError:
            return b"unread\n"
        try:
            self.notices = _found(state, container, made)
        except Exception:  # noqa: BLE001 # whatever it is, the hook finds and reports it again
            return b"verify\n" + state
        return b"verified\n"


def waiting_for_hook() -> Waiting | None:
    """Return None if this process cannot be asked: the hook then verifies by itself."""
    try:
        return Waiting()
    except OSError:
        return None


def _parent(pid: int) -> int:
    try:
        return process.parent(_status(str(pid)))
    except OSError:
        return 0


def _status(pid: str) -> str:
    return content(f"/proc/{pid}/stat").decode("utf-8", "replace")


def _late(_number: int, _frame: object) -> None:
    raise TimeoutError(ETIMEDOUT, f"no answer to a hook within {SECONDS} s")


def _state(hook: int) -> bytes:
    """Return the state that the runtime has written for the hook, from the hook's descriptor. Raises OSError."""
    handle = posix.open(f"/proc/{hook}/fd/{STATE}", posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY)
    try:
        return drained(handle, LARGEST)
    finally:
        posix.close(handle)


def _found(state: bytes, container: str, made: Rewrite) -> list[Notice]:
    """Verify the container of this state. Raises every error that must prevent its start."""
    from shim.containers import hook_state
    from shim.enforce.follow_up import Subject, follow_up
    from shim.host.view import View

    told = hook_state.of(state.decode("utf-8", "surrogateescape"))
    if told.container != container or told.pid <= 0:
        raise ValueError("the state of another container, or of one without a process")
    return follow_up(View(), Subject(pid=told.pid, container=told.container), made)
