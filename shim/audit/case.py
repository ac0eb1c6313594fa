"""One limit of one container from all columns: the intended value, the one passed to the runtime, the kernel's."""

from __future__ import annotations

from shim.audit.limit import AT_MOST, SAME, WITHIN, relation, shown, tightest
from shim.containers.container import ASKED, CONFIG, KUBELET, REMEMBERED, SPEC
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.columns import Said
    from shim.audit.limit import Limit
    from shim.audit.subject import AuditedContainer

# At an update containerd and its clients change their own copy of the spec, not the bundle's.
OLD_BUNDLES = ("cri", "nerdctl", "containerd")
OF_PODS = ("memory.limit", "cpu.quota")


class JudgedLimit(Value):
    """A limit to judge. wish: the intended value. given: the value passed to the runtime, updates included."""

    subject: AuditedContainer
    said: Said
    key: str
    limit: Limit
    wish: Any
    note: str
    given: Any
    now: Any
    own: str
    above: tuple[str, Any] | None

    @property
    def passed_on(self) -> bool:
        """True if it is known what the runtime was asked for."""
        columns = (CONFIG, REMEMBERED, *((SPEC,) if self.subject.container.engine in OLD_BUNDLES else ()))
        return any(self.subject.container.record(name) is not None for name in columns)

    def column(self, name: str) -> Any:
        """Return a party's value."""
        return self.said.by.get(name, {}).get(self.key)


def case_of(subject: AuditedContainer, said: Said, key: str) -> JudgedLimit:
    """Return the case of one limit."""
    limit = said.limit(key)
    own, above = said.values(key, said.own), said.values(key, said.above)
    wish, note = _wish(subject, said, key, limit)
    now = tightest(limit, own) if limit.order == AT_MOST else _nearest(limit, own, wish)
    order = (REMEMBERED, CONFIG, *((SPEC,) if subject.container.engine in OLD_BUNDLES else ()))
    given = next((said.by[name][key] for name in order if key in said.by.get(name, ())), None)
    return JudgedLimit(
        subject=subject,
        said=said,
        key=key,
        limit=limit,
        wish=wish,
        note=note,
        given=given,
        now=now[1] if now else None,
        own=now[0] if now else "",
        above=tightest(limit, above) if limit.order in (AT_MOST, WITHIN) else None,
    )


def _nearest(limit: Limit, own: list[tuple[str, Any]], wish: Any) -> tuple[str, Any] | None:
    """For values that cannot be ordered, return the intended one at any level, else the topmost."""
    same = (pair for pair in own if wish is not None and relation(limit, pair[1], wish) == SAME)
    return next(same, own[0] if own else None)


def _wish(subject: AuditedContainer, said: Said, key: str, limit: Limit) -> tuple[Any, str]:
    """Return the intended value: the newest request, and a note if it is not the first one."""
    words = {name: found[key] for name, found in said.by.items() if key in found}
    pod = subject.container.record(KUBELET)
    if KUBELET in words or (pod and pod.value.get("allocated") and key in OF_PODS):
        return words.get(KUBELET), ""
    asked, spec = words.get(ASKED), words.get(SPEC)
    engine = subject.container.engine
    if asked is not None and spec is not None and engine in ("podman", "cri") and relation(limit, spec, asked) != SAME:
        return spec, f"updated through {engine} since; at creation: {show(limit, asked)}"
    for word in (asked, spec):
        if word is not None:
            return word, ""
    remembered, config = words.get(REMEMBERED), words.get(CONFIG)
    if remembered is not None and config is not None and relation(limit, remembered, config) != SAME:
        if engine in ("docker", "podman", "cri", "nerdctl"):
            return config, ""
        return remembered, f"updated since: in config.json {show(limit, config)}"
    return (config, "") if config is not None else (remembered, "")


def show(limit: Limit, value: Any) -> str:
    """Return a value for people."""
    return shown(limit.unit, value)
