"""`linux.resources.memory` (OCI runtime-spec, config-linux.md, "Memory").

Kernel: Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst "Memory Interface Files". All sizes are bytes;
the kernel rounds limits down to a page. `swap` is memory plus swap in OCI and on v1, swap alone on cgroup2.
"""

from __future__ import annotations

from shim.rules.base import GUARD, HINT, KEPT, Case, Expectation, Outcome, Rule
from shim.rules.outcomes import absent_guard, absent_hint, dropped, invalid, kept, lifted, note, removed
from shim.rules.reachable import leftover, reach
from shim.rules.sizes import with_unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.rules.base import Kind, Shape

LIMIT_V1, LIMIT_V2 = "memory.limit_in_bytes", "memory.max"
UNSET_SWAPPINESS = (1 << 64) - 1
SWAP_V1, SWAP_V2 = "memory.memsw.limit_in_bytes", "memory.swap.max"
SOFT_V1, SOFT_V2 = "memory.soft_limit_in_bytes", "memory.low"


def _bytes(value: int) -> str:
    return "max" if value < 0 else str(value)


def swap(case: Case) -> Outcome:
    """`swap` -> v1 memory.memsw.limit_in_bytes, v2 memory.swap.max: shim.rules.swap, loaded if the field is there."""
    from shim.rules import swap as rule

    return rule.swap(case)


def limit(case: Case) -> Outcome:
    """`limit`, int64 bytes, -1 unlimited -> v1 memory.limit_in_bytes, v2 memory.max.

    0 is unset to runc. crun writes it, and the container dies at once. Values below -1 are invalid, except with crun
    outside of v1.
    """
    value, version = case.get("memory", "limit"), reach(case, "memory")
    if value < -1 and not any_negative(case, "limit"):
        return invalid("memory.limit", f"{value} is not a valid size", "bytes, or -1 for unlimited")
    if value == 0:
        return _zero_limit(case)
    if not version:
        if value < 0:
            answer = removed("memory.limit", "memory-unlimited", GUARD, "unlimited needs no memory controller")
            return lifted(case, answer, expect("memory.limit", LIMIT_V2, "max"))
        expected = expect("memory.limit", LIMIT_V2, str(value))
        return absent_guard(case, "memory", "memory.limit", f"memory above {with_unit(value)}", expected)
    if value == -1 and _rejects_lone_unlimited(case):
        reason = "a new cgroup is unlimited anyway, and runc before 1.2 fails on -1 if swap is not accounted"
        return removed("memory.limit", "memory-unlimited", GUARD, reason)
    return kept(case, "memory.limit", GUARD, (LIMIT_V1, LIMIT_V2)[version - 1], _bytes(value), "memory", "page")


def _zero_limit(case: Case) -> Outcome:
    if case.runtime.zero_is_unset:
        return Outcome(notes=(note("memory.limit", "zero-unset", GUARD, KEPT, "runc takes 0 as unset"),))
    reason = "0 is unset to runc; crun would write it and the container would be killed at once"
    return removed("memory.limit", "zero-unset", GUARD, reason)


def _rejects_lone_unlimited(case: Case) -> bool:
    """runc up to 1.1 raises swap to unlimited together with memory, and fails if the file is missing (cgroup2)."""
    if case.v1 or case.operation == "update" or not case.runtime.raises_swap_along:
        return False
    return case.host.swap_accounting.value is False and case.get("memory", "swap") is None


def reservation(case: Case) -> Outcome:
    """`reservation`, int64 bytes, -1 none -> v1 memory.soft_limit_in_bytes, v2 memory.low."""
    value, version = case.get("memory", "reservation"), reach(case, "memory")
    if value < -1 and not any_negative(case, "reservation"):
        return invalid("memory.reservation", f"{value} is not a valid size", "bytes, or -1 for none")
    if not version:
        expected = expect("memory.reservation", SOFT_V2, _bytes(value), kind=HINT)
        return absent_hint(case, "memory", "memory.reservation", expected if value else ())
    if value == 0:
        return Outcome(notes=(note("memory.reservation", "zero-unset", HINT, KEPT, "0 reserves nothing"),))
    return kept(case, "memory.reservation", HINT, (SOFT_V1, SOFT_V2)[version - 1], _bytes(value), "memory", "page")


