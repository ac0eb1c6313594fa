"""The createRuntime hook of a foreground `run`, answered by the cgshim that is the runtime's parent.

That cgshim has the plan in memory, so the hook need not start an interpreter to make it once more. The hook's arguments
say who waits: PID:START:DESCRIPTOR. The hook (hooks/cgshim-hook, a few lines of sh) sees that this process is the
parent of its runtime, sends it SIGURG, and reads one line from the pipe behind /proc/PID/fd/DESCRIPTOR:

- `verified`: every limit is there, the process may start;
- `verify`, and behind it the state that the hook was given: verify by yourself, and say what is wrong;
- `unread`: the same, but the state could not be read, so the hook still has it.

Every doubt is one of the latter, so that only success takes this way. The pipe ends with this process: whoever waits
for a dead one reads nothing, and fails the container. SIGURG does nothing to a process that does not expect it.
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

SECONDS = 30  # for an answer
STATE = 3  # the hook's descriptor
ETIMEDOUT = 110  # asm-generic/errno.h
LARGEST = 8 << 20  # bytes of a state (shim.containers.hook_state)


class Waiting:
    """What one `run` waits with. place: the hook's argument. notices: what was found, None while nobody has asked."""

    def __init__(self) -> None:
        """Raises OSError where there is no descriptor left or no /proc."""
        started = process.field(_status("self"), process.STARTED)
        self.reader, self.writer = posix.pipe()
        self.place = f"{posix.getpid()}:{started}:{self.reader}"
        self.notices: list[Notice] | None = None

    def answer(self, hook: int, runtime: int, container: str, made: Rewrite) -> None:
        """Answer the process `hook`, if the child `runtime` has started it and nobody was answered before."""
        if self.writer < 0 or _parent(hook) != runtime:
            return
        posix.close(self.reader)  # the hook has opened the pipe; if it dies now, writing fails instead of waiting
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
        except Exception:  # noqa: BLE001 # whatever it is, the hook finds it again, and tells
            return b"verify\n" + state
        return b"verified\n"


def waiting_for_hook() -> Waiting | None:
    """None where this process cannot be asked: the hook does it all by itself then."""
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
    """What the runtime has written for the hook, which keeps it as this descriptor. Raises OSError."""
    handle = posix.open(f"/proc/{hook}/fd/{STATE}", posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY)
    try:
        return drained(handle, LARGEST)
    finally:
        posix.close(handle)


def _found(state: bytes, container: str, made: Rewrite) -> list[Notice]:
    """Verify the container of this state; raises whatever is against its start."""
    from shim.containers import hook_state
    from shim.enforce.follow_up import Subject, follow_up
    from shim.host.view import View

    told = hook_state.of(state.decode("utf-8", "surrogateescape"))
    if told.container != container or told.pid <= 0:
        raise ValueError("the state of another container, or of one without a process")
    return follow_up(View(), Subject(pid=told.pid, container=told.container), made)
