"""`linux.resources.memory.swap` (OCI runtime-spec, config-linux.md, "Memory").

Kernel: Documentation/admin-guide/cgroup-v1/memory.rst "Memory+swap extension", cgroup-v2.rst "Memory Interface Files".
Bytes of memory plus swap in OCI and on v1, of swap alone on cgroup2.
"""

from __future__ import annotations

from shim.rules.base import CHANGED, GUARD, KEPT, UNENFORCEABLE, Case, Edit, Outcome
from shim.rules.memory import SWAP_V1, SWAP_V2, any_negative, expect, instead_of_swap
from shim.rules.outcomes import absent_guard, invalid, kept, lifted, note, removed
from shim.rules.reachable import reach
from shim.rules.sizes import NO_HOST_HAS, with_unit

SWAPPED_UNDER_PRESSURE = "swapping of this container under host-wide memory pressure"
NO_LIMIT = (1 << 63) - (1 << 12)  # PAGE_COUNTER_MAX (include/linux/page_counter.h) in bytes, with pages of 4 KiB


def swap(case: Case) -> Outcome:
    """`swap`, int64 bytes of memory plus swap, -1 unlimited -> v1 memory.memsw.limit_in_bytes, v2 memory.swap.max.

    cgroup2 gets the difference from `limit`. Without swap accounting neither file exists.
    """
    value, most = case.get("memory", "swap"), case.get("memory", "limit") or 0
    if value < -1 and not any_negative(case, "swap"):
        return invalid("memory.swap", f"{value} is not a valid size", "bytes of memory plus swap, or -1 for unlimited")
    if value == 0:
        return _zero_swap(case, most)
    if value < 0 or (case.v1 and value >= most >= NO_LIMIT):  # v1 cannot express "no swap" beside unlimited memory
        return _unlimited_swap(case)
    if most > 0 and value < most:
        what = f"{value} is less than memory.limit {most}, and swap is memory plus swap"
        return invalid("memory.swap", what, f"at least {most}; {most} means no swap at all")
    if not reach(case, "memory"):
        if case.host.version("memory") == 2 and case.host.swap_accounting.value is False:
            return _unaccounted(case, value - max(most, 0))
        expected = expect("memory.swap", SWAP_V2, str(value - max(most, 0))) if most else ()
        return absent_guard(case, "memory", "memory.swap", f"swap above {with_unit(value - max(most, 0))}", expected)
    if most <= 0:
        return _swap_alone(case, value, most)
    if case.host.swap_accounting.value is False:
        return _unaccounted(case, value - most)
    if case.v1:
        return kept(case, "memory.swap", GUARD, SWAP_V1, str(value), "memory", "page")
    return kept(case, "memory.swap", GUARD, SWAP_V2, str(value - most), "memory", "page")


def _zero_swap(case: Case, most: int) -> Outcome:
    if case.runtime.zero_is_unset:
        return Outcome(notes=(note("memory.swap", "zero-unset", GUARD, KEPT, "runc takes 0 as unset"),))
    if most > 0 and not (case.v1 and most >= NO_HOST_HAS):
        return _as_much_as_memory(case, most)
    if not reach(case, "memory"):
        if case.host.version("memory") == 2 and case.host.swap_accounting.value is False:
            return _unaccounted(case, 0)
        if case.host.version("memory") == 0 and case.host.swap_present.value is False:
            reason = f"crun takes 0 as no swap, and the host has none ({case.host.swap_present.evidence})"
            return removed("memory.swap", "swap-absent", GUARD, reason)
        expected = expect("memory.swap", SWAP_V2, "0")
        return absent_guard(case, "memory", "memory.swap", "swap above 0 bytes", expected)
    if case.v1:
        reason = "v1 kernels refuse 0 (memory.memsw.limit_in_bytes, EINVAL); swappiness 0 is the nearest to no swap"
        return _swappiness(reason)
    if case.host.swap_accounting.value is False:
        return _unaccounted(case, 0)
    told = (note("memory.swap", "zero-swap", GUARD, KEPT, "crun takes 0 as no swap"),)
    return Outcome(notes=told, expectations=expect("memory.swap", SWAP_V2, "0"))


def _as_much_as_memory(case: Case, most: int) -> Outcome:
    """No swap beside a limit, in the form that every crun understands."""
    edits = (Edit(op="set", path=("memory", "swap"), value=most),)
    reason = f"crun takes 0 as no swap, but not in every version; swap == limit ({most}) means the same everywhere"
    then = swap(case.changed(resources={**case.resources, "memory": {**case.get("memory"), "swap": most}}))
    first = note("memory.swap", "zero-swap", GUARD, CHANGED, reason)
    return Outcome(
        edits=then.edits or edits,
        notes=(first, *(n for n in then.notes if n.effect != KEPT)),
        expectations=then.expectations,
    )


