"""Undelivered alerts on disk: in order, with a size limit, each whole or not at all."""

from __future__ import annotations

import os

from shim.oci import atomic
from shim.state import files

MOST, LARGEST = 10_000, 64 << 20  # files, and bytes of all of them; above these the oldest are removed


class Spool:
    """A queue of byte strings in `directory`, which nobody else uses. dropped: how many were removed for newer ones.

    Raises OSError if the directory cannot be used.
    """

    def __init__(self, directory: str, most: int = MOST, largest: int = LARGEST) -> None:
        self.directory = directory
        self.most = most
        self.largest = largest
        self.dropped = 0
        handle = files.opened(directory, make=True)
        try:
            names = sorted(name for name in os.listdir(handle) if name.endswith(".json") and name[:-5].isdigit())
            self.sizes = {int(name[:-5]): os.stat(name, dir_fd=handle).st_size for name in names}
        finally:
            os.close(handle)
        self.next = max(self.sizes, default=0) + 1

    def __len__(self) -> int:
        return len(self.sizes)

    def put(self, data: bytes) -> None:
        """Add one at the end; above the limits the oldest are removed. Raises OSError."""
        handle = files.opened(self.directory, make=True)
        try:
            atomic.put_in(handle, _name(self.next), data, mode=0o600, flush=True)
            self.sizes[self.next] = len(data)
            self.next += 1
            while len(self.sizes) > 1 and (len(self.sizes) > self.most or sum(self.sizes.values()) > self.largest):
                self._unlink(handle, min(self.sizes))
                self.dropped += 1
        finally:
            os.close(handle)

    def first(self) -> tuple[int, bytes] | None:
        """Return the number and content of the oldest, None if the queue is empty. Raises OSError."""
        handle = files.opened(self.directory)
        try:
            for number in sorted(self.sizes):
                try:
                    return number, files.content(handle, _name(number))
                except FileNotFoundError:
                    del self.sizes[number]  # somebody has emptied the spool
        finally:
            os.close(handle)
        return None

    def done(self, number: int) -> None:
        """Remove a delivered one. Raises OSError."""
        handle = files.opened(self.directory)
        try:
            self._unlink(handle, number)
        finally:
            os.close(handle)

    def _unlink(self, handle: int, number: int) -> None:
        self.sizes.pop(number, None)
        try:
            os.unlink(_name(number), dir_fd=handle)
        except FileNotFoundError:
            return

    def holds(self, words: bytes) -> bool:
        """Return whether one contains these bytes. Raises OSError."""
        handle = files.opened(self.directory)
        try:
            return any(words in files.content(handle, _name(number)) for number in sorted(self.sizes))
        finally:
            os.close(handle)


def _name(number: int) -> str:
    return f"{number:012d}.json"
