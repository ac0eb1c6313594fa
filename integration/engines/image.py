"""One image for every engine: the busybox of this host, as a tar of the root tree and as an OCI archive."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from platform import machine
from typing import Any

from integration.bundle import APPLETS

NAME = "localhost/box:latest"
DIRECTORIES = ("bin", "dev", "etc", "proc", "run", "sys", "tmp")
PASSWD = b"root:x:0:0:root:/:/bin/sh\n"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CONFIG = {"Env": ["PATH=/bin"], "Cmd": ["/bin/sleep", "3600"]}  # which plays a pod's pause container, too


def write_root_tar(path: Path, busybox: str) -> None:
    """The root tree as `podman import`, `docker import` and `ctr`'s layers take it."""
    with tarfile.open(path, "w") as tar:
        for name in DIRECTORIES:
            tar.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
        tar.addfile(_sized(_entry("etc/passwd", tarfile.REGTYPE, 0o644), PASSWD), io.BytesIO(PASSWD))
        program = Path(busybox).read_bytes()
        tar.addfile(_sized(_entry("bin/busybox", tarfile.REGTYPE, 0o755), program), io.BytesIO(program))
        for applet in APPLETS:
            link = _entry(f"bin/{applet}", tarfile.SYMTYPE, 0o777)
            link.linkname = "busybox"
            tar.addfile(link)


def write_archive(path: Path, layer: Path) -> None:
    """The same as an OCI image archive (image-spec, image-layout.md) that `ctr image import` reads."""
    files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    manifest = _manifest(layer.read_bytes(), files)
    names = {"io.containerd.image.name": NAME, "org.opencontainers.image.ref.name": NAME}
    index = {"schemaVersion": 2, "manifests": [{**manifest, "annotations": names}]}
    files["index.json"] = json.dumps(index).encode()
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            tar.addfile(_sized(_entry(name, tarfile.REGTYPE, 0o644), content), io.BytesIO(content))


def _manifest(layer: bytes, files: dict[str, bytes]) -> dict[str, Any]:
    """Put layer, configuration and manifest into `files`; the manifest's descriptor."""
    kind = "application/vnd.oci.image."
    stored = _stored(layer, kind + "layer.v1.tar", files)
    rootfs = {"type": "layers", "diff_ids": [stored["digest"]]}
    config = json.dumps(
        {"architecture": ARCHITECTURES.get(machine(), machine()), "os": "linux", "config": CONFIG, "rootfs": rootfs}
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind + "manifest.v1+json",
        "config": _stored(config, kind + "config.v1+json", files),
        "layers": [stored],
    }
    return _stored(json.dumps(manifest).encode(), kind + "manifest.v1+json", files)


def _stored(content: bytes, kind: str, files: dict[str, bytes]) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    files[f"blobs/sha256/{digest}"] = content
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def _sized(entry: tarfile.TarInfo, content: bytes) -> tarfile.TarInfo:
    entry.size = len(content)
    return entry
