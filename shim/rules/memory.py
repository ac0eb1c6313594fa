"""`linux.resources.memory` (OCI runtime-spec, config-linux.md, "Memory").

Kernel: Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst "Memory Interface Files". All sizes are bytes;
the kernel rounds limits down to a page. `swap` is memory plus swap in OCI and on v1, swap alone on cgroup2.
"""

from __future__ import annotations

from shim.rules.answers import absent_guard, absent_hint, dropped, invalid, kept, note, removed
from shim.rules.base import (
    CHANGED,
    GUARD,
    HINT,
    KEPT,
    Case,
    Edit,
    Expectation,
    Outcome,
    Rule,
)

LIMIT_V1, LIMIT_V2 = "memory.limit_in_bytes", "memory.max"
SWAP_V1, SWAP_V2 = "memory.memsw.limit_in_bytes", "memory.swap.max"
SOFT_V1, SOFT_V2 = "memory.soft_limit_in_bytes", "memory.low"


def _bytes(value: int) -> str:
    return "max" if value < 0 else str(value)


def limit(case: Case) -> Outcome:
    """`limit`, int64 bytes, -1 unlimited -> v1 memory.limit_in_bytes, v2 memory.max.

    0 is unset to runc, while crun writes it and the container dies at once; below -1 nothing takes it.
    """
    value, version = case.get("memory", "limit"), case.host.version("memory")
    if value < -1:
        return invalid("memory.limit", f"{value} is no size", "bytes, or -1 for unlimited")
    if value == 0:
        return _zero_limit(case)
    if version != (1 if case.v1 else 2):
        if value == -1:
            return removed("memory.limit", "memory-unlimited", GUARD, "unlimited needs no memory controller")
        expected = _expect(case, "memory.limit", LIMIT_V2, str(value))
        return absent_guard(case, "memory", "memory.limit", f"memory above {value} bytes", expected)
    if value == -1 and _rejects_lone_unlimited(case):
        reason = "a new cgroup is unlimited anyway, and runc before 1.2 fails on -1 where swap is not accounted"
        return removed("memory.limit", "memory-unlimited", GUARD, reason)
    return kept(case, "memory.limit", GUARD, (LIMIT_V1, LIMIT_V2)[version - 1], _bytes(value), "memory", "page")


def _zero_limit(case: Case) -> Outcome:
    if case.runtime == "runc":
        return Outcome(notes=(note("memory.limit", "zero-unset", GUARD, KEPT, "runc takes 0 as unset"),))
    reason = "0 is unset to runc; crun would write it and the container would be killed at once"
    return removed("memory.limit", "zero-unset", GUARD, reason)


def _rejects_lone_unlimited(case: Case) -> bool:
    """runc up to 1.1 raises swap to unlimited along with memory, and fails without the file (cgroup2)."""
    if case.v1 or case.operation == "update" or case.runtime == "crun":
        return False
    return case.host.swap_accounting.value is False and case.get("memory", "swap") is None


def swap(case: Case) -> Outcome:
    """`swap`, int64 bytes of memory plus swap, -1 unlimited -> v1 memory.memsw.limit_in_bytes, v2 memory.swap.max.

    cgroup2 gets the difference to `limit`. Without swap accounting neither file exists.
    """
    value, most = case.get("memory", "swap"), case.get("memory", "limit") or 0
    if value < -1:
        return invalid("memory.swap", f"{value} is no size", "bytes of memory plus swap, or -1 for unlimited")
    if value == 0:
        return _zero_swap(case, most)
    if value == -1:
        return _unlimited_swap(case)
    if most > 0 and value < most:
        what = f"{value} is less than memory.limit {most}, and swap is memory plus swap"
        return invalid("memory.swap", what, f"at least {most}; {most} means no swap at all")
    if case.host.version("memory") != (1 if case.v1 else 2):
        if case.host.version("memory") == 2 and case.host.swap_accounting.value is False:
            return _unaccounted(case, value - max(most, 0))
        expected = _expect(case, "memory.swap", SWAP_V2, str(value - max(most, 0))) if most else ()
        return absent_guard(case, "memory", "memory.swap", f"swap above {value - max(most, 0)} bytes", expected)
    if most <= 0:
        return _swap_alone(case, value, most)
    if case.host.swap_accounting.value is False:
        return _unaccounted(case, value - most)
    if case.v1:
        return kept(case, "memory.swap", GUARD, SWAP_V1, str(value), "memory", "page")
    return kept(case, "memory.swap", GUARD, SWAP_V2, str(value - most), "memory", "page")