def kernel(case: Case) -> Outcome:
    """`kernel`, int64 bytes -> v1 memory.kmem.limit_in_bytes, which kernels since 5.16 ignore; nothing on cgroup2."""
    return _kernel(case, "kernel", "memory.kmem.limit_in_bytes")


def kernel_tcp(case: Case) -> Outcome:
    """`kernelTCP`, int64 bytes -> v1 memory.kmem.tcp.limit_in_bytes; nothing on cgroup2."""
    return _kernel(case, "kernelTCP", "memory.kmem.tcp.limit_in_bytes")


def _kernel(case: Case, key: str, file: str) -> Outcome:
    field = f"memory.{key}"
    if not reach(case, "memory"):
        return absent_hint(case, "memory", field)
    if not case.v1:
        return dropped(field, "kernel-memory", "cgroup2 has no separate limit for kernel memory")
    if case.host.has(file) is False:
        return dropped(field, "kernel-memory", f"this kernel has no {file}")
    answer = kept(case, field, HINT, file, _bytes(case.get("memory", key)), "memory", "page")
    if case.runtime.reads_kernel_memory:
        return answer
    reason = f"runc before 1.0 sets {file}, later ones warn and go on; it is read back"
    return answer.changed(notes=(note(field, "kernel-memory", HINT, KEPT, reason),))


def swappiness(case: Case) -> Outcome:
    """`swappiness`, 0 to 100 (kernels since 5.8: to 200) -> v1 memory.swappiness; nothing on cgroup2."""
    value = case.get("memory", "swappiness")
    if value == UNSET_SWAPPINESS:
        reason = "-1 as an unsigned number, which Docker wrote for unset"
        if case.runtime.unset_swappiness:
            return Outcome(notes=(note("memory.swappiness", "unset", HINT, KEPT, f"{reason}; runc reads it so"),))
        return removed("memory.swappiness", "unset", HINT, f"{reason}; crun would write the number")
    if not reach(case, "memory"):
        return absent_hint(case, "memory", "memory.swappiness")
    if not case.v1:
        return dropped("memory.swappiness", "swappiness", "cgroup2 has no swappiness for a cgroup")
    most = case.runtime.most_swappiness
    if value > most and case.operation == "update" and "swappiness" in case.runtime.not_updated:
        reason = "runc does not read it in an update: what the container was created with stays"
        return Outcome(notes=(note("memory.swappiness", "swappiness", HINT, KEPT, reason),))
    if value > most:
        return invalid("memory.swappiness", f"{value} is above {most}", f"0 to {most}")
    answer = kept(case, "memory.swappiness", HINT, "memory.swappiness", str(value), "memory")
    return answer.changed(expectations=instead_of_swap()) if stands_for_no_swap(case) else answer


def disable_oom_killer(case: Case) -> Outcome:
    """`disableOOMKiller`, bool -> v1 memory.oom_control 1; nothing on cgroup2."""
    if case.get("memory", "disableOOMKiller") is False:
        return Outcome(notes=(note("memory.disableOOMKiller", "default", HINT, KEPT, "false is the kernel's default"),))
    if not reach(case, "memory"):
        return absent_hint(case, "memory", "memory.disableOOMKiller")
    if not case.v1:
        return dropped("memory.disableOOMKiller", "oom-killer", "cgroup2 cannot disable the OOM killer")
    shown = "oom_kill_disable 1"  # one line of several
    return kept(case, "memory.disableOOMKiller", HINT, "memory.oom_control", shown, "memory", "lines")


def use_hierarchy(case: Case) -> Outcome:
    """`useHierarchy`, bool -> v1 memory.use_hierarchy, 1 only since kernel 5.11; cgroup2 is always hierarchical."""
    value, field = case.get("memory", "useHierarchy"), "memory.useHierarchy"
    if not case.runtime.reads_hierarchy:
        told = (note(field, "hierarchy", HINT, KEPT, "runc does not read it"),)
        if case.v1 and case.host.version("memory") == 1:  # the kernel's own value is read back
            return kept(case, field, HINT, "memory.use_hierarchy", str(int(value)), "memory").changed(notes=told)
        return Outcome(notes=told)
    if value and not case.v1:
        return removed(field, "hierarchy", HINT, "cgroup2 is always hierarchical; crun refuses the key there")
    if not value:
        return dropped(
            field, "hierarchy", "accounting is always hierarchical on this kernel and cannot be switched off"
        )
    if case.host.version("memory") != 1:
        return absent_hint(case, "memory", field)
    return kept(case, field, HINT, "memory.use_hierarchy", "1", "memory")


