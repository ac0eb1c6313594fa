"""`archive.py DIRECTORY FILE`: an executable zip of a tree; the same bytes for the same tree; no symbolic links."""

from __future__ import annotations

import os
import sys
import time
import zipfile


def main(tree: str, target: str) -> None:
    """Write it, modes included: `install` gives the files these modes."""
    files = []
    for directory, inner, names in os.walk(tree):
        inner.sort()
        files += [os.path.join(directory, name) for name in names]
    with open(target, "wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(path for path in files if not os.path.islink(path)):
                status = os.stat(path)
                stamp = time.gmtime(status.st_mtime)
                one = zipfile.ZipInfo(os.path.relpath(path, tree), (stamp[0], stamp[1], stamp[2], *stamp[3:6]))
                one.external_attr, one.compress_type = status.st_mode << 16, zipfile.ZIP_DEFLATED
                with open(path, "rb") as content:
                    archive.writestr(one, content.read())
    os.chmod(target, 0o755)  # a program


main(*sys.argv[1:])
