"""containerd's records: bundles of running tasks, and meta.db with the specs, labels and CRI's own metadata.

meta.db (core/metadata/buckets.go): v1 / NAMESPACE / containers / ID / spec, runtime, labels, extensions. The bundle's
config.json is what the runtime got at creation; an update changes meta.db's spec and the kernel, not the bundle.
"""

from __future__ import annotations

import json
import os
from typing import Any, Iterator

from shim.containers import bolt
from shim.containers.container import (
    ASKED,
    CONFIG,
    RUNNING,
    SPEC,
    STOPPED,
    Container,
    RecordedLimits,
    family_of,
    oci,
    path_of,
)
from shim.containers.places import Place

METADATA = "io.containerd.metadata.v1.bolt/meta.db"
CRI_CONTAINER, CRI_SANDBOX = "io.cri-containerd.container.metadata", "io.cri-containerd.sandbox.metadata"
STATUS = "io.containerd.grpc.v1.cri/containers"
ENGINES = {"moby": "docker", "k8s.io": "cri", "buildkit": "buildah"}


def tasks(place: Place) -> Iterator[Container]:
    """Yield containers with a bundle: STATE/io.containerd.runtime.v2.task/NAMESPACE/ID."""
    tree = place.tree
    for namespace in tree.names(place.path):
        for name in tree.names(f"{place.path}/{namespace}"):
            bundle = f"{place.path}/{namespace}/{name}"
            document = {} if name.startswith(".") else tree.object(f"{bundle}/config.json")
            if document:
                yield _task(place, namespace, name, bundle, document)


def _task(place: Place, namespace: str, name: str, bundle: str, document: dict[str, Any]) -> Container:
    options = place.tree.object(f"{bundle}/options.json")
    runtime = str(options.get("binary_name") or options.get("BinaryName") or "")
    runtime = runtime or (place.tree.text(f"{bundle}/runtime") or "").strip()
    text = (place.tree.text(f"{bundle}/init.pid") or "").strip()
    pid = int(text) if text.isascii() and text.isdigit() else 0
    annotations = document.get("annotations")
    labels = {str(k): str(v) for k, v in annotations.items()} if isinstance(annotations, dict) else {}
    base = str(options.get("root") or options.get("Root") or "/run/containerd/runc")
    systemd = options.get("systemd_cgroup") or options.get("SystemdCgroup")
    return _named(
        Container(
            id=name,
            engine=engine_of(namespace, labels),
            namespace=namespace,
            state=RUNNING if pid else STOPPED,
            pid=pid,
            bundle=bundle,
            root=f"{base}/{namespace}",
            runtime=runtime or "runc",
            family=family_of(runtime or "runc"),
            driver="systemd" if systemd else "cgroupfs",
            cgroups_path=path_of(document),
            records=(oci(CONFIG, f"{bundle}/config.json", document),),
        ),
        labels,
    )


def engine_of(namespace: str, labels: dict[str, str]) -> str:
    """Return the engine that called containerd, from the namespace or from nerdctl's labels."""
    if "nerdctl/namespace" in labels or "nerdctl/name" in labels:
        return "nerdctl"
    return ENGINES.get(namespace.partition("-")[0], "containerd")


def _named(container: Container, labels: dict[str, str]) -> Container:
    """Add names from annotations of config.json, or from labels of meta.db; old versions have only some of them."""
    names = labels.get("nerdctl/name") or labels.get("io.kubernetes.container.name")
    names = names or labels.get("io.kubernetes.cri.container-name") or ""
    space = labels.get("io.kubernetes.pod.namespace") or labels.get("io.kubernetes.cri.sandbox-namespace") or ""
    pod = labels.get("io.kubernetes.pod.name") or labels.get("io.kubernetes.cri.sandbox-name") or ""
    kind = labels.get("io.cri-containerd.kind") or labels.get("io.kubernetes.cri.container-type") or ""
    uid = labels.get("io.kubernetes.pod.uid") or labels.get("io.kubernetes.cri.sandbox-uid") or ""
    return container.changed(
        name=container.name or names,
        pod=f"{space}/{pod}" if pod else container.pod,
        image=container.image or labels.get("io.kubernetes.cri.image-name", ""),
        helper=container.helper or kind == "sandbox",
        hints={**container.hints, **({"pod-uid": uid} if uid else {})},
    )


