"""CPU time: the quota as microseconds a second, whatever the period; the weight as v1's shares or v2's weights."""

from __future__ import annotations

from shim.audit.limit import AT_MOST, EXACT, NONE, ONE_OF, Kind, Limit
from shim.audit.numbers import integer, last_option, positive, present, quantity, section, shown
from shim.rules.weights import LEAST, MOST, weight_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.audit.limit import Found

SECOND = 1_000_000
PERIOD = 100_000  # the kernel's default
LIMITS = (
    Limit(
        key="cpu.quota",
        unit="cpus",
        order=AT_MOST,
        controller="cpu",
        field="cpu.quota",
        property=("CPUQuota",),
        erased=True,
        always=True,
    ),
    Limit(
        key="cpu.weight",
        unit="weight",
        order=ONE_OF,
        controller="cpu",
        field="cpu.shares",
        free=("100", "1024"),
        hint=True,
        property=("CPUWeight", "CPUShares"),
    ),
    Limit(key="cpu.period", unit="", order=EXACT, controller="cpu", field="cpu.period", free=(PERIOD,), hint=True),
    Limit(
        key="cpu.burst", unit="", order=EXACT, controller="cpu", field="cpu.burst", free=(0,), hint=True, erased=True
    ),
    Limit(key="cpu.idle", unit="", order=EXACT, controller="cpu", field="cpu.idle", free=(0,), hint=True, erased=True),
)
V1 = ("cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares", "cpu.cfs_burst_us", "cpu.idle")
V2 = ("cpu.max", "cpu.weight", "cpu.max.burst", "cpu.idle")


def linear(shares: int) -> int:
    """The older formula from shares to weight (runc up to 1.3.1, crun up to 1.22)."""
    return 1 + (shares - LEAST) * 9999 // (MOST - LEAST)


def weights(shares: int | None, version: int) -> str | None:
    """Return the values that the kernel may show for shares: clamped on v1, either formula's weight on v2."""
    if shares is None or shares <= 0:
        return None
    inside = min(max(shares, LEAST), MOST)
    return str(inside) if version != 2 else f"{linear(inside)}|{weight_of(inside)}"


def rate(quota: int | None, period: int | None) -> int | None:
    """Return microseconds a second."""
    if quota is None or quota == NONE:
        return quota
    return quota * SECOND // (period if period and period > 0 else PERIOD)


def _named(quota: int | None, period: int | None, shares: int | None, version: int) -> Found:
    alone = period if quota is None and period not in (None, PERIOD) else None
    return present({"cpu.quota": rate(quota, period), "cpu.period": alone, "cpu.weight": weights(shares, version)})


def _oci(resources: dict[str, Any], version: int) -> Found:
    cpu, unified = section(resources, "cpu"), section(resources, "unified")
    found = _named(positive(cpu.get("quota")), positive(cpu.get("period")), positive(cpu.get("shares")), version)
    found.update(present({"cpu.burst": positive(cpu.get("burst")), "cpu.idle": positive(cpu.get("idle"))}))
    if isinstance(unified.get("cpu.max"), str):
        found.update(_of_max(unified["cpu.max"]))
    weight = shown(unified.get("cpu.weight"))
    if weight is not None:
        found["cpu.weight"] = str(weight if version == 2 else round(weight * 1024 / 100))
    return found


def _of_max(text: str) -> Found:
    words = text.split()
    if not words:
        return {}
    quota = NONE if words[0] == "max" else integer(words[0])
    return present({"cpu.quota": rate(quota, integer(words[1]) if len(words) > 1 else None)})


def _docker(host: dict[str, Any], version: int) -> Found:
    found = _named(
        positive(host.get("CpuQuota")), positive(host.get("CpuPeriod")), positive(host.get("CpuShares")), version
    )
    nano = positive(host.get("NanoCpus"))
    if nano is not None and nano != NONE:
        found["cpu.quota"] = nano * PERIOD // 10**9 * SECOND // PERIOD
    return found


def _podman(options: dict[str, list[str]], version: int) -> Found:
    def number(*names: str) -> int | None:
        return positive(integer(last_option(options, *names)))

    found = _named(number("--cpu-quota"), number("--cpu-period"), number("--cpu-shares"), version)
    cpus = quantity(last_option(options, "--cpus") or 0, PERIOD)
    if cpus is not None and cpus > 0:
        found["cpu.quota"] = cpus * SECOND // PERIOD
    return found


def _cri(asked: dict[str, Any], version: int) -> Found:
    found = _named(
        positive(asked.get("cpu_quota")), positive(asked.get("cpu_period")), positive(asked.get("cpu_shares")), version
    )
    return {**found, **_oci({"unified": section(asked, "unified")}, version)}


def _runc(groups: dict[str, Any], version: int) -> Found:
    found = _named(
        positive(groups.get("cpu_quota")),
        positive(groups.get("cpu_period")),
        positive(groups.get("cpu_shares")),
        version,
    )
    weight = positive(groups.get("cpu_weight"))
    if version == 2 and weight is not None:
        found["cpu.weight"] = str(weight)
    found.update(
        present({"cpu.burst": positive(groups.get("cpu_burst")), "cpu.idle": positive(groups.get("cpu_idle"))})
    )
    return {**found, **_oci({"unified": section(groups, "unified")}, version)}


def _unit(settings: dict[str, str], version: int) -> Found:
    """CPUQuota=50% is half a CPU; CPUQuotaPerSecUSec=, if a file has it, is microseconds or `infinity`."""
    percents = quantity(settings.get("CPUQuota", "").rstrip("%"), SECOND // 100)
    name = "CPUWeight" if version == 2 else "CPUShares"
    return present({"cpu.quota": percents, "cpu.weight": settings.get(name) or None})


def _pod(limits: dict[str, Any], version: int) -> Found:
    del version
    return present({"cpu.quota": quantity(limits["cpu"], SECOND) if "cpu" in limits else None})


def _v1(files: dict[str, str]) -> Found:
    quota, period = integer(files.get("cpu.cfs_quota_us")), integer(files.get("cpu.cfs_period_us"))
    shares = (files.get("cpu.shares") or "").strip()
    return present(
        {
            "cpu.quota": rate(NONE if quota is not None and quota < 0 else quota, period),
            "cpu.period": period,
            "cpu.weight": shares or None,
            "cpu.burst": integer(files.get("cpu.cfs_burst_us")),
            "cpu.idle": integer(files.get("cpu.idle")),
        }
    )


def _v2(files: dict[str, str]) -> Found:
    words = files.get("cpu.max", "").split()
    weight = (files.get("cpu.weight") or "").strip()
    return {
        **_of_max(files.get("cpu.max", "")),
        **present(
            {
                "cpu.period": integer(words[1]) if len(words) > 1 else None,
                "cpu.weight": weight or None,
                "cpu.burst": integer(files.get("cpu.max.burst")),
                "cpu.idle": integer(files.get("cpu.idle")),
            }
        ),
    }


KIND = Kind(
    limits=LIMITS,
    files={1: V1, 2: V2},
    oci=_oci,
    docker=_docker,
    podman=_podman,
    cri=_cri,
    runc=_runc,
    unit=_unit,
    pod=_pod,
    kernel={1: _v1, 2: _v2},
)
