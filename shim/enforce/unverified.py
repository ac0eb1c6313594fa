"""The refusals for limits that cannot be verified. Imported only then."""

from __future__ import annotations

from shim.errors import ShimError
from shim.planning import settings
from shim.rules.base import GUARD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.enforce.follow_up import Notices
    from shim.enforce.verify import Finding
    from shim.planning.rewrite import Rewrite


def without_process(container: str, made: Rewrite, said: str) -> Notices:
    """Judge a container whose init cannot be found, so that no limit can be set or read back.

    said: the answer of the runtime's own `state`. Raises ShimError `no-process` for guards, unless the policy is
    `warn`.
    """
    limits = (*made.plan.expectations, *made.plan.bridge)
    fields = ", ".join(dict.fromkeys(limit.field for limit in limits if limit.kind == GUARD))
    if not fields or made.policy == settings.WARN:
        what = fields or ", ".join(dict.fromkeys(limit.field for limit in limits))
        return [("warning" if fields else "info", f"cgshim: {what} could not be read back: no process: {said}")]
    raise ShimError(
        "no-process",
        f"no process of container {container} was found, so {fields} could not be read back{_outcome(made)}",
        cause=f"{made.asked.runtime} reported success, but neither its pid file nor its state has a pid",
        evidence=(said,),
        remedy=(
            "check whether the container's init was killed immediately (`dmesg` names those that the OOM killer ended)",
            settings.acceptance(made.trusting),
        ),
    )


def not_applied(lost: tuple[Finding, ...], made: Rewrite) -> ShimError:
    """Return the refusal: the value that was asked for, and the file with the value that it shows."""
    first = lost[0]
    more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
    return ShimError(
        "limit-not-applied",
        f"the kernel does not show {first.expectation.field}{more}{_outcome(made)}",
        cause=f"{made.asked.runtime} reported success, but the container's cgroup does not show the limit",
        evidence=tuple(finding.text() for finding in lost),
        remedy=(
            "update the runtime, or leave the field out: this runtime ignores or alters it",
            settings.acceptance(made.trusting),
        ),
    )


def not_read(unread: tuple[Finding, ...], made: Rewrite) -> ShimError:
    """Return the refusal for limits of which nothing shows whether they are there."""
    first, more = unread[0], f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
    return ShimError(
        "limit-not-read",
        f"{first.expectation.field}{more} could not be read back{_outcome(made)}",
        cause=f"{made.asked.runtime} reported success, but nothing shows that the limit is there",
        evidence=(*(finding.text() for finding in unread), f"view of the cgroups: {made.host.cgroup_view.evidence}"),
        remedy=(
            "check whether the container's init was killed immediately (`dmesg` names those that the OOM killer ended)",
            "mount the container's cgroup hierarchy where cgshim runs (cgshimctl doctor shows what is mounted)",
            settings.acceptance(made.trusting),
        ),
    )


def _outcome(made: Rewrite) -> str:
    """Return the fate of the container, as the end of a sentence."""
    if made.asked.command == "update":
        return "; the update was not undone"
    return f", so the container was {'stopped' if made.asked.command == 'restore' else 'not started'}"
