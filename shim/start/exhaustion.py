"""A resource of the host ran out while cgshim worked: a fact about the host, not a fault of cgshim.

errno(3): which resource, what limits it, and what to do. Imported only when a call has failed.
"""

from __future__ import annotations

import errno

from shim.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

CODE = "host-exhausted"
# errno -> (the resource, its limit, the remedy)
RESOURCES = {
    errno.EMFILE: (
        "this process cannot open more files",
        "the open files that the engine passes on use up the limit that it passes on (RLIMIT_NOFILE)",
        "raise it: LimitNOFILE= of the engine's unit, or `ulimit -n`",
    ),
    errno.ENFILE: (
        "the host cannot open more files",
        "the kernel's limit for all processes together is reached",
        "raise it: sysctl fs.file-max; fs.file-nr shows how many are open",
    ),
    errno.ENOMEM: (
        "no memory is left",
        "the host, the engine's own cgroup (memory.max) or its address space (RLIMIT_AS) is full",
        "free memory, or raise the limit of the engine's unit (MemoryMax=, LimitAS=)",
    ),
    errno.ENOSPC: (
        "no space is left",
        "the file system is full, or has no inodes left",
        "free some space; `df` and `df -i` show the usage",
    ),
    errno.EDQUOT: (
        "no space is left for this user",
        "the user's quota on the file system is used up",
        "free some space, or raise the quota",
    ),
}


NO_PROCESS = (
    "no more processes can be created",
    "a pids limit of the engine's cgroup or of one above it, the user's RLIMIT_NPROC or the kernel's limit is reached",
    "raise pids.max of that cgroup, or TasksMax= of the engine's unit; sysctl kernel.pid_max and kernel.threads-max",
)
OF_THE_PROCESS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # never about one file or value


def as_shim_error(error: BaseException, numbers: Container[int] = tuple(RESOURCES)) -> ShimError | None:
    """Return the error to report instead of `error` if it, or its cause, has one of the errno `numbers`; else None."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        number = errno.ENOMEM if isinstance(following, MemoryError) else int(getattr(following, "errno", 0) or 0)
        if number in numbers:
            return _refusal(number, RESOURCES[number], following)
        following = following.__cause__
    return None


def no_process(error: OSError) -> ShimError:
    """Return the error for a fork(2) that failed. EAGAIN means a limit of processes; other numbers mean a resource."""
    number = error.errno or 0
    return _refusal(number, RESOURCES.get(number, NO_PROCESS), error)


def _refusal(number: int, told_of: tuple[str, str, str], error: BaseException) -> ShimError:
    what, cause, remedy = told_of
    name = errno.errorcode.get(number, str(number))
    file = getattr(error, "filename", None)
    where = f"{file}: " if isinstance(file, str) else ""
    return ShimError(
        CODE,
        f"{what} ({name}), so the call could not be carried out",
        cause=cause,
        evidence=(f"{where}{' '.join(str(error).split()) or name}",),
        remedy=(remedy,),
    )