def _zero_swap(case: Case, most: int) -> Outcome:
    if case.runtime == "runc":
        return Outcome(notes=(note("memory.swap", "zero-unset", GUARD, KEPT, "runc takes 0 as unset"),))
    if most > 0:
        edits = (Edit(op="set", path=("memory", "swap"), value=most),)
        reason = f"crun takes 0 as no swap, but not in every version; swap == limit ({most}) says the same everywhere"
        then = swap(case.changed(resources={**case.resources, "memory": {**case.get("memory"), "swap": most}}))
        first = note("memory.swap", "zero-swap", GUARD, CHANGED, reason)
        return Outcome(
            edits=then.edits or edits,
            notes=(first, *(n for n in then.notes if n.effect != KEPT)),
            expectations=then.expectations,
        )
    if case.v1:
        return removed("memory.swap", "zero-unset", GUARD, "v1 kernels refuse 0 (memory.memsw.limit_in_bytes, EINVAL)")
    return Outcome(notes=(note("memory.swap", "zero-swap", GUARD, KEPT, "crun takes 0 as no swap"),))


def _unlimited_swap(case: Case) -> Outcome:
    if case.host.version("memory") != (1 if case.v1 else 2):
        return removed("memory.swap", "swap-unlimited", GUARD, "unlimited needs no memory controller")
    if case.host.swap_accounting.value is False:
        reason = f"swap is not accounted here ({case.host.swap_accounting.evidence}), so it is unlimited anyway"
        return removed("memory.swap", "swap-unlimited", GUARD, reason)
    return kept(case, "memory.swap", GUARD, SWAP_V1 if case.v1 else SWAP_V2, "max", "memory", "page")


def _swap_alone(case: Case, value: int, most: int) -> Outcome:
    """A number for `swap` without a finite `limit` to take it from."""
    if case.operation == "update" and most == 0:
        reason = "the container's own memory limit decides; it is not part of this update"
        return Outcome(notes=(note("memory.swap", "swap-alone", GUARD, KEPT, reason),))
    if case.v1 or most == 0:
        what = f"{value} stands without a memory.limit, which kernel and runtimes refuse"
        return invalid("memory.swap", what, "set memory.limit too, or leave memory.swap out")
    if case.host.swap_accounting.value is False:
        return _unaccounted(case, value)
    if case.runtime == "crun":
        return kept(case, "memory.swap", GUARD, SWAP_V2, str(value), "memory", "page")
    reason = "with memory.limit -1 the number is swap alone, which runc before 1.2.1 refuses; cgroup2's own key says it"
    return Outcome(
        edits=(
            Edit(op="remove", path=("memory", "swap")),
            Edit(op="set", path=("unified", SWAP_V2), value=str(value)),
        ),
        notes=(note("memory.swap", "swap-alone", GUARD, CHANGED, reason),),
        expectations=_expect(case, "memory.swap", SWAP_V2, str(value)),
    )


def _unaccounted(case: Case, allowed: int) -> Outcome:
    """Swap is limited to `allowed` bytes, but this kernel does not account for swap."""
    drop = Edit(op="remove", path=("memory", "swap"))
    accounting, present = case.host.swap_accounting, case.host.swap_present
    if present.value is False:
        reason = f"swap is not accounted ({accounting.evidence}), but the host has none ({present.evidence})"
        return Outcome(edits=(drop,), notes=(note("memory.swap", "swap-absent", GUARD, CHANGED, reason),))
    if case.host.version("memory") == 1 and allowed == 0:
        edits = (drop, Edit(op="set", path=("memory", "swappiness"), value=0))
        reason = f"swap is not accounted ({accounting.evidence}); swappiness 0 is the nearest that v1 can enforce"
        lost = "swapping of this container under host-wide memory pressure"
        return Outcome(
            edits=edits,
            notes=(note("memory.swap", "swap-by-swappiness", GUARD, CHANGED, reason, lost),),
            expectations=_instead_of_swap(case),
        )
    reason = f"this kernel does not account for swap ({accounting.evidence}) and the host has swap"
    return Outcome(
        edits=(drop,),
        notes=(note("memory.swap", "swap-unaccounted", GUARD, "unenforceable", reason, f"swap above {allowed} bytes"),),
    )


def _instead_of_swap(case: Case) -> tuple[Expectation, ...]:
    return _expect(case, "memory.swap", "memory.swappiness", "0", 1)


def _expect(
    case: Case, field: str, file: str, value: str, version: int = 2, *, kind: str = GUARD
) -> tuple[Expectation, ...]:
    expected = Expectation(
        field=field, kind=kind, controller="memory", version=version, file=file, value=value, rounding="page"
    )
    return (expected,)


def reservation(case: Case) -> Outcome:
    """`reservation`, int64 bytes, -1 none -> v1 memory.soft_limit_in_bytes, v2 memory.low."""
    value, version = case.get("memory", "reservation"), case.host.version("memory")
    if value < -1:
        return invalid("memory.reservation", f"{value} is no size", "bytes, or -1 for none")
    if version != (1 if case.v1 else 2):
        expected = _expect(case, "memory.reservation", SOFT_V2, _bytes(value), kind=HINT)
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
    if case.host.version("memory") != (1 if case.v1 else 2):
        return absent_hint(case, "memory", field)
    if not case.v1:
        return dropped(field, "kernel-memory", "cgroup2 has no limit of its own for kernel memory")
    if case.host.has(file) is False:
        return dropped(field, "kernel-memory", f"this kernel has no {file}")
    answer = kept(case, field, HINT, file, _bytes(case.get("memory", key)), "memory", "page")
    if case.runtime == "crun":
        return answer
    reason = f"runc before 1.0 sets {file}, later ones warn and go on; it is read back"
    return answer.changed(notes=(note(field, "kernel-memory", HINT, KEPT, reason),))