def recorded(place: Place) -> Iterator[Container]:
    """Yield the containers in meta.db below a root of containerd, running or not."""
    path = f"{place.path}/{METADATA}"
    handle = place.tree.open(path)
    if handle is None:
        return
    found: list[Container] = []

    def visit(top: bolt.Bucket) -> None:
        version = top.bucket("v1")
        for namespace, bucket in version.buckets() if version else ():
            inside = bucket.bucket("containers")
            for name, one in inside.buckets() if inside else ():
                found.append(_recorded(path, namespace, name, one))

    try:
        bolt.walk(handle, visit, found.clear)
    except bolt.Torn as error:
        place.tree.problems[path] = f"cannot be read: {error}"
    finally:
        os.close(handle)
    for container in found:
        yield _with_status(place, container)


def _recorded(path: str, namespace: str, name: str, bucket: bolt.Bucket) -> Container:
    values = bucket.values()
    inside = dict(bucket.buckets())
    labels = _texts(inside.get("labels"))
    spec = any_value(values.get("spec", b""))
    document = _object(spec)
    records = [oci(SPEC, f"{path}: v1/{namespace}/containers/{name}/spec", document)] if document else []
    extensions = inside["extensions"].values() if "extensions" in inside else {}
    asked = _asked_of_cri(extensions)
    if asked is not None:
        records.insert(0, RecordedLimits(column=ASKED, kind="cri", source=f"{path}: {CRI_CONTAINER}", value=asked))
    return _named(
        Container(
            id=name,
            engine=engine_of(namespace, labels),
            namespace=namespace,
            image=values.get("image", b"").decode("utf-8", "replace"),
            state=STOPPED,
            root=f"/run/containerd/runc/{namespace}",
            cgroups_path=path_of(document),
            helper=CRI_SANDBOX in extensions,
            records=tuple(records),
        ),
        labels,
    )


def _asked_of_cri(extensions: dict[str, bytes]) -> dict[str, Any] | None:
    """Return CRI's LinuxContainerResources as the kubelet sent them at creation."""
    value: Any = _object(any_value(extensions.get(CRI_CONTAINER, b"")))
    for name in ("Metadata", "Config", "linux", "resources"):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else None


def _with_status(place: Place, container: Container) -> Container:
    """Add the status file's resources, which since 1.7 are those last accepted, newer than those at creation."""
    if container.engine != "cri" or container.helper:
        return container
    path = f"{place.path}/{STATUS}/{container.id}/status"
    value: Any = place.tree.object(path)
    for name in ("Resources", "linux"):
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        return container
    asked = RecordedLimits(column=ASKED, kind="cri", source=path, value=value)
    return container.changed(records=(asked, *(record for record in container.records if record.column != ASKED)))


def _texts(bucket: bolt.Bucket | None) -> dict[str, str]:
    values = bucket.values() if bucket else {}
    return {name: value.decode("utf-8", "replace") for name, value in values.items()}


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content) if content else None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def any_value(content: bytes) -> bytes:
    """Return field 2 of a protobuf Any (google/protobuf/any.proto), b"" if there is none."""
    position, found = 0, b""
    while position < len(content):
        tag, position = _varint(content, position)
        length, position = _varint(content, position)
        if tag & 7 != 2 or position + length > len(content):
            return b""  # an Any has two fields, both with a length
        if tag >> 3 == 2:
            found = content[position : position + length]
        position += length
    return found


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(content) and shift < 64:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
        shift += 7
    return value, position
