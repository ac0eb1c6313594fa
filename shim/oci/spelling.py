"""Keys that differ in case from the runtime-spec's, for a runtime that accepts them: runc.

Go's encoding/json prefers a key as it is spelled and accepts it in any case ("Memory", "pagesize"), by Unicode's simple
folding; so runc sets such a limit. crun compares keys byte for byte and ignores it. The names are those of config.md
and config-linux.md that cgshim reads or writes. The keys of maps (`unified`, `annotations`, devices of `rdma`) are data
and keep their case in Go, too.
"""

from __future__ import annotations

from shim.oci.text import items, members, of_any_depth, skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


ANY = "*"  # a map: any key, and one shape for all values


def _names(text: str) -> dict[str, Any]:
    return dict.fromkeys(text.split())


_RATES = [_names("major minor rate")]
_WEIGHTS = [_names("major minor weight leafWeight")]
# name -> shape of its value: None for a plain value, a dict for an object, a list of one shape for an array.
RESOURCES: dict[str, Any] = {
    "unified": None,
    "devices": [_names("allow type major minor access")],
    "memory": _names(
        "limit reservation swap kernel kernelTCP swappiness disableOOMKiller useHierarchy checkBeforeUpdate"
    ),
    "cpu": _names("shares quota burst period realtimeRuntime realtimePeriod cpus mems idle"),
    "pids": _names("limit"),
    "blockIO": {
        **_names("weight leafWeight"),
        "weightDevice": _WEIGHTS,
        "throttleReadBpsDevice": _RATES,
        "throttleWriteBpsDevice": _RATES,
        "throttleReadIOPSDevice": _RATES,
        "throttleWriteIOPSDevice": _RATES,
    },
    "hugepageLimits": [_names("pageSize limit")],
    "network": {"classID": None, "priorities": [_names("name priority")]},
    "rdma": {ANY: _names("hcaHandles hcaObjects")},
}
DOCUMENT: dict[str, Any] = {
    **_names("ociVersion process hostname annotations"),
    "root": _names("path readonly"),
    "mounts": [_names("destination type source options")],
    "hooks": _names("prestart createRuntime createContainer startContainer poststart poststop"),
    "linux": {"resources": RESOURCES, **_names("cgroupsPath namespaces seccomp")},
}


def odd(value: Any, shape: Any) -> bool:
    """Return whether a parsed document, or a part of it, has a key that differs in case from the specification's."""
    if isinstance(shape, list):
        return isinstance(value, list) and any(odd(item, shape[0]) for item in value)
    if not isinstance(shape, dict) or not isinstance(value, dict):
        return False
    if ANY in shape:
        return any(odd(item, shape[ANY]) for item in value.values())
    for key, item in value.items():
        if key not in shape:
            if _meant(key, shape):
                return True
        elif shape[key] and odd(item, shape[key]):
            return True
    return False


def spelled(text: str, shape: Any) -> str:
    """Return the text with these keys spelled as in the specification; everything else is unchanged."""
    return _spelled(text, skip(text, 0), shape)[0]


def _meant(key: str, shape: dict[str, Any]) -> str:
    folded = key.casefold()
    return next((name for name in shape if name.casefold() == folded), "")


def _spelled(text: str, start: int, shape: Any) -> tuple[str, int]:
    """Return the text with the value at `start` respelled, and the offset behind that value."""
    _, end = of_any_depth()(text, start)
    if isinstance(shape, dict) and text[start] == "{":
        return _object(text, start, shape)
    if isinstance(shape, list) and text[start] == "[":
        for _, first, last in reversed(items(text, start, of_any_depth())[0]):
            changed, behind = _spelled(text, first, shape[0])
            end += behind - last
            text = changed
    return text, end


def _object(text: str, start: int, shape: dict[str, Any]) -> tuple[str, int]:
    found, end = members(text, start, of_any_depth())
    for member in reversed(found):  # from the last one back, so that earlier offsets stay valid
        name = ANY if ANY in shape else _meant(member.key, shape)
        if not name:
            continue
        changed, behind = _spelled(text, member.value_start, shape[name])
        end += behind - member.end
        text = changed
        if name not in (ANY, member.key):
            last = of_any_depth()(text, member.start)[1]
            text = f'{text[: member.start]}"{name}"{text[last:]}'
            end += len(name) + 2 - (last - member.start)
    return text, end
