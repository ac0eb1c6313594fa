"""The real runtime as a child: same descriptors, environment, working directory, signals and exit status.

cgshim stays the parent, because only a living parent can verify and explain. The child asks for a parent-death signal
(prctl(2), PR_SET_PDEATHSIG), so that nothing is left running if cgshim is killed.
"""

from __future__ import annotations

import posix
from posix import _exit

from shim.errors import ShimError
from shim.start import extension
from shim.system import content, fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
else:
    import _signal as signal  # the `signal` module proper imports enum: 4 ms

FORWARDED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
WATCHED: set[int] = {*FORWARDED, signal.SIGCHLD}
ASKED = signal.SIGURG  # sent by a hook of `run` (shim.call.hook_answer); a process that does not handle it ignores it
SI_KERNEL = 0x80  # asm-generic/siginfo.h: sent by the kernel, for instance by the terminal's driver
# Ignored by Python at start-up, by the launcher's names for them. The caller's setting is restored.
PYTHON_IGNORES = {"PIPE": signal.SIGPIPE, "XFSZ": signal.SIGXFSZ}
to_default = set(PYTHON_IGNORES.values())


def keep_ignored(caller_state: str) -> None:
    """Let the child ignore the signals that the caller ignores. caller_state: from the launcher.

    The launcher tests that by sending itself each signal. If the caller blocks a signal, the test shows nothing.
    """
    line = caller_state.partition("\n")[0]
    ignored = {number for name, number in PYTHON_IGNORES.items() if name in line.split() and "=" not in line}
    to_default.difference_update(ignored - set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))


def environment(caller_state: str) -> dict[bytes, bytes]:
    """Return the environment as the caller gave it.

    Python adds LC_CTYPE if the locale is C (PEP 538), so the kernel's copy is read instead. caller_state: the variables
    that the launcher removed for our own interpreter, `NAME=value` a line.
    """
    block = content("/proc/self/environ")
    pairs = [entry.partition(b"=") for entry in block.split(b"\0") if b"=" in entry]
    values = {name: value for name, _, value in pairs}
    for line in fsencode(caller_state).split(b"\n"):
        name, equals, value = line.partition(b"=")
        if equals:
            values[name] = value
    return values


def hold() -> set[int]:
    """Block the signals that would end this process. Return the previous mask, for `run` and `release`."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)


def release(mask: set[int]) -> None:
    """Restore the mask; pending signals are delivered now."""
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def run(
    runtime: str,
    arguments: list[str],
    variables: dict[bytes, bytes],
    before_exec: Callable[[], None] | None = None,
    held: set[int] | None = None,
    *,
    asked: Callable[[int, int], None] | None = None,
) -> int:
    """Run `runtime` with `arguments` to its end. Return the wait status as waitpid(2) gives it.

    before_exec: called in the child first. held: the mask from `hold`, for the child. asked: called with a process's
    pid and the child's when that process sends ASKED.

    Raises ShimError if the runtime cannot be started.
    """
    parent_death = _parent_death()
    ignored_children = _reap_ourselves()
    watched = {*WATCHED, ASKED} if asked else WATCHED
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        mask = before if held is None else held
        child = start(runtime, arguments, variables, (mask, ignored_children, parent_death, before_exec))
        return _wait(child, watched, asked)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reap_ourselves() -> bool:
    """Return whether the caller ignores SIGCHLD. It is no longer ignored from here on: a child's status would be
    lost.
    """
    if signal.getsignal(signal.SIGCHLD) != signal.SIG_IGN:
        return False
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return True


def start(runtime: str, arguments: list[str], variables: dict[bytes, bytes], setting: tuple) -> int:  # type: ignore[type-arg]
    """Start `runtime` and return its process id. setting: as `_become` takes it. Raises ShimError if it cannot be
    started.
    """
    parent = posix.getpid()
    try:
        reader, writer = posix.pipe()
        child = posix.fork()
    except OSError as error:
        from shim.start import exhaustion

        raise exhaustion.no_process(error) from error
    if child == 0:
        _become(runtime, arguments, variables, (writer, parent, *setting))
    posix.close(writer)
    try:
        failure = posix.read(reader, 16)
    except OSError:
        failure = b""  # the end of the runtime shows what came of a stop half-way
    posix.close(reader)
    if failure:
        posix.waitpid(child, 0)
        raise _not_started(runtime, int(failure))
    return child


def _become(runtime: str, arguments: list[str], variables: dict[bytes, bytes], setting: tuple) -> None:  # type: ignore[type-arg]
    """In the child: restore what Python changed, tie this process's life to its parent's, and exec. Never returns."""
    writer, parent, mask, ignored_children, parent_death, before_exec = setting
    try:
        parent_death()
        if posix.getppid() != parent:
            _exit(137)  # the parent died before the death signal was armed
        for number in to_default:
            signal.signal(number, signal.SIG_DFL)
        if ignored_children:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if before_exec:
            before_exec()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        posix.execve(runtime, [runtime, *arguments], variables)
    except OSError as error:
        posix.write(writer, str(error.errno).encode())
    finally:
        _exit(127)


def _wait(child: int, watched: set[int], asked: Callable[[int, int], None] | None) -> int:
    """Forward signals until the child ends.

    A signal from the kernel (Ctrl-C, a window's new size) goes to the whole foreground process group, so the child
    already has it and must not get it twice.
    """
    while True:
        received = signal.sigwaitinfo(watched)
        if received.si_signo == signal.SIGCHLD:
            done, status = posix.waitpid(child, posix.WNOHANG)
            if done:
                return status
        elif asked and received.si_signo == ASKED:
            asked(received.si_pid, child)
        elif received.si_code != SI_KERNEL:
            posix.kill(child, received.si_signo)


def exit_like(status: int) -> None:
    """End this process as the child ended: with its exit status, or by the same signal."""
    if posix.WIFSIGNALED(status):
        number = posix.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        posix.kill(posix.getpid(), number)
    _exit(exit_code(status))


def exit_code(status: int) -> int:
    """Return a shell's exit status for a wait status: the exit status, or 128 plus the signal."""
    return posix.WEXITSTATUS(status) if posix.WIFEXITED(status) else 128 + posix.WTERMSIG(status)


def _parent_death() -> Callable[[], None]:
    """Return a function that makes the kernel kill the calling child when its parent dies.

    Only python-prctl's C module is used: its Python half inspects capabilities at import, which takes 3 ms.
    """
    found = extension.third_party("_prctl")
    if found:
        return lambda: found.prctl(found.PR_SET_PDEATHSIG, int(signal.SIGKILL))
    import ctypes

    return lambda: ctypes.CDLL(None).prctl(1, int(signal.SIGKILL)) and None


def _not_started(runtime: str, number: int) -> ShimError:
    import errno

    name = errno.errorcode.get(number, str(number))
    return ShimError(
        "runtime-not-started",
        f"the real runtime {runtime} could not be started: {name}",
        evidence=(f"execve {runtime}: {name}",),
        remedy=(f"check that {runtime} is an executable for this machine, or name another one in the settings",),
    )
