"""Block I/O: throttles, one for each device and direction, and weights (cgroup-v1/blkio-controller.rst,
cgroup-v2.rst).
"""

from __future__ import annotations

from shim.audit.limit import AT_MOST, NONE, ONE_OF, Kind, Limit
from shim.audit.numbers import entries, integer, last_option, positive, present, section, shown, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.limit import Found

# Word of io.max -> name in linux.resources.blockIO, docker's, podman's option, v1's file, runc's record.
WORDS = {
    "rbps": ("throttleReadBpsDevice", "BlkioDeviceReadBps", "--device-read-bps", "read_bps"),
    "wbps": ("throttleWriteBpsDevice", "BlkioDeviceWriteBps", "--device-write-bps", "write_bps"),
    "riops": ("throttleReadIOPSDevice", "BlkioDeviceReadIOps", "--device-read-iops", "read_iops"),
    "wiops": ("throttleWriteIOPSDevice", "BlkioDeviceWriteIOps", "--device-write-iops", "write_iops"),
}
LIMITS = (
    *(
        Limit(
            key=f"io.{word}",
            unit="bytes/s" if word.endswith("bps") else "io/s",
            order=AT_MOST,
            controller="io",
            field=f"blockIO.{names[0]}",
        )
        for word, names in WORDS.items()
    ),
    Limit(
        key="io.weight",
        unit="weight",
        order=ONE_OF,
        controller="io",
        field="blockIO.weight",
        free=("100", "500", "1000"),
        hint=True,
    ),
)
V1 = (*(f"blkio.throttle.{names[3]}_device" for names in WORDS.values()), "blkio.weight", "blkio.bfq.weight")
V2 = ("io.max", "io.weight", "io.bfq.weight")


def weights(weight: int | None, version: int) -> str | None:
    """Return the values that the kernel may show: bfq's weight unchanged, or io.weight as runtimes convert it."""
    if weight is None or weight <= 0:
        return None
    return str(weight) if version != 2 else f"{weight}|{1 + (weight - 10) * 9999 // 990}"


def _oci(resources: dict[str, Any], version: int) -> Found:
    block = section(resources, "blockIO")
    found = present({"io.weight": weights(positive(block.get("weight")), version)})
    for word, names in WORDS.items():
        for entry in entries(block, names[0]):
            if positive(entry.get("rate")):
                found[f"io.{word} {entry.get('major')}:{entry.get('minor')}"] = entry["rate"]
    found.update(_of_max(str(section(resources, "unified").get("io.max") or "")))
    return found


def _of_max(text: str) -> Found:
    """`8:0 rbps=1048576 wbps=max` lines; `max` is no limit."""
    found: Found = {}
    for line in text.splitlines():
        device, *words = line.split() or [""]
        for word in words:
            name, _, value = word.partition("=")
            number = shown(value)
            if name in WORDS and number is not None:
                found[f"io.{name} {device}"] = number
    return found


def _docker(host: dict[str, Any], version: int) -> Found:
    found = present({"io.weight": weights(positive(host.get("BlkioWeight")), version)})
    numbers = section(host, "numbers")
    for word, names in WORDS.items():
        for entry in entries(host, names[1]):
            if positive(entry.get("Rate")):
                path = str(entry.get("Path"))
                found[f"io.{word} {numbers.get(path, path)}"] = entry["Rate"]
    return found


def _podman(options: dict[str, list[str]], version: int) -> Found:
    found = present({"io.weight": weights(integer(last_option(options, "--blkio-weight")), version)})
    for name, names in WORDS.items():
        for text in options.get(names[2], ()):
            path, _, rate = text.rpartition(":")
            number = size(rate)
            if path and number:
                found[f"io.{name} {path}"] = number
    return found


def _runc(groups: dict[str, Any], version: int) -> Found:
    found = present({"io.weight": weights(positive(groups.get("blkio_weight")), version)})
    for word, names in WORDS.items():
        for entry in entries(groups, f"blkio_throttle_{names[3]}_device"):
            if positive(entry.get("rate")):
                found[f"io.{word} {entry.get('major')}:{entry.get('minor')}"] = entry["rate"]
    return found


def _v1(files: dict[str, str]) -> Found:
    """Devices without a limit are not listed; a file without lines means that there is no limit."""
    found = present({"io.weight": _weight(files.get("blkio.weight") or files.get("blkio.bfq.weight"))})
    for word, names in WORDS.items():
        text = files.get(f"blkio.throttle.{names[3]}_device")
        for line in (text or "").splitlines():
            device, _, rate = line.partition(" ")
            number = shown(rate)
            if number is not None:
                found[f"io.{word} {device}"] = number
        if text is not None:
            found[f"io.{word}"] = NONE
    return found


def _v2(files: dict[str, str]) -> Found:
    found = present({"io.weight": _weight(files.get("io.bfq.weight") or files.get("io.weight"))})
    if "io.max" in files:
        found.update({f"io.{word}": NONE for word in WORDS})
        found.update(_of_max(files["io.max"]))
    return found


def _weight(text: str | None) -> str | None:
    """`default 100`, or `100` alone; lines for devices are left out."""
    words = (text or "").split()
    return (words[1] if words[0] == "default" and len(words) > 1 else words[0]) if words else None


KIND = Kind(
    limits=LIMITS,
    files={1: V1, 2: V2},
    oci=_oci,
    docker=_docker,
    podman=_podman,
    runc=_runc,
    kernel={1: _v1, 2: _v2},
)
