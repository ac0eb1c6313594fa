"""The kernel's own log, read without blocking; only after a failure."""

from __future__ import annotations

import os

RECORD = 8192  # one record of /dev/kmsg never exceeds this (Documentation/ABI/testing/dev-kmsg)
MOST = 20000  # records; a log ring holds fewer


def read_kernel_log(path: str = "/dev/kmsg") -> str:
    """Return all records' texts, one a line, oldest first; "" if this process may not read them (dmesg_restrict)."""
    return "\n".join(text for _, text in records(path) or ())


def records(path: str = "/dev/kmsg") -> list[tuple[int, str]] | None:
    """Return all records, oldest first: the kernel's sequence number, which never repeats, and the text.

    None if this process may not read them.
    """
    found: list[tuple[int, str]] = []
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        for _ in range(MOST):
            record = _record(descriptor)
            if not record:
                break
            prefix, _, text = record.partition(";")
            number = f"{prefix},,".split(",")[1]
            found.append((int(number) if number.isdigit() else 0, text.partition("\n")[0]))
    finally:
        os.close(descriptor)
    return found


def _record(descriptor: int) -> str:
    """Return the next record, "" at the end of the log. An overwritten record is skipped by reading again."""
    while True:
        try:
            return os.read(descriptor, RECORD).decode("utf-8", "replace")
        except BrokenPipeError:
            continue
        except OSError:
            return ""
