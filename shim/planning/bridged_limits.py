"""Limits that cgshim keeps itself: the annotation `io.cgshim.bridge`.

A limit that the bridge sets in cgroup2 has no place in the `linux.resources` of a v1 container, so it is removed there.
The annotation keeps it as a cgroup2 `file: value` pair: for a later start from the same bundle, for the hook, and for
the time when the host boots another layout and the runtime can set it again.

Engines copy annotations from image manifests and pods. So an annotation counts only if cgshim itself wrote it for this
very container. Its seal (shim.state.seal) proves that. The seal covers the limits, `linux.cgroupsPath` and the absolute
path of the root file system, which are the same for the precreate hook, a stand-in bundle and a later start. The
bundle's path would not do: podman does not pass it to precreate, and a stand-in has another one. Files of cgshim's own
for each bundle would need a cleanup, and files below /run do not survive a reboot.

Even a genuine annotation yields to every field that the user has set since, and only limits and tuning of the container
itself are taken from it.
"""

from __future__ import annotations

from shim.oci import cgroups_path
from shim.oci.text import Malformed, dump, parse
from shim.planning import settings
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.oci.document import Document
    from shim.rules.base import Expectation

ANNOTATION = settings.BRIDGE
FORM = "cgshim bridge 1"  # version of the sealed form
# Not kept: actions, and files that take CPUs from other cgroups.
NEVER = ("memory.reclaim", "cpuset.cpus.partition", "cpuset.cpus.exclusive")
THROTTLES = (
    "throttleReadBpsDevice",
    "throttleWriteBpsDevice",
    "throttleReadIOPSDevice",
    "throttleWriteIOPSDevice",
)
WEIGHTS = (("blockIO", "weight"), ("blockIO", "weightDevice"))
# cgroup2 file -> the classic fields for the same limit (config-linux.md); any of them that is set overrides the file.
FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    "memory.max": (("memory", "limit"),),
    "memory.swap.max": (("memory", "swap"),),
    "memory.low": (("memory", "reservation"),),
    "pids.max": (("pids", "limit"),),
    "cpu.max": (("cpu", "quota"), ("cpu", "period")),
    "cpu.max.burst": (("cpu", "burst"),),
    "cpu.weight": (("cpu", "shares"),),
    "cpu.idle": (("cpu", "idle"),),
    "cpuset.cpus": (("cpu", "cpus"),),
    "cpuset.mems": (("cpu", "mems"),),
    "io.max": tuple(("blockIO", name) for name in THROTTLES),
    "io.weight": WEIGHTS,
    "io.bfq.weight": WEIGHTS,
}


class Kept(Value):
    """limits: cgroup2 file -> value. refused: why the annotation does not count, "" if it does."""

    limits: dict[str, str]
    refused: str = ""


NOTHING = Kept(limits={})


def read(loaded: Document, *, looking: bool = False) -> Kept:
    """Return the kept limits of the container with this configuration.

    Raises ShimError if the key cannot be used: an annotation that cannot be told from a forgery may be a limit.
    looking: nothing will be started, so the problem is only reported.
    """
    annotations = loaded.value.get("annotations")
    text = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    if text is None:
        return NOTHING
    limits, proof = _claimed(text)
    if not limits:
        return _ignored("it does not have the form that cgshim writes")
    from shim.errors import ShimError
    from shim.state import seal

    try:
        genuine = seal.fits(_sealed(loaded, limits), proof)
    except ShimError as error:
        if not looking and error.code == "no-key":
            raise
        return _ignored(error.what)
    if not genuine:
        return _ignored("cgshim has not written it on this host for this container")
    return Kept(limits={file: value for file, value in limits.items() if _keepable(file)})


def _ignored(why: str) -> Kept:
    return Kept(limits={}, refused=f"annotation {ANNOTATION} is ignored, and no limit is taken from it: {why}")


def _claimed(text: Any) -> tuple[dict[str, str], str]:
    """Return (limits, seal) from the annotation, unverified; ({}, "") for any other shape."""
    try:
        value = parse(text) if isinstance(text, str) else None
    except Malformed:
        return {}, ""
    if not isinstance(value, dict):
        return {}, ""
    limits = value.get("limits")
    if not isinstance(limits, dict) or not all(isinstance(limit, str) for limit in limits.values()):
        return {}, ""
    return limits, str(value.get("seal") or "")


def _keepable(file: str) -> bool:
    """Return whether it is an interface file of a controller that a container can get."""
    word = file.replace(".", "").replace("_", "").replace("-", "")
    controller, dot, name = file.partition(".")
    shaped = word.isascii() and word.isalnum() and bool(controller and dot and name) and ".." not in file
    return shaped and controller != "cgroup" and file not in NEVER


def returned(resources: dict[str, Any], kept: dict[str, str]) -> dict[str, Any]:
    """Return resources with the kept limits in their `unified`. A limit that is already there, in either form, wins."""
    left = {file: value for file, value in kept.items() if not _outdone(resources, file)}
    stated = {file: value for file, value in (resources.get("unified") or {}).items() if value or file not in left}
    return {**resources, "unified": {**left, **stated}} if left else resources


def _outdone(resources: dict[str, Any], file: str) -> bool:
    controller, _, rest = file.partition(".")
    if controller == "hugetlb":
        pages = resources.get("hugepageLimits") or ()
        return any(isinstance(page, dict) and page.get("pageSize") == rest.partition(".")[0] for page in pages)
    if controller == "rdma":
        return bool(resources.get("rdma"))
    sections = ((resources.get(section), key) for section, key in FIELDS.get(file, ()))
    return any(isinstance(section, dict) and section.get(key) is not None for section, key in sections)


def write(bridge: tuple[Expectation, ...], loaded: Document, *, seals: bool = True) -> str:
    """Return the annotation's value. A file keeps all its lines for devices. seals: False for a text to look at.

    Raises ShimError if there is no key for the seal, or nothing that tells this container from another.
    """
    from shim.state import seal

    limits: dict[str, str] = {}
    for limit in bridge:
        if _keepable(limit.file):
            limits[limit.file] = f"{limits[limit.file]}\n{limit.value}" if limit.file in limits else limit.value
    return dump({"limits": limits, "seal": seal.of(_sealed(loaded, limits)) if seals else ""})


def _sealed(loaded: Document, limits: dict[str, str]) -> bytes:
    """Return the bytes that the seal covers."""
    from shim.state import seal

    path = cgroups_path.of(loaded.value) or ""
    return dump([FORM, path, seal.root_of(loaded), sorted(limits.items())]).encode("ascii", "backslashreplace")