def emptiness(case: Case) -> Outcome:
    """The rest of `memory` without a reachable controller: crun opens its directory for any such object."""
    return leftover(case, "memory", "memory")


def check_before_update(case: Case) -> Outcome:
    """`checkBeforeUpdate`, bool: compare with the usage before lowering a limit; the v1 kernel does so by itself."""
    field = "memory.checkBeforeUpdate"
    if not case.get("memory", "checkBeforeUpdate"):
        return Outcome(notes=(note(field, "default", HINT, KEPT, "false is the default"),))
    if case.v1:
        return Outcome(
            notes=(note(field, "checked-by-kernel", HINT, KEPT, "v1 refuses a limit below usage by itself"),)
        )
    if case.runtime.check_needs_swap and case.host.swap_accounting.value is False:
        reason = "crun would look for memory.swap.current, which is missing if swap is not accounted"
        return dropped(field, "check-needs-swap", reason)
    return Outcome(notes=(note(field, "honoured", HINT, KEPT, "the runtime compares with memory.current"),))


def any_negative(case: Case, field: str) -> bool:
    """The runtime takes every negative size for -1, and no v1 kernel refuses it.

    crun writes `max` in cgroup2 (for `limit` since 1.13), a number near 2^64 for `reservation` on v1, and nothing where
    memory.memsw.limit_in_bytes is missing.
    """
    written = reach(case, "memory") == 1 and not (field == "swap" and case.host.swap_accounting.value is False)
    return case.runtime.any_negative and (field == "reservation" or not written)


def instead_of_swap() -> tuple[Expectation, ...]:
    """Return the expectation for swappiness 0, which stands for "no swap"."""
    return expect("memory.swap", "memory.swappiness", "0", 1)


def stands_for_no_swap(case: Case) -> bool:
    """Return whether `swappiness` is the 0 that `_unaccounted` set in place of "no swap"; it is then read back as
    such.
    """
    no_swap_limit = case.host.swap_accounting.value is False and case.get("memory", "swap") is None
    return no_swap_limit and case.get("memory", "swappiness") == 0 and (case.get("memory", "limit") or 0) > 0


def expect(field: str, file: str, value: str, version: int = 2, *, kind: Kind = GUARD) -> tuple[Expectation, ...]:
    """Return what a file of the memory controller must show."""
    shape: Shape = "exact" if file == "memory.swappiness" else "page"
    expected = Expectation(
        field=field, kind=kind, controller="memory", version=version, file=file, value=value, shape=shape
    )
    return (expected,)


# `swap` comes before `limit`: it is counted from the limit, even from one that the next rule removes. `swappiness`
# comes before both: as long as `swap` is there, it is known whether 0 was asked for or stands for "no swap".
RULES: tuple[Rule, ...] = (
    Rule(field="memory.swappiness", apply=swappiness),
    Rule(field="memory.swap", apply=swap, probes=(SWAP_V1, SWAP_V2)),
    Rule(field="memory.limit", apply=limit, probes=(SWAP_V1, SWAP_V2)),
    Rule(field="memory.reservation", apply=reservation),
    Rule(field="memory.kernel", apply=kernel, probes=("memory.kmem.limit_in_bytes",)),
    Rule(field="memory.kernelTCP", apply=kernel_tcp, probes=("memory.kmem.tcp.limit_in_bytes",)),
    Rule(field="memory.disableOOMKiller", apply=disable_oom_killer),
    Rule(field="memory.useHierarchy", apply=use_hierarchy),
    Rule(field="memory.checkBeforeUpdate", apply=check_before_update, probes=(SWAP_V1, SWAP_V2)),
    Rule(field="memory", apply=emptiness),
)