def swappiness(case: Case) -> Outcome:
    """`swappiness`, 0 to 100 (kernels since 5.8: to 200) -> v1 memory.swappiness; nothing on cgroup2."""
    value = case.get("memory", "swappiness")
    if case.host.version("memory") != (1 if case.v1 else 2):
        return absent_hint(case, "memory", "memory.swappiness")
    if not case.v1:
        return dropped("memory.swappiness", "swappiness", "cgroup2 has no swappiness of a cgroup's own")
    most = 100 if case.runtime == "runc" else 200
    if value > most:
        return invalid("memory.swappiness", f"{value} is above {most}", f"0 to {most}")
    answer = kept(case, "memory.swappiness", HINT, "memory.swappiness", str(value), "memory")
    return answer.changed(expectations=_instead_of_swap(case)) if _stands_for_swap(case) else answer


def _stands_for_swap(case: Case) -> bool:
    """Is `swappiness` 0 what `_unaccounted` leaves in the place of "no swap"; it has to be read back as such."""
    no_swap_limit = case.host.swap_accounting.value is False and case.get("memory", "swap") is None
    return no_swap_limit and case.get("memory", "swappiness") == 0 and (case.get("memory", "limit") or 0) > 0


def disable_oom_killer(case: Case) -> Outcome:
    """`disableOOMKiller`, bool -> v1 memory.oom_control 1; nothing on cgroup2."""
    if case.get("memory", "disableOOMKiller") is False:
        return Outcome(notes=(note("memory.disableOOMKiller", "default", HINT, KEPT, "false is the kernel's default"),))
    if case.host.version("memory") != (1 if case.v1 else 2):
        return absent_hint(case, "memory", "memory.disableOOMKiller")
    if not case.v1:
        return dropped("memory.disableOOMKiller", "oom-killer", "cgroup2 cannot switch the OOM killer off")
    shown = "oom_kill_disable 1"  # one line of several
    return kept(case, "memory.disableOOMKiller", HINT, "memory.oom_control", shown, "memory", "contains")


def use_hierarchy(case: Case) -> Outcome:
    """`useHierarchy`, bool -> v1 memory.use_hierarchy, 1 only since kernel 5.11; cgroup2 is always hierarchical."""
    value, field = case.get("memory", "useHierarchy"), "memory.useHierarchy"
    if case.runtime == "runc":
        told = (note(field, "hierarchy", HINT, KEPT, "runc does not read it"),)
        if case.v1 and case.host.version("memory") == 1:  # what the kernel has by itself is read back
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


def check_before_update(case: Case) -> Outcome:
    """`checkBeforeUpdate`, bool: compare with the usage before lowering a limit; the v1 kernel does so by itself."""
    field = "memory.checkBeforeUpdate"
    if not case.get("memory", "checkBeforeUpdate"):
        return Outcome(notes=(note(field, "default", HINT, KEPT, "false is the default"),))
    if case.v1:
        return Outcome(
            notes=(note(field, "checked-by-kernel", HINT, KEPT, "v1 refuses a limit below usage by itself"),)
        )
    if case.runtime != "runc" and case.host.swap_accounting.value is False:
        reason = "crun would look for memory.swap.current, which is missing where swap is not accounted"
        return dropped(field, "check-needs-swap", reason)
    return Outcome(notes=(note(field, "honoured", HINT, KEPT, "the runtime compares with memory.current"),))


# `swap` comes before `limit`: it is counted from the limit, also from one that the next rule takes out.
RULES: tuple[Rule, ...] = (
    Rule(field="memory.swap", apply=swap, probes=(SWAP_V1, SWAP_V2)),
    Rule(field="memory.limit", apply=limit, probes=(SWAP_V1, SWAP_V2)),
    Rule(field="memory.reservation", apply=reservation),
    Rule(field="memory.kernel", apply=kernel, probes=("memory.kmem.limit_in_bytes",)),
    Rule(field="memory.kernelTCP", apply=kernel_tcp, probes=("memory.kmem.tcp.limit_in_bytes",)),
    Rule(field="memory.swappiness", apply=swappiness),
    Rule(field="memory.disableOOMKiller", apply=disable_oom_killer),
    Rule(field="memory.useHierarchy", apply=use_hierarchy),
    Rule(field="memory.checkBeforeUpdate", apply=check_before_update, probes=(SWAP_V1, SWAP_V2)),
)
