"""A reader for BoltDB files (containerd's meta.db, older podman's bolt_state.db): without a lock, without writing.

Format: github.com/etcd-io/bbolt, page.go, meta.go, bucket.go. Their owners hold an exclusive flock(2) while they run,
so none is taken here. Pages are copy-on-write, so replaced pages survive until the next commit: a walk is consistent if
the newest transaction is the same before and after it. The content is not trusted; everything is checked.
"""

from __future__ import annotations

import os
import struct
from typing import Callable, Iterator

MAGIC, VERSION = 0xED0CDAED, 2
BRANCH, LEAF = 0x01, 0x02
HEADER = struct.Struct("<QHHI")  # id, flags, count, overflow
ELEMENT_OF_BRANCH = struct.Struct("<IIQ")  # pos, ksize, page
ELEMENT_OF_LEAF = struct.Struct("<IIII")  # flags, pos, ksize, vsize
BUCKET = struct.Struct("<QQ")  # root page (0: it follows here), sequence
META = struct.Struct("<IIIIQQQQQQ")  # magic, version, pagesize, flags, root, sequence, freelist, pages, txid, checksum
IN_BUCKET = 0x01
DEEPEST, ATTEMPTS = 32, 5
LARGEST = 64 << 20  # bytes of one page with its overflow
MOST = 200_000  # pages that one walk reads; a forged file could contain a loop

Reader = Callable[[int, int], bytes]  # size, offset


class Torn(Exception):
    """The file is not a BoltDB, is damaged, or changed while it was read."""


class Bucket:
    """One bucket: keys to values, and buckets inside."""

    def __init__(self, pages: Pages, page: bytes) -> None:
        self._pages = pages
        self._page = page

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys with their values, in order, without nested buckets."""
        for flags, key, value in self._pages.leaves(self._page, 0):
            if not flags & IN_BUCKET:
                yield key, value

    def buckets(self) -> Iterator[tuple[str, Bucket]]:
        """Yield the nested buckets by name."""
        for flags, key, value in self._pages.leaves(self._page, 0):
            if flags & IN_BUCKET:
                yield key.decode("utf-8", "surrogateescape"), self._pages.bucket(value)

    def bucket(self, *names: str) -> Bucket | None:
        """Return the bucket at this path, None if there is none."""
        found: Bucket | None = self
        for name in names:
            found = dict(found.buckets()).get(name) if found else None
        return found

    def values(self) -> dict[str, bytes]:
        """Return keys as text, with their values."""
        return {key.decode("utf-8", "surrogateescape"): value for key, value in self.items()}


class Pages:
    """The file's pages as of one transaction."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._left = MOST
        self.size, self._root, self.transaction = newest(read)

    def top(self) -> Bucket:
        """Return the bucket that holds all others."""
        return Bucket(self, self._page(self._root))

    def bucket(self, value: bytes) -> Bucket:
        """Return the bucket that a value describes: its pages are elsewhere, or follow directly."""
        if len(value) < BUCKET.size:
            raise Torn("a bucket is cut short")
        root, _ = BUCKET.unpack_from(value)
        return Bucket(self, self._page(root) if root else value[BUCKET.size :])

    def leaves(self, page: bytes, depth: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (flags, key, value) of all elements below a page."""
        if depth > DEEPEST or len(page) < HEADER.size:
            raise Torn("pages that lead into each other")
        _, kind, count, _ = HEADER.unpack_from(page)
        if kind not in (BRANCH, LEAF) or HEADER.size + count * 16 > len(page):
            raise Torn(f"a page of kind {kind} with {count} elements")
        for number in range(count):
            start = HEADER.size + number * 16
            if kind == BRANCH:
                yield from self.leaves(self._page(ELEMENT_OF_BRANCH.unpack_from(page, start)[2]), depth + 1)
                continue
            flags, position, keys, values = ELEMENT_OF_LEAF.unpack_from(page, start)
            begin = start + position
            if begin + keys + values > len(page):
                raise Torn("an element that reaches beyond its page")
            yield flags, page[begin : begin + keys], page[begin + keys : begin + keys + values]

    def _page(self, number: int) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise Torn(f"more than {MOST} pages")
        head = self._read(HEADER.size, number * self.size)
        if len(head) < HEADER.size:
            raise Torn(f"page {number} is beyond the end")
        own, _, _, overflow = HEADER.unpack(head)
        length = (overflow + 1) * self.size
        if own != number or length > LARGEST:
            raise Torn(f"page {number} says that it is page {own}, {length} bytes long")
        return self._read(length, number * self.size)


def newest(read: Reader) -> tuple[int, int, int]:
    """Return (page size, root page, transaction) of the newer intact meta page."""
    found = []
    first = _meta(read(META.size, HEADER.size))
    for size in (first[0],) if first else (4096, 8192, 16384, 65536):
        second = _meta(read(META.size, size + HEADER.size))
        found += [meta for meta in (first, second) if meta and meta[0] == size]
    if not found:
        raise Torn("no intact meta page")
    return max(found, key=lambda meta: meta[2])


def _meta(content: bytes) -> tuple[int, int, int] | None:
    if len(content) < META.size:
        return None
    magic, version, size, _, root, _, _, _, transaction, checksum = META.unpack(content)
    if magic != MAGIC or version != VERSION or checksum != fnv1a(content[: META.size - 8]):
        return None
    return (size, root, transaction) if 1024 <= size <= 1 << 16 else None


def fnv1a(content: bytes) -> int:
    """Return the 64-bit FNV-1a checksum of a meta page."""
    value = 0xCBF29CE484222325
    for byte in content:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def walk(handle: int, visit: Callable[[Bucket], None], restart: Callable[[], None]) -> None:
    """Call `visit` with the top bucket; after a commit meanwhile call `restart` and try once more. Raises Torn."""

    def read(size: int, offset: int) -> bytes:
        return os.pread(handle, size, offset)

    problem = "it changes faster than it can be read"
    for _ in range(ATTEMPTS):
        restart()
        try:
            pages = Pages(read)
            visit(pages.top())
            if newest(read)[2] == pages.transaction:
                return
        except (Torn, struct.error, OverflowError) as error:
            problem = str(error)
    raise Torn(problem)