def _unlimited_swap(case: Case) -> Outcome:
    if not reach(case, "memory"):
        answer = removed("memory.swap", "swap-unlimited", GUARD, "unlimited needs no memory controller")
        if case.host.swap_accounting.value is False:
            return answer
        return lifted(case, answer, expect("memory.swap", SWAP_V2, "max"))
    if case.host.swap_accounting.value is False:
        reason = f"swap is not accounted here ({case.host.swap_accounting.evidence}), so it is unlimited anyway"
        return removed("memory.swap", "swap-unlimited", GUARD, reason)
    return kept(case, "memory.swap", GUARD, SWAP_V1 if case.v1 else SWAP_V2, "max", "memory", "page")


def _swap_alone(case: Case, value: int, most: int) -> Outcome:
    """A number for `swap` without a finite `limit` to subtract from it."""
    if case.operation == "update" and most == 0:
        return _swap_of_a_running_container(case, value)
    if case.v1 and most < 0 and value >= NO_LIMIT:
        return _unlimited_swap(case)
    if case.v1 or most == 0:
        what = f"{value} is set without a memory.limit, which kernel and runtimes refuse"
        return invalid("memory.swap", what, "set memory.limit too, or leave memory.swap out")
    if case.host.swap_accounting.value is False:
        return _unaccounted(case, value)
    if case.get("unified", SWAP_V2):
        reason = f"unified.{SWAP_V2} names the same limit, and unified wins, as in the runtimes"
        return removed("memory.swap", "unified-wins", GUARD, reason)
    if case.runtime.swap_alone:
        return kept(case, "memory.swap", GUARD, SWAP_V2, str(value - most), "memory", "page")  # crun subtracts even -1
    reason = "with memory.limit -1 the number is swap alone, which runc before 1.2.1 refuses; cgroup2's own key says it"
    return Outcome(
        edits=(
            Edit(op="remove", path=("memory", "swap")),
            Edit(op="set", path=("unified", SWAP_V2), value=str(value)),
        ),
        notes=(note("memory.swap", "swap-alone", GUARD, CHANGED, reason),),
        expectations=expect("memory.swap", SWAP_V2, str(value)),
    )


def _swap_of_a_running_container(case: Case, value: int) -> Outcome:
    """An update with `swap` and no `limit`: v1 shows the sum, whatever the limit is; cgroup2 shows the difference."""
    if value >= NO_LIMIT:
        then, reason = _unlimited_swap(case), f"{value} means no limit, and -1 means that to every runtime"
        edits = then.edits or (Edit(op="set", path=("memory", "swap"), value=-1),)
        return then.changed(edits=edits, notes=(note("memory.swap", "swap-unlimited", GUARD, CHANGED, reason),))
    if case.host.swap_accounting.value is False:
        return _unaccounted(case, value, f"memory plus swap above {with_unit(value)}")
    reason = "the container's own memory limit decides; it is not part of this update"
    if case.v1:
        expected = expect("memory.swap", SWAP_V1, str(value), 1)
    else:  # the runtime subtracts the limit as it was written, the kernel shows it rounded down to a page
        (both,) = expect("memory.swap", SWAP_V2, str(value))
        # A key of `unified` may replace its memory.max only after that; then the swap is less than it could be.
        shape = "at-most" if case.get("unified", "memory.max") else "pages"
        expected = (both.changed(shape=shape, beyond="memory.max"),)
    return Outcome(notes=(note("memory.swap", "swap-alone", GUARD, KEPT, reason),), expectations=expected)


def _unaccounted(case: Case, allowed: int, lost: str = "") -> Outcome:
    """Swap is limited to `allowed` bytes, but this kernel does not account for swap."""
    if allowed >= NO_HOST_HAS:
        return _unlimited_swap(case)
    drop = Edit(op="remove", path=("memory", "swap"))
    accounting, present = case.host.swap_accounting, case.host.swap_present
    if present.value is False:
        reason = f"swap is not accounted ({accounting.evidence}), but the host has none ({present.evidence})"
        return Outcome(edits=(drop,), notes=(note("memory.swap", "swap-absent", GUARD, CHANGED, reason),))
    if case.host.version("memory") == 1 and allowed == 0:
        reason = f"swap is not accounted ({accounting.evidence}); swappiness 0 is the nearest equivalent on v1"
        return _swappiness(reason)
    lost = lost or f"swap above {with_unit(allowed)}"
    reason = f"this kernel does not account for swap ({accounting.evidence}) and the host has swap"
    return Outcome(
        edits=(drop,),
        notes=(note("memory.swap", "swap-unaccounted", GUARD, UNENFORCEABLE, reason, lost),),
    )


def _swappiness(reason: str) -> Outcome:
    """Set swappiness 0 in place of "no swap"."""
    return Outcome(
        edits=(
            Edit(op="remove", path=("memory", "swap")),
            Edit(op="set", path=("memory", "swappiness"), value=0),
        ),
        notes=(note("memory.swap", "swap-by-swappiness", GUARD, CHANGED, reason, SWAPPED_UNDER_PRESSURE),),
        expectations=instead_of_swap(),
    )
